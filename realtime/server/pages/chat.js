/** The page: a name, rooms, what is in them. `wire.js` talks to the hub, `room.js` keeps a room. */

import { $, showAvatar, showList } from "./elements.js";
import { WireError } from "./retry.js";
import { Room } from "./room.js";
import { Timeline } from "./timeline.js";
import { Connection } from "./wire.js";

const SUGGESTED = ["lobby", "random", "ideas"];
const TOKEN_TIMEOUT_MS = 5_000;
const STATUS = {
  connecting: "Connecting…",
  connected: "Connected",
  waiting: "Reconnecting…",
  closed: "Disconnected",
};

const rooms = new Map();
const changed = new Set(); // what of the page is to be drawn at the end of this tick
let user, connection, timeline, current, countdown;

// The name lives in this tab only, so that two tabs can be two people.

function signIn(name) {
  user = name;
  sessionStorage.setItem("name", name);
  $("welcome").hidden = true;
  $("app").hidden = false;
  $("my-name").textContent = name;
  showAvatar($("my-avatar"), name);
  const url = new URL("/connection/websocket", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  connection = new Connection(url.href, fetchToken, showConnection);
  timeline = new Timeline(name, () => change("rooms"));
  JSON.parse(sessionStorage.getItem("rooms") ?? "[]").forEach(join);
  openFromAddress();
  connection.connect();
}

async function fetchToken() {
  const response = await fetch("/dev/token", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user }),
    signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS),
  });
  if (response.ok) return (await response.json()).token;
  throw new WireError(response.status, "no token for this name", response.status >= 500);
}

function signOut() {
  connection.close();
  sessionStorage.clear();
  location.assign("/");
}

// The connection.

function showConnection(state) {
  document.body.dataset.connection = state.name;
  $("status").textContent = STATUS[state.name];
  const first = state.name === "connecting" && state.attempt === 0;
  $("notice").hidden = first || state.name === "connected";
  $("notice-title").textContent = state.name === "closed" ? "Disconnected." : "Connection lost.";
  clearInterval(countdown);
  if (state.name === "waiting") countdown = setInterval(showNotice, 250, state);
  showNotice(state);
}

function showNotice({ name, attempt, retryAt, reason, code }) {
  const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  if (name === "closed") $("notice-text").textContent = `The hub says: ${reason} (${code}).`;
  else if (name === "waiting") $("notice-text").textContent = `Attempt ${attempt} in ${seconds} s.`;
  else $("notice-text").textContent = `Attempt ${attempt}…`;
}

// Rooms.

function join(name) {
  if (!rooms.has(name)) rooms.set(name, new Room(name, user, connection, roomChanged));
  rememberRooms();
  return rooms.get(name);
}

function leave() {
  current.leave();
  rooms.delete(current.name);
  rememberRooms();
  location.hash = [...rooms.keys()].at(-1);
}

function rememberRooms() {
  sessionStorage.setItem("rooms", JSON.stringify([...rooms.keys()]));
}

/** What the name of a channel may hold: letters, digits, "-" and "_". */
function roomName(text) {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, "-")
    .replace(/^-+|-+$/g, "");
}

function openFromAddress() {
  const name = roomName(location.hash) || SUGGESTED[0];
  showPanel(null);
  if (current?.name === name) return;
  if (current) current.draft = $("text").value;
  current?.close();
  current = join(name);
  current.open();
  $("messages").replaceChildren();
  timeline.following = true;
  $("room-name").textContent = name;
  $("text").value = current.draft;
  for (const part of Object.keys(draw)) change(part);
  if (matchMedia("(hover: hover)").matches) $("text").focus(); // elsewhere a keyboard would come up
}

function roomChanged(room, part) {
  if (room === current) change(part);
  if (part === "messages") change("rooms");
}

// Drawing: once per tick, however much has changed in it.

function change(part) {
  changed.add(part);
  if (changed.size > 1) return;
  queueMicrotask(() => {
    const parts = [...changed];
    changed.clear();
    for (const each of parts) draw[each]();
  });
}

