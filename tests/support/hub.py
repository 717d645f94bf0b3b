"""Hubs inside the test's own process: no socket, a clock that can be moved, faults on demand.

A `Node` is a running hub with its server API. Its peers are clients over fake transports: they
send what a client would send and keep every document that they were sent. When a node is closed
its peers leave, and whatever the hub still holds then is a leak that fails the test.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import jwt

from realtime.auth.jwks import JwksSource
from realtime.auth.keys import FixedKeys, KeySet
from realtime.auth.revocations import Revocations
from realtime.auth.tokens import TokenRules
from realtime.brokers.base import Broker
from realtime.brokers.memory import MemoryBroker
from realtime.hub.chatting import ChatSetup
from realtime.hub.clock import Clock
from realtime.hub.cluster import SharedStore
from realtime.hub.hub import Hub
from realtime.hub.identities import Credentials
from realtime.hub.server_api import ServerApi
from realtime.settings.schema import (
    AuthSettings,
    ChannelOptions,
    ClientSettings,
    LimitsSettings,
    Settings,
)
from realtime.settings.secret import Secret
from realtime.stores.base import HeadHints
from tests.support.configuration import HMAC_SECRET
from tests.support.faulty_store import FaultyStore, WholeStore
from tests.support.memory_store import MemoryStore
from tests.support.peer import FakeTransport, Peer

VERSION: Final = "0.0.0-test"

ALL_HISTORY: Final = ChannelOptions(
    history_size=-1,
    presence=True,
    join_leave=True,
    subscribe=("user",),
    publish=("user",),
    read_history=("user",),
    read_presence=("user",),
)
"""A log that is kept for ever, and everything for every user."""

NAMESPACES: Final[Mapping[str, ChannelOptions]] = {
    "chat": ALL_HISTORY,
    "live": ChannelOptions(subscribe=("user",), publish=("user",)),
    "short": ChannelOptions(
        history_size=3, subscribe=("user",), publish=("user",), read_history=("user",)
    ),
}


class MovableClock(Clock):
    """The machine's clock, moved into the future as far as a test wants."""

    __slots__ = ("_moved_s",)

    def __init__(self) -> None:
        self._moved_s = 0.0

    def move(self, seconds: float) -> None:
        """Let so much time have passed."""
        self._moved_s += seconds

    def monotonic(self) -> float:
        """See Clock."""
        return super().monotonic() + self._moved_s

    def wall(self) -> float:
        """See Clock."""
        return super().wall() + self._moved_s

    def wall_ms(self) -> int:
        """See Clock."""
        return super().wall_ms() + round(self._moved_s * 1000)


def make_settings(
    *,
    namespaces: Mapping[str, ChannelOptions] = NAMESPACES,
    channels: ChannelOptions | None = None,
    client: ClientSettings | None = None,
    limits: LimitsSettings | None = None,
    **auth: Any,
) -> Settings:
    """Settings of a hub under test; other arguments are those of the `auth` section."""
    return Settings(
        auth=AuthSettings(hmac_secret=Secret(HMAC_SECRET), **auth),
        client=client or ClientSettings(),
        limits=limits or LimitsSettings(),
        channels=channels or ChannelOptions(),
        namespaces=namespaces,
    )


