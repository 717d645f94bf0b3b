"""Frozen values that every part of the hub shares: log entries, positions, who published.

They are `msgspec` structs rather than dataclasses because a hub makes one or two of them per
publication, and a frozen dataclass costs ten times as much to construct. `gc=False` is safe where
it is set: none of these values can be part of a reference cycle.
"""

import hashlib
from typing import Final, Literal

import msgspec

Kind = Literal[
    "message", "edit", "delete", "reaction", "pin", "member", "channel", "join", "leave", "signal"
]
"""What an entry is.

`message` is what was said. The events change what was said (`edit`, `delete`, `reaction`, `pin`),
who may say it (`member`) or where it is said (`channel`: title, settings, archived or not). `join`,
`leave` and `signal` exist only on the bus and are never stored: who comes and goes, and what is
gone if it is missed (typing, receipts, live counters).
"""


class Position(msgspec.Struct, frozen=True, gc=False):
    """A place in a channel's log, as SDKs keep it.

    `epoch` names the incarnation of the store; an offset means nothing under another epoch.
    `offset` counts from 1; 0 is before the first entry.
    """

    epoch: str
    offset: int


class ClientInfo(msgspec.Struct, frozen=True, gc=False):
    """Who is behind a publication, a join or a presence entry (protocol 1.3, `info`).

    `user` is "" for a guest. `client` is the connection's id. `conn_info` and `chan_info` are raw
    JSON from the connection token and the subscription token, b"" where there was none.
    """

    user: str
    client: str
    conn_info: bytes = b""
    chan_info: bytes = b""


class NewEntry(msgspec.Struct, frozen=True, gc=False):
    """What a node asks the store to append; the store gives it an offset.

    `(channel, sender, client_id)` is unique for as long as the entry is kept, at least for the
    store's `dedupe_ttl`. `sender` is a user id behind a prefix that keeps users, guests and API
    keys apart (`realtime.hub.publishing` makes it). `digest` is of the command as first made: the
    same key with another digest is a conflict, not a retry. b"": the key was made for this entry
    alone, so that nobody else can give it and nobody will again, and no store need look for it.
    `data` is kept byte for byte. `at` is in milliseconds since 1970.
    `ref` is the offset of the entry that this one changes or replies to, 0 for none.

    `counts`: it raises the unread of whoever reads the channel; the store numbers such entries
    (`Entry.n`). `pending`: something outside the log has to follow from it, and the store
    remembers that until `ChangeStore.settle` says that it has. `notify`: people may have to be told
    of it who are not looking; the store remembers that until `ChangeStore.notified` says that what
    tells them is on its way. A retry of what is stored marks nothing anew.
    """

    channel: str
    sender: str
    client_id: str
    data: bytes
    at: int
    kind: Kind = "message"
    digest: bytes = b""
    ref: int = 0
    info: ClientInfo | None = None
    tags: dict[str, str] | None = None
    counts: bool = False
    pending: bool = False
    notify: bool = False


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An entry of a channel's log, or, with offset 0, an event of an ephemeral channel.

    `stub` marks an entry whose content retention has taken: its offset still exists (so the head
    never moves back) but it must never be shown. Stubs have empty data, info and tags.

    `n` is how many entries that count (`counts`) the log has had up to and including this one, -1
    where a node of an older version told of it.
    `changed` is the offset of the last edit or delete folded into it, 0 for none; then `data` and
    `tags` are as that left them, `edited_at` and `deleted_at` (ms) say when. `pending` and
    `notify`: see `NewEntry`; a stub tells nobody, and the bus speaks of neither. `summary` is what
    has been added to a message by others, as raw JSON (its reactions by emoji, its replies, whether
    it is pinned), b"" for nothing.
    """

    channel: str
    offset: int
    data: bytes
    at: int
    kind: Kind = "message"
    sender: str = ""
    client_id: str = ""
    digest: bytes = b""
    ref: int = 0
    info: ClientInfo | None = None
    tags: dict[str, str] | None = None
    edited_at: int = 0
    deleted_at: int = 0
    stub: bool = False
    n: int = 0
    counts: bool = False
    changed: int = 0
    pending: bool = False
    summary: bytes = b""
    notify: bool = False


class Change(msgspec.Struct, frozen=True, gc=False):
    """What an edit or a delete makes of the entry at `offset`; `by` is that event's own offset.

    The store carries out an edit only where the entry is not deleted and `by` is above what it was
    changed by last, a delete (`deleted_at` is set) unless it was deleted by an earlier one: a text
    that was taken back stays so, whatever edit crossed it. So events may be folded in any order and
    more than once. What was there before is gone afterwards, `edited_at` and the summary of what is
    deleted included; `sender`, `client_id` and `info` stay.
    """

    channel: str
    offset: int
    by: int
    data: bytes
    tags: dict[str, str] | None = None
    edited_at: int = 0
    deleted_at: int = 0

    def applies(self, changed: int, deleted_at: int) -> bool:
        """Whether it is carried out on an entry with these fields; on a stub nothing is."""
        if self.deleted_at:
            return not deleted_at or self.by < changed
        return not deleted_at and self.by > changed


class Retention(msgspec.Struct, frozen=True, gc=False):
    """How much of a channel's log may be seen.

    `size`: the newest so many offsets; -1 is all, 0 none. `ttl_ms`: entries younger than this many
    milliseconds; 0 is for ever.
    """

    size: int
    ttl_ms: int

    def hides(self, offset: int, at: int, head: int, now_ms: int) -> bool:
        """Whether the entry at `offset`, made at `at`, is past its time under a log's `head`."""
        if 0 <= self.size <= head - offset:
            return True
        return 0 < self.ttl_ms <= now_ms - at

    def within(self, other: "Retention") -> "Retention":
        """What may be seen by both."""
        if other is EVERYTHING or self is EVERYTHING:  # as almost all are: nothing to be made
            return self if other is EVERYTHING else other
        sizes = [size for size in (self.size, other.size) if size >= 0]
        ttls_ms = [ttl_ms for ttl_ms in (self.ttl_ms, other.ttl_ms) if ttl_ms > 0]
        return Retention(min(sizes, default=-1), min(ttls_ms, default=0))


