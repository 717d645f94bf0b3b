import { showList } from "./elements.js";
import { showMessage } from "./message-item.js";
import { dayOf } from "./words.js";

const GROUP_MS = 5 * 60_000; // messages of one author closer than this share a heading
const NEAR_END_PX = 80;
const NEWEST = Infinity; // an offset that none is above
const NEAR_PAGE_PX = 400; // the next page is read before the reader gets there

/**
 * Messages on screen, grouped by day and author: a room's or a thread's. It is kept at the newest
 * message for as long as that is in view, and reads further pages when scrolled to their edge.
 */
export class LogView {
  /** The newest message is in view and shall stay so. */
  following = true;
  #log; #list; #hub; #messages = null; #target = 0;
  #end = 0; // how far the log was scrolled when it was last known to be followed

  /** `onScroll()` is called after each change of what is in view. */
  constructor(log, hub, onScroll = () => {}) {
    this.#log = log;
    this.#list = log.querySelector(".messages");
    this.#hub = hub;
    log.addEventListener("scroll", () => {
      this.following = this.#below < NEAR_END_PX && this.#messages?.newer === null;
      if (this.following) this.#end = log.scrollTop;
      this.#readOn(log.scrollTop, this.#below);
      onScroll();
    });
    log.addEventListener("keydown", (event) => this.#walk(event));
    new ResizeObserver(() => this.following && this.toEnd()).observe(log);
  }

  /** Shows another room or thread from here on. */
  open(messages) {
    this.#messages = messages;
    this.#target = 0;
    this.following = true;
    this.#end = 0;
    this.#list.replaceChildren();
  }

  /** Shows these; `describe(message)` is what else is said of one, and before it. */
  draw(views, describe) {
    // Who has just scrolled up is left there: the event comes with the next frame only.
    if (this.#log.scrollTop < this.#end && this.#below >= NEAR_END_PX) this.following = false;
    const fromEnd = this.#log.scrollHeight - this.#log.scrollTop;
    const first = this.#list.querySelector(".message");
    const messages = this.#messages;
    this.#log.ariaBusy = String(messages.loading);
    const isMore = messages.older || (messages.loading && !messages.loaded);
    this.#log.querySelector(".loading").hidden = !isMore;
    showList(this.#list, rowsOf(views, describe), ({ template }) => template, (element, row) => {
      if (row.template === "message-item") showMessage(element, row, this.#hub);
      else element.firstElementChild.textContent = row.text;
    });
    const isPrepended = first?.isConnected && first !== this.#list.querySelector(".message");
    if (this.#target) this.#reach();
    else if (this.following) this.toEnd();
    else if (isPrepended) this.#log.scrollTop = this.#log.scrollHeight - fromEnd;
    if (messages.loaded && this.#log.scrollHeight <= this.#log.clientHeight) this.#readOn(0, 0);
  }

  toEnd() {
    this.following = true;
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#end = this.#log.scrollTop;
  }

  /** Pixels of the log below what is in view. */
  get #below() {
    return this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight;
  }

  /** Brings the newest message into view, and reads it if it is not there. */
  toNewest() {
    if (this.#messages.newer === null) return this.toEnd();
    this.#target = NEWEST;
    this.#messages.load();
  }

  /** Brings the message at an offset, or the next, into view, and reads what is around it. */
  reveal(offset) {
    this.#target = offset;
    this.following = false;
    if (this.#has(offset)) this.#reach();
    else this.#messages.load({ around: offset });
  }

  #has(offset) {
    const { older, newer } = this.#messages;
    const offsets = this.#messages.list().map((message) => message.offset);
    return (!older || offsets[0] <= offset) && (newer === null || offsets.at(-1) >= offset);
  }

  /** Whether the divider is above what is in view, or further up than what has been read. */
  get isDividerAbove() {
    const divider = this.#list.querySelector(".divider");
    return !divider || divider.offsetTop < this.#log.scrollTop;
  }

  #reach() {
    if (this.#messages.loading) return;
    if (this.#target === NEWEST) {
      this.#target = 0;
      return this.toEnd();
    }
    const isIt = ({ dataset }) => Number(dataset.offset) >= this.#target;
    const element = [...this.#list.children].find(isIt) ?? this.#list.lastElementChild;
    if (!element) return;
    this.#target = 0;
    element.scrollIntoView({ block: "center" });
    element.classList.remove("reached");
    element.offsetWidth; // the animation begins again
    element.classList.add("reached");
    element.focus({ preventScroll: true });
  }

  #readOn(above, below) {
    const { older, newer, loading } = this.#messages ?? { loading: true };
    if (loading) return;
    if (older && above < NEAR_PAGE_PX) this.#messages.load({ before: older });
    else if (newer !== null && below < NEAR_PAGE_PX) this.#messages.load({ after: newer });
  }

  /** Arrow keys go from message to message; Tab goes on to what can be done with one. */
  #walk(event) {
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    const all = [...this.#list.querySelectorAll(".message")];
    const at = all.indexOf(event.target.closest(".message"));
    const next = event.key === "ArrowUp" ? (at < 0 ? all.at(-1) : all[at - 1]) : all[at + 1];
    if (!next || (at < 0 && event.key === "ArrowDown")) return;
    event.preventDefault();
    next.focus();
  }
}

/** The messages, with a heading before each new day, and marked where the author goes on. */
function rowsOf(views, describe) {
  const rows = [];
  let before = null;
  for (const message of views) {
    const { divider = "", rule = "", context = "", state = "" } = describe(message);
    const day = message.at ? dayOf(message.at) : before?.day;
    const add = (key, text, kind = "day") => rows.push({ key, text, template: `${kind}-item` });
    if (day && day !== before?.day) add(`day/${day}`, day);
    if (rule) add("rule", rule);
    if (divider) add("divider", divider, "divider");
    const isSoon = message.at - before?.at < GROUP_MS && before.day === day;
    const isGrouped = isSoon && before.user === message.user && !divider && !rule && !context;
    const key = message.client_id ? `${message.user}/${message.client_id}` : `#${message.offset}`;
    rows.push({ key, template: "message-item", message, isGrouped, context, state });
    before = { user: message.user, at: message.at, day };
  }
  return rows;
}
