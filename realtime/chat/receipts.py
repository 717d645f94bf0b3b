"""How far members have read, told to each other: asked for, or as it happens.

As it happens it is told by signals, which are not stored: one for each reader, or in larger
channels one for all of them, at most once a second and channel. Above a size there are none. A
reader who has switched receipts off is never in them, nor anybody where the channel or its
namespace has.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls import markers as calls
from realtime.chat.calls.markers import Receipt, ReceiptPage
from realtime.chat.operations import Perform
from realtime.chat.pacing import Pace, Paced
from realtime.chat.rooms import Rooms
from realtime.chat.standing import standing_of
from realtime.chat.tiers import Tiers
from realtime.rows import MEMBERS, USERS, MemberRow
from realtime.stores.base import SPANS_MAX, Span

READERS_MAX: Final = 500
"""Readers of one channel and second that are told of; the others have moved on by the next."""

TOGETHER_MAX: Final = 100
"""Receipts of one signal."""


class Several(msgspec.Struct, frozen=True):
    """The data of a signal `receipt` of several readers."""

    receipts: list[Receipt]


class Receipts:
    """Performs `chat.receipts`, and tells of markers that moved; `run` must be running for that."""

    def __init__(self, around: Around, rooms: Rooms, tiers: Tiers) -> None:
        self._store = around.store
        self._stage = around.stage
        self._doorkeeper = around.doorkeeper
        self._members_max = around.settings.receipts_members_max
        self._rooms = rooms
        self._tiers = tiers
        self._encode = msgspec.json.Encoder().encode
        pace: Pace[str, frozenset[str]] = Pace(_merged)
        self._paced = Paced("receipts", pace, around.clock, self._send)
        self.run = self._paced.run
        self.send_due = self._paced.send_due
        self.operations: Mapping[str, Perform] = {"chat.receipts": self._receipts}

    def moved(self, channel: str, user: str) -> None:
        """A marker of the user has been written, `delivered` or `read`. Never waits."""
        self._paced.add(channel, frozenset((user,)))

    async def _receipts(self, caller: Caller, params: calls.Receipts) -> ReceiptPage:
        standing = await self._doorkeeper.admit(caller, params.channel, "member")
        room = await self._rooms.look_up(params.channel)
        if not room.has_receipts(self._doorkeeper.options(params.channel, "room")):
            return ReceiptPage([])
        span = Span((params.channel,), after=params.cursor)
        rows = await self._store.find(MEMBERS, span, limit=params.limit + 1)
        page = rows[: params.limit]
        cursor = page[-1].user if len(rows) > len(page) else ""
        # Where one of two blocks the other, neither is told of the other.
        shown = [
            row for row in page if row.user == caller.user or not (standing.blocks or row.blocks)
        ]
        return ReceiptPage(await self._shared(shown), cursor)

    async def _send(self, notes: Sequence[tuple[str, frozenset[str]]]) -> None:
        """Raises StoreError, CommandRefused."""
        keys = [
            (channel, user)
            for channel, users in notes
            if await self._is_told(channel)
            for user in users
        ]
        for start in range(0, len(keys), SPANS_MAX):
            rows = await self._store.get(MEMBERS, keys[start : start + SPANS_MAX])
            # Who blocks the other user of a direct channel has no subscription there themselves.
            rows = [row for row in rows if not row.blocks]
            by_channel: dict[str, list[MemberRow]] = {}
            for row in rows:
                by_channel.setdefault(row.channel, []).append(row)
            off = await self._silent(rows)
            for channel, members in by_channel.items():
                self._tell(channel, _told(members, off))

    async def _is_told(self, channel: str) -> bool:
        if not self._stage.subscribers(channel) or self._tiers.rules(channel).receipts == "off":
            return False
        room = await self._rooms.look_up(channel)
        options = self._doorkeeper.options(channel, "room")
        return room.members <= self._members_max and room.has_receipts(options)

    def _tell(self, channel: str, receipts: list[Receipt]) -> None:
        if self._tiers.rules(channel).receipts == "each":
            for receipt in receipts:
                self._stage.signal(channel, "receipt", self._encode(receipt))
            return
        for start in range(0, len(receipts), TOGETHER_MAX):
            several = Several(receipts[start : start + TOGETHER_MAX])
            self._stage.signal(channel, "receipt", self._encode(several))

    async def _shared(self, rows: Collection[MemberRow]) -> list[Receipt]:
        return _told(rows, await self._silent(rows))

    async def _silent(self, rows: Collection[MemberRow]) -> set[str]:
        """Which of these users tell nobody what they read."""
        users = {(row.user,) for row in rows}
        found = await self._store.get(USERS, list(users)) if users else ()
        return {row.user for row in found if row.receipts_off}


def _told(rows: Iterable[MemberRow], silent: Collection[str]) -> list[Receipt]:
    return [
        Receipt(row.user, max(row.delivered, row.read), row.read)
        for row in rows
        if standing_of(row).is_member and not row.receipts_off and row.user not in silent
    ]


def _merged(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    return one | other if len(one) < READERS_MAX else one
