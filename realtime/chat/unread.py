"""What is unread, by subtraction. Pure.

Entries that count are numbered in the log (`Entry.n`), and a read marker has the number of the
entry it is at. So what is unread is the number at the head less that at the marker, less what has
been deleted in between; no row for each recipient of a message is needed. Where retention has taken
more than was read, what is left begins there (`floors`). Rows may lag behind the
log by what was appended in the last seconds: those entries are given beside them, and the result is
as of the last one.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec

from realtime.chat import previews
from realtime.chat.floors import GROUND, Floor
from realtime.chat.previews import Preview
from realtime.chat.views import mentions_of, user_of
from realtime.model import Entry
from realtime.rows import CHANNELS, EVERYBODY, MENTIONS, ChannelRow, MemberRow, MentionRow
from realtime.stores.base import Write

BADGE_MAX: Final = 999
"""What a badge shows at most."""


class State(msgspec.Struct, frozen=True):
    """A channel to one of its members, at one moment.

    `head` and `head_n` are of its last entry, `read` and `read_n` of the marker, which is never
    behind what the user has sent. What counts as unread is after `after`: the marker, or what
    retention has taken. `last`: see `previews`.
    """

    row: ChannelRow
    member: MemberRow
    head: int
    head_n: int
    after: int
    read: int
    read_n: int
    delivered: int
    unread: int
    mentions: int
    last: Preview | None


def state(
    row: ChannelRow,
    member: MemberRow,
    missed: Sequence[Entry] = (),
    tallied: Iterable[MentionRow] = (),
    deleted: Collection[int] = (),
    floor: Floor = GROUND,
) -> State:
    """A channel to a member of it.

    `missed` are its entries after `row.head`, in order; `tallied` the rows of MENTIONS, of the user
    and of EVERYBODY, after `member.read`, or more. `deleted` are entries that counted and of which
    no row says yet that they were deleted. `floor`: of the channel, see `floors`.
    """
    head, head_n = row.head, row.head_n
    read, read_n = member.read, member.read_n
    for entry in missed:
        if entry.offset > head:
            head, head_n = entry.offset, entry.n
        if is_own(entry, member.user) and entry.offset > read:
            read, read_n = entry.offset, entry.n
    after = max(read, floor.offset)
    left = head_n - max(read_n, floor.n)
    tallied = list(tallied)
    gone = {tally.offset for tally in tallied if tally.user == EVERYBODY} | set(deleted)
    gone |= {entry.offset for entry in missed if entry.counts and entry.deleted_at}
    mentioned = {tally.offset for tally in tallied if tally.user == member.user}
    mentioned |= {
        entry.offset
        for entry in missed
        if entry.kind == "message" and member.user in mentions_of(entry)
    }
    mentioned -= {entry.offset for entry in missed if entry.deleted_at}
    return State(
        row,
        member,
        head,
        head_n,
        after,
        read,
        read_n,
        max(member.delivered, read),
        unread(left, sum(after < offset <= head for offset in gone), member.unread != 0),
        sum(offset > after for offset in mentioned - gone),
        last_of(row, missed),
    )


def unread(counted: int, deleted: int, marked: bool) -> int:
    """How many entries are unread, of those that counted since the marker; 1 if only marked so."""
    return max(counted - deleted, int(marked), 0)


def is_own(entry: Entry, user: str) -> bool:
    """Whether sending it has moved the user's read marker: what goes to a thread alone does not."""
    return entry.kind == "message" and entry.counts and user_of(entry) == user


def last_of(row: ChannelRow, missed: Sequence[Entry]) -> Preview | None:
    """The last message, as what the row does not know yet leaves it."""
    last = previews.read(row.last)
    for entry in missed:
        if entry.kind == "message" and entry.counts:
            last = previews.preview_of(entry)
        elif last is not None and entry.kind in ("edit", "delete") and entry.ref == last.offset:
            # Also for what is in `missed` itself: the store has folded that already.
            last = previews.edited(last, entry)
    return last


def told(found: State) -> State:
    """What a member is told of it: nothing of what is said where they block the other user."""
    if not found.member.blocks:
        return found
    return msgspec.structs.replace(found, unread=0, mentions=0, last=None)


def badge(unreads: Iterable[int], *, of_messages: bool = False) -> int:
    """What an app's icon shows: how many channels have something unread, or how much it is."""
    total = sum(count if of_messages else 1 for count in unreads if count)
    return min(total, BADGE_MAX)


def gone(channel: str, offsets: Collection[int]) -> list[Write]:
    """What says that entries which counted are deleted: they are not unread for anybody."""
    if not offsets:
        return []
    rows = [Write(MENTIONS, (EVERYBODY, channel, offset)) for offset in offsets]
    return [*rows, Write(CHANNELS, (channel,), highest={"deleted": max(offsets)})]
