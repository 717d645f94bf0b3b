/** Small things on top of the page: a menu, a choice of reactions, a dialog that asks. */

import { $, copy, on } from "./elements.js";
import { explain } from "./retry.js";

const EMOJIS = ["👍", "❤️", "😂", "🎉", "😮", "😢", "🙏", "👀"];
const GAP_PX = 4;

/** Opens a menu at a button: `[label, action, isDangerous?]` each; what is false is left out. */
export function openMenu(anchor, items) {
  const buttons = items.filter(Boolean).map(([label, action, isDangerous = false]) => {
    const button = document.createElement("button");
    button.role = "menuitem";
    button.textContent = label;
    button.classList.toggle("danger", isDangerous);
    button.onclick = () => {
      $("menu").hidePopover();
      action();
    };
    return button;
  });
  $("menu").replaceChildren(...buttons);
  open($("menu"), anchor);
}

/** Lets the user choose an emoji; `choose(emoji)` is called with it. */
export function openEmojis(anchor, choose) {
  const buttons = EMOJIS.map((emoji) => {
    const button = document.createElement("button");
    button.textContent = emoji;
    button.onclick = () => {
      $("emojis").hidePopover();
      choose(emoji);
    };
    return button;
  });
  $("emojis").replaceChildren(...buttons);
  open($("emojis"), anchor);
}

function open(popover, anchor) {
  popover.showPopover();
  const { left, right, top, bottom } = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = popover;
  const below = bottom + GAP_PX + height < innerHeight;
  popover.style.top = `${below ? bottom + GAP_PX : Math.max(GAP_PX, top - GAP_PX - height)}px`;
  const start = left + width + GAP_PX < innerWidth ? left : right - width;
  popover.style.left = `${Math.max(GAP_PX, start)}px`;
  popover.querySelector("button").focus();
}

/** Arrow keys go through the buttons of a popover. */
for (const id of ["menu", "emojis"]) {
  on(id, "keydown", (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...$(id).children];
    const next = buttons.indexOf(document.activeElement) + step;
    buttons.at(next % buttons.length).focus();
  });
}

/**
 * Asks for something. `fields` are `{name, label, hint?, value?, options?}`; `act(values)` is
 * called when the user agrees, and the dialog stays open for as long as that fails.
 */
export function ask({ title, text = "", fields = [], button, isDangerous = false, act }) {
  $("dialog-title").textContent = title;
  $("dialog-text").textContent = text;
  $("dialog-text").hidden = text === "";
  $("dialog-problem").textContent = "";
  $("dialog-button").textContent = button;
  $("dialog-button").className = isDangerous ? "danger" : "primary";
  $("dialog-fields").replaceChildren(...fields.map(field));
  $("dialog-form").onsubmit = async (event) => {
    event.preventDefault();
    $("dialog-button").disabled = true;
    try {
      await act(Object.fromEntries(new FormData($("dialog-form"))));
      $("dialog").close();
    } catch (error) {
      $("dialog-problem").textContent = explain(error);
    }
    $("dialog-button").disabled = false;
  };
  $("dialog").showModal();
}

function field({ name, label, hint = "", value = "", options, isOptional = false }) {
  const element = copy(options ? "choice-field" : "text-field");
  const input = element.querySelector("input, select");
  element.querySelector("span").textContent = label;
  input.append(...(options ?? []).map(([text, choice]) => new Option(text, choice)));
  input.name = name;
  if (value) input.value = value;
  input.required = !isOptional;
  if (!options) input.placeholder = hint;
  return element;
}

on("dialog-cancel", "click", () => $("dialog").close());
