"""Retention in slices, and revocations that have had their time."""

import asyncio

import pytest

from realtime.auth.revocations import Revocations
from realtime.errors import StoreUnavailable
from realtime.hub import housekeeping as housekeeping_module
from realtime.hub.housekeeping import Housekeeping, load_revocations
from realtime.model import Revocation
from tests.support.hub import Node, running, until
from tests.support.memory_store import MemoryStore


def keeper(node: Node, revocations: Revocations | None = None) -> Housekeeping:
    """The housekeeping of a node."""
    return Housekeeping(
        store=node.store,
        rules=node.hub.rules,
        revocations=revocations or Revocations(),
        clock=node.clock,
    )


async def test_a_round_goes_through_all_channels_and_keeps_what_retention_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(housekeeping_module, "SLICE_ROWS", 2)
    monkeypatch.setattr(housekeeping_module, "PAUSE_S", 0.0)
    inner = MemoryStore()
    async with running(store=inner) as node:
        writer = await node.connected("writer")
        for channel in ("short:1", "short:2", "chat:1"):
            for number in range(6):
                await writer.publish(channel, number)
        node.clock.move(600)
        assert await keeper(node).sweep() == 6
        assert [entry.offset for entry in inner.entries("short:1")] == [4, 5, 6]
        assert len(inner.entries("chat:1")) == 6
        assert await keeper(node).sweep() == 0


async def test_a_namespace_that_is_not_configured_any_more_is_emptied() -> None:
    inner = MemoryStore()
    async with running(store=inner) as node:
        writer = await node.connected("writer")
        await writer.publish("chat:1", 1)
        await writer.publish("chat:1", 2)
        node.hub.rules._rules.pop("chat")
        node.clock.move(600)
        await keeper(node).sweep()
        assert [(entry.offset, entry.stub) for entry in inner.entries("chat:1")] == [(2, True)]


async def test_a_failing_store_is_swept_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping_module, "ROUND_S", 0.001)
    async with running() as node:
        node.store.fail("sweep", 2)
        with pytest.raises(StoreUnavailable):
            await keeper(node).sweep()
        task = asyncio.get_running_loop().create_task(keeper(node).run())
        await until(lambda: node.store.calls["sweep"] >= 4)
        task.cancel()
        await asyncio.wait([task])


async def test_revocations_that_have_had_their_time_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(housekeeping_module, "ROUND_S", 0.001)
    async with running() as node:
        revocations = Revocations()
        revocations.add(Revocation(jti="old", until=1))
        revocations.add(Revocation(jti="new"))
        task = asyncio.get_running_loop().create_task(keeper(node, revocations).run())
        await until(lambda: len(revocations) == 1)
        task.cancel()
        await asyncio.wait([task])
        assert revocations.revoked("", None, "new")


async def test_all_pages_of_revocations_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping_module, "REVOCATIONS_PAGE", 3)
    async with running() as node:
        for number in range(7):
            await node.store.revoke(Revocation(jti=f"t{number}"))
        loaded = await load_revocations(node.store, node.clock)
        assert len(loaded) == 7
        assert loaded.revoked("", None, "t6")
