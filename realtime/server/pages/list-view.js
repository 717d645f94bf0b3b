/** The list of conversations: who, the last message, what is unread; and how to begin one. */

import { address, go } from "./address.js";
import { $, attempt, on, say, showAvatar, showList, showPresence } from "./elements.js";
import { titleOf } from "./inbox.js";
import { ask, openMenu } from "./menu.js";
import { textOf } from "./message-item.js";
import { shortly, showTime } from "./words.js";

const ROOMS = "chat"; // the namespace
const LOBBY = "lobby";

export class ListView {
  #hub;

  constructor(hub) {
    this.#hub = hub;
    const items = () => [
      ["Message somebody…", () => this.#newDirect()],
      ["New room…", () => this.#newRoom()],
      ["Lobby", () => this.#joinLobby()],
    ];
    on("new", "click", () => openMenu($("new"), items()));
    on("new-direct", "click", () => this.#newDirect());
    on("new-room", "click", () => this.#newRoom());
    on("join-lobby", "click", () => this.#joinLobby());
    on("join-lobby-here", "click", () => this.#joinLobby());
    for (const model of [hub.inbox, hub.users, hub.following]) model.watch(() => this.draw());
  }

  draw() {
    const { inbox, users, following } = this.#hub;
    const channels = inbox.list().map((channel) => ({ key: channel.channel, ...channel }));
    const peers = channels.filter(({ user }) => user).map(({ user }) => user);
    const [open] = address();
    users.attend("list", peers);
    showList($("channels"), channels, () => "channel-item", (element, channel) => {
      this.#fill(element.querySelector("a"), channel, open);
    });
    const invitations = inbox.invitations.map((one) => ({ key: one.channel, ...one }));
    showList($("invitations"), invitations, () => "invitation-item", (element, invitation) => {
      this.#fillInvitation(element, invitation);
    });
    $("no-channels").hidden = !inbox.loaded || channels.length + invitations.length > 0;
    $("feed-link").ariaCurrent = open === "feed" ? "page" : "false";
    say($("feed-link"), { ".unread": badge(following.unseen, 99) });
    const others = channels.some(({ key, unread }) => unread > 0 && key !== open);
    document.querySelectorAll(".back .dot").forEach((dot) => (dot.hidden = !others));
    document.title = `${inbox.badge ? `(${inbox.badge}) ` : ""}Realtime`;
  }

  #fill(link, channel, open) {
    const { kind, user, title, last, unread, mentions, unread_from, archived } = channel;
    const { users } = this.#hub;
    const name = titleOf(channel, users);
    const isRoom = kind === "room";
    link.href = `#${encodeURIComponent(channel.channel)}`;
    link.ariaCurrent = channel.channel === open ? "page" : "false";
    link.classList.toggle("fresh", unread > 0);
    showAvatar(link.querySelector(".avatar"), name, isRoom ? "#" : undefined);
    showPresence(link.querySelector(".whose"), user ? users.presence(user).state : "");
    showTime(link.querySelector("time"), last?.at, shortly);
    say(link, {
      ".name": name,
      ".preview": archived ? "Archived" : last ? this.#preview(last, isRoom) : "Nothing yet",
      ".mentions": mentions ? "@" : "",
      ".unread": badge(unread, 999),
    });
  }

  #preview({ user, data, text, deleted }, isRoom) {
    const { me, users } = this.#hub;
    const said = deleted ? "Message deleted" : (text ?? textOf({ data }));
    if (user === me) return `You: ${said}`;
    return isRoom && user ? `${users.name(user)}: ${said}` : said;
  }

  #fillInvitation(element, { channel, by }) {
    const answer = (method) => this.#attempt(async () => {
      await this.#hub.call(method, { channel, client_id: crypto.randomUUID() });
      await this.#hub.inbox.sync();
      if (method === "chat.join") this.#open(channel);
    });
    const [join, no] = element.querySelectorAll("button");
    say(element, { ".name": this.#hub.users.name(by) });
    join.onclick = () => answer("chat.join");
    no.onclick = () => answer("chat.leave");
  }

  // Beginning a conversation.

  #newRoom() {
    const client_id = crypto.randomUUID();
    ask({
      title: "New room",
      fields: [
        { name: "title", label: "Name", hint: "Weekend plans" },
        { name: "members", label: "Who is in it", hint: "bob, carol", isOptional: true },
      ],
      button: "Create",
      act: async ({ title, members }) => {
        const users = members.split(/[,;\s]+/).filter(Boolean);
        const { channel } = await this.#hub.call("chat.create", {
          namespace: ROOMS,
          client_id,
          title,
          members: users.map((user) => ({ user })),
        });
        await this.#enter(channel);
      },
    });
  }

  #newDirect() {
    ask({
      title: "Message somebody",
      fields: [{ name: "user", label: "Whom", hint: "bob" }],
      button: "Open",
      act: ({ user }) => this.openDirect(user.trim()),
    });
  }

  async openDirect(user) {
    const { channel } = await this.#hub.call("chat.direct", { namespace: ROOMS, user });
    await this.#enter(channel);
  }

  /** A room that everybody knows by its name; whoever comes first makes it. */
  #joinLobby() {
    this.#attempt(async () => {
      const channel = `${ROOMS}:${LOBBY}`;
      const client_id = crypto.randomUUID();
      const lobby = { namespace: ROOMS, id: LOBBY, title: "Lobby", client_id };
      const join = () => this.#hub.call("chat.join", { channel, client_id });
      if (!this.#hub.inbox.get(channel)) await this.#hub.call("chat.create", lobby).catch(join);
      await this.#enter(channel);
    });
  }

  #attempt(action) {
    attempt($("home").hidden ? $("list-problem") : $("home-problem"), action);
  }

  async #enter(channel) {
    await this.#hub.inbox.sync();
    this.#open(channel);
  }

  #open(channel) {
    go(channel);
  }
}

function badge(count, max) {
  return count > max ? `${max}+` : count || "";
}
