"""One node: what its transports, the server API and the process that runs it talk to."""

import asyncio
import contextlib
import logging
import random
import secrets
import uuid
from collections.abc import Coroutine
from typing import Final

from realtime.auth.revocations import Revocations
from realtime.brokers.base import Broker, BrokerState
from realtime.channels.fanout import Fanout
from realtime.channels.live import Subscription
from realtime.channels.outbox import Outbox
from realtime.channels.rules import RuleBook
from realtime.chat.others import Others
from realtime.cluster.retention import RetentionRounds
from realtime.cluster.tasks import CHAT
from realtime.errors import CONNECTION_CLOSED, SHUTDOWN, SLOW
from realtime.hub.chatting import ChatSetup
from realtime.hub.client import Client, ClientRegistry
from realtime.hub.client_ids import ClientIds
from realtime.hub.clock import Clock
from realtime.hub.cluster import Cluster, SharedStore
from realtime.hub.delivery import REPAIR_GRACE_S
from realtime.hub.identities import Credentials
from realtime.hub.responder import Responder
from realtime.hub.statistics import Statistics
from realtime.hub.timers import Timers
from realtime.hub.transport import Transport
from realtime.hub.use_cases import Surroundings, UseCases
from realtime.hub.watching import POSITION_CHECK_S, Watching
from realtime.protocol.session import Session, Timings
from realtime.settings.schema import ClientSettings, Settings
from realtime.stores.base import HeadHints, LogStore, NodeInfo, RevocationStore

logger = logging.getLogger(__name__)

FLUSH_S: Final = 5.0
"""How much longer than the drain itself commits may take before clients are closed anyway."""

SECRET_BYTES: Final = 18
"""Randomness in a session's secret: who knew it could speak for the client."""

TICK_S: Final = 0.25
"""How often deadlines are looked at."""

DRAIN_SLICES: Final = 50
"""Into how many groups a drain spreads the connections it closes."""

DRAIN_RATE: Final = 100
"""Closes a second that other nodes take without noticing when the clients come back."""


