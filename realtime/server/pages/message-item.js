/** One message on screen, in the log or in a thread. */

import { copy, say, showAvatar } from "./elements.js";
import { showText } from "./mentions.js";
import { counted, showTime } from "./words.js";

/** What a message says, or a short word for what it is. */
export function textOf({ data, deleted_at }) {
  if (deleted_at) return "This message was deleted.";
  return typeof data?.text === "string" ? data.text : JSON.stringify(data);
}

/**
 * Fills the element. `row` is `{message, isGrouped, context, state}`: whether it goes on after one
 * of the same author, what is said above it, and what has become of it.
 */
export function showMessage(element, row, { me, users }) {
  if (sameRow(element.row, row)) return;
  element.row = row;
  const { message, isGrouped, context, state } = row;
  const { user, data, at, item, replies = 0 } = message;
  const name = users.name(user) || "The app";
  const isMine = user === me;
  element.classList.toggle("grouped", isGrouped);
  element.classList.toggle("mine", isMine);
  element.classList.toggle("deleted", Boolean(message.deleted_at));
  element.dataset.offset = message.offset ?? "";
  element.dataset.state = message.offset === undefined ? item.state : "stored";
  showAvatar(element.querySelector(".avatar"), name);
  const names = (message.mentions ?? []).map((id) => users.name(id));
  showText(element.querySelector(".bubble"), textOf(message), names, users.name(me));
  showTime(element.querySelector("time"), at);
  say(element, {
    ".author .name": name,
    ".context": context,
    ".thread-link": replies ? counted(replies, "reply", "replies") : "",
    ".pinned": message.pinned ? "Pinned" : "",
    ".edited": message.edited_at && !message.deleted_at ? "Edited" : "",
    ".state": state,
  });
  showReactions(element.querySelector(".reactions"), message.reactions);
  showProblem(element.querySelector(".problem"), item);
}

function sameRow(before, after) {
  return before && Object.keys(after).every((key) => before[key] === after[key]);
}

/** The chips below a message or a post; a click on one is handled by whoever shows the list. */
export function showReactions(list, reactions = {}) {
  list.replaceChildren(
    ...Object.keys(reactions).sort().map((emoji) => {
      const { count, mine = false } = reactions[emoji];
      const element = copy("reaction-item");
      const button = element.querySelector("button");
      button.dataset.emoji = emoji;
      button.ariaPressed = String(mine);
      say(element, { ".emoji": emoji, ".count": String(count) });
      return element;
    }),
  );
}

/** What went wrong with a write of the user's, where it shows. */
export function showProblem(element, item) {
  element.hidden = item?.state !== "failed";
  element.querySelector("span").textContent = item?.problem ?? "";
}
