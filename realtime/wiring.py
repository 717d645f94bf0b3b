"""Puts the parts together. The only file that knows which drivers exist."""

import dataclasses
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import uvloop
from aiohttp import web

from realtime import __version__
from realtime.brokers.base import Broker
from realtime.brokers.memory import MemoryBroker
from realtime.channels.rules import RuleBook
from realtime.chat.own_retention import narrowed
from realtime.cluster.lease import new_node_id
from realtime.cluster.retention import RetentionAfter
from realtime.errors import SettingsError
from realtime.hub.clock import Clock
from realtime.hub.hub import Hub
from realtime.hub.revoking import load_revocations
from realtime.hub.server_api import ServerApi
from realtime.server.api import ApiKeys, ApiRoutes
from realtime.server.chat import ChatParts
from realtime.server.credentials import make_credentials, token_issuer
from realtime.server.descriptors import allow_fewer, reserve_descriptors
from realtime.server.door import Doorway
from realtime.server.door_rules import DoorRules
from realtime.server.emulation import EmulationRoutes
from realtime.server.gate import Gate
from realtime.server.health import HealthRoutes, store_probe
from realtime.server.histogram import Histogram
from realtime.server.http import Routes, UpgradeRoute, make_runner
from realtime.server.logs import configure_logging
from realtime.server.metrics import (
    LAG_SECONDS,
    AppendCounts,
    BusCounts,
    CommitHistograms,
    HubMetrics,
)
from realtime.server.pages import PageRoutes
from realtime.server.parent import Parent, Place
from realtime.server.process import Process, finished
from realtime.server.pushing import MakePush, PushWork, Work, both, run_both
from realtime.server.stopping import run_until_stopped
from realtime.server.stream_routes import StreamRoutes
from realtime.settings.broker_url import broker_kind
from realtime.settings.passwords import without_password
from realtime.settings.schema import BrokerSettings, ChannelOptions, ServerSettings, Settings
from realtime.settings.store_url import database_path, store_kind
from realtime.stores import sqlite
from realtime.stores.transfer import Progress, transfer

if TYPE_CHECKING:
    from realtime.stores.mongo import MongoStore

    Store = sqlite.SQLiteStore | MongoStore

logger = logging.getLogger(__name__)

MEMORY: Final = ":memory:"
STORE_CLOSE_S: Final = 10.0
BROKER_CLOSE_S: Final = 5.0
HOOK_CLOSE_S: Final = 5.0


def serve(
    settings: Settings,
    *,
    dev: bool,
    reload: Callable[[], Settings],
    place: Place | None = None,
    push: MakePush | None = None,
) -> None:
    """Run a hub until SIGTERM or SIGINT.

    `reload` reads the settings again, on SIGHUP. `place` is set in a worker that a parent has
    started (`realtime.server.workers`). `push` makes what tells phones that are away, where this
    process does everything. Raises SettingsError, StoreError or OSError where the hub cannot start.
    """
    connections_max = settings.server.connections_max
    if dev:
        # A machine to try the hub on may allow few descriptors; production is told instead.
        connections_max = allow_fewer(connections_max)
    else:
        reserve_descriptors(connections_max)
    configure_logging(settings.log)
    serving = _serve(settings, connections_max, dev=dev, reload=reload, place=place, push=push)
    uvloop.run(serving)


