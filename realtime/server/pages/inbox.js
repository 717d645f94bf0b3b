import { Model, paced } from "./model.js";

const SYNC_EVERY_MS = 1_000;

/**
 * The channels that the user is in, with what is unread: one call of `chat.sync` says what there
 * is, at the start and after every reconnect; hints say what happens in the meantime.
 *
 * Hints may get lost, and what they do not say is asked for: `chat.sync` is the truth.
 */
export class Inbox extends Model {
  loaded = false;
  #hub; #channels = new Map(); #invitations = new Map(); #since = "";

  constructor(hub) {
    super();
    this.#hub = hub;
    this.syncSoon = paced(SYNC_EVERY_MS, () => {
      this.sync().catch(() => {}); // it is made again after the next connect
    });
  }

  get(channel) {
    return this.#channels.get(channel);
  }

  /** Those that were written in lately first. */
  list() {
    return [...this.#channels.values()].sort((a, b) => b.at - a.at);
  }

  get invitations() {
    return [...this.#invitations.values()];
  }

  /** How many channels have something unread. */
  get badge() {
    return this.list().filter(({ unread }) => unread > 0).length;
  }

  async sync() {
    const found = new Map();
    const invited = new Map();
    const gone = [];
    let page = { since: this.#since };
    do {
      page = await this.#hub.call("chat.sync", page.cursor ? { cursor: page.cursor } : page);
      for (const channel of page.channels) found.set(channel.channel, channel);
      for (const invitation of page.invitations ?? []) invited.set(invitation.channel, invitation);
      gone.push(...(page.removed ?? []));
    } while (page.cursor);
    if (page.full) gone.push(...this.#channels.keys(), ...this.#invitations.keys());
    for (const channel of gone) {
      if (!found.has(channel)) this.#channels.delete(channel);
      this.#invitations.delete(channel);
    }
    for (const [channel, invitation] of invited) this.#invitations.set(channel, invitation);
    for (const channel of found.values()) this.#put(channel);
    this.#since = page.since;
    this.loaded = true;
    this.changed();
  }

  #put(channel) {
    this.#invitations.delete(channel.channel);
    const before = this.#channels.get(channel.channel);
    const at = channel.last?.at ?? before?.at ?? Date.now();
    const none = { unread: 0, mentions: 0, read: 0, title: "", kind: "room", role: "member" };
    this.#channels.set(channel.channel, { ...none, ...channel, at });
  }

  #set(name, changes) {
    const channel = this.#channels.get(name);
    if (!channel) return this.syncSoon();
    this.#channels.set(name, { ...channel, ...changes });
    this.changed();
  }

  /** What the hub tells of a channel that is not open here: `{type: "channel"}`. */
  channelHint({ channel: name, offset, n, last, mentions = {}, edited = [], deleted, updated }) {
    const { me } = this.#hub;
    const before = this.get(name);
    const isOld = deleted || updated || edited.includes(before?.last?.offset);
    if (!before || isOld) return this.syncSoon(); // a hint does not say all of that
    const isNews = last && last.user !== me;
    this.#set(name, {
      n,
      head: offset,
      last: last ?? before.last,
      at: last?.at ?? before.at,
      unread: before.unread + (isNews ? Math.max(0, n - before.n) : 0),
      mentions: before.mentions + (mentions[me] ?? 0),
    });
    const isDirect = before.kind === "direct";
    if (isNews && isDirect) this.#hub.tell("chat.delivered", { channel: name, offset });
  }

  /** The user's own markers moved, here or in another window. */
  markerHint({ channel, read, unread = 0, mentions = 0, unread_from = 0 }) {
    this.#set(channel, { read, unread, mentions, unread_from });
  }

  /** What `chat.channel` says of the open channel. */
  about({ channel, kind, title = "", archived_at = 0, mine }) {
    const named = kind === "room" ? { title } : {}; // others are called by whom one talks to
    this.#set(channel, { ...named, archived: archived_at > 0, role: mine.role });
  }

  /** A message in the open channel, which no hint tells of. */
  message(channel, { offset, at, user, data, mentions }) {
    const before = this.get(channel);
    if (!before || offset <= before.head) return;
    const isMine = user === this.#hub.me; // sending moves one's own marker
    this.#set(channel, {
      head: offset,
      n: before.n + 1,
      last: { offset, at, user, data },
      at: at || Date.now(),
      read: isMine ? offset : before.read,
      unread: isMine ? 0 : before.unread + 1,
      mentions: isMine ? 0 : before.mentions + Number(mentions.includes(this.#hub.me)),
    });
  }

  /** A message in the open channel was edited or deleted. */
  amended(channel, offset, changes) {
    const { last } = this.get(channel) ?? {};
    if (last?.offset === offset) this.#set(channel, { last: { ...last, ...changes } });
  }

  /** All of it has been seen, up to this entry. */
  async read(channel, offset) {
    this.#set(channel, { read: offset, unread: 0, mentions: 0, unread_from: 0 });
    await this.#hub.call("chat.read", { channel, offset });
  }

  async markUnread(channel, offset) {
    await this.#hub.call("chat.unread", { channel, offset });
    this.syncSoon();
  }
}

/** What a channel is called: by its title, or by whom one talks to there. */
export function titleOf({ kind, user, title, channel }, users) {
  if (kind === "direct") return user ? users.name(user) : "Notes to yourself";
  return title || channel;
}
