"""Making channels: each once, however often it is asked for, and by whom."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from realtime.chat import entries, member_events
from realtime.chat.around import Around
from realtime.chat.blocks import Blocks
from realtime.chat.caller import Caller
from realtime.chat.calls.channels import (
    DIRECT_PREFIX,
    ROOM_PREFIX,
    CreateChannel,
    CreatedChannel,
    DirectChannel,
    OpenDirect,
)
from realtime.chat.channel_events import SettingsChange
from realtime.chat.member_events import MemberEvent, Place
from realtime.chat.operations import Perform
from realtime.chat.profiles import custom_of, is_avatar, is_line
from realtime.chat.refusals import conflict, denied, full, invalid, not_found, other_data
from realtime.chat.retention import check_retention
from realtime.errors import ALREADY, CommandRefused
from realtime.model import NewEntry
from realtime.rows import CHANNELS, ChannelRow
from realtime.settings.schema import ChannelOptions

_ID_BYTES: Final = 15
_encode: Final = msgspec.json.Encoder().encode


class Creating:
    """Performs `chat.create` and `chat.direct`.

    A channel is made by one entry of its own log, whose key is the same whoever makes it: so of two
    who make it at the same time, anywhere, one does. Once it has a row, that one answers, also when
    retention has taken the entry.
    """

    def __init__(self, around: Around, blocks: Blocks) -> None:
        self._store = around.store
        self._stage = around.stage
        self._clock = around.clock
        self._ledger = around.ledger
        self._blocks = blocks
        self.operations: Mapping[str, Perform] = {
            "chat.create": self.create,
            "chat.direct": self.direct,
        }

    async def create(self, caller: Caller, params: CreateChannel) -> CreatedChannel:
        """Make a channel. Raises CommandRefused: 100, 102, 103, 106, 107, 404, 409, 413, 422.

        Raises StoreError.
        """
        made_id = ROOM_PREFIX + _hashed(params.namespace, caller.user, params.client_id)
        channel = f"{params.namespace}:{params.id or made_id}"
        options = self._options(channel)
        command = _encode((caller.user, params))
        entry = entries.creation(
            caller, channel, MemberEvent("create"), command=command, at=self._clock.wall_ms()
        )
        row = await self._row(channel)
        if row is not None:
            if row.digest != entry.digest:
                raise conflict("taken") if params.id else other_data()
            return await self._created(params, channel, duplicate=True)
        _check(params)
        try:
            written = await self._ledger.attempt(
                entry, self._prepared(caller, params, entry, options)
            )
        except CommandRefused as refusal:
            if params.id and refusal.error.code == ALREADY.code:
                raise conflict("taken") from None
            raise
        return await self._created(params, channel, duplicate=written.duplicate)

    async def direct(self, caller: Caller, params: OpenDirect) -> DirectChannel:
        """Open the channel of two users. Raises CommandRefused: 100, 102, 103, 107, 404.

        Raises StoreError.
        """
        users = sorted({caller.user, params.user})
        channel = direct_channel(params.namespace, *users)
        options = self._options(channel)
        if await self._row(channel) is not None:
            return DirectChannel(channel, duplicate=True)
        event = MemberEvent("direct", users=tuple(Place(user, "member") for user in users))
        entry = entries.creation(
            caller, channel, event, command=b"direct", at=self._clock.wall_ms()
        )
        written = await self._ledger.attempt(entry, self._may_open(caller, params.user, options))
        return DirectChannel(channel, duplicate=written.duplicate)

    def _options(self, channel: str) -> ChannelOptions:
        options = self._stage.options(channel)
        if options.chat != "room":
            raise not_found("namespace")
        return options

    async def _row(self, channel: str) -> ChannelRow | None:
        rows = await self._store.get(CHANNELS, [(channel,)])
        return rows[0] if rows and rows[0].kind else None

    async def _may_open(self, caller: Caller, other: str, options: ChannelOptions) -> None:
        may_create(caller, options)
        if not caller.is_admin and await self._blocks.blocked(caller.user, other):
            raise denied("blocked")

    async def _prepared(
        self, caller: Caller, params: CreateChannel, entry: NewEntry, options: ChannelOptions
    ) -> NewEntry:
        """The entry with the members that it makes. Raises CommandRefused, StoreError."""
        may_create(caller, options)
        check_retention(params.settings, options)
        users = {
            member.user: member.role for member in params.members if member.user != caller.user
        }
        if len(users) + 1 > options.members_max:
            raise full()
        blocked = frozenset[str]()
        if users and not caller.is_admin:
            blocked = await self._blocks.among(caller.user, tuple(users))
        accept = params.settings.accept is True
        event = MemberEvent(
            "create",
            users=(
                Place(caller.user, "owner"),
                *(
                    Place(user, "" if accept else role)
                    for user, role in users.items()
                    if user not in blocked
                ),
            ),
            title=params.title,
            avatar=params.avatar,
            custom=_custom(params.custom),
            settings=_settings(params.settings),
        )
        return msgspec.structs.replace(entry, data=_encode(event))

    async def _created(
        self, params: CreateChannel, channel: str, *, duplicate: bool
    ) -> CreatedChannel:
        """The answer, made of what is stored: who was left out is what the first try said."""
        left_out: tuple[str, ...] = ()
        if params.members:
            found = await self._store.find_sent(channel, entries.CREATOR, "create")
            event = member_events.read(found) if found is not None else None
            if event is not None:
                there = set(event.concerns)
                wanted = dict.fromkeys(member.user for member in params.members)
                left_out = tuple(user for user in wanted if user not in there)
        return CreatedChannel(channel, left_out, duplicate)


def direct_channel(namespace: str, *users: str) -> str:
    """The channel of these two users, whoever asks; of one with themselves too."""
    return f"{namespace}:{DIRECT_PREFIX}{_hashed(namespace, *sorted(set(users)))}"


def may_create(caller: Caller, options: ChannelOptions) -> None:
    """Whether the namespace lets the caller make channels. Raises CallRefused (103)."""
    if not caller.is_admin and (
        caller.role == "guest" or not {"user", "guest"}.intersection(options.create)
    ):
        raise denied()


def check_looks(title: str | UnsetType, avatar: str | UnsetType) -> None:
    """Whether they can be shown as they are. Raises CallRefused (422)."""
    if isinstance(title, str) and title and not is_line(title):
        raise invalid("title")
    if isinstance(avatar, str) and avatar and not is_avatar(avatar):
        raise invalid("avatar")


def _check(params: CreateChannel) -> None:
    if params.id and params.id.startswith((DIRECT_PREFIX, ROOM_PREFIX)):
        raise invalid("id")
    check_looks(params.title, params.avatar)
    _custom(params.custom)


def _custom(raw: Raw | UnsetType) -> Raw | UnsetType:
    custom = b"" if raw is UNSET else custom_of(raw)
    return Raw(custom) if custom else UNSET


def _settings(change: SettingsChange) -> Raw | UnsetType:
    settings = _encode(change)
    return UNSET if settings == b"{}" else Raw(settings)


def _hashed(*parts: str) -> str:
    """Letters and digits by which nobody is recognised."""
    hashed = hashlib.blake2b(msgspec.msgpack.encode(parts), digest_size=_ID_BYTES).digest()
    return base64.b32encode(hashed).decode().lower()
