"""A message as an app gets it: the entry, and what others have added to it. Pure."""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from realtime.chat.calls.messages import MessageView, Reaction
from realtime.model import Entry

# Read by push as well, and part of the view all the same.
from realtime.naming import mentions_of as mentions_of
from realtime.naming import user_of as user_of


class Summary(msgspec.Struct, frozen=True, omit_defaults=True):
    """What others have added to a message (`Entry.summary`, as JSON).

    `reactions` are counts by emoji, `last_reply` is an offset.
    """

    reactions: dict[str, int] = {}
    replies: int = 0
    last_reply: int = 0
    pinned: bool = False


_NOTHING: Final = Summary()
_decode_summary: Final = msgspec.json.Decoder(Summary).decode


def is_in_channel(entry: Entry) -> bool:
    """Whether an entry belongs to the channel's own history, and not to a thread alone."""
    return entry.kind != "message" or not entry.ref or "also" in (entry.tags or {})


def summary_of(entry: Entry) -> Summary:
    """What others have added to a message."""
    return _decode_summary(entry.summary) if entry.summary else _NOTHING


def view_of(entry: Entry, mine: Collection[str] = ()) -> MessageView:
    """The view of an entry, for a user who reacted with the emojis in `mine`."""
    summary = summary_of(entry)
    return MessageView(
        offset=entry.offset,
        n=entry.n,
        user=user_of(entry),
        data=msgspec.Raw(entry.data),
        at=entry.at,
        kind=entry.kind,
        # Without a digest it is one that a node made. What the server API publishes has one always,
        # and shows its idempotency key, or else an id of the node's, which is nobody's secret.
        client_id=entry.client_id if entry.digest else "",
        reply_to=entry.ref,
        also_to_channel=entry.kind == "message" and "also" in (entry.tags or {}),
        mentions=list(mentions_of(entry)),
        edited_at=entry.edited_at,
        deleted_at=entry.deleted_at,
        reactions={
            emoji: Reaction(count, emoji in mine) for emoji, count in summary.reactions.items()
        },
        replies=summary.replies,
        last_reply=summary.last_reply,
        pinned=summary.pinned,
    )


def views_of(entries: Collection[Entry], mine: Mapping[int, Collection[str]]) -> list[MessageView]:
    """The views of entries; `mine` by offset."""
    return [view_of(entry, mine.get(entry.offset, ())) for entry in entries]
