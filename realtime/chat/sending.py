"""May this message be written? The one gate, for `chat.send` and for a plain publish.

A plain publish is the hot path: where what the user and the room are is at hand, nothing is waited
for and no task is started.
"""

import secrets
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from realtime.chat.around import Around
from realtime.chat.blocks import Blocks
from realtime.chat.caller import Caller
from realtime.chat.contents import Contents
from realtime.chat.hooks import Question
from realtime.chat.ledger import digest
from realtime.chat.ports import Copy
from realtime.chat.refusals import denied, invalid
from realtime.chat.restrictions import (
    refuse_archived,
    refuse_blocked,
    refuse_muted,
    refuse_unmade,
)
from realtime.chat.rooms import Room, Rooms
from realtime.chat.slow_mode import SlowMode
from realtime.chat.standing import Standing
from realtime.errors import INTERNAL, CommandRefused, StoreError
from realtime.model import NewEntry
from realtime.settings.schema import ChannelOptions

LET_THROUGH_MAX: Final = 50_000
"""Users in rooms who were let through and are remembered."""

CLIENT_ID_MAX: Final = 64
"""Characters of a `client_id`."""


def _none(channel: str) -> int:
    """Channels of no size are slow by themselves."""
    return 0


class _Given(msgspec.Struct, gc=False):
    """What is read of the data of a plain publish."""

    client_id: str | None = None


_read_given = msgspec.json.Decoder(_Given).decode


class _LetThrough:
    """Who was let through in a room as it is, and as what. `notify`: whether others are told of it.

    `by_size`: how fast members may write is left to how large the room is.
    """

    __slots__ = ("by_size", "notify", "room", "users")

    def __init__(self, room: Copy[Room], *, notify: bool) -> None:
        self.room = room
        self.notify = notify
        self.users: dict[str, Copy[Standing]] = {}
        self.by_size = room.value.slow_mode_s is None


