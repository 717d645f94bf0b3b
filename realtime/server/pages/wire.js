/**
 * A small client of the Centrifugo client protocol v2 (JSON over a websocket): connect with a
 * token, subscribe, recover what was missed, and call the methods of the chat service.
 *
 * An app takes a published SDK instead (for the browser: `centrifuge`); this file is there so that
 * the page needs no build step, and to show how little the wire asks of a client.
 */

import {
  CONNECTION_LOST,
  TIMED_OUT,
  TOKEN_EXPIRED,
  WireError,
  backoff,
  isFinal,
  pause,
} from "./retry.js";
import { Subscription } from "./subscription.js";

const COMMAND_TIMEOUT_MS = 5_000;
const ATTEMPTS_MAX = 4; // of a call that the hub cannot answer now
const PING_GRACE_MS = 10_000; // how late a ping may be before the link counts as dead
const REFRESH_RETRY_S = 10;
const TIMER_MAX_MS = 2 ** 31 - 1; // a longer timer would fire at once
const STATE_INVALIDATED = 3014;

/**
 * One websocket that is opened again whenever it is lost.
 *
 * `getToken` is asked for a token when there is none or it has expired. `onState` gets
 * `{name: "connecting" | "connected" | "waiting" | "closed", …}`; "waiting" carries `attempt` and
 * `retryAt` (ms since 1970), "closed" carries `code` and `reason` and lasts until `connect()`.
 * `onHint` gets what the hub tells on the user's personal channel, to which it subscribes them.
 */
export class Connection {
  state = { name: "closed" };
  #url; #getToken; #onState; #onHint;
  #socket = null; #token = null; #turn = 0; #attempt = 0;
  #lastId = 0; #commands = new Map(); #outgoing = []; #subscriptions = new Map();
  #silenceMs = 0; #answersPings = false; #watchdog; #retryTimer; #refreshTimer;

  constructor(url, { getToken, onState, onHint }) {
    this.#url = url;
    this.#getToken = getToken;
    this.#onState = onState;
    this.#onHint = onHint;
  }

  /** Opens the connection now, even if the next attempt was due later. */
  async connect() {
    if (this.state.name === "connecting" || this.state.name === "connected") return;
    const turn = ++this.#turn;
    clearTimeout(this.#retryTimer);
    this.#setState({ name: "connecting", attempt: this.#attempt });
    try {
      this.#token ??= await this.#getToken();
    } catch (error) {
      const { code = CONNECTION_LOST, message, retry = true } = error;
      if (turn === this.#turn) this.#lost(code, message, !retry);
      return;
    }
    if (turn !== this.#turn) return;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#watch(COMMAND_TIMEOUT_MS);
    socket.onopen = () => socket === this.#socket && this.#greet();
    socket.onmessage = ({ data }) => socket === this.#socket && this.#receive(data);
    socket.onclose = ({ code, reason }) =>
      socket === this.#socket && this.#lost(code, reason || "connection lost", isFinal(code));
  }

  close() {
    this.#lost(CONNECTION_LOST, "closed by the user", true);
  }

  /** Subscribes now or once connected, and again after every reconnect. See `Subscription`. */
  subscribe(channel, handlers) {
    const send = (...command) => this.#send(...command);
    const subscription = new Subscription(channel, handlers, send);
    this.#subscriptions.set(channel, subscription);
    if (this.#isOpen()) subscription.start();
    return subscription;
  }

  unsubscribe(subscription) {
    if (this.#subscriptions.get(subscription.channel) !== subscription) return;
    this.#subscriptions.delete(subscription.channel);
    subscription.stop();
    if (this.#isOpen()) this.#send("unsubscribe", { channel: subscription.channel }, () => {});
  }

  /**
   * Calls a method of the chat service. Its writes carry a `client_id`, so they can be made again
   * when nobody knows what became of them. Rejected with a `WireError`.
   */
  async call(method, data = {}) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#rpc(method, data);
      } catch (error) {
        if (!error.retry || !this.#isOpen() || attempt === ATTEMPTS_MAX) throw error;
        await pause(error.retryAfterMs || backoff(attempt));
      }
    }
  }

  /** Calls a method of which nobody needs the answer: once, and it may be lost. */
  tell(method, data) {
    this.#rpc(method, data).catch(() => {});
  }

  #rpc(method, data) {
    return new Promise((resolve, reject) => {
      this.#send("rpc", { method, data }, (error, result) =>
        error ? reject(error) : resolve(result.data),
      );
    });
  }

  /** The first frame: connect and every subscription, without waiting in between. */
  #greet() {
    this.#watch(0); // the connect command has its own timeout
    const params = { token: this.#token, name: "page" };
    this.#send("connect", params, (error, result) => this.#connected(error, result));
    for (const subscription of this.#subscriptions.values()) subscription.start();
  }

  #connected(error, result) {
    if (error?.code === CONNECTION_LOST) return;
    if (error) {
      if (error.code === TOKEN_EXPIRED) this.#token = null;
      this.#lost(error.code, error.message, !error.retry);
      return;
    }
    this.#attempt = 0;
    this.#answersPings = result.pong === true;
    this.#silenceMs = result.ping ? result.ping * 1000 + PING_GRACE_MS : 0;
    this.#watch(this.#silenceMs);
    this.#refreshLater(result);
    this.#setState({ name: "connected", client: result.client });
  }

  #refreshLater({ expires, ttl }) {
    if (!expires) return;
    this.#refreshTimer = setTimeout(async () => {
      const turn = this.#turn;
      const token = await this.#getToken().catch(() => null);
      if (turn !== this.#turn) return;
      this.#token = token;
      if (token === null) return this.#refreshLater({ expires, ttl: REFRESH_RETRY_S });
      this.#send("refresh", { token }, (error, next) => !error && this.#refreshLater(next));
    }, Math.min(ttl * 1000, TIMER_MAX_MS));
  }

