/**
 * The page: who is here, what is open, and the hub. Models (`inbox`, `room`, `feed`, …) keep what
 * the hub says; views (`…-view`) show it and do what the user asks for; `wire` talks to the hub.
 */

import { address, go } from "./address.js";
import { $, attempt, on, showAvatar } from "./elements.js";
import { FeedView } from "./feed-view.js";
import { Following } from "./following.js";
import { Inbox } from "./inbox.js";
import { ListView } from "./list-view.js";
import { openMenu } from "./menu.js";
import { Outbox } from "./outbox.js";
import { tellPresence } from "./presence.js";
import { WireError } from "./retry.js";
import { RoomView } from "./room-view.js";
import { Users } from "./users.js";
import { Connection } from "./wire.js";

const TOKEN_TIMEOUT_MS = 5_000;
const STATUS = {
  connecting: "Connecting…",
  connected: "Connected",
  waiting: "Reconnecting…",
  closed: "Disconnected",
};

let hub, list, room, feed, presenceAgain, countdown;

// The name lives in this tab only, so that two tabs can be two people.

function signIn(name) {
  sessionStorage.setItem("name", name);
  $("welcome").hidden = true;
  $("app").hidden = false;
  $("my-name").textContent = name;
  showAvatar($("my-avatar"), name);
  const url = new URL("/connection/websocket", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const handlers = { getToken: () => fetchToken(name), onState: showConnection, onHint: takeHint };
  const connection = new Connection(url.href, handlers);
  const call = (method, params) => connection.call(method, params);
  const tell = (method, params) => connection.tell(method, params);
  hub = { me: name, connection, call, tell };
  hub.users = new Users(call);
  hub.following = new Following(call);
  hub.inbox = new Inbox(hub);
  hub.outbox = new Outbox(name, {
    call,
    isReady: () => connection.state.name === "connected",
    onDone: sent,
  });
  list = new ListView(hub);
  room = new RoomView(hub, (user) => list.openDirect(user));
  feed = new FeedView(hub);
  presenceAgain = tellPresence(call);
  openFromAddress();
  connection.connect();
}

async function fetchToken(user) {
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
  hub.connection.close();
  sessionStorage.clear();
  location.assign("/");
}

// The hub.

/** After each connect: what changed meanwhile, and what is still to be sent. */
async function catchUp() {
  presenceAgain();
  hub.users.renew();
  hub.outbox.flush();
  feed.feed?.reload();
  await attempt($("list-problem"), () => Promise.all([hub.inbox.sync(), hub.following.sync()]));
}

function takeHint(hint) {
  if (hint.type === "channel") hub.inbox.channelHint(hint);
  else if (hint.type === "marker") hub.inbox.markerHint(hint);
  else if (hint.type === "member") hub.inbox.syncSoon();
  else if (hint.type === "presence") hub.users.presenceHint(hint);
  else if (hint.type === "timeline") hub.following.syncSoon();
  else if (hint.type === "post") takePost(hint);
}

function takePost({ feed: channel, offset }) {
  hub.following.syncSoon();
  feed.feed?.arrived(channel, offset);
}

function sent(item, result) {
  const isHere = item.params.channel === room.room?.channel;
  if (item.method === "feed.post") feed.feed?.sent(item, result);
  else if (item.method === "chat.send" && isHere) room.room.sent(item, result);
}

function showConnection(state) {
  document.body.dataset.connection = state.name;
  $("status").textContent = STATUS[state.name];
  const isFirst = state.name === "connecting" && state.attempt === 0;
  $("notice").hidden = isFirst || state.name === "connected";
  $("notice-title").textContent = state.name === "closed" ? "Disconnected." : "Connection lost.";
  clearInterval(countdown);
  if (state.name === "waiting") countdown = setInterval(showNotice, 250, state);
  showNotice(state);
  if (state.name === "connected") catchUp();
}

function showNotice({ name, attempt, retryAt, reason, code }) {
  const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  if (name === "closed") $("notice-text").textContent = `The hub says: ${reason} (${code}).`;
  else if (name === "waiting") $("notice-text").textContent = `Attempt ${attempt} in ${seconds} s.`;
  else $("notice-text").textContent = `Attempt ${attempt}…`;
}

function openFromAddress() {
  const [place, author] = address();
  document.body.dataset.open = place ? "page" : "";
  $("home").hidden = place !== "";
  if (place === "feed") {
    room.close();
    feed.open(author);
  } else if (place) {
    feed.close();
    room.open(place);
  } else {
    room.close();
    feed.close();
  }
  list.draw();
}

on("sign-in", "submit", () => $("name").value.trim() && signIn($("name").value.trim()));
on("try-now", "click", () => hub.connection.connect());
on("more-of-me", "click", () => openMenu($("more-of-me"), [
  ["My posts", () => go("feed", hub.me)],
  ["API reference", () => open("/api/v1/docs", "_blank", "noopener")],
  ["Guide for JavaScript", () => open("/guides/javascript.md", "_blank", "noopener")],
  ["Change name", signOut],
]));
addEventListener("hashchange", () => hub && openFromAddress());
addEventListener("online", () => hub?.connection.connect());

if (sessionStorage.getItem("name")) signIn(sessionStorage.getItem("name"));
else $("welcome").hidden = false;
