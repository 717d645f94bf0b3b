/** One post on screen. */

import { postsOf } from "./address.js";
import { say, showAvatar } from "./elements.js";
import { showProblem, showReactions, textOf } from "./message-item.js";
import { showText } from "./mentions.js";
import { ago, showTime } from "./words.js";

export function showPost(element, post, { me, users }) {
  if (element.post === post) return;
  element.post = post;
  const { author, at, views, item, edited_at, reactions } = post;
  const name = users.name(author);
  const isStored = post.offset !== undefined;
  element.dataset.state = isStored ? "stored" : item.state;
  element.classList.toggle("mine", author === me);
  showAvatar(element.querySelector(".avatar"), name);
  for (const link of element.querySelectorAll("a:is(.avatar, .name)")) {
    link.href = postsOf(author);
  }
  showText(element.querySelector(".text"), textOf(post));
  showTime(element.querySelector("time"), at, ago);
  const edited = edited_at ? "Edited" : "";
  say(element, { ".name": name, ".edited": edited, ".views .count": String(views) });
  showReactions(element.querySelector(".reactions"), reactions);
  showProblem(element.querySelector(".problem"), item);
  element.querySelector(".more").hidden = author !== me || !isStored;
  element.querySelector(".react").disabled = !isStored;
}
