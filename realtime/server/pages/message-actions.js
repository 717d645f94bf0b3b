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
 * `room()` is the open room; `edit(message)` and `openThread(root)` are what the page does.
 */
export function offerActions(list, { hub, room, edit, openThread }) {
  const toolbar = copy("actions");

  function show({ target }) {
    const element = target.closest(".message");
    if (!element || element.contains(toolbar)) return;
    const { offset, deleted_at } = element.row.message;
    if (offset && !deleted_at) element.append(toolbar);
    else toolbar.remove();
  }

  function act({ target }) {
    const button = target.closest("[data-action]");
    if (!button) return;
    const { message } = button.closest(".message").row;
    const react = (emoji) => room().react(message, emoji);
    const acts = {
      retry: () => hub.outbox.retry(message.item.id),
      drop: () => hub.outbox.drop(message.item.id),
      toggle: () => react(button.dataset.emoji),
      react: () => openEmojis(button, react),
      reply: () => openThread(message.reply_to || message.offset),
      more: () => openMenu(button, menuOf(message)),
    };
    acts[button.dataset.action]();
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
