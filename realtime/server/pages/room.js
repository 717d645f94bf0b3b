import { entryOf, entryOfCall, fold, messageOf } from "./events.js";
import { Messages } from "./messages.js";
import { Model, paced } from "./model.js";
import { explain } from "./retry.js";

const TYPING_EVERY_MS = 3_000;
const TYPING_MAX_MS = 10_000; // a sender's clock may be wrong
const REFRESH_EVERY_MS = 1_000;
const AGAIN_MS = 1_500; // an entry may come before what follows from it is stored
const READ_EVERY_MS = 1_000;
const MEMBERS_MAX = 100;
const RANKS = ["reader", "member", "moderator", "owner"];

/**
 * The open channel: its messages and one of its threads, who is in it, who is typing, who has read
 * what. It is live by a subscription, which also recovers what was missed while away.
 */
export class Room extends Model {
  info = null; // as `chat.channel` has it
  members = [];
  pins = [];
  closed = null; // the error by which the hub does not let this user in
  thread = null; // the `Messages` of the open thread
  threadOf = 0;
  unreadFrom = 0; // the first entry that was unread when the room was opened,
  unreadCount = 0; // and how many messages were
  #hub; #subscription; #receipts = new Map(); #typists = new Map(); #typedAt = 0;
  #epoch = ""; #seen = 0; #readUpTo = 0; #isHeld = false; #isOver = false; #refresh; #again;
  #tellRead;