async def _serve(
    settings: Settings,
    connections_max: int,
    *,
    dev: bool,
    reload: Callable[[], Settings],
    place: Place | None,
    push: MakePush | None,
) -> None:
    clock = Clock()
    settings = _of_node(settings, place)
    commits = CommitHistograms()
    lag = Histogram(LAG_SECONDS)
    node = new_node_id()
    # First what may be wrong in the settings, then what must be closed again.
    credentials = make_credentials(settings.auth)
    broker = make_broker(settings.broker, node=node, on_lag=lag.observe)
    store = make_store(settings.store.url, on_commit=commits.observe)
    chat = ChatParts(settings, store, clock)
    pushing = _make_push(settings, store, chat, clock, push)
    _log_start(settings, node)
    try:
        await store.open()
        revocations = await load_revocations(store, clock)
        hub = Hub(
            settings,
            store=store,
            broker=broker,
            credentials=credentials,
            revocations=revocations,
            log=store,
            version=__version__,
            clock=clock,
            shared=None if isinstance(store, sqlite.SQLiteStore) else store,
            node=node,
            name=node_name(settings.server),
            chat=chat.setup,
        )
        keys = ApiKeys([key.reveal() for key in settings.api.keys], insecure=settings.auth.insecure)

        def reloaded() -> None:
            fresh = reload()
            hub.use_credentials(make_credentials(fresh.auth))
            keys.use(key.reveal() for key in fresh.api.keys)

        gate = Gate(
            connections_max=connections_max, connection_rate=settings.server.connection_rate
        )
        bus = BusCounts(broker.statistics, lag, _node_count(hub))
        appends = append_counts(store)
        more = chat.metrics if pushing is None else both(chat.metrics, pushing.metrics)
        metrics = HubMetrics(hub, gate, commits, bus=bus, appends=appends, more=more)
        api = ServerApi(hub, store=store, idempotency=store)
        health = HealthRoutes(hub, metrics, store_probe(store, hub))
        inner: list[Routes] = [health, ApiRoutes(api, keys)]
        rules = _door_rules(settings.server, dev=dev)
        pages = [*chat.routes(hub, rules)]
        if dev:
            pages.append(PageRoutes(token_issuer(settings.auth)))
        parent = None if place is None else Parent.inherited()
        server = settings.server
        process = _make_process(server, rules, hub, gate, inner, pages, reloaded, parent)
        await run_both(process, pushing)
    finally:
        await finished(chat.close(), HOOK_CLOSE_S)
        await finished(broker.close(), BROKER_CLOSE_S)
        await finished(store.close(), STORE_CLOSE_S)


def _make_process(
    server: ServerSettings,
    rules: DoorRules,
    hub: Hub,
    gate: Gate,
    inner: list[Routes],
    pages: list[Routes],
    reload: Callable[[], None],
    parent: Parent | None,
) -> Process:
    """Listeners: everything on one port, or `inner` (metrics, API, health) on its own."""
    upgrades = UpgradeRoute()

    def doorway(http: web.Server) -> Doorway:
        upgrades.doorway = Doorway(hub, gate, rules, http)
        return upgrades.doorway

    is_split = server.internal_port is not None
    outer: list[Routes] = [
        upgrades,
        StreamRoutes(hub, gate, rules),
        EmulationRoutes(hub, rules, upgrades.http_connections),
        *pages,
    ]
    return Process(
        server,
        hub=hub,
        gate=gate,
        public=make_runner(outer if is_split else outer + inner),
        internal=make_runner(inner) if is_split else None,
        doorway=doorway,
        reload=reload,
        parent=parent,
    )


def _make_push(
    settings: Settings,
    store: "Store",
    chat: ChatParts,
    clock: Clock,
    make: MakePush | None,
) -> PushWork | None:
    """What pushes, in a process that has the store for itself and members to notify."""
    has_push = any(options.push for options in settings.namespaces.values())
    if make is None or not has_push or not isinstance(store, sqlite.SQLiteStore):
        return None
    rules = RuleBook(settings.channels, settings.namespaces)
    pushing = make(
        settings,
        store,
        options=lambda channel: rules.resolve(channel).rules.options,
        here=chat.here,
        clock=clock,
    )
    chat.wake = pushing.wake
    return pushing


def _door_rules(server: ServerSettings, *, dev: bool) -> DoorRules:
    return DoorRules(
        server.allowed_origins,
        server.trusted_proxies,
        any_loopback=dev,
        transports=server.transports,
    )


def _of_node(settings: Settings, place: Place | None) -> Settings:
    """The settings with the node's own name, and a worker's own internal port."""
    server = dataclasses.replace(settings.server, name=node_name(settings.server, place))
    if place is not None and server.internal_port:
        internal_port = server.internal_port + place.number - 1
        server = dataclasses.replace(server, internal_port=internal_port)
    return dataclasses.replace(settings, server=server)


def _node_count(hub: Hub) -> Callable[[], int]:
    cluster = hub.cluster
    return (lambda: 1) if cluster is None else (lambda: len(cluster.infos()))


def append_counts(store: "Store") -> Callable[[], AppendCounts]:
    """Answers what happened to a store's appends; in SQLite, which has one writer, nothing does."""
    if isinstance(store, sqlite.SQLiteStore):
        return AppendCounts

    def read() -> AppendCounts:
        counts = store.statistics()
        return AppendCounts(counts.lost_races, counts.unknown)

    return read


# Drivers. Those of several nodes are imported where they are asked for: a hub on its own, and every
# other command, starts without them.


