"""What a hub does beside serving: it frees what retention hides, and forgets old revocations."""

import pytest

from realtime.cluster import retention as retention_module
from realtime.hub import revoking as revoking_module
from realtime.hub import watching as watching_module
from realtime.hub.revoking import load_revocations
from realtime.model import Revocation
from tests.support.hub import running, until
from tests.support.memory_store import MemoryStore


async def test_a_hub_alone_frees_what_retention_hides_and_a_namespace_that_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention_module, "ROUND_S", 0.01)
    inner = MemoryStore()
    async with running(store=inner) as node:
        writer = await node.connected("writer")
        for number in range(6):
            await writer.publish("short:1", number)
            await writer.publish("chat:1", number)
        node.hub.rules._rules.pop("chat")
        node.clock.move(600)
        await until(lambda: len(inner.entries("chat:1")) == 1)
        await until(lambda: len(inner.entries("short:1")) == 3)
        assert inner.entries("chat:1")[0].stub


async def test_revocations_that_have_had_their_time_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching_module, "FOLLOW_S", 0.01)
    async with running() as node:
        node.hub.revocations.add(Revocation(jti="old", until=1))
        node.hub.revocations.add(Revocation(jti="new"))
        await until(lambda: len(node.hub.revocations) == 1)
        assert node.hub.revocations.revoked("", None, "new")


async def test_all_pages_of_revocations_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revoking_module, "PAGE", 3)
    async with running() as node:
        for number in range(7):
            await node.store.revoke(Revocation(jti=f"t{number}"))
        loaded = await load_revocations(node.store, node.clock)
        assert len(loaded) == 7
        assert loaded.revoked("", None, "t6")
