const ITEMS_MAX = 100;
const RESEND_MS = 2_000;

/**
 * What the user has written and the log does not show yet: `{key, user, text, at, state}` in order.
 *
 * `state` is "queued", "sending", "sent" (stored, its publication is still to come) or "failed"
 * (refused for good). Items survive a reload of the page in the tab's own storage.
 */
export class Outbox {
  #items = new Map(); #user; #storageKey; #publish; #isReady; #onChange; #flushing = false;

  /** `publish(data)` is as in `Subscription`; `isReady()` says whether it is worth calling. */
  constructor(user, room, { publish, isReady, onChange }) {
    this.#user = user;
    this.#storageKey = `outbox/${user}/${room}`;
    this.#publish = publish;
    this.#isReady = isReady;
    this.#onChange = onChange;
    const saved = JSON.parse(sessionStorage.getItem(this.#storageKey) ?? "[]");
    saved.forEach((message) => this.#put(message));
  }

  items() {
    return [...this.#items.values()];
  }

  /** False when too much is waiting already. */
  add(text) {
    if (this.#items.size >= ITEMS_MAX) return false;
    this.#put({ text, id: crypto.randomUUID(), at: Date.now() });
    this.#save();
    this.flush();
    return true;
  }

  /** Sends a refused message again. */
  retry(key) {
    const item = this.#items.get(key);
    if (item?.state === "failed") item.state = "queued";
    this.flush();
  }

  /** The log shows it now. */
  delete(key) {
    if (this.#items.delete(key)) this.#save();
  }

  /** After a fresh read of the log: what was stored and is not on its newest page is further up. */
  forgetSent() {
    for (const { key, state } of this.items()) if (state === "sent") this.delete(key);
  }

  /** One at a time, so that messages reach the log in the order they were written. */
  async flush() {
    if (this.#flushing) return;
    this.#flushing = true;
    let item;
    while (this.#isReady() && (item = this.items().find(({ state }) => state === "queued"))) {
      item.state = "sending";
      try {
        await this.#publish({ text: item.text, id: item.id, at: item.at });
        item.state = "sent";
      } catch (error) {
        item.state = error.retry ? "queued" : "failed";
        item.problem = error.message;
        if (error.retry) {
          setTimeout(() => this.flush(), RESEND_MS);
          break;
        }
      } finally {
        this.#onChange();
      }
    }
    this.#flushing = false;
  }

  #put(message) {
    const key = `${this.#user}/${message.id}`;
    this.#items.set(key, { key, user: this.#user, ...message, state: "queued" });
  }

  #save() {
    const messages = this.items().map(({ text, id, at }) => ({ text, id, at }));
    sessionStorage.setItem(this.#storageKey, JSON.stringify(messages));
    this.#onChange();
  }
}
