import { $, showAvatar, showList } from "./elements.js";

const GROUP_MS = 5 * 60_000; // messages of one author closer than this share a heading
const NEAR_END_PX = 80;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, {
  weekday: "long",
  day: "numeric",
  month: "long",
});

/** The messages of one room on screen: grouped by author and day, and kept at the newest. */
export class Timeline {
  /** The newest message is in view and shall stay so. */
  following = true;
  #log; #list; #me;

  constructor(me, onScroll) {
    this.#me = me;
    this.#log = $("log");
    this.#list = $("messages");
    this.#log.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#log;
      this.following = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
      onScroll();
    });
    new ResizeObserver(() => this.following && this.toEnd()).observe(this.#log);
  }

  toEnd() {
    this.following = true;
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  draw(messages, isLoaded) {
    const fromEnd = this.#log.scrollHeight - this.#log.scrollTop;
    const first = this.#list.firstElementChild;
    this.#log.setAttribute("aria-busy", String(!isLoaded));
    const template = ({ text }) => (text === undefined ? "day-item" : "message-item");
    showList(this.#list, withDays(messages), template, (...args) => this.#fill(...args));
    const prepended = first !== this.#list.firstElementChild;
    if (this.following) this.toEnd();
    else if (prepended) this.#log.scrollTop = this.#log.scrollHeight - fromEnd;
  }

  #fill(element, { text, user, at, day, grouped, state, problem }) {
    const find = (selector) => element.querySelector(selector);
    if (text === undefined) {
      find("span").textContent = day;
      return;
    }
    element.classList.toggle("grouped", grouped);
    if (element.dataset.state === state) return;
    element.dataset.state = state;
    element.classList.toggle("mine", user === this.#me);
    showAvatar(find(".avatar"), user);
    find(".name").textContent = user || "Server";
    find(".bubble").textContent = text;
    find("time").textContent = at ? clock.format(at) : "";
    if (at) find("time").dateTime = new Date(at).toISOString();
    find(".state").textContent = stateText(state, problem);
    find(".retry").hidden = state !== "failed";
  }
}

function stateText(state, problem) {
  if (state === "queued") return "Waiting to be sent";
  return state === "failed" ? `Not sent: ${problem}` : "";
}

/** The messages with a heading before each new day, and marked where the author goes on. */
function withDays(messages) {
  const items = [];
  const today = calendar.format(Date.now());
  let previous = null;
  for (const message of messages) {
    const day = message.at ? calendar.format(message.at) : previous?.day;
    if (day && day !== previous?.day) {
      items.push({ key: `day/${day}`, day: day === today ? "Today" : day });
    }
    const soon = message.at - previous?.at < GROUP_MS;
    const grouped = soon && previous.user === message.user && previous.day === day;
    previous = { ...message, day, grouped };
    items.push(previous);
  }
  return items;
}
