"""How far users have got in their channels: delivered, read, and marked as unread by hand.

Moves are gathered for a moment and written together, and are answered once that is done; so a
thousand members who read one message cost a few calls of the store. A marker only goes up, which
the store sees to, and never beyond the end of the log, which is looked up here.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.markers import Marked, MarkUnread, MoveMarker
from realtime.chat.floors import floor_of_page
from realtime.chat.marker_hints import MarkerHints
from realtime.chat.operations import Perform
from realtime.chat.ports import ChatStore, Clock
from realtime.chat.receipts import Receipts
from realtime.errors import INTERNAL, CommandRefused, StoreError
from realtime.model import EVERYTHING
from realtime.push.looking_again import cancel, clear_due, clear_early
from realtime.rows import CHANNELS, MEMBERS
from realtime.stores.base import WRITES_MAX, Value, Write

logger = logging.getLogger(__name__)

GATHER_S: Final = 0.02
"""How long moves are gathered for one write, in seconds."""

GROUP_MAX: Final = 500
"""Moves of one write."""

WAITING_MAX: Final = 20_000
"""Moves that may wait; one more is refused with error 100 (temporary)."""

ANSWER_S: Final = 4.0
"""How long a move may take before its caller is told to try again, in seconds."""

CALL_TIMEOUT_S: Final = 10.0
"""How long the store may take for one group."""

MISSED_MAX: Final = 2_000
"""Entries beyond the rows of channels that one read asks for."""

Marker = Literal["delivered", "read", "unread"]

Seer = Callable[[Caller, Marker], str]


def nobody(caller: Caller, marker: Marker) -> str:
    """Where push has nothing to know."""
    return ""


class _Move:
    """A marker that is to be moved to `offset` (0: the end), and who waits for it.

    `pushes`: the channel is one with push, which has to know. `by` is then the device, or the
    connection, that has seen what is there.
    """

    __slots__ = ("by", "channel", "done", "marker", "offset", "pushes", "user")

    def __init__(
        self, channel: str, user: str, marker: Marker, offset: int, *, pushes: bool, by: str
    ) -> None:
        self.pushes = pushes
        self.by = by
        self.channel = channel
        self.user = user
        self.marker = marker
        self.offset = offset
        self.done: asyncio.Future[Marked] = asyncio.get_running_loop().create_future()


class _Place(msgspec.Struct, frozen=True, gc=False):
    """An offset and its number, as a marker has them."""

    offset: int
    n: int


class Markers:
    """Moves markers. `run` must be running for anything to be answered.

    `seer` answers what a call that moves one shows to be a device in the foreground; "": none.
    """

    def __init__(
        self, around: Around, receipts: Receipts, hints: MarkerHints, seer: Seer = nobody
    ) -> None:
        self._stage = around.stage
        self._seer = seer
        self._store = around.store
        self._clock = around.clock
        self._doorkeeper = around.doorkeeper
        self._receipts = receipts
        self._hints = hints
        self._waiting: list[_Move] = []
        self._wanted = asyncio.Event()
        self.operations: Mapping[str, Perform] = {
            "chat.delivered": self._delivered,
            "chat.read": self._read,
            "chat.unread": self._unread,
        }

    def __len__(self) -> int:
        """Moves that wait."""
        return len(self._waiting)

    async def _delivered(self, caller: Caller, params: MoveMarker) -> Marked:
        return await self._move(caller, params.channel, "delivered", params.offset)

    async def _read(self, caller: Caller, params: MoveMarker) -> Marked:
        return await self._move(caller, params.channel, "read", params.offset)

    async def _unread(self, caller: Caller, params: MarkUnread) -> Marked:
        return await self._move(caller, params.channel, "unread", params.offset)

    async def _move(
        self, caller: Caller, channel: str, marker: Marker, offset: int | None
    ) -> Marked:
        """Raises CommandRefused, TimeoutError and StoreError: then it may be stored, or will be."""
        await self._doorkeeper.admit(caller, channel, "member")
        if len(self._waiting) >= WAITING_MAX:
            raise CommandRefused(INTERNAL)
        pushes = bool(self._stage.options(channel).push)
        by = self._seer(caller, marker) if pushes else ""
        move = _Move(channel, caller.user, marker, offset or 0, pushes=pushes, by=by)
        self._waiting.append(move)
        self._wanted.set()
        async with asyncio.timeout(ANSWER_S):
            return await move.done

    async def run(self) -> None:
        """Write for ever. Hosted by a task group; who waits when it is cancelled is refused."""
        try:
            while True:
                await self._wanted.wait()
                await asyncio.sleep(GATHER_S)
                group, self._waiting = self._waiting[:GROUP_MAX], self._waiting[GROUP_MAX:]
                if not self._waiting:
                    self._wanted.clear()
                await self._write(group)
        finally:
            _refuse(self._waiting, CommandRefused(INTERNAL))

    async def _write(self, group: list[_Move]) -> None:
        # Whoever has given up is served all the same, unless the group has not begun.
        group = [move for move in group if not move.done.cancelled()]
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                places = await _Places(self._store).of(
                    {(move.channel, move.offset) for move in group}
                )
                for writes in _calls(_moves(group, places, self._clock)):
                    await self._store.write(writes)
        except (StoreError, TimeoutError) as error:
            _refuse(group, error)
        except BaseException as error:  # the boundary of one group: nobody waits for ever
            _refuse(group, CommandRefused(INTERNAL))
            if not isinstance(error, Exception):
                raise
            logger.exception("markers could not be written")
        else:
            self._settle(group, places)

    def _settle(self, group: Sequence[_Move], places: Mapping[tuple[str, int], _Place]) -> None:
        for move in group:
            place = places[move.channel, move.offset]
            if move.marker != "unread":
                self._receipts.moved(move.channel, move.user)
            self._hints.moved(move.user, move.channel)
            if not move.done.done():
                move.done.set_result(Marked(place.offset))


class _Places:
    """Finds where the offsets of a group are, and their numbers, in a few reads for all of them."""

    def __init__(self, store: ChatStore) -> None:
        self._store = store
        self._found: dict[tuple[str, int], _Place] = {}

    async def of(self, wanted: set[tuple[str, int]]) -> Mapping[tuple[str, int], _Place]:
        """The places of these offsets; 0, and what is beyond the end, is the end."""
        by_channel: dict[str, list[int]] = {}
        for channel, offset in wanted:
            if offset:
                by_channel.setdefault(channel, []).append(offset)
        if by_channel:
            for entry in await self._store.fetch(by_channel, stubs=True):
                self._found[entry.channel, entry.offset] = _Place(entry.offset, entry.n)
        left = wanted - self._found.keys()
        if left:
            ends = await self._ends({channel for channel, _ in left})
            for channel, offset in left:
                end = ends.get(channel, _Place(0, 0))
                is_end = not 0 < offset < end.offset
                self._found[channel, offset] = end if is_end else await self._eaten(channel, offset)
        return self._found

    async def _ends(self, channels: set[str]) -> dict[str, _Place]:
        rows = await self._store.get(CHANNELS, [(channel,) for channel in channels])
        ends = {row.channel: _Place(row.head, row.head_n) for row in rows}
        positions = {channel: ends.get(channel, _Place(0, 0)).offset for channel in channels}
        missed = await self._store.missed(positions, limit=MISSED_MAX)
        for entry in missed:
            ends[entry.channel] = _Place(entry.offset, entry.n)
        if len(missed) == MISSED_MAX:
            # Rows are far behind: a node has died, or there were none yet.
            for channel in sorted(channels):
                if channel < missed[-1].channel:
                    continue
                page = await self._store.read(channel, limit=0, retention=EVERYTHING, now_ms=0)
                ends[channel] = _Place(page.head, page.head_n)
        return ends

    async def _eaten(self, channel: str, offset: int) -> _Place:
        """A place in front of what is left of a log by its retention: just before the first."""
        page = await self._store.read(
            channel, after=offset, limit=1, retention=EVERYTHING, now_ms=0
        )
        floor = floor_of_page(page)
        return _Place(floor.offset, floor.n)


class _Moved(msgspec.Struct, gc=False):
    """What is written of one member, whatever they asked for in this group.

    `told`: up to where push has nothing more to tell.
    """

    set: dict[str, Value]
    highest: dict[str, int]
    told: int = 0


def _moves(
    group: Sequence[_Move], places: Mapping[tuple[str, int], _Place], clock: Clock
) -> Iterator[list[Write]]:
    """The writes of each member: the row first."""
    now_ms = clock.wall_ms()
    moved: dict[tuple[str, str], _Moved] = {}
    reads: dict[tuple[str, str], int] = {}
    for move in group:
        place, key = places[move.channel, move.offset], (move.channel, move.user)
        member = moved.setdefault(key, _Moved({}, {"changed_at": now_ms}))
        fields, highest = member.set, member.highest
        if move.marker == "unread":
            # The end of an empty log is 0, which would say that it is not marked.
            fields["unread"] = max(place.offset, 1)
            continue
        names = ("delivered", "read") if move.marker == "read" else ("delivered",)
        for name in names:
            highest[name] = max(place.offset, highest.get(name, 0))
            highest[f"{name}_n"] = max(place.n, highest.get(f"{name}_n", 0))
        if move.marker == "read":
            fields["unread"] = 0
            if move.pushes:
                reads[key] = max(place.offset, reads.get(key, 0))
        if move.by and place.offset >= highest.get("seen", 0):
            highest["seen"] = place.offset
            fields["seen_by"] = move.by
        if move.by or (move.pushes and move.marker == "read"):
            member.told = max(member.told, place.offset)
    for (channel, user), member in moved.items():
        key = (channel, user)
        writes = [Write(MEMBERS, key, set=member.set, highest=member.highest, present=True)]
        if member.told:
            writes.append(cancel(user, channel, member.told, now_ms))
        if reads.get(key):
            # What other devices show is not needed any more either.
            writes += [
                clear(user, channel, reads[key], now_ms) for clear in (clear_due, clear_early)
            ]
        yield writes


def _calls(members: Iterable[list[Write]]) -> Iterator[list[Write]]:
    """The writes of as many members as go into one call; one as a rule."""
    call: list[Write] = []
    for writes in members:
        if len(call) + len(writes) > WRITES_MAX:
            yield call
            call = []
        call += writes
    yield call


def _refuse(group: Sequence[_Move], error: Exception) -> None:
    for move in group:
        if not move.done.done():
            move.done.set_exception(error)
