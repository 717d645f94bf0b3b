"""Is the process alive, is it ready for clients, and what does it count."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from aiohttp import web

from realtime.errors import StoreError
from realtime.hub.hub import Hub
from realtime.model import NOTHING
from realtime.server.metrics import CONTENT_TYPE, HubMetrics
from realtime.stores.base import IdempotencyStore, LogStore

READY_TIMEOUT_S: Final = 2.0
"""How long the store may take to answer before the node says that it is not ready."""


class HealthRoutes:
    """`/health`, `/ready` and `/metrics`. `probe` asks the store something small."""

    def __init__(
        self, hub: Hub, metrics: HubMetrics, probe: Callable[[], Awaitable[object]]
    ) -> None:
        self._hub = hub
        self._metrics = metrics
        self._probe = probe

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the routes."""
        router.add_get("/health", self.health)
        router.add_get("/ready", self.ready)
        router.add_get("/metrics", self.metrics)

    async def health(self, request: web.Request) -> web.Response:
        """200 as long as the event loop turns."""
        return web.json_response({})

    async def ready(self, request: web.Request) -> web.Response:
        """200 if clients may be sent here: the store answers and commits, the node does not drain.

        The broker's state is a field only: without it the node still serves, with some delay.
        """
        store = await self._store_state()
        is_ready = store == "ok" and not self._hub.draining
        state = {
            "ready": is_ready,
            "store": store,
            "broker": self._hub.broker_state,
            "draining": self._hub.draining,
        }
        return web.json_response(state, status=200 if is_ready else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus' text format."""
        return web.Response(body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    async def _store_state(self) -> str:
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await self._probe()
        except (StoreError, TimeoutError):
            return "unavailable"
        # A full disk is read from as ever.
        return "not committing" if self._hub.commits.failing else "ok"


class AskedStore(LogStore, IdempotencyStore, Protocol):
    """What `/ready` asks."""


def store_probe(store: AskedStore, hub: Hub) -> Callable[[], Awaitable[object]]:
    """Asks the store something small, for `/ready`: a read, and a write where writes failed."""

    async def probe() -> None:
        now_ms = hub.clock.wall_ms()
        await store.read("", limit=0, retention=NOTHING, now_ms=now_ms)
        if hub.commits.failing:
            # A node that gets no clients would never learn that it can commit again.
            await store.claim("", "ready", b"", until_ms=now_ms)
            hub.commits.failing = False

    return probe
