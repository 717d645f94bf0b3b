"""Puts the parts together. The only file that knows which drivers exist."""

import dataclasses
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import jwt
import uvloop
from aiohttp import web

from realtime import __version__
from realtime.auth.jwks import NO_KEYS
from realtime.auth.keys import FixedKeys
from realtime.auth.tokens import TokenRules
from realtime.brokers.memory import MemoryBroker
from realtime.errors import SettingsError
from realtime.hub.clock import Clock
from realtime.hub.housekeeping import Housekeeping, load_revocations
from realtime.hub.hub import Hub
from realtime.hub.identities import Credentials
from realtime.hub.server_api import ServerApi
from realtime.model import Retention
from realtime.server.api import ApiKeys, ApiRoutes
from realtime.server.descriptors import allow_fewer, reserve_descriptors
from realtime.server.door import DoorRules, Doorway
from realtime.server.gate import Gate
from realtime.server.health import HealthRoutes
from realtime.server.http import Routes, UpgradeRoute, make_application
from realtime.server.jwks import HttpJwksSource
from realtime.server.logs import configure_logging
from realtime.server.metrics import CommitHistograms, HubMetrics
from realtime.server.pages import PageRoutes
from realtime.server.parent import Parent, Place
from realtime.server.process import HTTP_KEEPALIVE_S, HTTP_SHUTDOWN_S, Process, finished
from realtime.settings.schema import AuthSettings, ServerSettings, Settings
from realtime.settings.store_url import database_path
from realtime.stores import sqlite

MEMORY: Final = ":memory:"
DEV_TOKEN_S: Final = 24 * 3600
STORE_CLOSE_S: Final = 10.0


def serve(
    settings: Settings,
    *,
    dev: bool,
    reload: Callable[[], Settings],
    place: Place | None = None,
) -> None:
    """Run a hub until SIGTERM or SIGINT.

    `reload` reads the settings again, on SIGHUP. `place` is set in a worker that a parent has
    started (`realtime.server.workers`). Raises SettingsError, StoreError or OSError where
    the hub cannot start.
    """
    connections_max = settings.server.connections_max
    if dev:
        # A machine to try the hub on may allow few descriptors; production is told instead.
        connections_max = allow_fewer(connections_max)
    else:
        reserve_descriptors(connections_max)
    configure_logging(settings.log)
    uvloop.run(_serve(settings, connections_max, dev=dev, reload=reload, place=place))


async def _serve(
    settings: Settings,
    connections_max: int,
    *,
    dev: bool,
    reload: Callable[[], Settings],
    place: Place | None,
) -> None:
    clock = Clock()
    commits = CommitHistograms()
    # First what may be wrong in the settings, then what must be closed again.
    credentials = make_credentials(settings.auth)
    database = str(database_path(settings.store.url) or MEMORY)
    store = sqlite.SQLiteStore(database, on_commit=commits.observe)
    await store.open()
    try:
        revocations = await load_revocations(store, clock)
        hub = Hub(
            settings,
            store=store,
            broker=MemoryBroker(),
            credentials=credentials,
            revocations=revocations,
            log=store,
            version=__version__,
            clock=clock,
        )
        keys = ApiKeys([key.reveal() for key in settings.api.keys], insecure=settings.auth.insecure)

        def reloaded() -> None:
            fresh = reload()
            hub.use_credentials(make_credentials(fresh.auth))
            keys.use(key.reveal() for key in fresh.api.keys)

        housekeeping = Housekeeping(
            store=store, rules=hub.rules, revocations=revocations, clock=clock
        )
        api = ServerApi(hub, store=store, idempotency=store)
        gate = Gate(
            connections_max=connections_max, connection_rate=settings.server.connection_rate
        )
        inner: list[Routes] = [
            HealthRoutes(hub, HubMetrics(hub, gate, commits), _probe(store, hub)),
            ApiRoutes(api, keys),
        ]
        pages: list[Routes] = [PageRoutes(_token_issuer(settings.auth))] if dev else []
        rules = DoorRules(
            settings.server.allowed_origins, settings.server.trusted_proxies, any_loopback=dev
        )
        process = _make_process(
            _of_worker(settings.server, place),
            rules,
            hub,
            gate,
            housekeeping,
            inner,
            pages,
            reloaded,
            None if place is None else Parent.inherited(),
        )
        await process.run()
    finally:
        await finished(store.close(), STORE_CLOSE_S)


def _make_process(
    server: ServerSettings,
    rules: DoorRules,
    hub: Hub,
    gate: Gate,
    housekeeping: Housekeeping,
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
    outer = [upgrades, *pages]
    return Process(
        server,
        hub=hub,
        gate=gate,
        housekeeping=housekeeping,
        public=_runner(outer if is_split else outer + inner),
        internal=_runner(inner) if is_split else None,
        doorway=doorway,
        reload=reload,
        parent=parent,
    )


def _of_worker(server: ServerSettings, place: Place | None) -> ServerSettings:
    """The settings with the worker's own internal port."""
    if place is None or not server.internal_port:
        return server
    return dataclasses.replace(server, internal_port=server.internal_port + place.number - 1)


def _probe(store: sqlite.SQLiteStore, hub: Hub) -> Callable[[], Awaitable[object]]:
    """Asks the store something small, for `/ready`: a read, and a write where writes failed."""

    async def probe() -> None:
        now_ms = hub.clock.wall_ms()
        await store.read("", limit=0, retention=Retention(0, 0), now_ms=now_ms)
        if hub.commits.failing:
            # A node that gets no clients would never learn that it can commit again.
            await store.claim("", "ready", b"", until_ms=now_ms)
            hub.commits.failing = False

    return probe


def make_credentials(auth: AuthSettings) -> Credentials:
    """What tokens are verified with. Raises SettingsError for keys that cannot be used."""
    rules = TokenRules(auth.audience, auth.issuer, auth.user_claim, auth.leeway_s)
    if auth.jwks_url is not None:
        return Credentials(NO_KEYS, rules, HttpJwksSource(auth.jwks_url))
    return Credentials(
        FixedKeys(
            hmac_secret=auth.hmac_secret.reveal() if auth.hmac_secret else None,
            hmac_previous_secret=(
                auth.hmac_previous_secret.reveal() if auth.hmac_previous_secret else None
            ),
            rsa_public_key=auth.rsa_public_key,
            ecdsa_public_key=auth.ecdsa_public_key,
        ),
        rules,
    )


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


def _runner(routes: list[Routes]) -> web.AppRunner:
    # No access log: a query may carry an API key.
    return web.AppRunner(
        make_application(routes),
        access_log=None,
        keepalive_timeout=HTTP_KEEPALIVE_S,
        shutdown_timeout=HTTP_SHUTDOWN_S,
        handle_signals=False,
    )


def _token_issuer(auth: AuthSettings) -> Callable[[str], str]:
    """Makes tokens for the development page, with the secret that the hub verifies them with."""
    if auth.hmac_secret is None:
        raise SettingsError(["auth.hmac_secret: not set; --dev needs it to issue tokens"])
    secret = auth.hmac_secret.reveal()

    def issue(user: str) -> str:
        now = int(time.time())
        claims = {
            auth.user_claim: user,
            "info": {"name": user},
            "iat": now,
            "exp": now + DEV_TOKEN_S,
            "jti": secrets.token_hex(8),
        }
        if auth.audience is not None:
            claims["aud"] = auth.audience
        if auth.issuer is not None:
            claims["iss"] = auth.issuer
        return jwt.encode(claims, secret, algorithm="HS256")

    return issue
