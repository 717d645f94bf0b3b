import { Model } from "./model.js";

const LISTED_MAX = 100;
const WATCHED_MAX = 200;
const WATCH_S = 300;
const RENEW_MS = 240_000;
const NOBODY = { name: "", state: "offline", since: 0 };

/** What users are called, and whether they are here: looked up for whoever is shown. */
export class Users extends Model {
  #call; #names = new Map(); #wanted = new Set(); #presences = new Map(); #watched = new Map();
  #renewTimer;

  constructor(call) {
    super();
    this.#call = call;
  }

  /** The user's id until the hub has told the name. */
  name(id) {
    if (!this.#names.has(id)) this.#want(id);
    return this.#names.get(id) || id;
  }

  /** `{state: "active" | "background" | "away" | "offline", since}`, of those who are watched. */
  presence(id) {
    const presence = this.#presences.get(id) ?? NOBODY;
    return presence.valid_until < Date.now() ? NOBODY : presence;
  }

  #want(id) {
    this.#names.set(id, ""); // asked for once
    if (this.#wanted.size === 0) setTimeout(() => this.#look());
    this.#wanted.add(id);
  }

  async #look() {
    const ids = [...this.#wanted];
    this.#wanted.clear();
    try {
      for (let start = 0; start < ids.length; start += LISTED_MAX) {
        const page = ids.slice(start, start + LISTED_MAX);
        const { users } = await this.#call("user.list", { ids: page });
        for (const { user, name } of users) this.#names.set(user, name);
      }
      this.changed();
    } catch {
      ids.forEach((id) => this.#names.delete(id)); // the next drawing asks again
    }
  }

  /** Wants to know whether these are here; `who` asks says it for all of its users at once. */
  attend(who, ids) {
    const before = this.#watched.get(who);
    if (ids.length === before?.length && ids.every((id) => before.includes(id))) return;
    this.#watched.set(who, ids);
    this.renew();
  }

  /** A watch ends with the connection, and after some minutes. */
  async renew() {
    clearTimeout(this.#renewTimer);
    this.#renewTimer = setTimeout(() => this.renew(), RENEW_MS);
    const ids = [...new Set([...this.#watched.values()].flat())].slice(0, WATCHED_MAX);
    if (ids.length === 0) return;
    try {
      this.presenceHint(await this.#call("presence.watch", { users: ids, ttl: WATCH_S }));
    } catch {
      // It is renewed after the next connect, and in some minutes anyway.
    }
  }

  presenceHint({ users }) {
    for (const presence of users) this.#presences.set(presence.user, presence);
    this.changed();
  }
}
