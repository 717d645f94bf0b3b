import { Model } from "./model.js";
import { explain } from "./retry.js";

const ITEMS_MAX = 100;
const RESEND_MS = 2_000;

/**
 * Writes that the hub has not answered yet: `{id, method, params, at, state, problem}`, in order.
 *
 * `state` is "waiting", "sending" or "failed" (refused for good). They are kept in the browser's
 * storage, so they outlive a reload, and are sent again with the same `client_id` whenever nobody
 * knows what became of them: the hub stores each once. `onDone(item, result)` is told of success.
 */
export class Outbox extends Model {
  #items = new Map(); #prefix; #call; #isReady; #onDone; #lanes = new Set();

  constructor(user, { call, isReady, onDone }) {
    super();
    this.#prefix = `outbox/${user}/`;
    this.#call = call;
    this.#isReady = isReady;
    this.#onDone = onDone;
    Object.keys(localStorage)
      .filter((key) => key.startsWith(this.#prefix))
      .map((key) => JSON.parse(localStorage.getItem(key)))
      .sort((a, b) => a.at - b.at)
      .forEach((item) => this.#items.set(item.id, { ...item, state: "waiting" }));
  }

  /** What waits for a channel, or for a feed: see `laneOf`. */
  of(lane) {
    return [...this.#items.values()].filter((item) => laneOf(item) === lane);
  }

  /** False when too much is waiting already. */
  add(method, params) {
    if (this.#items.size >= ITEMS_MAX) return false;
    const id = crypto.randomUUID();
    const item = { id, method, params: { ...params, client_id: id }, at: Date.now() };
    localStorage.setItem(this.#prefix + id, JSON.stringify(item));
    this.#items.set(id, { ...item, state: "waiting" });
    this.changed();
    this.flush();
    return true;
  }

  /** Sends a refused one again. */
  retry(id) {
    this.#items.get(id).state = "waiting";
    this.changed();
    this.flush();
  }

  drop(id) {
    localStorage.removeItem(this.#prefix + id);
    this.#items.delete(id);
    this.changed();
  }

  flush() {
    for (const lane of new Set([...this.#items.values()].map(laneOf))) this.#flushLane(lane);
  }

  /** One at a time, so that messages reach a log in the order they were written. */
  async #flushLane(lane) {
    if (this.#lanes.has(lane)) return;
    this.#lanes.add(lane);
    let item;
    while (this.#isReady() && (item = this.of(lane).find(({ state }) => state === "waiting"))) {
      item.state = "sending";
      try {
        this.#onDone(item, await this.#call(item.method, item.params));
        this.drop(item.id);
      } catch (error) {
        item.state = error.retry ? "waiting" : "failed";
        item.problem = explain(error);
        this.changed();
        if (error.retry) {
          setTimeout(() => this.flush(), RESEND_MS);
          break;
        }
      }
    }
    this.#lanes.delete(lane);
  }
}

function laneOf({ params }) {
  return params.channel ?? params.namespace;
}
