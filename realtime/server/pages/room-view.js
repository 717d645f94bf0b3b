/** The open room on screen: its bar, its messages, and the field to write in. */

import { go } from "./address.js";
import { Composer } from "./composer.js";
import { $, attempt, on, say, showAvatar, showPresence } from "./elements.js";
import { titleOf } from "./inbox.js";
import { LogView } from "./log-view.js";
import { ask, openMenu } from "./menu.js";
import { offerActions } from "./message-actions.js";
import { presenceText } from "./people-panel.js";
import { Room } from "./room.js";
import { RoomPanels } from "./room-panels.js";
import { closeSide } from "./side.js";
import { counted } from "./words.js";

const NAMED_MAX = 3;

export class RoomView {
  room = null;
  #hub; #log; #composer; #panels; #isDividerSeen = false; #isListed = false;

  /** `openDirect(user)` opens the conversation with somebody. */
  constructor(hub, openDirect) {
    this.#hub = hub;
    this.#log = new LogView($("log"), hub, () => this.#scrolled());
    this.#composer = new Composer($("composer"), "Message", {
      people: () => this.mentionable(),
      send: (text, mentions) => this.#send(text, mentions),
      onInput: (text) => this.#typed(text),
      onUp: () => this.#editLast(),
    });
    const reveal = (offset) => this.#log.reveal(offset);
    this.#panels = new RoomPanels(hub, this, { openDirect, reveal });
    offerActions($("messages"), {
      hub,
      room: () => this.room,
      edit: (message) => this.edit(message, this.#composer),
      openThread: (root) => this.#panels.openThread(root),
    });
    on("jump-newest", "click", () => this.#log.toNewest());
    on("jump-unread", "click", () => this.#toUnread());
    on("more-of-room", "click", () => openMenu($("more-of-room"), this.#menu()));
    on("join", "click", () => this.#join());
    on("load", "click", () => this.room.log.load());
    document.addEventListener("visibilitychange", () => this.draw());
    addEventListener("storage", (event) => this.#draftChanged(event));
    for (const model of [hub.inbox, hub.users, hub.outbox]) model.watch(() => this.draw());
  }

  open(channel) {
    this.close();
    this.room = new Room(channel, this.#hub);
    this.room.watch(() => this.draw());
    this.#isDividerSeen = this.room.unreadFrom === 0;
    this.#log.open(this.room.log);
    this.#composer.text = localStorage.getItem(this.#draftKey) ?? "";
    $("room").hidden = false;
    this.draw();
    // Elsewhere a keyboard would come up.
    if (matchMedia("(hover: hover)").matches) this.#composer.focus();
  }

  close() {
    this.room?.close();
    this.room = null;
    $("room").hidden = true;
    closeSide();
  }

  // Drawing.

  draw() {
    const { room } = this;
    if (!room) return;
    const wasListed = this.#isListed;
    this.#isListed = this.#hub.inbox.get(room.channel) !== undefined;
    if (room.closed && this.#isListed && !wasListed) return this.open(room.channel); // let in again
    const messages = room.shown(room.log);
    this.#log.draw(messages, this.#describe(messages));
    this.#drawBar();
    this.#scrolled();
    this.#drawEmpty(messages.length === 0);
    this.#composer.label = `Message ${room.isDirect ? this.#title : `#${this.#title}`}`;
    this.#composer.silence = room.silence;
    $("activity").textContent = this.#activity();
    this.#panels.draw();
  }

  /** What hangs on what is in view. */
  #scrolled() {
    if (!this.room) return;
    if (this.#log.following && document.visibilityState === "visible") this.room.read();
    this.#drawPills();
  }

  get #title() {
    const { channel, info } = this.room;
    return titleOf(this.#hub.inbox.get(channel) ?? info ?? { channel }, this.#hub.users);
  }

  #drawBar() {
    const { room } = this;
    const { users, inbox } = this.#hub;
    const peer = inbox.get(room.channel)?.user;
    const presence = peer ? users.presence(peer) : { state: "" };
    const here = this.#panels.here();
    const count = room.memberCount;
    showAvatar($("room-avatar"), this.#title, room.isDirect ? undefined : "#");
    showPresence($("room-avatar").parentElement, presence.state);
    $("room-name").textContent = this.#title;
    const people = count ? `${counted(count, "person", "people")}, ${here} here` : "";
    const about = peer ? presenceText(presence) : people;
    $("room-about").textContent = room.closed ? "" : about;
    $("people-count").textContent = here || "";
    $("pin-count").textContent = room.pins.length;
    $("show-pins").hidden = room.pins.length === 0;
    $("more-of-room").hidden = room.info === null || room.closed !== null;
    $("show-people").hidden = room.closed !== null;
  }

  /** What is said of a message, beside what it says itself. */
  #describe(messages) {
    const { room } = this;
    const { me } = this.#hub;
    const divided = messages.find(({ offset }) => room.unreadFrom && offset >= room.unreadFrom);
    const isSent = ({ user, offset, deleted_at }) => user === me && offset && !deleted_at;
    const newest = messages.findLast(isSent);
    return (message) => ({
      divider: message === divided ? "New messages" : "",
      context: message.reply_to ? "Replied in a thread" : "",
      state: message === newest ? this.#receipt(message) : stateOf(message),
    });
  }

  #receipt(message) {
    const { room } = this;
    const readers = room.readers(message).map((user) => this.#hub.users.name(user));
    if (readers.length === 0) {
      return room.isDirect && room.readers(message, "delivered").length ? "Delivered" : "Sent";
    }
    const more = readers.length - NAMED_MAX;
    const names = readers.slice(0, NAMED_MAX).join(", ");
    return room.isDirect ? "Seen" : `Seen by ${names}${more > 0 ? ` and ${more} more` : ""}`;
  }

  #drawPills() {
    const { room } = this;
    const { unread = 0 } = this.#hub.inbox.get(room.channel) ?? {};
    const isAbove = room.log.loaded && this.#log.isDividerAbove;
    if (room.log.loaded && !isAbove) this.#isDividerSeen = true;
    $("jump-unread").hidden = this.#isDividerSeen || !isAbove;
    $("jump-unread").textContent = `${room.unreadCount} unread: jump to the first`;
    $("jump-newest").hidden = this.#log.following || !room.log.loaded;
    $("jump-newest").textContent = unread ? `${unread} new` : "To the newest";
  }

  #drawEmpty(isEmpty) {
    const { closed, log, silence } = this.room;
    const isStranger = closed?.why === "not_a_member";
    $("room-empty").hidden = !(closed || (isEmpty && (log.loaded || log.problem)));
    $("messages").hidden = closed !== null;
    $("join").hidden = !isStranger;
    $("load").hidden = closed !== null || log.problem === "";
    const closedTitle = isStranger ? "Come in?" : "This is closed to you";
    const openTitle = log.problem ? "Not loaded" : this.#title;
    say($("room-empty"), {
      h2: closed ? closedTitle : openTitle,
      p: closed ? silence : log.problem || "Nothing has been said here yet. Say hello!",
    });
  }

  #activity() {
    const [first, second, third] = this.room.typists.map((user) => this.#hub.users.name(user));
    if (third) return "Several people are typing…";
    return second ? `${first} and ${second} are typing…` : first ? `${first} is typing…` : "";
  }

  /** Who can be mentioned: members, but oneself. */
  mentionable() {
    const others = this.room.members.filter(({ user }) => user !== this.#hub.me);
    return others.map(({ user, name = user }) => ({ id: user, name }));
  }

  // What the user does.

  #send(text, mentions) {
    const isTaken = this.room.send({ text }, { mentions });
    if (isTaken) this.#log.toNewest();
    return isTaken;
  }

  #typed(text) {
    if (text) localStorage.setItem(this.#draftKey, text);
    else localStorage.removeItem(this.#draftKey);
    this.room.typing(text !== "");
  }

  get #draftKey() {
    return `draft/${this.#hub.me}/${this.room.channel}`;
  }

  /** Another window of this user has the same room open: what is written there is shown here. */
  #draftChanged({ key, newValue }) {
    if (this.room && key === this.#draftKey) this.#composer.text = newValue ?? "";
  }

  edit(message, composer) {
    const { offset, data } = message;
    composer.edit(data.text ?? "", (text, mentions) => {
      this.room.write("chat.edit", { offset, data: { ...data, text }, mentions });
    });
  }

  #editLast() {
    const mine = ({ user, deleted_at }) => user === this.#hub.me && !deleted_at;
    const last = this.room.log.list().findLast(mine);
    if (last) this.edit(last, this.#composer);
  }

  #toUnread() {
    this.#isDividerSeen = true;
    this.#log.reveal(this.room.unreadFrom);
  }

  #join() {
    const { channel } = this.room;
    attempt($("room-empty").querySelector("p"), async () => {
      await this.#hub.call("chat.join", { channel, client_id: crypto.randomUUID() });
      await this.#hub.inbox.sync();
    });
  }

  #menu() {
    const { room } = this;
    const mayChange = !room.isDirect && room.is("moderator");
    const last = room.log.list().at(-1);
    return [
      last && ["Mark as unread", () => room.markUnread(last)],
      ["Copy link", () => navigator.clipboard.writeText(location.href)],
      mayChange && ["Rename…", () => this.#rename()],
      mayChange && [
        room.info.archived_at ? "Take out of the archive" : "Archive…",
        () => this.#archive(),
      ],
      !room.isDirect && ["Leave…", () => this.#leave(), true],
    ];
  }

  #call(method, params) {
    const { channel } = this.room;
    return this.#hub.call(method, { channel, client_id: crypto.randomUUID(), ...params });
  }

  #rename() {
    ask({
      title: "Rename the room",
      fields: [{ name: "title", label: "Name", value: this.#title }],
      button: "Rename",
      act: ({ title }) => this.#call("chat.update", { title }),
    });
  }

  #archive() {
    const isArchived = Boolean(this.room.info.archived_at);
    ask({
      title: isArchived ? "Take it out of the archive?" : "Archive the room?",
      text: isArchived ? "Members can write here again." : "It can be read, but not written in.",
      button: isArchived ? "Take it out" : "Archive",
      act: () => this.#call(isArchived ? "chat.unarchive" : "chat.archive"),
    });
  }

  #leave() {
    ask({
      title: `Leave ${this.#title}?`,
      button: "Leave",
      isDangerous: true,
      act: async () => {
        await this.#call("chat.leave");
        go("");
      },
    });
  }
}

/** What has become of a message that the hub has not stored yet. */
export function stateOf({ item }) {
  return item?.state === "waiting" ? "Waiting to be sent" : "";
}