class Node:
    """A running hub, its server API, and the peers that were connected to it."""

    def __init__(self, hub: Hub, api: ServerApi, store: FaultyStore, clock: MovableClock) -> None:
        self.hub = hub
        self.api = api
        self.store = store
        self.clock = clock
        self.peers: list[Peer] = []

    def peer(self, **transport: Any) -> Peer:
        """A connection that was accepted just now; arguments are those of `FakeTransport`."""
        peer = Peer(self.hub, FakeTransport(**transport))
        self.peers.append(peer)
        return peer

    async def connected(self, user: str = "alice", **claims: Any) -> Peer:
        """A client that has connected as `user`, with these claims in its token."""
        peer = self.peer()
        await peer.connect(self.token(user, **claims))
        return peer

    async def subscribed(self, channel: str, user: str = "alice", **fields: Any) -> Peer:
        """A client that has connected as `user` and subscribed to the channel."""
        peer = await self.connected(user)
        await peer.subscribe(channel, **fields)
        return peer

    def token(self, user: str, *, ttl_s: float | None = 3600, **claims: Any) -> str:
        """A token as an application would make it; `ttl_s` from the node's now, None for ever."""
        now = self.clock.wall()
        claims = {"sub": user, "iat": int(now), **claims}
        if ttl_s is not None:
            claims["exp"] = now + ttl_s
        return jwt.encode(claims, HMAC_SECRET, algorithm="HS256")

    async def advance(self, seconds: float) -> None:
        """Let time pass for clients' deadlines, at most a second at once."""
        while seconds > 0:
            step = min(1.0, seconds)
            seconds -= step
            self.clock.move(step)
            self.hub._timers.advance(self.clock.monotonic())
        await settled()

    def leaks(self) -> list[str]:
        """What the hub still holds, each thing by name; nothing once every client has left."""
        hub, delivery, fanout = self.hub, self.hub.delivery, self.hub.fanout
        held: dict[str, Any] = {
            "clients": list(hub.clients),
            "users": hub.clients._by_user,
            "devices": hub.clients._by_device,
            "channels": list(delivery),
            "channels being opened": delivery._opening,
            "channels heard of": delivery._heard,
            "channels being repaired": delivery._repairing,
            "channels whose reactions wait": len(delivery.holding),
            "suspect channels": delivery.positions._suspects,
            "bytes of tails": delivery._budget.used,
            "clients on the wheel": [item for slot in hub._timers._wheel._slots for item in slot],
            "clients that owe an answer": len(hub._timers._proofs),
            "paused outboxes": fanout.paused,
            "slow outboxes": fanout.slow,
            "outboxes with frames": fanout._outboxes,
            "audiences with frames": fanout._audiences,
            "entries before the store": len(hub.commits),
            "emulation requests": len(hub.emulation),
            "held clients": hub.emulation._held,
            "reads": len(hub.reading._reader._reads),
            "reads' beginnings": hub.reading._reader._least,
        }
        return [f"{name}: {what}" for name, what in held.items() if what]

    async def close(self) -> None:
        """Have every peer leave, and see that nothing is left of them."""
        for peer in self.peers:
            peer.leave()
        await self.hub.commits.flushed()
        await settled()
        leaks = self.leaks()
        assert not leaks, leaks
        assert not +self.hub.statistics.connections, "a connection is counted that is gone"
        late = [peer for peer in self.peers if peer.transport.late]
        assert not late, f"written after the close: {[peer.transport.late for peer in late]}"


@contextlib.asynccontextmanager
async def running(
    settings: Settings | None = None,
    *,
    store: WholeStore | None = None,
    broker: Broker | None = None,
    clock: MovableClock | None = None,
    keys: KeySet | None = None,
    source: JwksSource | None = None,
    revocations: Revocations | None = None,
    position_check_s: float = 3600,
    repair_grace_s: float = 0.0,
    heads: HeadHints | None = None,
    shared: SharedStore | None = None,
    chat: ChatSetup | None = None,
) -> AsyncIterator[Node]:
    """A hub that runs while the context is open; then its peers leave and leaks are looked for.

    Two nodes share what they are both given: a store, and brokers on one bus. Positions are not
    compared with the store by themselves unless told to: tests do it when they want.
    """
    faulty = store if isinstance(store, FaultyStore) else FaultyStore(store or MemoryStore())
    clock = clock or MovableClock()
    settings = settings or make_settings()
    hub = Hub(
        settings,
        store=faulty,
        broker=broker or MemoryBroker(),
        credentials=Credentials(keys or FixedKeys(hmac_secret=HMAC_SECRET), TokenRules(), source),
        revocations=revocations if revocations is not None else Revocations(),
        log=faulty,
        version=VERSION,
        clock=clock,
        position_check_s=position_check_s,
        repair_grace_s=repair_grace_s,
        heads=heads,
        shared=shared,
        chat=chat,
    )
    node = Node(hub, ServerApi(hub, store=faulty, idempotency=faulty), faulty, clock)
    async with _hosted(hub):
        await settled()
        yield node
        await node.close()


@contextlib.asynccontextmanager
async def _hosted(hub: Hub) -> AsyncIterator[None]:
    running = asyncio.get_running_loop().create_task(hub.run())
    try:
        yield
    finally:
        running.cancel()
        # What a part of the hub died of is the test's failure.
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def settled(turns: int = 30) -> None:
    """Let everything that waits for nothing but its turn of the loop happen."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(holds: Callable[[], object], within_s: float = 5.0) -> None:
    """Let the loop go on until it holds. For what has no event; raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - the hub has no event for tests
            await asyncio.sleep(0)
