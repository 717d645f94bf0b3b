"""Requests for clients of streams that reach another node than the stream (protocol 7)."""

import asyncio
import json

import pytest

from realtime.hub import emulation as module
from realtime.hub.emulation import FORWARDED_MAX_BYTES, Emulate, Emulation
from realtime.stores.base import NodeInfo
from tests.support.hub import running, settled, until
from tests.support.memory_nodes import MemoryCluster, MemorySharedStore
from tests.unit.hub.pair import two_nodes
from tests.unit.hub.streamed import know_each_other, streamed


async def test_a_request_at_another_node_finds_its_session() -> None:
    async with two_nodes() as pair:
        know_each_other(pair)
        client = await streamed(pair.here)
        commands = [client.publish("chat:1", number) for number in range(3)]
        assert await client.say(pair.there, *commands) == "taken"
        await client.peer.received("chat:1", 3)
        assert client.peer.data("chat:1") == [0, 1, 2]
        assert pair.there.hub.statistics.emulations_forwarded == 1
        assert await client.say(pair.there, {}, session="no.body") == "unknown"
        assert len(pair.there.hub.emulation) == 0


async def test_a_node_that_is_not_alive_is_not_asked() -> None:
    async with two_nodes() as pair:
        client = await streamed(pair.here)
        assert await client.say(pair.there, {}) == "unknown"
        assert pair.there.hub.statistics.emulations_forwarded == 0
        client.node = "a-node-that-never-was"
        assert await client.say(pair.here, {}) == "unknown"


async def test_a_node_that_has_just_started_is_looked_for_once_in_a_while() -> None:
    async with two_nodes() as pair:
        client = await streamed(pair.here)
        know_each_other(pair)
        emulation = pair.there.hub.emulation
        looks = 0
        address_of, emulation._address_of = emulation._address_of, lambda lease: None

        async def look() -> None:
            nonlocal looks
            looks += 1
            await asyncio.sleep(0)
            if looks == 2:
                emulation._address_of = address_of

        emulation._look = look
        said = await asyncio.gather(*(client.say(pair.there, {}) for _ in range(5)))
        assert said == ["unknown"] * 5
        assert looks == 1
        pair.there.clock.move(1.0)
        said = await asyncio.gather(*(client.say(pair.there, {}) for _ in range(5)))
        assert said == ["taken"] * 5
        assert looks == 2


async def test_looking_is_not_waited_for_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_TIMEOUT_S", 0.01)
    async with two_nodes() as pair:
        client = await streamed(pair.here)
        pair.there.hub.emulation._look = lambda: asyncio.sleep(60)
        assert await client.say(pair.there, {}) == "unknown"


async def test_a_node_that_was_called_dead_is_found_under_its_new_lease() -> None:
    async with two_nodes() as pair:
        know_each_other(pair)
        client = await streamed(pair.here)
        client.node = f"{pair.here.hub.node}.reborn"
        assert await client.say(pair.there, {}) == "taken"
        assert await client.say(pair.here, {}) == "taken"
        client.node = f"{pair.here.hub.node}.another"
        assert await client.say(pair.there, {}) == "unknown"


async def test_a_word_goes_to_where_the_cluster_says_and_not_to_where_a_caller_does() -> None:
    async with two_nodes() as pair:
        know_each_other(pair)
        client = await streamed(pair.here)
        client.node = f"nobody-listens.{pair.here.hub.node}"
        async with asyncio.timeout(1):  # less than a word takes that nobody answers
            assert await client.say(pair.there, {}, session="no.body") == "unknown"
            assert await client.say(pair.there, {}) == "taken"


class _SharedStore(MemorySharedStore):
    """A store that other nodes work on too, as far as a hub can tell."""

    async def check_epoch(self) -> str:
        """See `SharedStore`."""
        return self.epoch

    def heard(self, channel: str, offset: int, n: int = -1) -> None:
        """See `HeadHints`."""


async def test_clients_are_told_of_the_new_lease_of_a_node_that_was_called_dead() -> None:
    store = _SharedStore(MemoryCluster())
    async with running(store=store, shared=store) as node:
        assert (await streamed(node)).node == node.hub.node
        shared = node.hub.cluster
        assert shared is not None
        shared.member.lease._node = "the-next"
        shared._reborn(node.hub.node)
        assert (await streamed(node)).node == f"{node.hub.node}.the-next"
        shared.member.lease._node = node.hub.node


