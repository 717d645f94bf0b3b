"""Chat's service parts over a store in memory, and a stage that keeps what it was given."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from realtime.auth.identity import Role
from realtime.channels.rules import RuleBook
from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.doorkeeper import Doorkeeper
from realtime.chat.ledger import Ledger, stored
from realtime.chat.memberships import KeptMemberships
from realtime.chat.operations import Spent
from realtime.chat.ports import ChatStore
from realtime.model import ClientInfo, Entry, NewEntry
from realtime.settings.schema import ChannelOptions, ChatSettings
from realtime.stores.base import Appended, Conflict
from realtime.stores.sqlite import SQLiteStore

ROOM = ChannelOptions(
    history_size=-1,
    presence=True,
    chat="room",
    create=("user",),
    subscribe=("member",),
    publish=("member",),
    read_history=("member",),
    read_presence=("member",),
)
"""A namespace of chat channels."""

FEED = ChannelOptions(
    history_size=-1, chat="feed", create=("user",), subscribe=("user",), read_history=("user",)
)
"""A namespace of feeds."""


class ManualClock:
    """A clock that a test moves."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self.now_ms = now_ms

    def wall_ms(self) -> int:
        """See `realtime.chat.ports.Clock`."""
        return self.now_ms

    def monotonic(self) -> float:
        """See `realtime.chat.ports.Clock`."""
        return self.now_ms / 1000


@dataclass
class KeepingStage:
    """Appends to the store, and keeps what is to be told to whom."""

    store: ChatStore
    namespaces: dict[str, ChannelOptions]
    entries: list[Entry] = field(default_factory=list)
    signals: list[tuple[str, str, bytes]] = field(default_factory=list)
    hints: list[tuple[tuple[str, ...], bytes, str]] = field(default_factory=list)
    cuts: list[tuple[str, str]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    signed_out: list[str] = field(default_factory=list)
    subscribed: dict[str, int] = field(default_factory=dict)
    bans: set[tuple[str, str]] = field(default_factory=set)
    """Users and channels, as the app's bans have them."""
    on_entry: list[KeptMemberships] = field(default_factory=list)

    async def append(self, entry: NewEntry) -> Appended | Conflict:
        """See `realtime.chat.ports.Stage`."""
        (outcome,) = await self.store.append([entry])
        if isinstance(outcome, Appended) and not outcome.duplicate:
            made = stored(entry, outcome.offset, outcome.at, outcome.n)
            self.entries.append(made)
            for memberships in self.on_entry:
                memberships.passed(made)
        return outcome

    def signal(self, channel: str, kind: str, data: bytes) -> None:
        """See `realtime.chat.ports.Stage`."""
        self.signals.append((channel, kind, data))

    def hint(self, users: Sequence[str], data: bytes, *, about: str = "") -> None:
        """See `realtime.chat.ports.Stage`."""
        self.hints.append((tuple(users), data, about))

    async def cut(self, user: str, channel: str) -> None:
        """See `realtime.chat.ports.Stage`."""
        self.cuts.append((user, channel))

    async def sign_out(self, user: str) -> None:
        """See `realtime.chat.ports.Stage`."""
        self.signed_out.append(user)

    async def forget(self, channel: str) -> None:
        """See `realtime.chat.ports.Stage`."""
        self.forgotten.append(channel)

    def banned(self, user: str, channel: str) -> bool:
        """See `realtime.chat.ports.Stage`."""
        return (user, channel) in self.bans

    def options(self, channel: str) -> ChannelOptions:
        """See `realtime.chat.ports.Stage`. Raises CommandRefused."""
        RuleBook(ChannelOptions(), self.namespaces).resolve(channel)
        return self.namespaces.get(channel.partition(":")[0], ChannelOptions())

    def subscribers(self, channel: str) -> int:
        """See `realtime.chat.ports.Stage`."""
        return self.subscribed.get(channel, 0)


class Unlimited:
    """Allowances without an end."""

    def spend(self, user: str, what: Spent, cost: float = 1.0) -> None:
        """See `realtime.chat.around.Allowances`."""


@dataclass
class ChatParts:
    """Surroundings for parts of the service, and what a test looks at."""

    around: Around
    stage: KeepingStage
    clock: ManualClock
    store: SQLiteStore
    memberships: KeptMemberships


@asynccontextmanager
async def chat_parts(
    settings: ChatSettings | None = None, **namespaces: ChannelOptions
) -> AsyncIterator[ChatParts]:
    """Parts over an empty store; namespaces `room` and `feed` unless others are given."""
    store = SQLiteStore(":memory:")
    await store.open()
    try:
        clock = ManualClock()
        stage = KeepingStage(store, dict(namespaces) or {"room": ROOM, "feed": FEED})
        memberships = KeptMemberships(store, clock)
        stage.on_entry.append(memberships)
        around = Around(
            store=store,
            stage=stage,
            memberships=memberships,
            clock=clock,
            settings=settings or ChatSettings(),
            ledger=Ledger(store, stage, clock),
            doorkeeper=Doorkeeper(store, stage, memberships, clock),
            allowances=Unlimited(),
        )
        yield ChatParts(around, stage, clock, store, memberships)
    finally:
        await store.close()


def caller(user: str, role: Role = "user") -> Caller:
    """Somebody who is connected."""
    client = f"client-of-{user}"
    return Caller(user, role, client=client, info=ClientInfo(user, client))
