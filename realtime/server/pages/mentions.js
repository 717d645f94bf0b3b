/** Mentions: offered while "@…" is written, found in a text, and marked where it is shown. */

const OFFERED_MAX = 6;
const LINK = "https?://[^\\s<>\"]+[^\\s<>\".,;:!?)]";

/** Offers people whose name begins with what follows the "@" at the cursor of a field. */
export class Completer {
  #field; #list; #people; #offered = []; #chosen = 0;

  /** `people()` are `{id, name}`. */
  constructor(field, list, people) {
    this.#field = field;
    this.#list = list;
    this.#people = people;
    field.ariaAutoComplete = "list";
    field.addEventListener("input", () => this.#offer());
    field.addEventListener("blur", () => this.#show([]));
  }

  /** Whether the key was for this, and not for the field. */
  takes({ key }) {
    const count = this.#offered.length;
    if (count === 0) return false;
    if (key === "ArrowDown" || key === "ArrowUp") {
      this.#chosen = (this.#chosen + (key === "ArrowDown" ? 1 : count - 1)) % count;
      this.#mark();
    } else if (key === "Enter" || key === "Tab") {
      this.#complete(this.#offered[this.#chosen]);
    } else if (key === "Escape") {
      this.#show([]);
    } else {
      return false;
    }
    return true;
  }

  #offer() {
    const prefix = this.#written()?.[1].toLowerCase();
    const people = prefix === undefined ? [] : this.#people();
    const names = people.map(({ name }) => name.toLowerCase());
    const isWhole = names.includes(prefix); // Enter is to send it then
    this.#show(isWhole ? [] : people.filter((_, index) => names[index].startsWith(prefix)));
  }

  #written() {
    return /(?:^|\s)@(\S*)$/.exec(this.#field.value.slice(0, this.#field.selectionStart));
  }

  #complete({ name }) {
    const end = this.#field.selectionStart;
    this.#field.setRangeText(`${name} `, end - this.#written()[1].length, end, "end");
    this.#show([]);
  }

  #show(people) {
    this.#offered = people.slice(0, OFFERED_MAX);
    this.#chosen = 0;
    this.#list.hidden = people.length === 0;
    this.#list.replaceChildren(...this.#offered.map((person) => this.#option(person)));
    this.#mark();
  }

  #option(person) {
    const option = document.createElement("li");
    option.role = "option";
    option.textContent = person.name;
    option.onpointerdown = (event) => {
      event.preventDefault(); // the field keeps the focus
      this.#complete(person);
    };
    return option;
  }

  #mark() {
    [...this.#list.children].forEach((option, index) => {
      option.ariaSelected = String(index === this.#chosen);
      option.id = index === this.#chosen ? "suggested" : "";
    });
    this.#field.setAttribute("aria-activedescendant", this.#offered.length ? "suggested" : "");
  }
}

/** The ids of those whose "@name" is in the text. */
export function mentioned(text, people) {
  const isNamed = ({ name }) => new RegExp(`@${literal(name)}(?![\\p{L}\\p{N}_])`, "u").test(text);
  return people.filter(isNamed).map(({ id }) => id);
}

/** Shows a text with its links, and with the mentioned `names`; `mine` is the reader's own. */
export function showText(element, text, names = [], mine = "") {
  const marked = names.map((name) => `@${literal(name)}(?![\\p{L}\\p{N}_])`);
  const parts = text.split(new RegExp(`(${[LINK, ...marked].join("|")})`, "u"));
  element.replaceChildren(...parts.map((part, index) => (index % 2 ? special(part, mine) : part)));
}

function special(part, mine) {
  if (part.startsWith("@")) {
    const mention = document.createElement("span");
    mention.className = part === `@${mine}` ? "mention me" : "mention";
    mention.textContent = part;
    return mention;
  }
  const link = document.createElement("a");
  link.href = link.textContent = part;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return link;
}

function literal(text) {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