  constructor(channel, hub) {
    super();
    this.channel = channel;
    this.#hub = hub;
    this.log = this.#messages("chat.history", {}, (message) => inChannel(message));
    const { read = 0, unread = 0, unread_from = 0 } = hub.inbox.get(channel) ?? {};
    this.unreadCount = unread;
    if (unread > 0) this.unreadFrom = unread_from || read + 1;
    else this.#readUpTo = read;
    const load = paced(REFRESH_EVERY_MS, () => this.#load());
    this.#refresh = () => {
      load();
      clearTimeout(this.#again);
      this.#again = setTimeout(load, AGAIN_MS);
    };
    this.#tellRead = paced(READ_EVERY_MS, () => {
      hub.inbox.read(channel, this.#readUpTo).catch(() => (this.#readUpTo = 0)); // later again
    });
    this.#subscription = hub.connection.subscribe(channel, {
      subscribed: (result) => this.#subscribed(result),
      publication: (publication) => this.#take(publication, Date.now()),
      failed: (error) => {
        this.#shut(error);
        this.#load(); // it says why
      },
    });
  }

  close() {
    this.#isOver = true;
    clearTimeout(this.#again);
    this.typing(false);
    this.#hub.connection.unsubscribe(this.#subscription);
  }

  #messages(method, params, takes) {
    const read = async (place) => {
      const head = this.#seen;
      const page = await this.#hub.call(method, { channel: this.channel, ...params, ...place });
      const { replies, root } = page;
      if (replies) return { head, ...page, messages: root ? [root, ...replies] : replies };
      this.#seen = Math.max(this.#seen, page.head);
      return page;
    };
    const messages = new Messages(this.#hub.me, { read, takes });
    messages.watch(() => this.changed());
    return messages;
  }

  // What the hub tells.

  #subscribed({ recovered, publications, epoch }) {
    this.closed = null;
    if (this.#epoch && epoch !== this.#epoch) this.#dropAll();
    this.#epoch = epoch;
    const before = this.#seen;
    if (recovered && this.log.loaded) {
      publications.forEach((publication) => this.#take(publication, 0));
      if (publications.length && this.log.newer === null) this.log.load({ after: before }); // times
    } else {
      this.log.load();
      this.thread?.load();
    }
    this.#typists.clear(); // signals are not recovered, nor is what follows from them
    this.#load();
  }

  /** The hub has another database than before. */
  #dropAll() {
    this.log.drop();
    this.closeThread();
    this.#receipts.clear();
    this.#seen = this.#readUpTo = 0;
    this.unreadFrom = this.unreadCount = 0;
  }

  /** What is not in the log itself. */
  async #load() {
    const { channel } = this;
    const ask = (method, params) => this.#hub.call(method, { channel, ...params });
    try {
      const [info, { members }, { pins }, { receipts }] = await Promise.all([
        ask("chat.channel"),
        ask("chat.members", { limit: MEMBERS_MAX }),
        ask("chat.pins"),
        ask("chat.receipts", { limit: MEMBERS_MAX }),
      ]);
      if (this.#isOver) return;
      Object.assign(this, { info, members, pins });
      this.#hub.inbox.about(info);
      receipts.forEach((receipt) => this.#receipts.set(receipt.user, receipt));
      this.#hub.users.attend("room", members.map(({ user }) => user));
    } catch (error) {
      if (!error.retry) this.#shut(error);
    }
    this.changed();
  }

  #shut(error) {
    this.closed = error;
    this.changed();
  }

  #take(publication, at) {
    const entry = entryOf(publication, at);
    if (entry.offset) this.#seen = Math.max(this.#seen, entry.offset);
    if (entry.kind === "typing") this.#typistChanged(entry.data);
    else if (entry.kind === "receipt") this.#received(entry.data.receipts ?? [entry.data]);
    else if (entry.kind === "member" || entry.kind === "channel") this.#refresh();
    else if (entry.offset) this.#entered(entry);
    this.changed();
  }

  #entered(entry) {
    this.log.take(entry);
    this.thread?.take(entry);
    const message = messageOf(entry);
    if (entry.kind === "message" && inChannel(message)) {
      this.#typistChanged({ user: entry.user, until: 0 });
      this.#hub.inbox.message(this.channel, message);
    }
    if (entry.kind === "edit" || entry.kind === "delete") this.#amended(entry);
    if (entry.kind === "pin") this.#refresh();
  }

  /** What else shows a message that is another now, or is no more. */
  async #amended({ kind, ref, data, offset }) {
    this.#hub.inbox.amended(this.channel, ref, kind === "delete" ? { deleted: true } : { data });
    if (this.pins.some(({ message }) => message.offset === ref)) this.#refresh();
    const message = this.log.get(ref) ?? this.thread?.get(ref) ?? (await this.#look(ref));
    if (kind === "delete" && message.reply_to) {
      this.log.take({ kind: "unreply", ref: message.reply_to, offset });
    }
  }

  /** A message that is not shown here; `{}` where it cannot be read. */
  #look(offset) {
    return this.#hub.call("chat.message", { channel: this.channel, offset }).catch(() => ({}));
  }

  #received(receipts) {
    receipts.forEach((receipt) => this.#receipts.set(receipt.user, receipt));
  }

  #typistChanged({ user, until }) {
    if (user === this.#hub.me) return;
    clearTimeout(this.#typists.get(user));
    this.#typists.delete(user);
    const ms = Math.min(until - Date.now(), TYPING_MAX_MS);
    const end = () => this.#typistChanged({ user, until: 0 });
    if (ms > 0) this.#typists.set(user, setTimeout(end, ms));
    this.changed();
  }

  // What is shown.

  get mine() {
    return this.info?.mine ?? { role: "" };
  }

  get memberCount() {
    return this.members.length < MEMBERS_MAX ? this.members.length : this.info.members;
  }

  get isDirect() {
    return this.info?.kind === "direct";
  }

  get typists() {
    return [...this.#typists.keys()];
  }

  /** Whether the user's role is at least this one. */
  is(role) {
    return RANKS.indexOf(this.mine.role) >= RANKS.indexOf(role);
  }

  /** Whether the user may send this member away, mute them, or give them another role. */
  outranks(member) {
    const [mine, theirs] = [this.mine, member].map(({ role }) => RANKS.indexOf(role));
    return this.is("moderator") && mine > theirs;
  }

  /** Why nothing can be written here now; "" where something can. */
  get silence() {
    const { muted_until: muted = 0 } = this.mine;
    if (this.closed) return explain(this.closed);
    if (this.info?.archived_at) return "This room is archived.";
    if (this.mine.role === "reader") return "You can read here, but not write.";
    if (this.info?.settings.announce && !this.is("moderator")) return "Only moderators write here.";
    return muted === -1 || muted > Date.now() ? "You are muted here." : "";
  }

  /** The messages of the log or of the thread, and with them what waits to be sent. */
  shown(messages) {
    const waiting = this.#hub.outbox.of(this.channel);
    const views = messages.list().map((message) => this.#withWaiting(message, waiting));
    const shown = new Set(views.map(({ client_id }) => client_id));
    const sends = waiting
      .filter(({ id, method }) => method === "chat.send" && !shown.has(id))
      .map((item) => ({ ...messageOf(entryOfCall(this.#hub.me, item)), item }));
    return [...views, ...sends.filter((message) => messages.takes(message))];
  }

  #withWaiting(message, waiting) {
    return waiting
      .filter(({ params }) => params.offset === message.offset)
      .reduce((view, item) => {
        if (item.state === "failed") return { ...view, item };
        return fold(view, entryOfCall(this.#hub.me, item), this.#hub.me);
      }, message);
  }

  /** Who else has read up to this message, or has it on a device, of those who were here then. */
  readers({ offset, at }, marker = "read") {
    const isReader = ({ user, joined_at = 0 }) =>
      user !== this.#hub.me && joined_at <= at && this.#receipts.get(user)?.[marker] >= offset;
    return this.members.filter(isReader).map(({ user }) => user);
  }

  // What the user does.

  /** False when too much is waiting already. */
  send(data, options) {
    this.#isHeld = false;
    this.#typedAt = 0; // a message ends it by itself
    if (this.log.newer !== null && !options.reply_to) this.log.load();
    return this.write("chat.send", { data, ...options });
  }

  write(method, params) {
    return this.#hub.outbox.add(method, { channel: this.channel, ...params });
  }

  /** The hub has stored a message of this window: shown even before its publication arrives. */
  sent(item, { offset, at }) {
    const message = { ...messageOf(entryOfCall(this.#hub.me, item)), offset, at };
    this.log.add(message);
    this.thread?.add(message);
  }

  react(message, emoji) {
    const { mine = false } = message.reactions?.[emoji] ?? {};
    this.write(mine ? "chat.unreact" : "chat.react", { offset: message.offset, emoji });
  }

  openThread(root) {
    const takes = ({ reply_to }) => reply_to === root;
    this.thread = this.#messages("chat.thread", { offset: root }, takes);
    this.threadOf = root;
    this.thread.load();
  }

  closeThread() {
    this.thread = null;
    this.threadOf = 0;
    this.changed();
  }

  /** A hint for the others: repeated rarely, and it may be lost. */
  typing(isTyping) {
    if (isTyping ? Date.now() - this.#typedAt < TYPING_EVERY_MS : this.#typedAt === 0) return;
    this.#typedAt = isTyping ? Date.now() : 0;
    this.#hub.tell("chat.typing", { channel: this.channel, typing: isTyping });
  }

  /** The newest message is on screen. */
  read() {
    const newest = this.log.list().at(-1)?.offset ?? 0;
    if (this.#isHeld || this.closed || newest <= this.#readUpTo) return;
    this.#readUpTo = newest;
    this.#tellRead();
  }

  /** From this message on the room is unread, until it is opened again. */
  async markUnread({ offset }) {
    this.#isHeld = true;
    this.unreadFrom = offset;
    this.changed();
    await this.#hub.inbox.markUnread(this.channel, offset);
  }
}

function inChannel({ reply_to, also_to_channel }) {
  return !reply_to || also_to_channel;
}