EVERYTHING: Final = Retention(-1, 0)
"""The whole log, whatever its channel keeps."""

NOTHING: Final = Retention(0, 0)
"""No entry, but where the log ends."""


Act = Literal[
    "tokens", "ban", "unban", "disconnect", "unsubscribe", "truncate", "members", "unknown"
]
"""What a row of the store's revocations log takes away, or gives back."""


FORGOTTEN: Final = "forgotten:"
"""Begins what stands for a user who was erased."""


def forgotten_name(user: str) -> str:
    """What stands for an erased user where what was taken from them must stay taken: nobody is
    recognised by it who does not know the name already."""
    return (
        FORGOTTEN
        + hashlib.blake2b(user.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    )


class Revocation(msgspec.Struct, frozen=True, gc=False):
    """A row of the log of what no longer counts (design 6).

    `act` says what it does:

    - "tokens": tokens of `user` issued before `before`, or the one with id `jti`, are invalid.
      Exactly one of `user` and `jti` is set.
    - "ban": `user` may not use `channel`, or, where that is "", the hub. Over any token.
    - "unban": takes back every earlier ban of this `user` and `channel`.
    - "disconnect": closes connections of `user` with `code` and `reason`: all but those with an id
      in `whitelist`, or, where `client` is set, that one.
    - "unsubscribe": ends the subscriptions to `channel` ("" is all) of `user`, or of the connection
      `client`, or, with both, of that one if it is the user's.
    - "truncate": the history of `channel` was removed, and is shown from no node's memory either.
    - "members": the log of the room `channel` says that `user`, or somebody, may do less there than
      before; every node reads on in it now.
    - "unknown": a later version's row: says nothing to this one. Made by drivers, never stored.

    `before` and `at` are in milliseconds since 1970. `seq` counts from 1 and is given by the store;
    0 means not stored yet. After `until` (ms; 0 is never) the row says nothing any more and may be
    swept: every token that it could name has expired, the ban is over, or the order is an old one.
    """

    user: str = ""
    jti: str = ""
    before: int = 0
    at: int = 0
    until: int = 0
    seq: int = 0
    act: Act = "tokens"
    channel: str = ""
    client: str = ""
    whitelist: tuple[str, ...] = ()
    code: int = 0
    reason: str = ""
