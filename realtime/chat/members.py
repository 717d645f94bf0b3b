"""Who comes into a channel, who leaves it, and who is there."""

import base64
from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from realtime.chat import entries, member_events
from realtime.chat.answers import Answers, key_in
from realtime.chat.around import Around
from realtime.chat.blocks import Blocks
from realtime.chat.caller import Caller
from realtime.chat.calls.members import (
    InvitedUsers,
    InviteUsers,
    JoinChannel,
    LeaveChannel,
    ListMembers,
    Member,
    MemberPage,
)
from realtime.chat.member_events import MemberEvent, Place
from realtime.chat.operations import Perform, Written
from realtime.chat.refusals import conflict, denied, full, invalid, not_found
from realtime.chat.restrictions import refuse_archived
from realtime.chat.rooms import Rooms
from realtime.chat.standing import standing_of
from realtime.errors import CommandRefused
from realtime.model import NewEntry
from realtime.rows import MEMBERS, USERS, MemberRow
from realtime.stores.base import Span

ROLES: Final = ("owner", "moderator", "member", "reader")
"""Roles of members, in the order in which they are listed."""

BY_ROLE: Final = ("channel", "role", "user")
"""The index in which members are found without those who have left."""

_encode: Final = msgspec.json.Encoder().encode
_read_join: Final = msgspec.json.Decoder(Written).decode
_LEFT_OUT: Final = b"{}"
"""What is kept of an invitation that brought nobody in. Whom it named is in the call: nothing here
is to be erased with them."""


