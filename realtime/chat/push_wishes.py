"""Of what users want to be told while they are away: in general, and channel by channel."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec
from msgspec import UNSET

from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.push import (
    AskPushSettings,
    ChangeChannelPush,
    ChangePushSettings,
    PushWishes,
)
from realtime.chat.operations import Perform
from realtime.chat.profiles import is_time_zone
from realtime.chat.refusals import invalid, not_found
from realtime.push.quiet import quiet_of
from realtime.push.rows import DEVICES, DeviceRow
from realtime.rows import MEMBERS
from realtime.stores.base import Value, Write

_encode: Final = msgspec.json.Encoder().encode

_LEVELS: Final[Mapping[str, Literal["", "all", "mentions", "none"]]] = {
    "all": "all",
    "mentions": "mentions",
    "none": "none",
}


class Wishes:
    """Performs `push.settings`, `push.change` and `push.change_channel`, for the caller alone.

    They hold for what is decided from then on: jobs that wait are decided when they are due.
    """

    def __init__(self, around: Around) -> None:
        self._store = around.store
        self._clock = around.clock
        self._doorkeeper = around.doorkeeper
        self.operations: Mapping[str, Perform] = {
            "push.settings": self.settings,
            "push.change": self.change,
            "push.change_channel": self.change_channel,
        }

    async def settings(self, caller: Caller, params: AskPushSettings) -> PushWishes:
        """What holds. Raises CommandRefused: 103, 404. Raises StoreError."""
        if params.channel:
            self._doorkeeper.options(params.channel, "room")
            await self._doorkeeper.admit(caller, params.channel, "member")
            return await self._of_channel(caller.user, params.channel)
        rows = await self._store.get(DEVICES, [(caller.user, "")])
        return _wishes(rows[0]) if rows else PushWishes()

    async def change(self, caller: Caller, params: ChangePushSettings) -> PushWishes:
        """Change what holds for all channels. Raises CommandRefused: 422. Raises StoreError."""
        now_ms = self._clock.wall_ms()
        changed: dict[str, Value] = {"registered_at": now_ms}
        if params.level is not UNSET:
            changed["level"] = params.level
        if params.muted_until is not UNSET:
            changed["muted_until"] = params.muted_until
        if params.quiet is not UNSET:
            if params.quiet is not None and not is_time_zone(params.quiet.zone):
                raise invalid("quiet.zone")
            changed["quiet"] = b"" if params.quiet is None else _encode(params.quiet)
        await self._store.write([Write(DEVICES, (caller.user, ""), set=changed)])
        (row,) = await self._store.get(DEVICES, [(caller.user, "")])
        return _wishes(row)

    async def change_channel(self, caller: Caller, params: ChangeChannelPush) -> PushWishes:
        """Change what holds for one. Raises CommandRefused: 103, 404. Raises StoreError."""
        self._doorkeeper.options(params.channel, "room")
        await self._doorkeeper.admit(caller, params.channel, "member")
        changed: dict[str, Value] = {"push_at": self._clock.wall_ms()}
        if params.level is not UNSET:
            changed["push_level"] = params.level
        if params.muted_until is not UNSET:
            changed["push_until"] = params.muted_until
        key = (params.channel, caller.user)
        await self._store.write([Write(MEMBERS, key, set=changed, present=True)])
        return await self._of_channel(caller.user, params.channel)

    async def _of_channel(self, user: str, channel: str) -> PushWishes:
        rows = await self._store.get(MEMBERS, [(channel, user)])
        if not rows:
            raise not_found("channel")
        return PushWishes(_LEVELS.get(rows[0].push_level, ""), rows[0].push_until)


def _wishes(row: DeviceRow) -> PushWishes:
    return PushWishes(_LEVELS.get(row.level, ""), row.muted_until, quiet_of(row.quiet))
