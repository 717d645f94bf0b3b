/** Elements of the page: found by id, copied from a template, kept in step with a list. */

import { explain } from "./retry.js";

const TONES = 8; // avatar colours in theme.css

export function $(id) {
  return document.getElementById(id);
}

/** A copy of the element in a template. */
export function copy(template) {
  return $(template).content.firstElementChild.cloneNode(true);
}

/** `{"selector": text}`: what these parts of an element say; hidden where that is nothing. */
export function say(element, texts) {
  for (const [selector, text] of Object.entries(texts)) {
    const part = element.querySelector(selector);
    part.textContent = text;
    part.hidden = text === "" || text === 0;
  }
}

/**
 * Makes `list` show `items` in their order. `template(item)` names the template of a new element,
 * `update(element, item)` fills it. The element of a `key` stays while the key does, so focus,
 * selection and what a screen reader has announced are not disturbed.
 */
export function showList(list, items, template, update) {
  const known = new Map([...list.children].map((element) => [element.dataset.key, element]));
  const shown = new Set();
  let next = list.firstElementChild;
  for (const item of items) {
    const element = known.get(item.key) ?? copy(template(item));
    shown.add(element);
    element.dataset.key = item.key;
    update(element, item);
    if (element === next) next = next.nextElementSibling;
    else list.insertBefore(element, next);
  }
  for (const element of [...list.children]) if (!shown.has(element)) element.remove();
}

/** A letter, or a sign of one's own, on a colour that is always the same for one name. */
export function showAvatar(element, name, sign = [...name][0]?.toUpperCase() ?? "·") {
  const sum = [...name].reduce((hash, letter) => (hash * 31 + letter.codePointAt(0)) >>> 0, 7);
  element.textContent = sign;
  element.className = `avatar tone-${sum % TONES}`;
}

/** Whether somebody is here, beside their avatar. */
export function showPresence(element, state) {
  element.dataset.presence = state;
  element.querySelector(".presence").textContent = state;
}

/** Does something, and says in `place` what went wrong; answers whether nothing did. */
export async function attempt(place, action) {
  place.textContent = "";
  try {
    await action();
    return true;
  } catch (error) {
    place.textContent = explain(error);
    return false;
  }
}

/** Calls `handle` on an event of an element, found by id. */
export function on(id, event, handle) {
  $(id).addEventListener(event, (details) => {
    if (event === "submit") details.preventDefault();
    handle(details);
  });
}