const draw = {
  messages() {
    const messages = current.timeline();
    timeline.draw(messages, current.loaded);
    $("earlier").hidden = !current.hasEarlier;
    $("empty").hidden = messages.length > 0;
    const beginning = current.loaded ? "Nothing here yet. Say hello!" : "Loading…";
    $("empty-title").textContent = `#${current.name}`;
    $("empty-text").textContent = current.closed ? "The hub does not let you in." : beginning;
    $("text").disabled = current.closed !== "";
    $("text").placeholder = current.closed || `Message #${current.name}`;
  },

  rooms() {
    if (timeline.following && document.visibilityState === "visible") current.unread = 0;
    const joined = [...rooms.values()];
    const others = SUGGESTED.filter((name) => !rooms.has(name));
    showRooms($("joined"), joined);
    showRooms($("suggested"), others.map((name) => ({ name, unread: 0 })));
    $("suggested-title").hidden = others.length === 0;
    $("leave").hidden = joined.length < 2;
    $("newest").hidden = current.unread === 0;
    const unread = joined.reduce((sum, room) => sum + room.unread, 0);
    $("other-unread").hidden = unread === current.unread;
    document.title = `${unread ? `(${unread}) ` : ""}#${current.name} · Realtime`;
  },

  people() {
    $("people-count").textContent = current.people.length;
    const people = current.people.map((name) => ({ key: name, name }));
    showList($("people"), people, () => "person-item", (element, { name }) => {
      showAvatar(element.querySelector(".avatar"), name);
      element.querySelector(".name").textContent = name || "guest";
      element.querySelector(".you").textContent = name === user ? "you" : "";
    });
  },

  activity() {
    const [first, second, third] = current.typists;
    if (third) $("activity").textContent = "Several people are typing…";
    else if (second) $("activity").textContent = `${first} and ${second} are typing…`;
    else if (first) $("activity").textContent = `${first} is typing…`;
    else $("activity").textContent = current.note;
  },
};

function showRooms(list, items) {
  const keyed = items.map(({ name, unread }) => ({ key: name, name, unread }));
  showList(list, keyed, () => "room-item", (element, { name, unread }) => {
    const link = element.querySelector("a");
    link.href = `#${name}`;
    link.setAttribute("aria-current", name === current.name ? "page" : "false");
    element.querySelector(".name").textContent = name;
    element.querySelector(".unread").hidden = unread === 0;
    element.querySelector(".unread").textContent = unread;
  });
}

/** On a narrow screen the lists of rooms and of people are drawers; at most one is out. */
function showPanel(name) {
  const before = document.body.dataset.panel;
  document.body.dataset.panel = name ?? "";
  $("room").inert = name !== null;
  $("show-rooms").setAttribute("aria-expanded", name === "rooms");
  $("show-people").setAttribute("aria-expanded", name === "people");
  if (name) $(`${name}-panel`).focus();
  else if (before) $(`show-${before}`).focus();
}

// What the user does.

function send() {
  const text = $("text").value.trim();
  if (text === "" || !current.send(text)) return; // too many wait: the text stays where it is
  $("text").value = "";
  timeline.toEnd();
}

function on(id, event, handle) {
  $(id).addEventListener(event, (details) => {
    if (event === "submit") details.preventDefault();
    handle(details);
  });
}

on("sign-in", "submit", () => $("name").value.trim() && signIn($("name").value.trim()));
on("sign-out", "click", signOut);
on("try-now", "click", () => connection.connect());
on("leave", "click", leave);
on("newest", "click", () => timeline.toEnd());
on("earlier", "click", () => current.loadEarlier().catch(() => {})); // the button is still there
on("show-rooms", "click", () => showPanel("rooms"));
on("show-people", "click", () => showPanel("people"));
on("backdrop", "click", () => showPanel(null));
on("composer", "submit", send);
on("text", "input", () => current.typing($("text").value !== ""));
on("text", "keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
on("new-room", "submit", () => {
  const name = roomName($("new-room-name").value);
  if (name === "") return;
  $("new-room-name").value = "";
  location.hash = name;
});
on("messages", "click", ({ target }) => {
  if (target.matches(".retry")) current.retry(target.closest("li").dataset.key);
});
addEventListener("keydown", ({ key }) => key === "Escape" && showPanel(null));
addEventListener("hashchange", () => user && openFromAddress());
addEventListener("online", () => connection?.connect());
document.addEventListener("visibilitychange", () => user && change("rooms"));

if (sessionStorage.getItem("name")) signIn(sessionStorage.getItem("name"));
else $("welcome").hidden = false;
