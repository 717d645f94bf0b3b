/** The panel of people: who is in the room, whether they are here, and what moderators may do. */

import { go } from "./address.js";
import { $, attempt, on, say, showAvatar, showList, showPresence } from "./elements.js";
import { ask, openMenu } from "./menu.js";
import { reportTo } from "./message-actions.js";
import { textOf } from "./message-item.js";
import { ago, showTime } from "./words.js";

const MUTE_MS = 10 * 60_000;
const ORDER = ["active", "background", "away", "offline"];
const WORDS = { active: "Here now", background: "In the background", away: "Away" };

/** Whether somebody is here, in words. */
export function presenceText({ state, since }) {
  if (state !== "offline") return WORDS[state];
  return since ? `Last seen ${ago(since)}` : "Not here";
}

export class PeoplePanel {
  #hub; #room = null; #banned = []; #reports = [];

  /** `openDirect(user)` and `reveal(offset)` are what the page does. */
  constructor(hub, { openDirect, reveal }) {
    this.#hub = hub;
    this.openDirect = openDirect;
    this.reveal = reveal;
    on("invite", "submit", () => this.#invite($("invite-user").value.trim()));
  }

  open(room) {
    this.#room = room;
    this.#reports = this.#banned = [];
    this.#load();
  }

  draw() {
    const room = this.#room;
    const { me, users } = this.#hub;
    const banned = new Set(this.#banned.map(({ user }) => user));
    const people = [...room.members.filter(({ user }) => !banned.has(user)), ...this.#banned]
      .map((member) => ({ key: member.user, member, presence: users.presence(member.user) }))
      .sort((a, b) => ORDER.indexOf(a.presence.state) - ORDER.indexOf(b.presence.state));
    $("invite").hidden = room.isDirect || room.mine.role === "reader";
    showList($("members"), people, () => "person-item", (element, { member, presence }) => {
      const { user, name = user, role, muted_until: muted = 0 } = member;
      const isMuted = muted === -1 || muted > Date.now();
      showAvatar(element.querySelector(".avatar"), name);
      showPresence(element.querySelector(".whose"), presence.state);
      say(element, {
        ".name": user === me ? `${name} (you)` : name,
        ".role": [role === "member" ? "" : role, isMuted && "muted"].filter(Boolean).join(", "),
        ".preview": presenceText(presence),
      });
      const button = element.querySelector("button");
      button.hidden = user === me;
      button.onclick = () => openMenu(button, this.#menu(member));
    });
    $("reports-part").hidden = this.#reports.length === 0;
    showList($("reports"), this.#reports, () => "quote-item", (element, report) => {
      this.#fillReport(element, report);
    });
  }

  #menu(member) {
    const { user, role, muted_until: muted = 0 } = member;
    const room = this.#room;
    const isMuted = muted === -1 || muted > Date.now();
    const may = !room.isDirect && room.outranks(member);
    const act = (verb, params) => this.#act(`chat.${verb}`, { user, ...params });
    const item = (label, ...how) => [label, () => act(...how)];
    const dangerous = (label, ...how) => [label, () => act(...how), true];
    const give = (name) => may && role !== name && item(`Make ${name}`, "role", { role: name });
    if (role === "banned") return [item("Unban", "unban")];
    return [
      !room.isDirect && ["Message", () => attempt($("side-problem"), () => this.openDirect(user))],
      ["Posts", () => go("feed", user)],
      may && isMuted && item("Unmute", "unmute"),
      may && !isMuted && item("Mute for 10 minutes", "mute", { until: Date.now() + MUTE_MS }),
      room.is("owner") && give("moderator"),
      give("member"),
      give("reader"),
      room.is("owner") && !room.isDirect && ["Make owner…", () => this.#transfer(member)],
      !room.isDirect && ["Report…", () => reportTo(this.#hub, { channel: room.channel, user })],
      may && dangerous("Remove from the room", "kick"),
      may && dangerous("Ban", "ban"),
    ];
  }

  #call(method, params) {
    const { channel } = this.#room;
    return this.#hub.call(method, { channel, client_id: crypto.randomUUID(), ...params });
  }

  async #act(method, params) {
    await attempt($("side-problem"), () => this.#call(method, params));
    await this.#load();
  }

  #invite(user) {
    attempt($("side-problem"), async () => {
      const { left_out = [] } = await this.#call("chat.invite", { users: [{ user }] });
      if (left_out.length) throw new Error(`${user} is here already, or cannot be invited`);
      $("invite-user").value = "";
    });
  }

  #transfer({ user, name = user }) {
    ask({
      title: `Give the room to ${name}?`,
      text: "You become a moderator, and cannot take it back.",
      button: "Give it away",
      isDangerous: true,
      act: () => this.#call("chat.transfer", { user }),
    });
  }

  // For moderators: who is banned, and what was reported.

  async #load() {
    const { channel } = this.#room;
    if (this.#room.isDirect || !this.#room.is("moderator")) return;
    const look = (offset) => this.#hub.call("chat.message", { channel, offset }).then(textOf);
    const read = async (report) => {
      const quote = report.offset ? await look(report.offset).catch(() => "") : "";
      return { key: report.report, quote, ...report };
    };
    try {
      const { members } = await this.#hub.call("chat.members", { channel, role: "banned" });
      const { reports } = await this.#hub.call("chat.reports", { channel });
      this.#banned = members;
      this.#reports = await Promise.all(reports.map(read));
    } catch {
      // What is shown stays; it is read again when the panel is opened.
    }
    this.draw();
  }

  #fillReport(element, { report, reason, reporter, at, about, offset, text = "", quote }) {
    const { users } = this.#hub;
    say(element, {
      ".name": `${users.name(reporter)} reports ${users.name(about)}: ${reason}. ${text}`,
      ".text": quote,
    });
    showTime(element.querySelector("time"), at);
    element.querySelector(".quote").onclick = () => offset && this.reveal(offset);
    const resolve = (label, state) => {
      const button = document.createElement("button");
      button.textContent = label;
      button.onclick = async () => {
        await attempt($("side-problem"), () => this.#hub.call("chat.resolve", { report, state }));
        await this.#load();
      };
      return button;
    };
    element.querySelector(".buttons").replaceChildren(
      resolve("Dismiss", "dismissed"),
      resolve("Done", "acted"),
    );
  }
}