class Sending:
    """Decides about messages to rooms. `contents` says what may be in them.

    `usual_slow_mode_s` answers the slow mode of a channel that nobody has set one for, by its size.
    """

    def __init__(
        self,
        around: Around,
        rooms: Rooms,
        *,
        blocks: Blocks,
        contents: Contents,
        usual_slow_mode_s: Callable[[str], int] = _none,
    ) -> None:
        self._usual_slow_mode_s = usual_slow_mode_s
        self._stage = around.stage
        self._memberships = around.memberships
        self._clock = around.clock
        self._ledger = around.ledger
        self._doorkeeper = around.doorkeeper
        self._allowances = around.allowances
        self._rooms = rooms
        self._blocks = blocks
        self._contents = contents
        self._slow_mode = SlowMode(around.store, around.clock)
        self._let_through: dict[str, _LetThrough] = {}
        self._remembered = 0
        self._prefix = secrets.token_hex(8)
        self._made = 0

    def prepare(
        self, caller: Caller, channel: str, data: bytes
    ) -> NewEntry | Coroutine[Any, Any, NewEntry]:
        """What a plain publish of `data` appends. `data` is what the namespace takes, as JSON.

        A `client_id` in an object makes it a send that can be retried: 409 is the store's to tell,
        from the digest. The namespace's `publish` is not looked at. Raises, at once or when
        awaited, CommandRefused: 100, 102, 103, 107, 111, 404, 422, 423.
        """
        user = caller.user
        self._allowances.spend(user, "sends")
        client_id = given_client_id(data)
        # What a member may in a room that is as it was needs no second thought, but for what is
        # in neither: bans by the app, and how large the room has become.
        before = self._let_through.get(channel)
        if before is not None:
            now = self._clock.monotonic()
            as_what = before.users.get(user)
            if (
                as_what is not None
                and as_what.holds(now)
                and before.room.holds(now)
                and not self._stage.banned(user, channel)
                and not (before.by_size and self._usual_slow_mode_s(channel))
            ):
                return self._entry(caller, channel, client_id, data, notify=before.notify)
        kept_standing, kept_room = self._memberships.copy(channel, user), self._rooms.copy(channel)
        options = self._doorkeeper.options(channel, "room")
        entry = self._entry(caller, channel, client_id, data, notify=options.push != "")
        if (
            kept_standing is None
            or kept_room is None
            or kept_room.value.pair
            or self._contents.has_hook
            or self._slow_mode_ms(channel, kept_room.value, options)
        ):
            return self._prepared(caller, entry, options)
        try:
            self._judge(caller, channel, options, kept_standing.value, kept_room.value)
        except CommandRefused:
            return self._prepared(caller, entry, options)
        if not caller.is_admin:  # who may do more than the user themselves
            self._remember(channel, user, kept_standing, kept_room, notify=entry.notify)
        return entry

    def _remember(
        self,
        channel: str,
        user: str,
        standing: Copy[Standing],
        room: Copy[Room],
        *,
        notify: bool,
    ) -> None:
        """The user was let through just now, as this and in this room."""
        now = self._clock.monotonic()
        if not (room.holds(now) and standing.holds(now)):
            return  # the channel is not live here: what is known of it is nearly over
        before = self._let_through.get(channel)
        if before is None or before.room is not room:
            self._remembered -= len(before.users) if before is not None else 0
            before = self._let_through[channel] = _LetThrough(room, notify=notify)
        if user not in before.users:
            if self._remembered >= LET_THROUGH_MAX:
                before.users.clear()
                self._let_through = {channel: before}
                self._remembered = 0
            self._remembered += 1
        before.users[user] = standing

    def _entry(
        self, caller: Caller, channel: str, client_id: str, data: bytes, *, notify: bool
    ) -> NewEntry:
        return NewEntry(
            channel,
            caller.sender,
            client_id or self._fresh_id(),
            data,
            self._clock.wall_ms(),
            digest=digest("message", 0, data) if client_id else b"",
            info=caller.info,
            counts=True,
            notify=notify,
        )

    async def check(self, caller: Caller, channel: str, options: ChannelOptions) -> Room:
        """Whether the caller may write to a room now, slow mode aside; the room if so.

        Raises CommandRefused: 100, 103, 404, 423, and StoreError.
        """
        # Strangers are refused before anything is read of the room.
        standing = await self._doorkeeper.admit(caller, channel, "writer")
        room = await self._rooms.look_up(channel)
        try:
            self._judge(caller, channel, options, standing, room)
        except CommandRefused:
            # What forbids it may have ended a moment ago, by way of another node.
            standing = await self._doorkeeper.present_standing(channel, caller.user)
            self._rooms.forget(channel)
            room = await self._rooms.look_up(channel)
            self._judge(caller, channel, options, standing, room)
        await refuse_blocked(self._blocks, caller, room)
        return room

    async def pass_slow_mode(
        self, caller: Caller, channel: str, client_id: str, room: Room, options: ChannelOptions
    ) -> None:
        """The last thing before a message is stored. Moderators need not wait.

        Raises CallRefused (423, why=slow_mode), and StoreError.
        """
        least_ms = self._slow_mode_ms(channel, room, options)
        if not least_ms or caller.is_admin:
            return
        if (await self._doorkeeper.standing(channel, caller.user)).moderates:
            return
        await self._slow_mode.pass_through(channel, caller.user, client_id, least_ms=least_ms)

    def _slow_mode_ms(self, channel: str, room: Room, options: ChannelOptions) -> int:
        if room.slow_mode_s is None and not options.slow_mode.ms:
            return self._usual_slow_mode_s(channel) * 1000
        return room.slow_mode_ms(options)

    def _judge(
        self,
        caller: Caller,
        channel: str,
        options: ChannelOptions,
        standing: Standing,
        room: Room,
    ) -> None:
        self._doorkeeper.judge(caller, channel, options, standing, "writer")
        refuse_unmade(room)
        refuse_archived(room)
        if caller.is_admin:
            return
        if room.announce and not standing.moderates:
            raise denied()
        refuse_muted(standing, self._clock.wall_ms())

    async def _prepared(self, caller: Caller, entry: NewEntry, options: ChannelOptions) -> NewEntry:
        try:
            room = await self.check(caller, entry.channel, options)
            if self._contents.has_hook:
                client_id = entry.client_id if entry.digest else ""
                question = Question(
                    "message", entry.channel, caller.user, msgspec.Raw(entry.data), client_id
                )
                data = await self._contents.ask(caller, question, options)
                if data != entry.data:
                    entry = msgspec.structs.replace(entry, data=data)
                # The answer may have taken seconds, in which somebody was banned, or a room put
                # away. What is asked about is at hand, as a rule.
                room = await self.check(caller, entry.channel, options)
            await self.pass_slow_mode(caller, entry.channel, entry.client_id, room, options)
        except CommandRefused as refusal:
            if not entry.digest:
                raise
            return await self._refused(entry, refusal)
        except StoreError:
            raise CommandRefused(INTERNAL) from None
        return entry

    async def _refused(self, entry: NewEntry, refusal: CommandRefused) -> NewEntry:
        """An entry that was stored once is given again, and the store says that it is there."""
        if await self._ledger.earlier(entry) is None:
            raise refusal
        return entry

    def _fresh_id(self) -> str:
        self._made += 1
        return f"{self._prefix}.{self._made}"


def given_client_id(data: bytes) -> str:
    """The `client_id` in the object that `data` is; "" where it is none, or has none.

    Raises CallRefused (422) where it is not a text of 1 to 64 characters: to go on without it
    would be to store a retry twice.
    """
    if b'"client_id"' not in data or not data.lstrip(b" \t").startswith(b"{"):
        return ""
    try:
        client_id = _read_given(data).client_id
    except msgspec.DecodeError:
        raise invalid("client_id") from None
    if client_id is None:
        return ""
    if not 0 < len(client_id) <= CLIENT_ID_MAX:
        raise invalid("client_id")
    return client_id
