"""Where feeds and posts are: names of channels, and places in the order of time. Pure.

A feed's channel is its namespace and a hash of its author's id, which nobody is recognised by. A
post's place is its namespace, when it was made, its feed and its offset: texts that sort by time
within a namespace, and of which no two posts have the same. So a timeline is in the order of
places, and a place is where its next page begins, whatever else comes to be.

    photos:001700000000123:mfrggzdfmztwq2lkmfrggzdfmztwq2lk:000000000042
"""

import base64
import hashlib
import re
from typing import Final

import msgspec

NEVER: Final = 10**15 - 1
"""Later than any post (ms)."""

FEED_HASH_BYTES: Final = 20
"""Of the author's id; 32 letters and digits."""

_PLACE: Final = re.compile(r"([^:]+):([0-9]{15}):([a-z2-7]{32}):([0-9]{12})")
_CURSOR: Final = re.compile(r"[0-9]{15}(:[a-z2-7]{32}:[0-9]{12})?")


class Place(msgspec.Struct, frozen=True, gc=False):
    """What a place says: the feed's channel, and the post in it, made `at` (ms)."""

    channel: str
    offset: int
    at: int


def feed_of(namespace: str, author: str) -> str:
    """The channel of an author's feed."""
    hashed = hashlib.blake2b(author.encode(), digest_size=FEED_HASH_BYTES).digest()
    return f"{namespace}:{base64.b32encode(hashed).decode().lower()}"


def namespace_of(channel: str) -> str:
    """The namespace of a feed's channel, or of a place."""
    return channel.partition(":")[0]


def place_of(channel: str, offset: int, at: int) -> str:
    """The place of a post."""
    namespace, _, feed = channel.partition(":")
    return f"{namespace}:{at:015d}:{feed}:{offset:012d}"


def read_place(place: str) -> Place | None:
    """What a place says; None where it is none."""
    match = _PLACE.fullmatch(place)
    if match is None:
        return None
    namespace, at, feed, offset = match.groups()
    return Place(f"{namespace}:{feed}", int(offset), int(at))


def first_at(namespace: str, at_ms: int) -> str:
    """Before every place of a post made at that time or later, and after all earlier ones."""
    return f"{namespace}:{max(0, min(at_ms, NEVER)):015d}"


def time_of(namespace: str, text: str) -> int:
    """The time (ms) of a place, or of what `first_at` and `begin_of` have made."""
    return int(text[len(begin_of(namespace)) :][:15] or 0)


def begin_of(namespace: str) -> str:
    """Before every place and every feed of a namespace."""
    return f"{namespace}:"


def end_of(namespace: str) -> str:
    """After every place and every feed of a namespace: `;` follows `:`."""
    return f"{namespace};"


def is_cursor(namespace: str, text: str) -> bool:
    """Whether a page of the namespace can begin there: at a place, or at a time."""
    begin = begin_of(namespace)
    return text.startswith(begin) and _CURSOR.fullmatch(text, len(begin)) is not None


def just_before(place: str) -> str:
    """Sorts before the place. What lies in between is of the same feed and the same millisecond."""
    return place[:-1]


def just_after(place: str) -> str:
    """Sorts after the place, and before every other that is after it."""
    return f"{place} "
