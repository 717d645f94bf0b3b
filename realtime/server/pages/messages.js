import { fold, messageOf } from "./events.js";
import { Model } from "./model.js";
import { explain } from "./retry.js";

const PAGE = 50;
const KEPT_MAX = 500;

/**
 * A part of a channel's log, read page by page and kept as it is now: the room, or one thread.
 *
 * `read({limit, before | after | around})` answers a page as `chat.history` does; `takes(message)`
 * says whether a new message belongs here. `older` is where there is more above, 0 at the
 * beginning; `newer` where there is more below, null at the newest, where new messages are added.
 */
export class Messages extends Model {
  loaded = false;
  loading = false;
  problem = "";
  older = 0;
  newer = null;
  #me; #read; #takes; #views = new Map(); #turn = 0;

  constructor(me, { read, takes }) {
    super();
    this.#me = me;
    this.#read = read;
    this.#takes = takes;
  }

  list() {
    return [...this.#views.values()].sort((a, b) => a.offset - b.offset);
  }

  get(offset) {
    return this.#views.get(offset);
  }

  takes(message) {
    return this.#takes(message);
  }

  /** What is here is of a log that is no more. */
  drop() {
    this.#turn += 1; // nor is what is being read
    this.#views.clear();
    Object.assign(this, { loaded: false, loading: false, problem: "", older: 0, newer: null });
  }

  /** Reads the newest page or the one `around` an offset afresh, or adds one to what is here. */
  async load(place = {}) {
    const adds = "before" in place || "after" in place;
    if (adds && this.loading) return;
    const turn = ++this.#turn;
    this.loading = true;
    this.changed();
    try {
      const page = await this.#read({ limit: PAGE, ...place });
      if (turn === this.#turn) this.#put(page, place, adds);
    } catch (error) {
      if (turn === this.#turn) this.problem = explain(error);
    }
    if (turn === this.#turn) this.loading = false;
    this.changed();
  }

  #put({ messages, head, older = 0, newer = null }, place, adds) {
    // What came meanwhile is newer than the newest page, and stays.
    const last = newer === null && this.newer === null ? head : Infinity;
    for (const offset of adds ? [] : [...this.#views.keys()]) {
      if (offset <= last) this.#views.delete(offset);
    }
    for (const message of messages) this.#views.set(message.offset, { ...message, asOf: head });
    if (!("after" in place)) this.older = older;
    if (!("before" in place)) this.newer = newer;
    this.loaded = true;
    this.problem = "";
    this.#forget("before" in place);
  }

  /** What is far above or below is read again when it is wanted. */
  #forget(newest) {
    const offsets = this.list().map(({ offset }) => offset);
    const surplus = offsets.length - KEPT_MAX;
    if (surplus <= 0) return;
    const dropped = newest ? offsets.slice(-surplus) : offsets.slice(0, surplus);
    dropped.forEach((offset) => this.#views.delete(offset));
    if (newest) this.newer = dropped[0] - 1;
    else this.older = dropped.at(-1) + 1;
  }

  /** Takes an entry of the log, in its order. A page may have shown it already. */
  take(entry) {
    const target = this.#views.get(entry.ref);
    if (target && entry.offset > target.asOf) {
      this.#views.set(entry.ref, { ...fold(target, entry, this.#me), asOf: entry.offset });
    }
    if (entry.kind === "message") this.add(messageOf(entry));
    this.changed();
  }

  /** Shows a message as it is after the entry `asOf`. */
  put(message, asOf) {
    this.#views.set(message.offset, { ...message, asOf });
    this.changed();
  }

  /** Shows a new message, unless it is shown, belongs elsewhere, or there is a gap before it. */
  add(message) {
    if (this.newer !== null || this.#views.has(message.offset) || !this.#takes(message)) return;
    this.put(message, message.offset);
    this.#forget(false);
  }
}