class Hub:
    """Use cases over the contracts. The store must be open; `run` must be running.

    Transports call `joined`, `received`, `paused`, `resumed` and `left`; all are plain functions,
    called on the loop, that never wait. `version` is told to clients, `name` is what the node calls
    itself. `shared` is the store once more where other nodes work on it too; without it `heads` may
    still hear of others' entries. `chat` is given where a namespace has any. `loop_lag_s` is how
    late the event loop was at most; who reads it sets it back to 0, so that no stall goes unseen.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        store: LogStore,
        broker: Broker,
        credentials: Credentials,
        revocations: Revocations,
        log: RevocationStore,
        version: str,
        clock: Clock,
        heads: HeadHints | None = None,
        shared: SharedStore | None = None,
        chat: ChatSetup | None = None,
        node: str | None = None,
        name: str = "",
        position_check_s: float = POSITION_CHECK_S,
        repair_grace_s: float = REPAIR_GRACE_S,
    ) -> None:
        self.node = node or uuid.uuid4().hex[:16]
        self._name = name or self.node
        self.settings = settings
        self.version = version
        self.clock = clock
        self.started_at = clock.monotonic()
        self._started_ms = clock.wall_ms()
        self.statistics = Statistics()
        self.clients = ClientRegistry()
        self.revocations = revocations
        self.rules = RuleBook(settings.channels, settings.namespaces)
        self.draining = False
        self.loop_lag_s = 0.0
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._new_id = ClientIds().next
        self._tasks: asyncio.TaskGroup | None = None
        self._ended = False
        self._timings = _timings(settings.client)
        self.fanout = Fanout(self._wake, settings.client.outbox_max_bytes)
        self.responder = Responder(self.fanout, self.statistics, self._departed)
        use_cases = UseCases(
            self._surroundings(
                store, log, heads if shared is None else shared, chat, credentials, repair_grace_s
            )
        )
        self.identities = use_cases.identities
        self.commits = use_cases.commits
        self.delivery = use_cases.delivery
        self.joining = use_cases.joining
        self.reading = use_cases.reading
        self.publishing = use_cases.publishing
        self.connecting = use_cases.connecting
        self.connections = use_cases.connections
        self.revoking = use_cases.revoking
        self.peers = use_cases.peers
        self.orders = use_cases.orders
        self.access = use_cases.access
        self.calling = use_cases.calling
        self._audiences = use_cases.audiences
        # The handler of the hot path, without a hop.
        self.received = use_cases.dispatch.received
        self.emulation = use_cases.emulation
        self.attendance = use_cases.attendance
        self.cluster = self._join(shared, use_cases) if shared is not None else None
        self.chat = use_cases.make_chat(self._others(), self._is_mine)
        self.watching = self._watching(position_check_s)
        self._retention = RetentionRounds(store, retention=use_cases.retention, clock=clock)
        self._timers = Timers(self.started_at, self.responder, self.joining, use_cases.proofs)

    def _surroundings(
        self,
        store: LogStore,
        log: RevocationStore,
        heads: HeadHints | None,
        chat: ChatSetup | None,
        credentials: Credentials,
        repair_grace_s: float,
    ) -> Surroundings:
        return Surroundings(
            node=self.node,
            settings=self.settings,
            version=self.version,
            clock=self.clock,
            store=store,
            log=log,
            heads=heads,
            repair_grace_s=repair_grace_s,
            broker=self._broker,
            chat=chat,
            credentials=credentials,
            revocations=self.revocations,
            rules=self.rules,
            clients=self.clients,
            statistics=self.statistics,
            fanout=self.fanout,
            responder=self.responder,
            spawn=self.spawn,
            rescheduled=self._rescheduled,
            unconnected=self._unconnected,
            insufficient=self._insufficient,
            address_of=self._address_of,
            look=self._look,
        )

    def _watching(self, position_check_s: float) -> Watching:
        return Watching(
            broker=self._broker,
            delivery=self.delivery,
            revoking=self.revoking,
            revocations=self.revocations,
            clock=self.clock,
            position_check_s=position_check_s,
            living=self._living,
        )

    def __repr__(self) -> str:
        return f"<Hub {self.node} {len(self.clients)} clients {len(self.delivery)} channels>"

    # What transports call.

    def joined(self, transport: Transport) -> Client:
        """A connection was accepted; it has `client.stale_close_s` to connect."""
        now = self.clock.monotonic()
        session = Session(transport.wire.codec, self._timings, now)
        is_told = transport.is_emulated or transport.wire.codec.is_unidirectional
        secret = secrets.token_urlsafe(SECRET_BYTES) if is_told else ""
        client = Client(self._new_id(), transport, session, secret)
        self.statistics.connections[transport.wire.name] += 1
        self._timers.begin(client)
        return client

    def left(self, client: Client) -> None:
        """The connection is gone. Idempotent."""
        if client.closed is None:
            client.closed = CONNECTION_CLOSED
            self._departed(client)
            # Leaving a channel hands over what was broadcast in it; a lost transport takes nothing.
            client.outbox.take()
        if client.outbox.owner is not None:
            self.statistics.connections[client.wire.name] -= 1
        # Cycles would keep what a client held until the collector looks at the oldest objects.
        client.outbox.owner = None

    def paused(self, client: Client) -> None:
        """The transport's buffer is full."""
        if client.closed is None:  # else by the close itself, and nobody would resume it
            self.fanout.pause(client.outbox, self.clock.monotonic())

    def resumed(self, client: Client) -> None:
        """The transport's buffer has room again."""
        if client.closed is None:
            self.fanout.resume(client.outbox)

    @property
    def broker_state(self) -> BrokerState:
        """See `realtime.brokers.base.Broker.state`."""
        return self._broker.state

    def node_info(self) -> NodeInfo:
        """What this node says of itself (protocol 5.2, `info`)."""
        return NodeInfo(
            name=self._name,
            version=self.version,
            started_ms=self._started_ms,
            uptime=int(self.clock.monotonic() - self.started_at),
            num_clients=len(self.clients),
            num_users=self.clients.user_count(),
            num_channels=len(self.delivery),
            num_subs=sum(live.count() for live in self.delivery),
            address=self.node,
        )

    # What the process calls.

    async def run(self) -> None:
        """Host everything that runs for as long as the hub does; returns when cancelled.

        Raises what a part died of: then this process must not go on.
        """
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self.commits.run(), name="commits")
            tasks.create_task(self._listen(), name="broker")
            tasks.create_task(self._tick(), name="timers")
            tasks.create_task(self.watching.compare(), name="positions")
            tasks.create_task(self.watching.follow(), name="revocations")
            if self.chat is not None:
                tasks.create_task(self.chat.run(), name="chat")
                tasks.create_task(self._audiences.run(), name="audiences")
            if self.cluster is not None:
                tasks.create_task(self.cluster.member.run(), name="member")
            else:
                tasks.create_task(self._retention.run(), name="retention")
            try:
                await asyncio.Event().wait()  # until cancelled, or a part has died
            finally:
                self._ended = True

    async def drain(self, seconds: float) -> None:
        """Close every connection (3001), in slices spread over `seconds`; acks go out first.

        Fewer than `DRAIN_RATE` a second need no spreading. The caller has stopped new connections.
        What the store cannot commit in `FLUSH_S` altogether is not acknowledged.
        """
        self.draining = True
        clients = self._timers.clients()
        random.shuffle(clients)
        slices = min(DRAIN_SLICES, len(clients))
        pause = min(seconds, len(clients) / DRAIN_RATE) / slices if slices else 0.0
        flush_until = self._loop.time() + seconds + FLUSH_S
        for index in range(slices):
            group = [client for client in clients[index::slices] if client.closed is None]
            for client in group:
                client.transport.pause_reading()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(flush_until):
                    await self.commits.flushed()
            for client in group:
                self.responder.close(client, SHUTDOWN)
            if index + 1 < slices:
                await asyncio.sleep(pause)
        if self.cluster is not None:
            await self.cluster.member.depart()

    def use_credentials(self, credentials: Credentials) -> None:
        """Verify tokens with these from now on; nobody is disconnected by it."""
        self.identities.use(credentials)

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Host a coroutine in the hub's task group; once the hub ends, it is dropped."""
        if self._tasks is None or self._ended:
            work.close()
            return
        self._tasks.create_task(self._guarded(work))

    async def _guarded(self, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        except Exception:
            logger.exception("a task of the hub failed")

    # Plumbing between the use cases.

    def _join(self, shared: SharedStore, use_cases: UseCases) -> Cluster:
        return Cluster(
            shared,
            node=self.node,
            info=self.node_info,
            clock=self.clock,
            retention=use_cases.retention,
            use_cases=use_cases,
            spawn=self.spawn,
        )

    def _others(self) -> Others | None:
        return Others(self.peers, self.cluster.member.lease) if self.cluster is not None else None

    async def _is_mine(self) -> bool:
        return self.cluster is None or await self.cluster.member.upkeep.tasks.mine(CHAT)

    def _wake(self) -> None:
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        fanout = self.fanout
        fanout.flush(self.clock.monotonic())
        if fanout.slow:
            slow, fanout.slow = fanout.slow, []
            self._close_slow(slow)

    def _close_slow(self, outboxes: list[Outbox]) -> None:
        for outbox in outboxes:
            client = outbox.owner
            if isinstance(client, Client) and client.closed is None:
                self.statistics.slow_closes += 1
                self.responder.close(client, SLOW)

    def _insufficient(self, subscription: Subscription) -> None:
        client = subscription.client
        assert isinstance(client, Client)  # every subscriber of a hub is one
        self.joining.insufficient(client, subscription)

    def _rescheduled(self, client: Client) -> None:
        self._timers.schedule(client)

    def _unconnected(self, client: Client) -> None:
        self.joining.end_all(client)
        self.clients.remove(client)
        client.session.refused(self.clock.monotonic())
        self._timers.schedule(client)

    def _departed(self, client: Client) -> None:
        self._timers.cancel(client)
        self.connecting.departed(client)
        self.clients.remove(client)
        self.joining.end_all(client)
        self.fanout.forget(client.outbox)
        self.emulation.left(client)

    async def _tick(self) -> None:
        due = self.clock.monotonic()
        while True:
            due += TICK_S
            await asyncio.sleep(max(0.0, due - self.clock.monotonic()))
            now = self.clock.monotonic()
            self.loop_lag_s = max(self.loop_lag_s, now - due)
            due = max(due, now - TICK_S)
            self._timers.advance(now)
            self._close_slow(self.fanout.overdue(now))

    async def _listen(self) -> None:
        await self._broker.run(
            self.delivery.received, control=self.peers.received, resumed=self.watching.doubt
        )

    def _address_of(self, lease: str) -> str | None:
        if self.cluster is None:
            return None
        info = self.cluster.member.lease.infos.get(lease)
        return (info.address or lease) if info is not None and info.role == "hub" else None

    async def _look(self) -> None:
        if self.cluster is not None:
            await self.cluster.newest_infos()

    def _living(self) -> frozenset[str]:
        return self.cluster.member.lease.living if self.cluster is not None else frozenset()


def _timings(client: ClientSettings) -> Timings:
    return Timings(client.stale_close_s, client.pong_timeout_s, client.expired_close_s)
