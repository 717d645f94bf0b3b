"""What channels are called and set to, and putting them away."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from msgspec import UNSET, Raw

from realtime.chat import entries
from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.channels import (
    ArchiveChannel,
    ChannelInfo,
    GetChannel,
    MyPlace,
    UnarchiveChannel,
    UpdateChannel,
)
from realtime.chat.channel_events import ChannelEvent, settings_of
from realtime.chat.creating import check_looks
from realtime.chat.operations import Perform, Written
from realtime.chat.profiles import custom_of
from realtime.chat.refusals import invalid, locked, not_found
from realtime.chat.retention import check_retention
from realtime.chat.rooms import Rooms
from realtime.chat.standing import Standing
from realtime.rows import CHANNELS, MEMBERS, ChannelRow, MemberRow

_encode: Final = msgspec.json.Encoder().encode
_EMPTY: Final = (b"", b"{}")


class Channels:
    """Performs `chat.channel`, `chat.update`, `chat.archive` and `chat.unarchive`.

    `tier` says how large a channel is now, "S" to "XL".
    """

    def __init__(self, around: Around, rooms: Rooms, *, tier: Callable[[str], str]) -> None:
        self._store = around.store
        self._stage = around.stage
        self._clock = around.clock
        self._ledger = around.ledger
        self._doorkeeper = around.doorkeeper
        self._rooms = rooms
        self._tier = tier
        self.operations: Mapping[str, Perform] = {
            "chat.channel": self.channel,
            "chat.update": self.update,
            "chat.archive": self.archive,
            "chat.unarchive": self.unarchive,
        }

    async def channel(self, caller: Caller, params: GetChannel) -> ChannelInfo:
        """One channel. Raises CommandRefused: 100, 102, 103, 404. Raises StoreError."""
        standing = await self._doorkeeper.admit(caller, params.channel, "member")
        rows = await self._store.get(CHANNELS, [(params.channel,)])
        if not rows or rows[0].kind not in ("room", "direct"):
            raise not_found("channel")
        mine = await self._store.get(MEMBERS, [(params.channel, caller.user)])
        place = place_of(standing, mine[0] if mine else None)
        return info_of(rows[0], place, tier=self._tier(params.channel))

    async def update(self, caller: Caller, params: UpdateChannel) -> Written:
        """Change what is given. Raises CommandRefused: 100, 102, 103, 404, 409, 413, 422, 423.

        Raises StoreError.
        """
        given = (params.title, params.avatar, params.custom, params.settings)
        if all(value is UNSET for value in given):
            raise invalid("")
        check_looks(params.title, params.avatar)
        event = ChannelEvent(
            "update",
            title=params.title,
            avatar=params.avatar,
            custom=(UNSET if params.custom is UNSET else Raw(custom_of(params.custom) or b"{}")),
            settings=UNSET if params.settings is UNSET else Raw(_encode(params.settings)),
        )
        return await self._write(caller, params, event, is_for_archived=False)

    async def archive(self, caller: Caller, params: ArchiveChannel) -> Written:
        """Put a channel away. Raises CommandRefused: 100, 102, 103, 404, 409; StoreError."""
        return await self._write(caller, params, ChannelEvent("archive"), is_for_archived=True)

    async def unarchive(self, caller: Caller, params: UnarchiveChannel) -> Written:
        """Use a channel again. Raises CommandRefused: 100, 102, 103, 404, 409; StoreError."""
        return await self._write(caller, params, ChannelEvent("unarchive"), is_for_archived=True)

    async def _write(
        self,
        caller: Caller,
        params: UpdateChannel | ArchiveChannel | UnarchiveChannel,
        event: ChannelEvent,
        *,
        is_for_archived: bool,
    ) -> Written:
        entry = entries.of_channel(
            caller,
            params.channel,
            params.client_id,
            event,
            command=params,
            at=self._clock.wall_ms(),
        )
        return await self._ledger.attempt(
            entry, self._may_change(caller, params, is_for_archived=is_for_archived)
        )

    async def _may_change(
        self,
        caller: Caller,
        params: UpdateChannel | ArchiveChannel | UnarchiveChannel,
        *,
        is_for_archived: bool,
    ) -> None:
        await self._doorkeeper.admit(caller, params.channel, "moderator")
        room = await self._rooms.made(params.channel, direct=True)
        if room.archived and not is_for_archived:
            raise locked("archived")
        if isinstance(params, UpdateChannel) and params.settings is not UNSET:
            check_retention(params.settings, self._stage.options(params.channel))


def place_of(standing: Standing, row: MemberRow | None) -> MyPlace:
    """What a member is and has read. The standing is never behind the log, the row may be."""
    if row is None:
        return MyPlace(standing.role, standing.muted_until)
    return MyPlace(
        standing.role,
        standing.muted_until,
        row.joined_at,
        row.delivered,
        row.read,
        bool(row.unread),
    )


def info_of(row: ChannelRow, mine: MyPlace, *, tier: str) -> ChannelInfo:
    """What a member is told of a channel."""
    users = (row.created_by, row.peer) if row.kind == "direct" else ()
    return ChannelInfo(
        row.channel,
        row.kind,
        settings_of(row),
        mine,
        title=row.title,
        avatar=row.avatar,
        custom=UNSET if row.custom in _EMPTY else Raw(row.custom),
        owner=row.owner,
        created_by=row.created_by,
        created_at=row.created_at,
        archived_at=row.archived_at,
        members=row.members,
        users=tuple(sorted(set(users) - {""})),
        head=row.head,
        head_n=row.head_n,
        tier=tier,
    )
