"""What moderators and owners do to members: sending away, silencing, giving roles."""

from collections.abc import Coroutine, Mapping
from typing import Any, Final

import msgspec

from realtime.chat import entries
from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.members import (
    BanUser,
    KickMember,
    MuteMember,
    SetRole,
    TransferChannel,
    UnbanUser,
    UnmuteMember,
)
from realtime.chat.doorkeeper import Least
from realtime.chat.member_events import MemberEvent
from realtime.chat.operations import Perform, Written
from realtime.chat.refusals import conflict, denied, invalid, not_found
from realtime.chat.rooms import Rooms
from realtime.chat.standing import FOR_EVER, Standing
from realtime.model import NewEntry
from realtime.rows import CHANNELS, MEMBERS

Command = KickMember | BanUser | UnbanUser | MuteMember | UnmuteMember | SetRole | TransferChannel

_encode: Final = msgspec.json.Encoder().encode


class Sanctions:
    """Performs `chat.kick`, `ban`, `unban`, `mute`, `unmute`, `role` and `transfer`.

    All of these work in archived channels too: who may read one is still somebody's to say.
    """

    def __init__(self, around: Around, rooms: Rooms) -> None:
        self._store = around.store
        self._clock = around.clock
        self._ledger = around.ledger
        self._doorkeeper = around.doorkeeper
        self._rooms = rooms
        self.operations: Mapping[str, Perform] = {
            "chat.kick": self.kick,
            "chat.ban": self.ban,
            "chat.unban": self.unban,
            "chat.mute": self.mute,
            "chat.unmute": self.unmute,
            "chat.role": self.role,
            "chat.transfer": self.transfer,
        }

    async def kick(self, caller: Caller, params: KickMember) -> Written:
        """Send a member away. Raises CommandRefused: 100, 102, 103, 107, 404, 409; StoreError."""
        event = MemberEvent("kick", params.user)
        return await self._write(caller, params, event, self._may_kick(caller, params))

    async def ban(self, caller: Caller, params: BanUser) -> Written:
        """Send a user away for a time. Raises CommandRefused: as `kick`, 422; StoreError."""
        event = MemberEvent("ban", params.user, until=params.until)
        return await self._write(caller, params, event, self._may_ban(caller, params))

    async def unban(self, caller: Caller, params: UnbanUser) -> Written:
        """Let a user come back. Raises CommandRefused: as `kick`; StoreError."""
        event = MemberEvent("unban", params.user)
        return await self._write(caller, params, event, self._may_unban(caller, params))

    async def mute(self, caller: Caller, params: MuteMember) -> Written:
        """Keep a member from writing. Raises CommandRefused: as `kick`, 422; StoreError."""
        event = MemberEvent("mute", params.user, until=params.until)
        return await self._write(caller, params, event, self._may_mute(caller, params))

    async def unmute(self, caller: Caller, params: UnmuteMember) -> Written:
        """Let a member write again. Raises CommandRefused: as `kick`; StoreError."""
        event = MemberEvent("unmute", params.user)
        return await self._write(caller, params, event, self._may_mute(caller, params))

    async def role(self, caller: Caller, params: SetRole) -> Written:
        """Give a member another role. Raises CommandRefused: as `kick`; StoreError."""
        event = MemberEvent("role", params.user, params.role)
        return await self._write(caller, params, event, self._may_set(caller, params))

    async def transfer(self, caller: Caller, params: TransferChannel) -> Written:
        """Give a channel away. Raises CommandRefused: as `kick`, 422; StoreError."""
        event = MemberEvent("transfer", params.user)
        entry = self._entry(caller, params, event)
        return await self._ledger.attempt(entry, self._transferred(caller, params, entry))

    # Who may.

    async def _may_kick(self, caller: Caller, params: KickMember) -> None:
        target = await self._reach(caller, params)
        if target.is_member:
            return
        rows = await self._store.get(MEMBERS, [(params.channel, params.user)])
        if not rows or not rows[0].invited_at:
            raise not_found("user")

    async def _may_ban(self, caller: Caller, params: BanUser) -> None:
        await self._reach(caller, params)
        self._check_until(params.until)

    async def _may_unban(self, caller: Caller, params: UnbanUser) -> None:
        target = await self._reach(caller, params)
        if target.role != "banned":
            raise not_found("user")

    async def _may_mute(self, caller: Caller, params: MuteMember | UnmuteMember) -> None:
        target = await self._reach(caller, params)
        if not target.is_member:
            raise not_found("user")
        if isinstance(params, MuteMember):
            self._check_until(params.until)

    async def _may_set(self, caller: Caller, params: SetRole) -> None:
        mine = await self._admit(caller, params, "moderator")
        target = await self._doorkeeper.present_standing(params.channel, params.user)
        if not target.is_member:
            raise not_found("user")
        self._refuse_equals(caller, mine, target)
        if params.role == "moderator" and not (mine.role == "owner" or caller.is_admin):
            raise denied()

    async def _transferred(
        self, caller: Caller, params: TransferChannel, entry: NewEntry
    ) -> NewEntry:
        """The entry, with who owned the channel: it comes to nothing if that is another by then."""
        mine = await self._admit(caller, params, "owner")
        target = await self._doorkeeper.present_standing(params.channel, params.user)
        if not target.is_member:
            raise not_found("user")
        owner = caller.user
        if mine.role != "owner":
            rows = await self._store.get(CHANNELS, [(params.channel,)])
            owner = rows[0].owner if rows else ""
        if params.user == owner:
            raise invalid("user")
        event = MemberEvent("transfer", params.user, previous=owner)
        return msgspec.structs.replace(entry, data=_encode(event))

    async def _reach(self, caller: Caller, params: Command) -> Standing:
        """What the other is, if the caller stands above them."""
        mine = await self._admit(caller, params, "moderator")
        target = await self._doorkeeper.present_standing(params.channel, params.user)
        self._refuse_equals(caller, mine, target)
        return target

    def _refuse_equals(self, caller: Caller, mine: Standing, target: Standing) -> None:
        if target.role == "owner" and (caller.is_admin or mine.role == "owner"):
            raise conflict("owner")
        if not (caller.is_admin or mine.outranks(target)):
            raise denied()

    async def _admit(self, caller: Caller, params: Command, least: Least) -> Standing:
        standing = await self._doorkeeper.admit(caller, params.channel, "member")
        # That it is a direct channel is why, before that one has no role in it.
        await self._rooms.made(params.channel)
        await self._doorkeeper.admit(caller, params.channel, least)
        return standing

    def _check_until(self, until: int) -> None:
        if until != FOR_EVER and until <= self._clock.wall_ms():
            raise invalid("until")

    async def _write(
        self,
        caller: Caller,
        params: Command,
        event: MemberEvent,
        allowed: Coroutine[Any, Any, None],
    ) -> Written:
        return await self._ledger.attempt(self._entry(caller, params, event), allowed)

    def _entry(self, caller: Caller, params: Command, event: MemberEvent) -> NewEntry:
        return entries.of_members(
            caller,
            params.channel,
            params.client_id,
            event,
            command=params,
            at=self._clock.wall_ms(),
        )
