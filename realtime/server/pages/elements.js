/** Elements of the page: found by id, copied from a template, kept in step with a list. */

const TONES = 8; // avatar colours in chat.css

export function $(id) {
  return document.getElementById(id);
}

/**
 * Makes `list` show `items` in their order. `template(item)` names the template of a new element,
 * `update(element, item)` fills it. The element of a `key` stays while the key does, so focus,
 * selection and what a screen reader has announced are not disturbed.
 */
export function showList(list, items, template, update) {
  const known = new Map([...list.children].map((element) => [element.dataset.key, element]));
  let next = list.firstElementChild;
  for (const item of items) {
    const element = known.get(item.key) ?? copy(template(item));
    known.delete(item.key);
    element.dataset.key = item.key;
    update(element, item);
    if (element === next) next = next.nextElementSibling;
    else list.insertBefore(element, next);
  }
  for (const element of known.values()) element.remove();
}

function copy(template) {
  return $(template).content.firstElementChild.cloneNode(true);
}

/** A letter on a colour that is always the same for one name. */
export function showAvatar(element, name) {
  const sum = [...name].reduce((hash, letter) => (hash * 31 + letter.codePointAt(0)) >>> 0, 7);
  element.textContent = [...name][0]?.toUpperCase() ?? "·";
  element.className = `avatar tone-${sum % TONES}`;
}
