/** What may be tried again after a failure, and when: the rules that every SDK follows. */

export const TIMED_OUT = 1; // codes below 100 are made by the client: the outcome is unknown
export const CONNECTION_LOST = 2;
export const TOKEN_EXPIRED = 109;

const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 20_000;

/** A refused or unanswered command. `retry` says that the same command may still succeed. */
export class WireError extends Error {
  constructor(code, message, temporary = false) {
    super(message);
    this.code = code;
    this.retry = temporary || code < 100 || code === TOKEN_EXPIRED;
  }
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
