/**
 * Entries of a channel's log: messages, and what happens to them later. The same functions serve
 * what the hub tells and what is still to be sent, so the user sees at once what a click will do.
 */

const KINDS = {
  send: "message",
  post: "message",
  edit: "edit",
  delete: "delete",
  react: "reaction",
  unreact: "reaction",
  pin: "pin",
  unpin: "pin",
};

/** The entry in a publication. The wire has no times: `at` is now, or 0 for what was missed. */
export function entryOf({ data, info, tags = {}, offset }, at) {
  return {
    offset,
    at,
    data,
    kind: tags.kind ?? "message",
    ref: Number(tags.ref ?? 0),
    user: info?.user ?? "",
    client_id: tags.client_id,
    also_to_channel: tags.also === "1",
    mentions: JSON.parse(tags.mentions ?? "[]"),
  };
}

/** The entry that a call (`chat.send`, `feed.react`, …) comes to. */
export function entryOfCall(user, { method, params, at }) {
  const verb = method.split(".")[1];
  const data = {
    react: { emoji: params.emoji, shown: true },
    unreact: { emoji: params.emoji, shown: false },
    pin: { pinned: true },
    unpin: { pinned: false },
  };
  return {
    at,
    user,
    kind: KINDS[verb],
    ref: params.offset ?? params.reply_to ?? 0,
    data: data[verb] ?? params.data ?? {},
    client_id: params.client_id,
    also_to_channel: params.also_to_channel ?? false,
    mentions: params.mentions ?? [],
  };
}

/** A message as `chat.history` has it, made of the entry that brings it. */
export function messageOf({ kind, ref, ...message }) {
  return { ...message, reply_to: ref };
}

/** The message after the entry about it. What is folded twice changes nothing but counts. */
export function fold(message, { kind, at, data, user, mentions, offset }, me) {
  if (message.deleted_at) return message;
  switch (kind) {
    case "edit":
      return { ...message, data, mentions, edited_at: at || 1 };
    case "delete":
      return { ...message, data: {}, deleted_at: at || 1, reactions: {}, pinned: false };
    case "pin":
      return { ...message, pinned: data.pinned };
    case "reaction":
      return { ...message, reactions: react(message.reactions, data, user === me) };
    case "unreply":
      return { ...message, replies: message.replies - 1 };
    case "message":
      return { ...message, replies: (message.replies ?? 0) + 1, last_reply: offset };
    default:
      return message;
  }
}

function react(before = {}, { emoji, shown }, isMine) {
  const { count = 0, mine = false } = before[emoji] ?? {};
  if (isMine && mine === shown) return before; // it was shown before the hub told of it
  const after = { count: count + (shown ? 1 : -1), mine: isMine ? shown : mine };
  const { [emoji]: _, ...others } = before;
  return after.count > 0 ? { ...before, [emoji]: after } : others;
}
