import { CONNECTION_LOST, WireError, backoff } from "./retry.js";

const STATE_INVALIDATED = 2502;

/**
 * One channel on one connection. It keeps its position in the channel's log, so that after a
 * reconnect the hub sends what was missed, or says that it cannot.
 *
 * Handlers, all optional:
 * `subscribed({recovered, publications})`: live from here on. With `recovered`, `publications` are
 *   all that was missed; without it, load the state anew, for example with `history()`.
 * `publication({data, info, offset})`: one message, in the order of the log.
 * `members(map, change)`: who is here, by client id; `change` is `{joined}`, `{left}` or absent.
 * `failed(error)`: the hub refused for good.
 */
export class Subscription {
  subscribed = false;
  position = null;
  #send; #handlers; #active = true; #attempt = 0; #retryTimer; #members = new Map();

  /** `send(method, params, done)` calls `done(error, result)` exactly once. */
  constructor(channel, handlers, send) {
    this.channel = channel;
    this.#handlers = handlers;
    this.#send = send;
  }

  /** Fulfilled once the hub has stored the message; rejected with a `WireError`. */
  publish(data) {
    return this.#request("publish", { channel: this.channel, data });
  }

  /** `{publications, epoch, offset}`; `since` (a position) is exclusive. */
  history(limit, { since, reverse = false } = {}) {
    return this.#request("history", { channel: this.channel, limit, since, reverse });
  }

  // The rest is for `Connection`.

  start() {
    if (!this.#active) return;
    clearTimeout(this.#retryTimer);
    const recover = this.position ? { recover: true, ...this.position } : {};
    this.#send("subscribe", { channel: this.channel, ...recover }, (error, result) => {
      if (!this.#active || error?.code === CONNECTION_LOST) return;
      if (error) this.#refused(error);
      else this.#live(result);
    });
  }

  stop() {
    this.#active = false;
    this.subscribed = false;
    clearTimeout(this.#retryTimer);
  }

  lost(dropPosition = false) {
    if (dropPosition) this.position = null;
    clearTimeout(this.#retryTimer);
    this.subscribed = false;
  }

  push({ pub, join, leave, unsubscribe }) {
    if (!this.subscribed) return;
    if (pub) {
      this.#advance(pub);
      this.#handlers.publication?.(pub);
    } else if (join) {
      this.#members.set(join.info.client, join.info);
      this.#handlers.members?.(this.#members, { joined: join.info });
    } else if (leave) {
      this.#members.delete(leave.info.client);
      this.#handlers.members?.(this.#members, { left: leave.info });
    } else if (unsubscribe) {
      this.lost(unsubscribe.code === STATE_INVALIDATED);
      if (unsubscribe.code >= 2500) this.start();
      else this.#refused(new WireError(unsubscribe.code, unsubscribe.reason));
    }
  }

  #live(result) {
    this.#attempt = 0;
    this.subscribed = true;
    const { epoch = "", offset = 0, recoverable, recovered = false } = result;
    this.position = recoverable ? { epoch, offset } : null;
    const publications = (recovered && result.publications) || [];
    publications.forEach((publication) => this.#advance(publication));
    this.#handlers.subscribed?.({ recovered, publications });
    if (this.#handlers.members) this.#loadMembers();
  }

  #advance({ offset }) {
    if (offset && this.position) this.position.offset = offset;
  }

  #refused(error) {
    if (error.retry) {
      this.#retryTimer = setTimeout(() => this.start(), backoff(this.#attempt++));
    } else {
      this.stop();
      this.#handlers.failed?.(error);
    }
  }

  /** Joins and leaves that follow the reply are applied after it: replies call back at once. */
  #loadMembers() {
    this.#send("presence", { channel: this.channel }, (error, result) => {
      if (error || !this.subscribed) return;
      this.#members = new Map(Object.entries(result.presence));
      this.#handlers.members(this.#members);
    });
  }

  #request(method, params) {
    return new Promise((resolve, reject) => {
      this.#send(method, params, (error, result) => (error ? reject(error) : resolve(result)));
    });
  }
}
