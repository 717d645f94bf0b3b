/** What opens beside a room: a thread, the people in it, what is pinned. */

import { Composer } from "./composer.js";
import { $, on, say, showList } from "./elements.js";
import { LogView } from "./log-view.js";
import { offerActions } from "./message-actions.js";
import { textOf } from "./message-item.js";
import { PeoplePanel } from "./people-panel.js";
import { stateOf } from "./room-view.js";
import { closeSide, openSide, sideOpen } from "./side.js";
import { counted, showTime } from "./words.js";

export class RoomPanels {
  #hub; #view; #log; #composer; #people; #reveal;

  /** `view` is the `RoomView`; `openDirect(user)` and `reveal(offset)` are what the page does. */
  constructor(hub, view, { openDirect, reveal }) {
    this.#hub = hub;
    this.#view = view;
    this.#reveal = reveal;
    this.#people = new PeoplePanel(hub, { openDirect, reveal });
    this.#log = new LogView($("thread-log"), hub);
    this.#composer = new Composer($("reply"), "Reply", {
      people: () => view.mentionable(),
      send: (text, mentions, { also }) => this.#answer(text, mentions, also),
    });
    this.#composer.also = "Send to the room, too";
    offerActions($("replies"), {
      hub,
      room: () => view.room,
      edit: (message) => view.edit(message, this.#composer),
      openThread: () => this.#composer.focus(),
    });
    on("show-people", "click", () => this.#toggle("people"));
    on("show-pins", "click", () => this.#toggle("pins"));
  }

  get #room() {
    return this.#view.room;
  }

  openThread(root) {
    const room = this.#room;
    openSide("thread", "Thread", () => room.closeThread());
    room.openThread(root);
    this.#log.open(room.thread);
    this.draw();
    this.#composer.focus();
  }

  #answer(text, mentions, also) {
    const reply = { mentions, reply_to: this.#room.threadOf, also_to_channel: also };
    const isTaken = this.#room.send({ text }, reply);
    if (isTaken) this.#log.toNewest();
    return isTaken;
  }

  #toggle(part) {
    if (sideOpen() === part) return closeSide();
    openSide(part, part === "people" ? "People" : "Pinned");
    if (part === "people") this.#people.open(this.#room);
    this.draw();
    $("side").focus();
  }

  /** How many of the room's members are here. */
  here() {
    const { users } = this.#hub;
    return this.#room.members.filter(({ user }) => users.presence(user).state !== "offline").length;
  }

  draw() {
    if (this.#room.thread) this.#drawThread();
    if (sideOpen() === "people") this.#people.draw();
    if (sideOpen() === "pins") this.#drawPins();
  }

  #drawThread() {
    const { thread, silence } = this.#room;
    const messages = this.#room.shown(thread);
    const count = counted(messages.length - 1, "reply", "replies");
    this.#log.draw(messages, (message) => ({
      rule: message === messages[1] ? count : "",
      context: message.also_to_channel ? "Also in the room" : "",
      state: stateOf(message),
    }));
    this.#composer.silence = silence;
  }

  #drawPins() {
    const pins = this.#room.pins.map((pin) => ({ key: String(pin.message.offset), ...pin }));
    const mayUnpin = this.#room.isDirect || this.#room.is("moderator");
    showList($("pinned"), pins, () => "quote-item", (element, { message, at }) => {
      say(element, { ".name": this.#hub.users.name(message.user), ".text": textOf(message) });
      showTime(element.querySelector("time"), at);
      element.querySelector(".quote").onclick = () => this.#reveal(message.offset);
      const button = document.createElement("button");
      button.textContent = "Unpin";
      button.onclick = () => this.#room.write("chat.unpin", { offset: message.offset });
      element.querySelector(".buttons").replaceChildren(...(mayUnpin ? [button] : []));
    });
  }
}
