/** Failures: what may be tried again, when, and what is said of them. The rules of every SDK. */

export const TIMED_OUT = 1; // codes below 100 are made by the client: the outcome is unknown
export const CONNECTION_LOST = 2;
export const TOKEN_EXPIRED = 109;

const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 20_000;

const SENTENCES = {
  archived: "This room is archived.",
  banned: "You are banned from this room.",
  blocked: "One of you has blocked the other.",
  direct: "That is for rooms, not for conversations of two.",
  full: "There is no room for more.",
  muted: "You are muted here.",
  not_a_member: "You are not in this room.",
  other_data: "This was sent before with another text.",
  owner: "You own this room. Give it to somebody else first.",
  rate: "That was too fast. Wait a moment.",
  role: "Your role does not allow that.",
  slow_mode: "Slow mode is on.",
  too_late: "It is too late to change that.",
  1: "The hub did not answer in time.",
  2: "There is no connection.",
  103: "You may not do that.",
  104: "This hub has no chat: no namespace in its settings has it.",
  404: "That is not there.",
  410: "That was deleted.",
  413: "That is too long.",
  2000: "You are not in this room any more.",
};

/** A refused or unanswered command. `retry` says that the same command may still succeed. */
export class WireError extends Error {
  constructor(code, message, temporary = false) {
    super(message);
    const details = Object.fromEntries(
      [...message.matchAll(/; (\w+)=([^;]*)/g)].map(([, name, value]) => [name, value]),
    );
    this.code = code;
    this.why = details.why ?? "";
    this.retryAfterMs = 1000 * (Number(details.retry_after) || 0);
    this.retry = temporary || code < 100 || code === TOKEN_EXPIRED;
  }
}

/** A sentence for the user. */
export function explain(error) {
  const sentence = SENTENCES[error.why] ?? SENTENCES[error.code] ?? `${error.message}.`;
  const seconds = Math.ceil((error.retryAfterMs ?? 0) / 1000);
  return seconds > 0 ? `${sentence} Again in ${seconds} s.` : sentence;
}

/** Close codes after which the hub does not want this client back. */
export function isFinal(code) {
  return code === 1009 || (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000);
}

/** Milliseconds to wait. Full jitter: not all clients of a restarted hub may return at once. */
export function backoff(attempt) {
  const spread = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** attempt);
  return Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS + Math.random() * spread);
}

export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
