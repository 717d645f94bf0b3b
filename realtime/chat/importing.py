"""Moving in: users, channels, members and messages of another system, as JSON lines.

The lines come in any order that makes sense: a channel before its members, a message before what
answers or reacts to it. Each can be given again, and changes nothing then: what the old system
called a message is its `client_id` here. So an import that was interrupted is begun again, and goes
on where it was (`WORK`); and one may be made again later, for what has come meanwhile.

Messages keep their times. Nobody is told of anything, no hook is asked, and what was imported is
read, for everybody, at the end: people who move in do not begin with thousands of unread messages.
"""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from realtime.chat import entries, import_lines
from realtime.chat.amending import ReactionEvent
from realtime.chat.caller import Caller
from realtime.chat.channel_events import SettingsChange
from realtime.chat.contents import Contents
from realtime.chat.creating import direct_channel
from realtime.chat.heads import write_preview
from realtime.chat.import_lines import (
    BlockLine,
    ChannelLine,
    DirectLine,
    MemberLine,
    Message,
    MessageLine,
    ReactionLine,
    UserLine,
    Where,
)
from realtime.chat.ledger import Ledger, digest, stored
from realtime.chat.member_events import USERS_MAX, MemberEvent, Place
from realtime.chat.mentions import mention_tag
from realtime.chat.ports import ChatStore, Clock
from realtime.errors import CommandRefused, RealtimeError
from realtime.model import EVERYTHING, ClientInfo, Entry, NewEntry
from realtime.rows import BLOCKS, CHANNELS, MEMBERS, USERS, WORK
from realtime.settings.schema import ChannelOptions
from realtime.stores.base import Appended, Span, Value, Write

BATCH: Final = 500
"""Messages that are stored together."""

KIND: Final = "import"
"""Of work that is kept (`WORK`), with the name of the import."""

LOOKED_THROUGH: Final = 100
"""Entries of a channel among which its last message is looked for; most are messages."""

_encode: Final = msgspec.json.Encoder().encode


class ImportRefused(RealtimeError):
    """A line cannot be imported. Names it and what is wrong, not what it says."""

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(f"line {number}: {problem}")


class Progress(msgspec.Struct):
    """How far an import is: lines that are done, and what they came to."""

    lines: int = 0
    users: int = 0
    channels: int = 0
    members: int = 0
    messages: int = 0
    duplicates: int = 0
    reactions: int = 0


