"""Who may change what was said in a room: decided when the caller is admitted, and by the message.

What is done to messages does not ask who may: it is given an `Admit`, which is for rooms made here
and for feeds elsewhere.
"""

from collections.abc import Awaitable, Callable
from typing import Literal

from realtime.chat.around import Around
from realtime.chat.blocks import Blocks
from realtime.chat.caller import Caller
from realtime.chat.refusals import denied, locked
from realtime.chat.restrictions import (
    refuse_archived,
    refuse_blocked,
    refuse_muted,
    refuse_unmade,
)
from realtime.chat.rooms import Room, Rooms
from realtime.chat.standing import Standing
from realtime.errors import CommandRefused
from realtime.model import Entry
from realtime.settings.schema import ChannelOptions

Judge = Callable[[Entry], None]
"""Whether a message may be changed by whoever was admitted. Raises CallRefused: 103, 423."""

Admit = Callable[[], Awaitable[Judge]]
"""Whether the caller may come in at all, before anything is looked up there.

Raises CommandRefused, and StoreError.
"""

Change = Literal["edit", "delete", "react", "pin"]


class Rights:
    """What members and moderators may do to the messages of rooms."""

    def __init__(self, around: Around, rooms: Rooms, blocks: Blocks) -> None:
        self._doorkeeper = around.doorkeeper
        self._clock = around.clock
        self._rooms = rooms
        self._blocks = blocks

    def to(self, change: Change, caller: Caller, channel: str) -> Admit:
        """What decides whether the caller may do that to a message of a room."""

        async def admit() -> Judge:
            standing = await self._doorkeeper.admit(caller, channel, "member")
            try:
                return await self._admit(change, caller, channel, standing)
            except CommandRefused:
                # What forbids it may have ended a moment ago, by way of another node.
                standing = await self._doorkeeper.present_standing(channel, caller.user)
                self._rooms.forget(channel)
                return await self._admit(change, caller, channel, standing)

        return admit

    async def _admit(
        self, change: Change, caller: Caller, channel: str, standing: Standing
    ) -> Judge:
        room = await self._rooms.look_up(channel)
        refuse_unmade(room)
        moderates = standing.moderates or caller.is_admin
        if change != "delete":
            await self._refuse(change, caller, standing, room, moderates=moderates)
        elif not moderates:
            refuse_archived(room)
        if change in ("react", "pin"):
            return _anything
        options = self._doorkeeper.options(channel, "room")
        return self._of_senders(change, caller, options, moderates=moderates)

    async def _refuse(
        self, change: Change, caller: Caller, standing: Standing, room: Room, *, moderates: bool
    ) -> None:
        """What is refused whatever the message is."""
        refuse_archived(room)
        if change == "pin" and not moderates and room.kind != "direct":
            raise denied()
        if caller.is_admin:
            return
        if change == "edit" and (standing.role == "reader" or (room.announce and not moderates)):
            raise denied()
        refuse_muted(standing, self._clock.wall_ms())
        await refuse_blocked(self._blocks, caller, room)

    def _of_senders(
        self, change: Change, caller: Caller, options: ChannelOptions, *, moderates: bool
    ) -> Judge:
        within = options.edit_within if change == "edit" else options.delete_within

        def judge(message: Entry) -> None:
            if moderates:
                return
            if message.sender != caller.sender:
                raise denied()
            if within.ms and self._clock.wall_ms() - message.at > within.ms:
                raise locked("too_late")

        return judge


def _anything(message: Entry) -> None:
    """Any message will do."""
