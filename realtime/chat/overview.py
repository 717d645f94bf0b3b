"""What a user's channels are to the user at this moment, in five reads of the store as a rule.

Memberships, the channels' rows, what their logs have beyond those, what was mentioned or deleted
after the markers, and the other users of direct channels. Each read is of up to 500 channels; those
that are not needed are not made. Rows say what was so a second or two ago, and the log the rest.

There are more reads, nine at most: one where something was deleted a moment ago, or where a
namespace keeps a number of entries, and somebody has not read as far as those; and up to three
where the channels together have got more than 5,000 entries since their rows were written, which is
a second ago unless a node has died.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

import msgspec

from realtime.chat.around import Sight
from realtime.chat.floors import Floor, below, first_kept, known_floor
from realtime.chat.retention import retention_at
from realtime.chat.standing import standing_of
from realtime.chat.unread import State, state, told
from realtime.model import Entry
from realtime.rows import (
    CHANNELS,
    EVERYBODY,
    MEMBERS,
    MENTIONS,
    USERS,
    ChannelRow,
    MemberRow,
    MentionRow,
    UserRow,
)
from realtime.stores.base import FETCHED_MAX, MISSED_CHANNELS_MAX, SPANS_MAX, Span

CHANNELS_MAX: Final = MISSED_CHANNELS_MAX
"""Channels that are looked at together."""

MISSED_MAX: Final = 5_000
"""Entries beyond the rows that one read asks for."""

MISSED_READS_MAX: Final = 4
"""How often that is asked where there were more; then the rows of the other channels must do."""

OVERDUE_MS: Final = 10_000
"""Rows are written long before their entries are so old."""

TALLIES_MAX: Final = 20_000
"""Mentions and deletions after the markers that are looked at."""

Whose = tuple[str, str]
"""A user, "" for everybody, and a channel."""


class Overview(msgspec.Struct, frozen=True):
    """A run of a user's memberships, in order of the channels' names.

    `states` are of rooms and direct channels that the user is in, `others` the memberships that
    are over, or have not begun yet: invitations. `peers` are the other users of direct channels,
    where anything is known of them. The next run begins after `upto`.
    """

    states: Sequence[State]
    others: Sequence[MemberRow]
    peers: dict[str, UserRow]
    upto: str = ""
    is_last: bool = True


class Overviews:
    """Looks. `namespaces` are those that have rooms; none: all that a user is in is looked through.

    A user may follow thousands of feeds, which are kept as memberships too.
    """

    def __init__(
        self,
        around: Sight,
        namespaces: Collection[str] = (),
        *,
        overdue: Callable[[Entry], None] = lambda _: None,
    ) -> None:
        """`overdue` is called with entries that rows should have by now: their node has died."""
        self._store = around.store
        self._stage = around.stage
        self._clock = around.clock
        self._namespaces = sorted(namespaces)
        self._overdue = overdue

    async def of_user(
        self, user: str, *, after: str = "", limit: int = CHANNELS_MAX, peers: bool = True
    ) -> Overview:
        """The user's channels with names after that one, `limit` (500) of them at most.

        Those that the app has banned the user from are left out for as long as it does. In five
        reads, or four without `peers`. Raises StoreError.
        """
        rows = await self._store.find(
            MEMBERS, *self._spans(user, after), by=("user", "channel"), limit=limit + 1
        )
        upto = rows[min(len(rows), limit) - 1].channel if rows else after
        members = [row for row in rows[:limit] if not self._stage.banned(user, row.channel)]
        current = [row for row in members if standing_of(row).is_member and row.role != "follower"]
        states = [told(found) for found in await self.of_members(current)]
        directs = (found.row for found in states if peers and found.row.kind == "direct")
        names = {peer_of(row, user) for row in directs} - {""}
        users = await self._store.get(USERS, [(name,) for name in names]) if names else ()
        return Overview(
            states,
            [row for row in members if not standing_of(row).is_member],
            {row.user: row for row in users},
            upto,
            len(rows) <= limit,
        )

    async def of_members(self, members: Sequence[MemberRow]) -> list[State]:
        """What these channels are to these members, at most 500 of them, in their order.

        In three reads as a rule (see above). Channels that nobody has made are left out, and feeds.
        Raises StoreError.
        """
        if not members:
            return []
        names = dict.fromkeys(member.channel for member in members)
        found = await self._store.get(CHANNELS, [(channel,) for channel in names])
        rows = {row.channel: row for row in found if row.kind in ("room", "direct")}
        members = [member for member in members if member.channel in rows]
        missed = await self._missed({name: row.head for name, row in rows.items()})
        floors = self._floors(rows, missed)
        tallied = await self._tallied(members, rows, missed, floors)
        wanted = _deletes(missed, tallied)
        edges = self._edges(members, rows, missed, floors)
        looked_up = await self._fetch(wanted, edges)
        deleted = {
            (entry.channel, entry.offset)
            for entry in looked_up
            if entry.counts and not entry.stub and entry.offset in wanted.get(entry.channel, ())
        }
        for entry in looked_up:
            if edges.get(entry.channel) == entry.offset:
                floors[entry.channel] = below(entry)
        return [
            state(
                rows[member.channel],
                member,
                missed.get(member.channel, ()),
                _of(tallied, member),
                {offset for channel, offset in deleted if channel == member.channel},
                floors[member.channel],
            )
            for member in members
        ]

    def _spans(self, user: str, after: str) -> Iterable[Span]:
        if not self._namespaces:
            return [Span((user,), after=after)]
        # Everything between `name:` and `name;`, which is the next character.
        bounds = ((f"{name}:", f"{name};") for name in self._namespaces)
        return [
            Span((user,), after=max(first, after), before=end)
            for first, end in bounds
            if after < end
        ]

    async def _missed(self, positions: dict[str, int]) -> dict[str, list[Entry]]:
        """What the logs have after these positions, in order, by channel."""
        found: dict[str, list[Entry]] = {}
        for _ in range(MISSED_READS_MAX):
            if not positions:
                break
            page = await self._store.missed(positions, limit=MISSED_MAX)
            before_ms = self._clock.wall_ms() - OVERDUE_MS
            for entry in page:
                found.setdefault(entry.channel, []).append(entry)
                if entry.at < before_ms:
                    self._overdue(entry)
            if len(page) < MISSED_MAX:
                break
            last = page[-1]
            positions = {name: at for name, at in positions.items() if name > last.channel}
            positions[last.channel] = last.offset
        return found

    async def _tallied(
        self,
        members: Sequence[MemberRow],
        rows: dict[str, ChannelRow],
        missed: dict[str, list[Entry]],
        floors: dict[str, Floor],
    ) -> dict[Whose, list[MentionRow]]:
        """Mentions and deletions after markers and floors, by user ("": everybody) and channel."""
        spans: list[Span] = []
        gone: dict[str, int] = {}
        for member in members:
            row = rows[member.channel]
            read = max(member.read, floors[member.channel].offset)
            if row.head <= read:
                continue  # all that is after the marker was missed, and says so itself
            spans.append(Span((member.user, member.channel), after=read))
            events = missed.get(member.channel, ())
            refs = (event.ref for event in events if event.kind == "delete")
            if max([row.deleted, *refs]) > read:
                gone[row.channel] = min(read, gone.get(row.channel, read))
        deletions = [Span((EVERYBODY, channel), after=read) for channel, read in gone.items()]
        found: dict[Whose, list[MentionRow]] = {}
        for some in _together(spans, deletions):
            for tally in await self._store.find(MENTIONS, *some, limit=TALLIES_MAX):
                found.setdefault((tally.user, tally.channel), []).append(tally)
        return found

    def _floors(
        self, rows: dict[str, ChannelRow], missed: dict[str, list[Entry]]
    ) -> dict[str, Floor]:
        """What retention hides, as far as what was read says so."""
        now_ms = self._clock.wall_ms()
        return {
            name: known_floor(row, missed.get(name, ()), retention_at(self._stage, row), now_ms)
            for name, row in rows.items()
        }

    def _edges(
        self,
        members: Sequence[MemberRow],
        rows: dict[str, ChannelRow],
        missed: dict[str, list[Entry]],
        floors: dict[str, Floor],
    ) -> dict[str, int]:
        """First entries that are kept by their number, where somebody has not read as far."""
        edges: dict[str, int] = {}
        for member in members:
            name = member.channel
            row, entries, floor = rows[name], missed.get(name, ()), floors[name]
            head, head_n = (
                (entries[-1].offset, entries[-1].n) if entries else (row.head, row.head_n)
            )
            edge = first_kept(head, retention_at(self._stage, row))
            is_read = head_n <= max(member.read_n, floor.n)
            if edge - 1 > max(member.read, floor.offset) and not is_read:
                edges[name] = edge
        return edges

    async def _fetch(self, wanted: dict[str, set[int]], edges: dict[str, int]) -> Sequence[Entry]:
        """The entries that the others do not tell enough of. Almost always none: nothing is read.

        Of very many the last ones are left out, and found when rows have come as far.
        """
        places = list(edges.items())
        places += [(name, ref) for name, refs in wanted.items() for ref in refs]
        by_channel: dict[str, set[int]] = {}
        for name, offset in places[:FETCHED_MAX]:
            by_channel.setdefault(name, set()).add(offset)
        return await self._store.fetch(by_channel, stubs=True) if by_channel else ()


def peer_of(row: ChannelRow, user: str) -> str:
    """The other user of a direct channel; "" where that is not known any more."""
    return row.peer if row.created_by == user else row.created_by


def _deletes(
    missed: dict[str, list[Entry]], tallied: dict[Whose, list[MentionRow]]
) -> dict[str, set[int]]:
    """What is deleted by events of which nothing has followed yet."""
    wanted: dict[str, set[int]] = {}
    for channel, entries in missed.items():
        known = {tally.offset for tally in tallied.get((EVERYBODY, channel), ())}
        known |= {entry.offset for entry in entries}
        for entry in entries:
            if entry.kind == "delete" and entry.pending and entry.ref not in known:
                wanted.setdefault(channel, set()).add(entry.ref)
    return wanted


def _of(tallied: dict[Whose, list[MentionRow]], member: MemberRow) -> list[MentionRow]:
    return [
        *tallied.get((member.user, member.channel), ()),
        *tallied.get((EVERYBODY, member.channel), ()),
    ]


def _together(mentions: list[Span], deletions: list[Span]) -> Iterable[list[Span]]:
    """These spans, in one read if that is possible at all.

    Where there are too many of them, all mentions of a user are looked through instead.
    """
    if len(mentions) + len(deletions) > SPANS_MAX:
        mentions = [Span((user,)) for user in dict.fromkeys(span.equal[0] for span in mentions)]
    spans = [*deletions, *mentions]
    return [spans[start : start + SPANS_MAX] for start in range(0, len(spans), SPANS_MAX)]