class Import:
    """Imports lines. `options` answers those of a channel, None where it cannot be one.

    `contents` says what may be in messages; no hook is asked. `settle` is told who blocks whom
    (`DirectBlocks`). `ledger` has the folds of the service; its stage appends without telling
    anybody.
    """

    def __init__(
        self,
        store: ChatStore,
        ledger: Ledger,
        clock: Clock,
        *,
        options: Callable[[str], ChannelOptions | None],
        contents: Contents,
        settle: Callable[[str, str], Awaitable[None]],
        told: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._options = options
        self._contents = contents
        self._settle = settle
        self._made: set[str] = set()
        self._told = told
        self._batch: list[tuple[int, NewEntry]] = []
        self._touched: set[str] = set()
        self.progress = Progress()

    async def run(self, name: str, lines: Iterable[bytes]) -> Progress:
        """Import lines, from where the import of this name was. Raises ImportRefused, StoreError.

        What was stored before it raises stays, and the next run goes on from there.
        """
        for row in await self._store.get(WORK, [(KIND, name)]):
            left = msgspec.json.decode(row.state, type=Progress)
            if left.lines:
                self.progress = left
        begin = self.progress.lines
        for number, line in enumerate(lines, 1):
            if line.strip():
                await self._line(number, line, done=number <= begin)
            if number > begin and number % BATCH == 0:
                await self._save(name, number)
        await self._flush()
        for channel in sorted(self._touched):
            await self._read_by_all(channel)
        # Begun again from the first line the next time: it may have become longer.
        await self._save(name, 0)
        return self.progress

    async def _save(self, name: str, lines: int) -> None:
        await self._flush()
        self.progress.lines = lines
        state: dict[str, Value] = {"state": _encode(self.progress), "at": self._clock.wall_ms()}
        await self._store.write([Write(WORK, (KIND, name), set=state)])
        self._told(self.progress)

    async def _line(self, number: int, line: bytes, *, done: bool) -> None:
        try:
            read = import_lines.read(line)
        except ValueError as error:
            raise ImportRefused(number, str(error)) from None
        if isinstance(read, MessageLine | ReactionLine | DirectLine | ChannelLine | MemberLine):
            self._touched.add(self._channel(number, read))
        if done:
            return
        if isinstance(read, MessageLine | ReactionLine | MemberLine):
            await self._check_made(number, self._channel(number, read))
        if isinstance(read, MessageLine) and read.reply_to is None:
            await self._message(number, read, 0)
            return
        # Everything else may need what was there before it.
        await self._flush()
        match read:
            case MessageLine():
                assert read.reply_to is not None
                root = await self._find(number, self._channel(number, read), read.reply_to)
                await self._message(number, read, root.ref or root.offset)
            case UserLine():
                await self._user(read)
            case ChannelLine():
                await self._create(read)
            case DirectLine():
                await self._direct(number, read)
            case MemberLine():
                await self._member(read)
            case ReactionLine():
                await self._reaction(number, read)
            case BlockLine():
                key = (read.user, read.blocked)
                await self._store.write([Write(BLOCKS, key, initial={"at": self._at(read.at)})])
                await self._settle(read.user, read.blocked)

    def _channel(self, number: int, line: Any) -> str:
        channel: str = line.channel
        if isinstance(line, Where) and not channel:
            if not line.namespace or not 1 <= len(set(line.users)) <= 2:
                raise ImportRefused(number, "needs channel, or namespace and one or two users")
            channel = direct_channel(line.namespace, *line.users)
        options = self._options(channel)
        if options is None or options.chat != "room":
            raise ImportRefused(number, 'channel: its namespace is no chat (`chat = "room"`)')
        return channel

    async def _check_made(self, number: int, channel: str) -> None:
        if channel in self._made:
            return
        await self._flush()
        if not await self._is_made(channel):
            raise ImportRefused(number, "channel: it has not been imported, nor made before")
        self._made.add(channel)

    async def _is_made(self, channel: str) -> bool:
        rows = await self._store.get(CHANNELS, [(channel,)])
        return bool(rows) and rows[0].kind != ""

    async def _user(self, line: UserLine) -> None:
        row: dict[str, Any] = {
            "name": line.name,
            "avatar": line.avatar,
            "locale": line.locale,
            "time_zone": line.time_zone,
            "custom": import_lines.custom(line),
            "changed_at": self._clock.wall_ms(),
        }
        given = {key: value for key, value in row.items() if value}
        await self._store.write([Write(USERS, (line.user,), set=given)])
        self.progress.users += 1

    async def _create(self, line: ChannelLine) -> None:
        custom = import_lines.custom(line)
        places = [Place(line.owner, "owner")]
        places += [Place(each.user, each.role) for each in line.members if each.user != line.owner]
        event = MemberEvent(
            "create",
            users=tuple(places[:USERS_MAX]),
            title=line.title,
            avatar=line.avatar,
            custom=msgspec.Raw(custom) if custom else msgspec.UNSET,
            settings=_settings(line.settings),
        )
        by = Caller(line.owner, "admin")
        command = _encode(("import", line.channel))
        entry = entries.creation(by, line.channel, event, command=command, at=self._at(line.at))
        begin = USERS_MAX
        rows = await self._store.get(CHANNELS, [(line.channel,)])
        if not rows or not rows[0].kind:
            await self._ledger.write(entry)
            self.progress.channels += 1
        elif rows[0].digest != entry.digest:
            # Somebody else has made it: its owner stays, and the others are brought in.
            begin = 1
        for start in range(begin, len(places), USERS_MAX):
            await self._bring(line.channel, places[start : start + USERS_MAX], self._at(line.at))

    async def _direct(self, number: int, line: DirectLine) -> None:
        channel = self._channel(number, line)
        users = sorted(set(line.users))
        event = MemberEvent("direct", users=tuple(Place(user, "member") for user in users))
        by = Caller(users[0], "admin")
        entry = entries.creation(by, channel, event, command=b"direct", at=self._at(line.at))
        await self._ledger.write(entry)
        self.progress.channels += 1

    async def _member(self, line: MemberLine) -> None:
        places = [Place(line.user, line.role)]
        await self._bring(line.channel, places, self._at(line.at))

    async def _bring(self, channel: str, places: Sequence[Place], at: int) -> None:
        event = MemberEvent("invite", users=tuple(places))
        data = _encode(event)
        by = places[0].user
        await self._ledger.write(
            NewEntry(
                channel,
                "c:import",
                digest("member", 0, data).hex(),
                data,
                at,
                kind="member",
                digest=digest("member", 0, data),
                info=ClientInfo(by, ""),
                tags={"kind": "member"},
                pending=True,
            )
        )
        self.progress.members += len(places)

    async def _message(self, number: int, line: MessageLine, root: int) -> None:
        channel = self._channel(number, line)
        data = self._data(number, channel, line.data)
        tags = {"client_id": line.id} | mention_tag(line.mentions)
        command = [data]
        if root:
            tags["ref"] = str(root)
        if line.also_to_channel:
            tags["also"] = "1"
            command.append(b"also")
        if "mentions" in tags:
            command.append(tags["mentions"].encode())
        entry = NewEntry(
            channel,
            f"u:{line.user}",
            line.id,
            data,
            self._at(line.at),
            digest=digest("message", root, *command),
            ref=root,
            info=ClientInfo(line.user, ""),
            tags=tags,
            counts=not root or line.also_to_channel,
            pending=bool(root or line.mentions),
        )
        self._batch.append((number, entry))
        if len(self._batch) >= BATCH:
            await self._flush()

    def _data(self, number: int, channel: str, data: msgspec.Raw) -> bytes:
        options = self._options(channel)
        assert options is not None  # `_channel` has looked
        try:
            return self._contents.read(data, options)
        except CommandRefused:
            raise ImportRefused(
                number, "data: too long, or not what the namespace takes (`data_format`)"
            ) from None

    async def _flush(self) -> None:
        """Store the messages that were gathered, and what follows from them."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        outcomes = await self._store.append([entry for _, entry in batch])
        for (number, entry), outcome in zip(batch, outcomes, strict=True):
            if not isinstance(outcome, Appended):
                raise ImportRefused(
                    number, "id: another message of this user has it in the channel"
                )
            self.progress.messages += not outcome.duplicate
            self.progress.duplicates += outcome.duplicate
            if entry.pending:
                await self._ledger.apply(stored(entry, outcome.offset, outcome.at, outcome.n))

    async def _reaction(self, number: int, line: ReactionLine) -> None:
        channel = self._channel(number, line)
        target = await self._find(number, channel, line.message)
        data = _encode(ReactionEvent(line.emoji, True))
        await self._ledger.write(
            NewEntry(
                channel,
                f"u:{line.user}",
                digest("reaction", target.offset, data).hex(),
                data,
                self._at(line.at),
                kind="reaction",
                digest=digest("reaction", target.offset, data),
                ref=target.offset,
                info=ClientInfo(line.user, ""),
                tags={"kind": "reaction", "ref": str(target.offset)},
                pending=True,
            )
        )
        self.progress.reactions += 1

    async def _find(self, number: int, channel: str, message: Message) -> Entry:
        found = await self._store.find_sent(channel, f"u:{message.user}", message.id)
        if found is None:
            raise ImportRefused(number, "the message that it refers to has not been imported")
        return found

    async def _read_by_all(self, channel: str) -> None:
        """Say how far the channel is, and that everybody in it has read that."""
        now_ms = self._clock.wall_ms()
        page = await self._store.read(
            channel, limit=LOOKED_THROUGH, newest_first=True, retention=EVERYTHING, now_ms=now_ms
        )
        said = (entry for entry in page.entries if entry.kind == "message" and entry.counts)
        for last in itertools.islice(said, 1):
            await write_preview(self._store, last)
        head = {"head": page.head, "head_n": page.head_n, "head_at": now_ms}
        changed = {"changed_at": now_ms}
        await self._store.write(
            [Write(CHANNELS, (channel,), set=head, highest=changed, below=("head", page.head))]
        )
        read = {"read": page.head, "delivered": page.head}
        read |= {"read_n": page.head_n, "delivered_n": page.head_n}
        async for users in self._members(channel):
            await self._store.write(
                [
                    Write(MEMBERS, (channel, user), highest=read | changed, present=True)
                    for user in users
                ]
            )

    async def _members(self, channel: str) -> AsyncIterator[list[str]]:
        after = ""
        while True:
            page = await self._store.find(MEMBERS, Span((channel,), after=after), limit=BATCH)
            if page:
                yield [row.user for row in page]
                after = page[-1].user
            if len(page) < BATCH:
                return

    def _at(self, at: int) -> int:
        return at or self._clock.wall_ms()


def _settings(change: SettingsChange) -> msgspec.Raw | msgspec.UnsetType:
    settings = _encode(change)
    return msgspec.UNSET if settings == b"{}" else msgspec.Raw(settings)
