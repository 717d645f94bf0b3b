/** The panel beside the open page, on a phone above it; one of its parts is shown at a time. */

import { $, on } from "./elements.js";

const PARTS = ["thread", "people", "pins", "following"];
let onClose = () => {};
let opener = null; // what had the focus

/** The part that is open, "" for none. */
export function sideOpen() {
  return PARTS.find((part) => !$("side").hidden && !$(part).hidden) ?? "";
}

/** Opens a part; `closed()` is called when it is closed, or another takes its place. */
export function openSide(part, title, closed = () => {}) {
  onClose();
  onClose = closed;
  if ($("side").hidden) opener = document.activeElement;
  for (const each of PARTS) $(each).hidden = each !== part;
  $("side").hidden = false;
  $("side-title").textContent = title;
  $("side-problem").textContent = "";
}

export function closeSide() {
  const hadFocus = $("side").contains(document.activeElement);
  $("side").hidden = true;
  onClose();
  onClose = () => {};
  if (hadFocus) opener?.focus();
}

on("close-side", "click", closeSide);
on("side", "keydown", ({ key }) => key === "Escape" && closeSide());