def make_store(url: str, *, on_commit: Callable[[int, float], None]) -> "Store":
    """The store that `store.url` names, not open yet."""
    if store_kind(url) == "mongodb":
        from realtime.stores.mongo import MongoStore

        return MongoStore(url, on_commit=on_commit)
    return sqlite.SQLiteStore(database_path(url) or MEMORY, on_commit=on_commit)


def make_broker(
    settings: BrokerSettings, *, node: str, on_lag: Callable[[float], None] | None = None
) -> Broker:
    """The broker that `broker.url` names. Raises SettingsError."""
    if broker_kind(settings.url) == "memory":
        return MemoryBroker()
    from realtime.brokers.redis import RedisBroker

    try:
        return RedisBroker(settings.url, node=node, prefix=settings.prefix, on_lag=on_lag)
    except ValueError as error:
        raise SettingsError([f"broker.url: {error}"]) from None


def node_name(server: ServerSettings, place: Place | None = None) -> str:
    """What a node calls itself in `info`."""
    if server.name is None:
        return f"{socket.gethostname()}-{os.getpid()}"
    return server.name if place is None else f"{server.name}-{place.number}"


def _log_start(settings: Settings, node: str) -> None:
    store, broker = map(without_password, (settings.store.url, settings.broker.url))
    logger.info("node %s, version %s, with %s and %s", node, __version__, store, broker)


# What other commands ask for.


class MakeWorker(Protocol):
    """Makes what `realtime worker` runs: `workers.worker.Worker`."""

    def __call__(
        self,
        settings: Settings,
        store: "MongoStore",
        broker: Broker,
        *,
        options: Callable[[str], ChannelOptions],
        retention: RetentionAfter,
        clock: Clock,
        name: str,
        version: str,
        node: str,
        read_epoch: Callable[[], Awaitable[str]],
    ) -> Work:
        """Make one, over an open store."""
        ...


def work(settings: Settings, make: MakeWorker) -> None:
    """Run a worker until SIGTERM or SIGINT. Raises SettingsError and StoreError."""
    configure_logging(settings.log)
    uvloop.run(_work(settings, make))


async def _work(settings: Settings, make: MakeWorker) -> None:
    from realtime.stores.mongo import MongoStore

    node = new_node_id()
    broker = make_broker(settings.broker, node=node)
    store = MongoStore(settings.store.url)
    _log_start(settings, node)
    try:
        await store.open()
        rules = RuleBook(settings.channels, settings.namespaces)
        worker = make(
            settings,
            store,
            broker,
            options=lambda channel: rules.resolve(channel).rules.options,
            retention=narrowed(store, rules.retention),
            clock=Clock(),
            name=node_name(settings.server),
            version=__version__,
            node=node,
            read_epoch=store.check_epoch,
        )
        await run_until_stopped(worker.run(), began="worker runs")
    finally:
        await finished(broker.close(), BROKER_CLOSE_S)
        await finished(store.close(), STORE_CLOSE_S)


def init_store(url: str, *, new_epoch: bool = False) -> None:
    """Make what MongoDB needs, or check that it is there. Raises StoreError."""
    from realtime.stores.mongo import MongoStore

    async def init() -> None:
        store = MongoStore(url)
        try:
            await store.init(new_epoch=new_epoch)
        finally:
            await finished(store.close(), STORE_CLOSE_S)

    uvloop.run(init())


def copy_store(database: str, url: str, *, told: Callable[[Progress], None]) -> Progress:
    """Move the SQLite database at a path into the MongoDB at `url`. Raises StoreError."""
    from realtime.stores.mongo import MongoStore

    async def copy() -> Progress:
        source, target = sqlite.SQLiteStore(database), MongoStore(url)
        try:
            await source.open()
            return await transfer(source, target, told=told)
        finally:
            await finished(target.close(), STORE_CLOSE_S)
            await finished(source.close(), STORE_CLOSE_S)

    return uvloop.run(copy())


def backup(settings: Settings, path: Path) -> None:
    """Copy the database while it is in use. Raises StoreError."""
    sqlite.backup(_database(settings), str(path))


def restore(settings: Settings, path: Path, *, force: bool) -> None:
    """Make the database from a backup, under a new epoch. Raises StoreError."""
    sqlite.restore(str(path), _database(settings), force=force)


def _database(settings: Settings) -> str:
    database = database_path(settings.store.url)
    if database is None:
        raise SettingsError(["store.url: a database in memory is gone with its process"])
    return str(database)