async def test_a_hub_is_spoken_to_under_the_address_that_it_gives_with_its_lease() -> None:
    cluster = MemoryCluster()
    store = _SharedStore(cluster)
    async with running(store=store, shared=store) as node:
        hub = node.hub
        assert hub.node_info().address == hub.node
        await store.register("the-next", NodeInfo("b", "1", address="its-address"))
        await store.register("does-not-say", NodeInfo("c", "1"))
        await store.register("worker", NodeInfo("d", "1", role="worker", address="w"))
        await hub._look()
        named = ("the-next", "does-not-say", "worker", "its-address")
        assert [hub._address_of(lease) for lease in named] == [
            "its-address",
            "does-not-say",
            None,
            None,
        ]


async def test_what_the_bus_loses_is_answered_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", 0.01)
    async with two_nodes() as pair:
        know_each_other(pair)
        client = await streamed(pair.here)
        pair.lose()
        assert await client.say(pair.there, {}) == "busy"
        assert len(pair.there.hub.emulation) == 0


async def test_what_the_bus_repeats_is_performed_once() -> None:
    async with two_nodes() as pair:
        know_each_other(pair)
        client = await streamed(pair.here)
        payload = json.dumps(client.publish("chat:1", "once")).encode()
        word = Emulate(1, pair.there.hub.node, client.session, payload)
        for _ in range(3):
            pair.there.hub.peers.tell("emulate", word, to=pair.here.hub.node)
        await client.peer.received("chat:1", 1)
        await settled()
        assert client.peer.data("chat:1") == ["once"]


async def test_words_that_were_heeded_are_not_remembered_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "REMEMBERED_MAX", 3)
    async with running() as node:
        emulation: Emulation = node.hub.emulation
        for number in range(10):
            await emulation._told(Emulate(number, "another", "no.body", b"{}"))
        assert list(emulation._heeded) == [("another", number) for number in (7, 8, 9)]


async def test_no_more_are_asked_for_at_once_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FORWARDED_MAX", 1)
    async with two_nodes() as pair:
        know_each_other(pair)
        client = await streamed(pair.here)
        pair.here.hub.emulation.hold(client.peer.client)
        async with asyncio.TaskGroup() as tasks:
            waits = tasks.create_task(client.say(pair.there, {}))
            await until(lambda: len(pair.here.hub.emulation) == 1)
            assert await client.say(pair.there, {}) == "busy"
            pair.here.hub.emulation.release(client.peer.client)
        assert waits.result() == "taken"


async def test_no_session_and_no_node_has_all_that_may_be_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FORWARDED_EACH_MAX", 2)
    monkeypatch.setattr(module, "FORWARDED_NODE_MAX", 3)
    monkeypatch.setattr(module, "FORWARDED_MAX", 4)
    async with two_nodes() as pair:
        know_each_other(pair)
        emulation = pair.there.hub.emulation
        one, two = await streamed(pair.here), await streamed(pair.here, "bob")
        address_of = emulation._address_of
        emulation._address_of = lambda lease: (
            "nobody-listens" if lease == "silent" else address_of(lease)
        )
        for client in (one, two):
            pair.here.hub.emulation.hold(client.peer.client)
        async with asyncio.timeout(1), asyncio.TaskGroup() as tasks:
            waiting = []
            for client, expected in ((one, 1), (one, 2), (two, 3)):
                waiting.append(tasks.create_task(client.say(pair.there, {})))
                await until(lambda expected=expected: len(emulation) == expected)  # type: ignore[misc]
                if expected == 2:  # it has all that a session may
                    assert await one.say(pair.there, {}) == "busy"
            assert await two.say(pair.there, {}) == "busy"  # the node has
            task = tasks.create_task(emulation.perform("silent", "no.body", b"{}"))
            await until(lambda: len(emulation) == 4)
            assert await emulation.perform("silent", "some.body", b"{}") == "busy"  # all have
            task.cancel()
            for client in (one, two):
                pair.here.hub.emulation.release(client.peer.client)
        assert [each.result() for each in waiting] == ["taken"] * 3
        assert not emulation._asked_by
        assert not emulation._asked_of


async def test_the_bus_carries_no_more_than_it_can() -> None:
    async with two_nodes() as pair:
        know_each_other(pair)
        client = await streamed(pair.here)
        perform = pair.there.hub.emulation.perform
        longest = b" " * FORWARDED_MAX_BYTES
        assert await perform(client.node, client.session, longest + b" ") == "too_long"
        assert await perform(client.node, client.session, longest) == "taken"
        assert await client.peer.closed() == 3501
        assert pair.there.hub.statistics.words_refused == 0
