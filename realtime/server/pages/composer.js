import { copy } from "./elements.js";
import { Completer, mentioned } from "./mentions.js";

/**
 * A field to write in: Enter sends, Shift+Enter breaks the line, "@" offers people. It also edits
 * what was written before, until that is saved or given up.
 *
 * `send(text, mentions, {also})` answers false when nothing more can be taken; `people()` are
 * `{id, name}`; `onInput(text)` is told of changes, `onUp()` of the arrow in an empty field.
 */
export class Composer {
  #form; #field; #label; #options; #save = null; #draft = "";

  constructor(host, label, options) {
    this.#options = { people: () => [], onInput: () => {}, onUp: () => {}, ...options };
    this.#form = copy("composer-item");
    this.#field = this.#form.querySelector("textarea");
    this.label = label;
    host.replaceChildren(this.#form);
    const suggestions = this.#form.querySelector(".suggestions");
    const completer = new Completer(this.#field, suggestions, this.#options.people);
    this.#form.onsubmit = (event) => {
      event.preventDefault();
      this.#submit();
    };
    this.#form.querySelector(".cancel").onclick = () => this.#endEdit();
    this.#field.oninput = () => !this.#save && this.#options.onInput(this.text);
    this.#field.onkeydown = (event) => {
      const isTaken = !event.isComposing && (completer.takes(event) || this.#takes(event));
      if (isTaken) event.preventDefault();
      if (isTaken) event.stopPropagation();
    };
  }

  get text() {
    return this.#field.value;
  }

  set text(text) {
    if (this.#save) this.#draft = text;
    else this.#field.value = text;
  }

  set label(label) {
    if (label === this.#label) return;
    this.#label = this.#field.ariaLabel = this.#field.placeholder = label;
  }

  /** Why nothing can be written here; "" where something can. */
  set silence(reason) {
    for (const element of this.#form.elements) element.disabled = reason !== "";
    this.#field.placeholder = reason || this.#label;
  }

  /** Offers to send to the channel, too. */
  set also(text) {
    this.#form.querySelector(".also").hidden = false;
    this.#form.querySelector(".also span").textContent = text;
  }

  focus() {
    this.#field.focus();
  }

  /** Shows what was written before; `save(text, mentions)` is called in place of `send`. */
  edit(text, save) {
    if (!this.#save) this.#draft = this.text;
    this.#save = save;
    this.#field.value = text;
    this.#form.classList.add("editing");
    this.focus();
  }

  #endEdit() {
    this.#save = null;
    this.#field.value = this.#draft;
    this.#form.classList.remove("editing");
    this.focus();
  }

  #takes({ key, shiftKey }) {
    if (key === "Enter" && !shiftKey) this.#submit();
    else if (key === "ArrowUp" && this.text === "") this.#options.onUp();
    else if (key === "Escape" && this.#save) this.#endEdit();
    else return false;
    return true;
  }

  #submit() {
    const text = this.text.trim();
    const problem = this.#form.querySelector(".problem");
    if (text === "" || this.#field.disabled) return;
    const mentions = mentioned(text, this.#options.people());
    problem.textContent = "";
    if (this.#save) {
      this.#save(text, mentions);
      this.#endEdit();
    } else if (this.#options.send(text, mentions, { also: this.#form.elements.also.checked })) {
      this.text = "";
      this.#form.elements.also.checked = false;
      this.#options.onInput("");
    } else {
      problem.textContent = "Too much is waiting to be sent.";
    }
  }
}
