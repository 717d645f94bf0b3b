"""Alive, ready, and counted."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from realtime.brokers.base import Broker, BrokerState
from realtime.brokers.memory import MemoryBroker
from realtime.errors import StoreUnavailable
from realtime.server import health as health_module
from realtime.server.gate import Gate
from realtime.server.health import HealthRoutes
from realtime.server.http import make_application
from realtime.server.metrics import CommitHistograms, HubMetrics
from tests.support.hub import Node, running

Client = TestClient[web.Request, web.Application]


class Probe:
    """A store's answer."""

    def __init__(self) -> None:
        self.problem: Exception | None = None
        self.hangs = False

    async def __call__(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.problem is not None:
            raise self.problem


@contextlib.asynccontextmanager
async def served(probe: Probe, broker: Broker | None = None) -> AsyncIterator[tuple[Node, Client]]:
    """A node's health routes."""
    async with running(broker=broker) as node:
        gate = Gate(connections_max=1, connection_rate=0)
        routes = HealthRoutes(node.hub, HubMetrics(node.hub, gate, CommitHistograms()), probe)
        async with TestClient(TestServer(make_application([routes]))) as client:
            yield node, client


async def test_a_node_that_runs_is_alive_and_ready() -> None:
    async with served(Probe()) as (_, client):
        assert (await client.get("/health")).status == 200
        response = await client.get("/ready")
        assert response.status == 200
        state = await response.json()
        assert state["ready"] is True
        assert (state["store"], state["draining"]) == ("ok", False)
        assert state["broker"] == "ok"


async def test_a_node_without_its_store_is_alive_and_not_ready() -> None:
    probe = Probe()
    probe.problem = StoreUnavailable("a path that is nobody's business")
    async with served(probe) as (_, client):
        assert (await client.get("/health")).status == 200
        response = await client.get("/ready")
        assert response.status == 503
        assert "nobody's business" not in await response.text()


async def test_a_store_that_hangs_does_not_hang_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "READY_TIMEOUT_S", 0.01)
    probe = Probe()
    probe.hangs = True
    async with served(probe) as (_, client):
        assert (await client.get("/ready")).status == 503


async def test_a_node_whose_last_commit_failed_is_not_ready_until_one_succeeds() -> None:
    async with served(Probe()) as (node, client):
        alice = await node.subscribed("chat:1")
        node.store.fail("append")
        assert await alice.refused("publish", channel="chat:1", data=1) == 100
        response = await client.get("/ready")
        assert response.status == 503
        assert (await response.json())["store"] == "not committing"
        await alice.publish("chat:1", 1)
        assert (await client.get("/ready")).status == 200


class LateBroker(MemoryBroker):
    """A bus that is not well."""

    @property
    def state(self) -> BrokerState:
        """See base."""
        return "degraded"


async def test_a_node_whose_bus_is_not_well_says_so_and_is_ready() -> None:
    async with served(Probe(), LateBroker()) as (node, client):
        assert node.hub.broker_state == "degraded"
        response = await client.get("/ready")
        assert response.status == 200
        assert (await response.json())["broker"] == "degraded"


async def test_a_node_that_drains_is_not_ready() -> None:
    async with served(Probe()) as (node, client):
        await node.hub.drain(0)
        response = await client.get("/ready")
        assert response.status == 503
        assert (await response.json())["draining"] is True


async def test_metrics_are_text() -> None:
    async with served(Probe()) as (_, client):
        response = await client.get("/metrics")
        assert response.content_type == "text/plain"
        assert b"realtime_connects_total" in await response.read()
        assert "Server" not in response.headers