class Members:
    """Performs `chat.join`, `chat.leave`, `chat.invite` and `chat.members`."""

    def __init__(self, around: Around, rooms: Rooms, blocks: Blocks) -> None:
        self._store = around.store
        self._clock = around.clock
        self._ledger = around.ledger
        self._doorkeeper = around.doorkeeper
        self._rooms = rooms
        self._blocks = blocks
        self._answers = Answers(around.store, around.clock, ttl_ms=around.settings.answers_ttl.ms)
        self.operations: Mapping[str, Perform] = {
            "chat.join": self.join,
            "chat.leave": self.leave,
            "chat.invite": self.invite,
            "chat.members": self.members,
        }

    async def join(self, caller: Caller, params: JoinChannel) -> Written:
        """Become a member. Raises CommandRefused: 100, 102, 103, 106, 107, 404, 409, 423.

        Raises StoreError.
        """
        self._doorkeeper.options(params.channel, "room")
        event = MemberEvent("join", caller.user, "member")
        entry = self._entry(caller, params, event)
        kept = await self._kept(caller, params, entry)
        if kept is not None:
            return _read_join(kept)
        standing = await self._doorkeeper.present_standing(params.channel, caller.user)
        if standing.is_member:
            written = await self._ledger.earlier(entry)
            if written is None:
                written = Written(standing.offset, duplicate=True)
                await self._keep(caller, params, entry, _encode(written))
            return written
        return await self._ledger.attempt(entry, self._may_join(caller, params.channel))

    async def leave(self, caller: Caller, params: LeaveChannel) -> Written:
        """Leave a channel. Raises CommandRefused: 100, 102, 103, 107, 404, 409; StoreError."""
        self._doorkeeper.options(params.channel, "room")
        entry = self._entry(caller, params, MemberEvent("leave", caller.user))
        return await self._ledger.attempt(entry, self._left(caller, params.channel, entry))

    async def invite(self, caller: Caller, params: InviteUsers) -> InvitedUsers:
        """Bring users in. Raises CommandRefused: 100, 102, 103, 106, 107, 404, 409, 423.

        Raises StoreError.
        """
        wanted = {member.user: member.role for member in params.users}
        entry = self._entry(caller, params, MemberEvent("invite"))
        kept = await self._kept(caller, params, entry)
        if kept is not None:
            return InvitedUsers((), left_out=tuple(wanted))
        try:
            made = await self._invitation(caller, params.channel, wanted, entry)
        except CommandRefused:
            written = await self._ledger.earlier(entry)
            if written is None:
                raise
        else:
            # Of a retry, all may be members by now.
            written = await (self._ledger.write(made) if made else self._ledger.earlier(entry))
        if written is None:
            await self._keep(caller, params, entry, _LEFT_OUT)
            return InvitedUsers((), left_out=tuple(wanted))
        users: tuple[str, ...] = ()
        found = await self._store.fetch({params.channel: (written.offset,)})
        event = member_events.read(found[0]) if found else None
        if event is not None:
            users = event.concerns
        left_out = tuple(user for user in wanted if user not in users)
        return InvitedUsers(users, written.offset, left_out, written.duplicate)

    async def members(self, caller: Caller, params: ListMembers) -> MemberPage:
        """A page of members. Raises CommandRefused: 100, 102, 103, 107, 404, 422; StoreError."""
        standing = await self._doorkeeper.admit(caller, params.channel, "member")
        if params.role == "banned" and not (standing.moderates or caller.is_admin):
            raise denied()
        roles = ROLES if params.role is None else (params.role,)
        role, after = _read_cursor(params.cursor, roles)
        rows: list[MemberRow] = []
        for listed in roles[roles.index(role) :]:
            span = Span((params.channel, listed), after=after if listed == role else None)
            wanted = params.limit + 1 - len(rows)
            rows += await self._store.find(MEMBERS, span, by=BY_ROLE, limit=wanted)
            if len(rows) > params.limit:
                break
        page = rows[: params.limit]
        users = {
            row.user: row for row in await self._store.get(USERS, [(row.user,) for row in page])
        }
        listed_members = [
            Member(
                row.user,
                row.role,
                users[row.user].name if row.user in users else "",
                users[row.user].avatar if row.user in users else "",
                row.joined_at,
                row.invited_by,
                row.muted_until,
                row.banned_until,
            )
            for row in page
        ]
        return MemberPage(listed_members, _cursor(page[-1]) if len(rows) > params.limit else "")

    # What was answered where nothing was to be done: a retry must find nothing to do either.

    async def _kept(
        self, caller: Caller, params: JoinChannel | InviteUsers, entry: NewEntry
    ) -> bytes | None:
        key = key_in(params.channel, params.client_id)
        return await self._answers.kept(caller.user, key, entry.digest)

    async def _keep(
        self, caller: Caller, params: JoinChannel | InviteUsers, entry: NewEntry, answer: bytes
    ) -> None:
        key = key_in(params.channel, params.client_id)
        await self._answers.keep(caller.user, key, entry.digest, answer)

    # Who may.

    async def _may_join(self, caller: Caller, channel: str) -> None:
        standing = await self._doorkeeper.standing(channel, caller.user)
        if standing.is_banned(self._clock.wall_ms()):
            raise denied("banned")
        room = await self._rooms.look_up(channel)
        if room.kind != "room":
            raise not_found("channel")
        options = self._doorkeeper.options(channel, "room")
        needs_invitation = options.join == "invite" or room.closed
        if needs_invitation and not (
            caller.is_admin or await self._is_invited(channel, caller.user)
        ):
            raise not_found("channel")
        refuse_archived(room)
        if room.members >= options.members_max:
            raise full()

    async def _is_invited(self, channel: str, user: str) -> bool:
        rows = await self._store.get(MEMBERS, [(channel, user)])
        return bool(rows) and rows[0].invited_at != 0

    async def _left(self, caller: Caller, channel: str, entry: NewEntry) -> NewEntry:
        """The entry by which the caller leaves, with everything that ends by it."""
        standing = await self._doorkeeper.present_standing(channel, caller.user)
        if not standing.is_member and await self._is_invited(channel, caller.user):
            return entry
        await self._doorkeeper.admit(caller, channel, "member")
        if not standing.is_member:
            raise not_found("channel")  # an admin, who comes in without being one
        await self._rooms.made(channel)
        if standing.role != "owner":
            return entry
        spans = [Span((channel, role)) for role in ROLES]
        if len(await self._store.find(MEMBERS, *spans, by=BY_ROLE, limit=2)) > 1:
            raise conflict("owner")
        event = MemberEvent("leave", caller.user, last=True)
        return msgspec.structs.replace(entry, data=_encode(event))

    async def _invitation(
        self, caller: Caller, channel: str, wanted: Mapping[str, str], entry: NewEntry
    ) -> NewEntry | None:
        """The entry that brings in those who can be; None where nobody can.

        Raises CommandRefused, StoreError.
        """
        standing = await self._doorkeeper.admit(caller, channel, "writer")
        room = await self._rooms.made(channel)
        gives_all = standing.role == "owner" or caller.is_admin
        if not gives_all and "moderator" in wanted.values():
            raise denied()
        if room.invites == "moderators" and not (standing.moderates or caller.is_admin):
            raise denied()
        refuse_archived(room)
        left_out = await self._left_out(caller, channel, tuple(wanted))
        users = {user: role for user, role in wanted.items() if user not in left_out}
        if not users:
            return None
        options = self._doorkeeper.options(channel, "room")
        if room.members + len(users) > options.members_max:
            raise full()
        places = (Place(user, "" if room.accept else role) for user, role in users.items())
        event = MemberEvent("invite", users=tuple(places))
        return msgspec.structs.replace(entry, data=_encode(event))

    async def _left_out(
        self, caller: Caller, channel: str, users: Collection[str]
    ) -> Collection[str]:
        """Members, the banned, and those who want nothing of the caller."""
        now_ms = self._clock.wall_ms()
        rows = await self._store.get(MEMBERS, [(channel, user) for user in users])
        there = {
            row.user
            for row in rows
            if standing_of(row).is_member or standing_of(row).is_banned(now_ms)
        }
        if caller.is_admin:
            return there
        return there | await self._blocks.among(caller.user, [u for u in users if u != caller.user])

    def _entry(
        self, caller: Caller, params: JoinChannel | LeaveChannel | InviteUsers, event: MemberEvent
    ) -> NewEntry:
        return entries.of_members(
            caller,
            params.channel,
            params.client_id,
            event,
            command=params,
            at=self._clock.wall_ms(),
        )


def _cursor(row: MemberRow) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode((row.role, row.user))).decode()


def _read_cursor(cursor: str, roles: Collection[str]) -> tuple[str, str | None]:
    """The role and the user after whom to go on. Raises CallRefused (422)."""
    if not cursor:
        return next(iter(roles)), None
    try:
        role, user = msgspec.msgpack.decode(base64.urlsafe_b64decode(cursor), type=tuple[str, str])
    except (ValueError, msgspec.MsgspecError):
        raise invalid("cursor") from None
    if role not in roles:
        raise invalid("cursor")
    return role, user
