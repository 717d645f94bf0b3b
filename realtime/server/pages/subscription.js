import { CONNECTION_LOST, WireError, backoff } from "./retry.js";

const STATE_INVALIDATED = 2502;

/**
 * One channel on one connection. It keeps its position in the channel's log, so that after a
 * reconnect the hub sends what was missed, or says that it cannot.
 *
 * Handlers:
 * `subscribed({recovered, publications, epoch})`: live from here on. With `recovered`,
 *   `publications` are all that was missed; without it, load the state anew. Offsets of another
 *   `epoch` are of another log.
 * `publication({data, info, offset, tags})`: one entry, in the order of the log, or without an
 *   offset a signal, which is not in the log and may get lost.
 * `failed(error)`: the hub refused for good, or has ended it.
 */
export class Subscription {
  subscribed = false;
  position = null;
  #send; #handlers; #active = true; #attempt = 0; #retryTimer;

  /** `send(method, params, done)` calls `done(error, result)` exactly once. */
  constructor(channel, handlers, send) {
    this.channel = channel;
    this.#handlers = handlers;
    this.#send = send;
  }

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
    this.lost();
  }

  lost(dropPosition = false) {
    if (dropPosition) this.position = null;
    clearTimeout(this.#retryTimer);
    this.subscribed = false;
  }

  push({ pub, unsubscribe }) {
    if (!this.subscribed) return;
    if (pub) {
      this.#advance(pub);
      this.#handlers.publication(pub);
    } else if (unsubscribe) {
      this.lost(unsubscribe.code === STATE_INVALIDATED);
      if (unsubscribe.code >= 2500) this.start();
      else this.#refused(new WireError(unsubscribe.code, unsubscribe.reason));
    }
  }

  #live({ epoch = "", offset = 0, recoverable, recovered = false, publications = [] }) {
    this.#attempt = 0;
    this.subscribed = true;
    this.position = recoverable ? { epoch, offset } : null;
    const missed = recovered ? publications : [];
    missed.forEach((publication) => this.#advance(publication));
    this.#handlers.subscribed({ recovered, publications: missed, epoch });
  }

  #advance({ offset }) {
    if (offset && this.position) this.position.offset = offset;
  }

  #refused(error) {
    if (error.retry) {
      this.#retryTimer = setTimeout(() => this.start(), backoff(this.#attempt++));
    } else {
      this.stop();
      this.#handlers.failed(error);
    }
  }
}
