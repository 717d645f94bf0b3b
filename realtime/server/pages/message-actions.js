/** What can be done with a message: a toolbar on the one that is pointed at, and its menu. */

import { copy } from "./elements.js";
import { ask, openEmojis, openMenu } from "./menu.js";
import { textOf } from "./message-item.js";

export const REASONS = [
  ["Spam", "spam"],
  ["Abuse", "abuse"],
  ["Hate", "hate"],
  ["Violence", "violence"],
  ["Something else", "other"],
];

/**
 * Makes the messages in a list answer to clicks and keys.
 *
 * `room()` is the open room; `find(offset)` answers a message; `edit(message)`, `openThread(root)`
 * and `report(message)` are what the page does.
 */
export function offerActions(list, { hub, room, find, edit, openThread }) {
  const toolbar = copy("actions");

  function show({ target }) {
    const element = target.closest(".message");
    if (!element?.dataset.offset || element.contains(toolbar)) return;
    const message = find(Number(element.dataset.offset));
    if (!message || message.deleted_at) toolbar.remove();
    else element.append(toolbar);
  }

  function act({ target }) {
    const element = target.closest(".message");
    const button = target.closest("button");
    if (!element || !button) return;
    const message = find(Number(element.dataset.offset));
    const { item } = element.querySelector(".problem").dataset;
    if (button.matches(".retry")) hub.outbox.retry(item);
    else if (button.matches(".drop")) hub.outbox.drop(item);
    else if (button.matches(".reaction")) room().react(message, button.dataset.emoji);
    else if (button.matches(".thread-link, .context")) openThread(message.reply_to || message.offset);
    else if (button.dataset.action === "reply") openThread(message.reply_to || message.offset);
    else if (button.dataset.action === "react") openEmojis(button, (emoji) => room().react(message, emoji));
    else if (button.dataset.action === "more") openMenu(button, menuOf(message));
  }

  function menuOf(message) {
    const { offset, user, pinned, reply_to } = message;
    const mine = user === hub.me;
    const write = (method) => room().write(method, { offset });
    return [
      mine && ["Edit", () => edit(message)],
      (room().isDirect || room().is("moderator")) && [
        pinned ? "Unpin" : "Pin",
        () => write(pinned ? "chat.unpin" : "chat.pin"),
      ],
      !reply_to && ["Mark as unread", () => room().markUnread(message)],
      ["Copy text", () => navigator.clipboard.writeText(textOf(message))],
      !mine && ["Report…", () => report(message)],
      (mine || room().is("moderator")) && ["Delete…", () => remove(message, write), true],
    ];
  }

  function remove(message, write) {
    ask({
      title: "Delete this message?",
      text: "It is deleted for everyone, and cannot be brought back.",
      button: "Delete",
      isDangerous: true,
      act: async () => write("chat.delete"),
    });
  }

  function report({ offset }) {
    reportTo(hub, { channel: room().channel, offset });
  }

  for (const event of ["pointerover", "focusin"]) list.addEventListener(event, show);
  list.addEventListener("click", act);
}

/** Asks what is wrong, and tells the moderators; `subject` is a message or a user. */
export function reportTo(hub, subject) {
  const client_id = crypto.randomUUID();
  ask({
    title: "What is wrong?",
    text: "The room's moderators are told. Whom it is about is not.",
    fields: [
      { name: "reason", label: "Reason", options: REASONS },
      { name: "text", label: "What should they know?", isOptional: true },
    ],
    button: "Report",
    act: (values) => hub.call("chat.report", { client_id, ...subject, ...values }),
  });
}
