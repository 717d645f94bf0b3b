"""Counting a channel entry by entry, to hold against what is reckoned by subtraction. Pure."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from realtime.chat.unread import is_own
from realtime.chat.views import mentions_of
from realtime.model import Entry


def wrong_numbers(entries: Sequence[Entry]) -> int:
    """How many of these entries, in order, have a number that those before them cannot have led to.

    Where entries are missing in between, taken by retention, any of them may have counted.
    """
    wrong = sum(entry.n < entry.counts or entry.n > entry.offset for entry in entries[:1])
    for before, entry in pairwise(entries):
        more = entry.n - before.n - entry.counts
        wrong += not 0 <= more <= entry.offset - before.offset - 1
    return wrong


def unread_of(entries: Iterable[Entry], read: int, head: int) -> int:
    """How many messages are after a marker at `read`, up to `head`."""
    return sum(
        entry.counts and not entry.deleted_at and read < entry.offset <= head for entry in entries
    )


def mentions_among(entries: Iterable[Entry], user: str, read: int, head: int) -> int:
    """How many of the messages after a marker mention the user, those in threads too."""
    return sum(
        entry.kind == "message" and read < entry.offset <= head and user in mentions_of(entry)
        for entry in entries
    )


def last_own(entries: Iterable[Entry], user: str) -> Entry | None:
    """The last message by which the user has moved their own marker."""
    own = [entry for entry in entries if is_own(entry, user)]
    return max(own, key=lambda entry: entry.offset) if own else None
