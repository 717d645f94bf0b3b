"""What is pinned in a room."""

from collections.abc import Mapping

from realtime.chat.amending import Amending
from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.messages import PINNED_MAX, Pin, PinList, Pinned, Pins
from realtime.chat.log_reader import LogReader
from realtime.chat.operations import Perform, Written
from realtime.chat.rights import Rights
from realtime.chat.rooms import Rooms
from realtime.chat.vision import Vision
from realtime.errors import LIMIT_EXCEEDED, CallRefused
from realtime.rows import PINS, PinRow
from realtime.stores.base import Span


class RoomPins:
    """Performs `chat.pin`, `chat.unpin` and `chat.pins`."""

    def __init__(self, around: Around, rooms: Rooms, amending: Amending, rights: Rights) -> None:
        self._store = around.store
        self._amending = amending
        self._rights = rights
        self._vision = Vision(around, rooms)
        self._reader = LogReader(around)
        self.operations: Mapping[str, Perform] = {
            "chat.pin": self.pin,
            "chat.unpin": self.unpin,
            "chat.pins": self.pins,
        }

    async def pin(self, caller: Caller, params: Pin) -> Written:
        """Pin a message. Raises CommandRefused: see `Amending.pin`, and StoreError."""
        return await self._say(caller, params, pinned=True)

    async def unpin(self, caller: Caller, params: Pin) -> Written:
        """Pin it no more. Raises CommandRefused: see `Amending.pin`, and StoreError."""
        return await self._say(caller, params, pinned=False)

    async def pins(self, caller: Caller, params: Pins) -> PinList:
        """What is pinned, the newest pin first. Raises CommandRefused: 404, and StoreError."""
        channel = params.channel
        sight = await self._vision.admit(caller, channel)
        rows = {row.ref: row for row in await self._pinned(channel)}
        found = await self._reader.messages(channel, rows)
        entries = [entry for entry in found if sight.sees(entry) and not entry.deleted_at]
        views = await self._vision.views(caller, channel, entries)
        pins = [Pinned(view, rows[view.offset].by, rows[view.offset].at) for view in views]
        return PinList(sorted(pins, key=lambda pin: (pin.at, pin.message.offset), reverse=True))

    async def _say(self, caller: Caller, params: Pin, *, pinned: bool) -> Written:
        async def room_for() -> None:
            rows = await self._pinned(params.channel)
            # Two who pin at the same moment may both find the last place free.
            if len(rows) >= PINNED_MAX and all(row.ref != params.offset for row in rows):
                raise CallRefused(LIMIT_EXCEEDED, why="full")

        return await self._amending.pin(
            caller,
            params.channel,
            params.offset,
            pinned=pinned,
            client_id=params.client_id,
            admit=self._rights.to("pin", caller, params.channel),
            room_for=room_for,
        )

    async def _pinned(self, channel: str) -> list[PinRow]:
        rows = await self._store.find(
            PINS,
            Span((channel, 1)),
            by=("channel", "pinned", "at"),
            limit=PINNED_MAX * 2,
            backwards=True,
        )
        return list(rows)
