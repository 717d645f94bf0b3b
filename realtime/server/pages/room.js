import { Outbox } from "./outbox.js";

const PAGE = 100; // messages read from the log at a time
const ENTRIES_MAX = 2_000; // kept in memory, the newest
const RELOAD_MS = 2_000;
const TYPING_EVERY_MS = 2_000;
const SHOWN_MS = 4_000; // how long "is typing" and "has joined" stay

/**
 * One chat room: its messages in the order of the log, what is still to be sent, who is here.
 *
 * A message is known by its author and the id that the author's page made. So it is matched with
 * its publication, may be sent again when nobody knows what became of it, and is shown once even
 * if the log has it twice.
 *
 * `onChange(room, kind)` is called with "messages", "people" or "activity".
 */
export class Room {
  unread = 0;
  draft = "";
  people = [];
  note = ""; // who has just come or gone
  closed = ""; // why the hub does not let this user in
  loaded = false;
  hasEarlier = false;
  #connection; #subscription; #outbox; #onChange; #entries = new Map();
  #typingSubscription = null; #typists = new Map(); #typedAt = 0; #noteTimer;

  constructor(name, user, connection, onChange) {
    this.name = name;
    this.user = user;
    this.#connection = connection;
    this.#onChange = (kind) => onChange(this, kind);
    this.#outbox = new Outbox(user, name, {
      publish: (data) => this.#subscription.publish(data),
      isReady: () => this.loaded && this.#subscription.subscribed,
      onChange: () => this.#onChange("messages"),
    });
    this.#subscription = connection.subscribe(`room:${name}`, {
      subscribed: (result) => this.#subscribed(result),
      publication: (publication) => this.#received(publication),
      members: (members, change) => this.#membersChanged(members, change),
      failed: (error) => this.#shut(error),
    });
  }

  /** Messages as shown: those of the log, then those on their way. */
  timeline() {
    const stored = [...this.#entries.values()].sort((a, b) => a.offset - b.offset);
    return [...stored, ...this.#outbox.items()];
  }

  get typists() {
    return [...this.#typists.keys()];
  }

  /** Shows the message at once, sends it as soon as the hub can take it. False: too many wait. */
  send(text) {
    this.typing(false);
    return this.#outbox.add(text);
  }

  retry(key) {
    this.#outbox.retry(key);
  }

  async loadEarlier() {
    const first = Math.min(...[...this.#entries.values()].map(({ offset }) => offset));
    await this.#read({ since: { ...this.#subscription.position, offset: first } });
  }

  /** On screen. Typing is told only to those who have the room open, and never stored. */
  open() {
    this.#typingSubscription ??= this.#connection.subscribe(`typing:${this.name}`, {
      publication: ({ data, info }) => this.#typingChanged(info?.user, data?.typing === true),
    });
  }

  close() {
    if (this.#typingSubscription) this.#connection.unsubscribe(this.#typingSubscription);
    this.#typingSubscription = null;
    for (const user of this.typists) this.#typingChanged(user, false);
  }

  leave() {
    this.close();
    this.#connection.unsubscribe(this.#subscription);
  }

  /** The user is writing, or has stopped. A hint: repeated rarely, and it may be lost. */
  typing(isTyping) {
    if (isTyping ? Date.now() - this.#typedAt < TYPING_EVERY_MS : this.#typedAt === 0) return;
    this.#typedAt = isTyping ? Date.now() : 0;
    this.#typingSubscription?.publish({ typing: isTyping }).catch(() => {});
  }

  #subscribed({ recovered, publications }) {
    if (recovered && this.loaded) {
      publications.forEach((publication) => this.#received(publication));
      this.#outbox.flush();
    } else {
      this.#reload();
    }
  }

  /** Continuity is not proven: forget what was shown and read the newest page of the log. */
  async #reload() {
    this.loaded = false;
    this.#entries.clear();
    this.#onChange("messages");
    try {
      await this.#read();
      this.#outbox.forgetSent();
    } catch (error) {
      if (error.retry) return this.#reloadLater();
      this.#remark(`No history: ${error.message}`);
    }
    this.loaded = true;
    this.#onChange("messages");
    this.#outbox.flush();
  }

  #reloadLater() {
    setTimeout(() => {
      if (this.#subscription.subscribed && !this.loaded) this.#reload();
    }, RELOAD_MS);
  }

  async #read(options) {
    const { publications } = await this.#subscription.history(PAGE, { reverse: true, ...options });
    publications.forEach((publication) => this.#add(publication));
    this.hasEarlier = publications.length === PAGE && this.#entries.size < ENTRIES_MAX;
    this.#onChange("messages");
  }

  #shut(error) {
    this.closed = `${error.message} (${error.code})`;
    this.#onChange("messages");
  }

  #received(publication) {
    const entry = this.#add(publication);
    if (entry && entry.user !== this.user) {
      this.unread += 1;
      this.#typingChanged(entry.user, false);
    }
    this.#onChange("messages");
  }

  /** Returns the new entry, or null for a repeat. */
  #add({ data, info, offset }) {
    const user = info?.user ?? ""; // nobody: published through the server API
    const key = typeof data?.id === "string" ? `${user}/${data.id}` : `#${offset}`;
    const known = this.#entries.get(key);
    if (known && known.offset <= offset) return null;
    const text = typeof data?.text === "string" ? data.text : JSON.stringify(data);
    const entry = { key, offset, user, text, at: Number(data?.at) || 0, state: "stored" };
    this.#entries.set(key, entry);
    if (this.#entries.size > ENTRIES_MAX) this.#forgetOldest();
    this.#outbox.delete(key);
    return known ? null : entry;
  }

  #forgetOldest() {
    const oldest = [...this.#entries.values()].reduce((a, b) => (a.offset < b.offset ? a : b));
    this.#entries.delete(oldest.key);
  }

  #typingChanged(user, isTyping) {
    if (!user || user === this.user) return;
    clearTimeout(this.#typists.get(user));
    const changed = isTyping ? !this.#typists.has(user) : this.#typists.delete(user);
    if (isTyping) {
      this.#typists.set(user, setTimeout(() => this.#typingChanged(user, false), SHOWN_MS));
    }
    if (changed) this.#onChange("activity");
  }

  #membersChanged(members, change) {
    const before = this.people;
    this.people = [...new Set([...members.values()].map(({ user }) => user))].sort();
    const { joined, left } = change ?? {};
    if (joined && joined.user !== this.user && !before.includes(joined.user)) {
      this.#remark(`${joined.user} joined`);
    }
    if (left && !this.people.includes(left.user)) {
      this.#typingChanged(left.user, false);
      this.#remark(`${left.user} left`);
    }
    this.#onChange("people");
  }

  #remark(note) {
    clearTimeout(this.#noteTimer);
    if (note) this.#noteTimer = setTimeout(() => this.#remark(""), SHOWN_MS);
    this.note = note;
    this.#onChange("activity");
  }
}