  #isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Calls `done(error, result)` exactly once. Commands of one tick leave as one frame. */
  #send(method, params, done) {
    if (!this.#isOpen()) return done(new WireError(CONNECTION_LOST, "not connected"));
    const id = ++this.#lastId;
    const timer = setTimeout(() => {
      // Without an answer to these two nobody knows what the hub believes: start afresh.
      if (method === "connect" || method === "subscribe") this.#lost(TIMED_OUT, "no answer", false);
      else this.#settle(id, new WireError(TIMED_OUT, "no answer"));
    }, COMMAND_TIMEOUT_MS);
    this.#commands.set(id, { done, timer });
    this.#enqueue({ id, [method]: params });
  }

  #enqueue(document) {
    if (this.#outgoing.push(JSON.stringify(document)) > 1) return;
    queueMicrotask(() => {
      const lines = this.#outgoing.splice(0);
      if (lines.length && this.#isOpen()) this.#socket.send(lines.join("\n"));
    });
  }

  #receive(frame) {
    this.#watch(this.#silenceMs);
    for (const line of frame.split("\n")) {
      if (line === "" || !this.#socket) continue;
      const { id, error, push, ...result } = JSON.parse(line);
      if (push) this.#dispatch(push);
      else if (error) this.#settle(id, new WireError(error.code, error.message, error.temporary));
      else if (id) this.#settle(id, null, Object.values(result)[0]);
      else if (this.#answersPings) this.#enqueue({}); // "{}" is a ping, and its answer
    }
  }

  #dispatch(push) {
    if (push.pub && push.channel.startsWith("#")) this.#onHint(push.pub.data);
    else this.#subscriptions.get(push.channel)?.push(push);
  }

  #settle(id, error, result) {
    const command = this.#commands.get(id);
    if (!command) return;
    this.#commands.delete(id);
    clearTimeout(command.timer);
    command.done(error, result);
  }

  #watch(ms) {
    clearTimeout(this.#watchdog);
    if (ms) this.#watchdog = setTimeout(() => this.#lost(TIMED_OUT, "no sign of life", false), ms);
  }

  #lost(code, reason, final) {
    this.#turn += 1;
    for (const timer of [this.#watchdog, this.#retryTimer, this.#refreshTimer]) clearTimeout(timer);
    const socket = this.#socket;
    this.#socket = null;
    this.#outgoing.length = 0;
    this.#silenceMs = 0;
    socket?.close();
    if (final || code === STATE_INVALIDATED) this.#token = null;
    for (const subscription of this.#subscriptions.values()) {
      subscription.lost(code === STATE_INVALIDATED);
    }
    for (const id of [...this.#commands.keys()]) {
      this.#settle(id, new WireError(CONNECTION_LOST, "connection lost"));
    }
    if (final) return this.#setState({ name: "closed", code, reason });
    const delay = backoff(this.#attempt++);
    const retryAt = Date.now() + delay;
    this.#retryTimer = setTimeout(() => this.connect(), delay);
    this.#setState({ name: "waiting", attempt: this.#attempt, retryAt, reason });
  }

  #setState(state) {
    this.state = state;
    this.#onState(state);
  }
}
