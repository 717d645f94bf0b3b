"""Requests that speak for a client whose transport only carries what the hub says (protocol 7)."""

import asyncio
import json
from typing import Any

import pytest

from realtime.brokers.memory import MemoryBroker
from realtime.hub import emulation as module
from realtime.hub.emulation import FORWARDED_MAX_BYTES, Emulate, Emulation, Outcome
from tests.support.hub import Node, running, settled, until
from tests.support.memory_nodes import MemoryCluster, MemorySharedStore
from tests.support.peer import Peer
from tests.unit.hub.pair import Pair, two_nodes


class _Streamed:
    """A client over a stream: what it says goes through the emulation of any node."""

    def __init__(self, peer: Peer, session: str, node: str) -> None:
        self.peer = peer
        self.session = session
        self.node = node
        self._ids = 100

    async def say(self, by: Node, *commands: dict[str, Any], session: str = "") -> Outcome:
        """Have them performed by way of a node."""
        payload = "\n".join(map(json.dumps, commands)).encode()
        return await by.hub.emulation.perform(self.node, session or self.session, payload)

    def publish(self, channel: str, data: object) -> dict[str, Any]:
        """A command with an id of its own."""
        self._ids += 1
        return {"id": self._ids, "publish": {"channel": channel, "data": data}}


async def streamed(node: Node, user: str = "alice") -> _Streamed:
    """A client of the node over a stream, connected and subscribed to chat:1."""
    peer = node.peer(is_emulated=True)
    transport = peer.transport
    # What a stream does in place of reading no more.
    transport.pause_reading = lambda: node.hub.emulation.hold(peer.client)  # type: ignore[method-assign]
    transport.resume_reading = lambda: node.hub.emulation.release(peer.client)  # type: ignore[method-assign]
    told = await peer.connect(node.token(user))
    await peer.subscribe("chat:1")
    return _Streamed(peer, told["session"], told["node"])


def know_each_other(pair: Pair) -> None:
    """Have both hubs count the other as alive, as a shared store would tell them, and the bus find
    each by its name."""
    for hub in (pair.here.hub, pair.there.hub):
        broker = getattr(hub._broker, "_inner", hub._broker)
        assert isinstance(broker, MemoryBroker)
        broker.bus.brokers[broker] = hub.node
        hub.emulation._lives = lambda lease: (
            lease in (pair.here.hub.node, pair.there.hub.node, "reborn")
        )


async def test_the_connects_reply_names_the_session_and_the_node() -> None:
    async with running() as node:
        client = await streamed(node)
        id, _, secret = client.session.partition(".")
        assert id == client.peer.id
        assert len(secret) == 24
        assert client.node == node.hub.node
        plain = await node.connected("bob")
        assert plain.client.session_id == ""


async def test_what_a_request_brings_is_performed_like_a_message() -> None:
    async with running() as node:
        client = await streamed(node)
        commands = [client.publish("chat:1", number) for number in range(5)]
        assert await client.say(node, *commands) == "taken"
        await client.peer.received("chat:1", 5)
        assert client.peer.data("chat:1") == [0, 1, 2, 3, 4]
        assert await client.say(node, {}) == "taken"  # a pong
        assert len(node.hub.emulation) == 0


async def test_a_payload_that_is_no_command_ends_the_session_as_on_a_websocket() -> None:
    async with running() as node:
        client = await streamed(node)
        assert await client.say(node, {"id": 7}) == "taken"
        assert await client.peer.closed() == 3501
        assert await client.say(node, {}) == "unknown"


@pytest.mark.parametrize("what", ["other", "prefix", "none", "empty", "nobody", "é", "long"])
async def test_who_does_not_know_the_secret_is_told_of_no_session(what: str) -> None:
    async with running() as node:
        client = await streamed(node)
        other = await streamed(node, "bob")
        id, _, secret = client.session.partition(".")
        wrong = {
            "other": f"{id}.{other.session.partition('.')[2]}",
            "prefix": f"{id}.{secret[:-1]}",
            "none": id,
            "empty": f"{id}.",
            "nobody": f"nobody.{secret}",
            "é": f"{id}.\udcff",
            "long": f"{id}.{secret}.x",
        }[what]
        assert await client.say(node, client.publish("chat:1", 1), session=wrong) == "unknown"
        await settled()
        assert client.peer.data("chat:1") == []


async def test_a_websocket_has_no_session() -> None:
    async with running() as node:
        bob = await node.connected("bob")
        for session in (bob.id, f"{bob.id}.", f"{bob.id}.{bob.client.secret}"):
            assert await node.hub.emulation.perform("", session, b"{}") == "unknown"


async def test_bytes_that_are_no_text_are_not_for_a_json_client() -> None:
    async with running() as node:
        client = await streamed(node)
        perform = node.hub.emulation.perform
        assert await perform(client.node, client.session, b'{"id":1,"rpc":"\xff"}') == "malformed"
        assert client.peer.code is None


async def test_a_client_that_has_left_is_unknown() -> None:
    async with running() as node:
        client = await streamed(node)
        client.peer.leave()
        assert await client.say(node, {}) == "unknown"


# Clients that may not be read from.


async def test_requests_wait_in_order_while_the_client_is_held() -> None:
    async with running() as node:
        client = await streamed(node)
        node.hub.emulation.hold(client.peer.client)
        async with asyncio.TaskGroup() as tasks:
            said = [
                tasks.create_task(client.say(node, client.publish("chat:1", number)))
                for number in range(3)
            ]
            await until(lambda: len(node.hub.emulation) == 3)
            await settled()
            assert client.peer.data("chat:1") == []
            node.hub.emulation.release(client.peer.client)
        assert [task.result() for task in said] == ["taken"] * 3
        await client.peer.received("chat:1", 3)
        assert client.peer.data("chat:1") == [0, 1, 2]
        assert not node.hub.emulation._held
        assert len(node.hub.emulation) == 0


async def test_a_request_that_waits_too_long_is_not_performed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "HOLD_S", 0.01)
    async with running() as node:
        client = await streamed(node)
        node.hub.emulation.hold(client.peer.client)
        assert await client.say(node, client.publish("chat:1", "late")) == "busy"
        node.hub.emulation.release(client.peer.client)
        assert await client.say(node, client.publish("chat:1", "then")) == "taken"
        await client.peer.received("chat:1", 1)
        assert client.peer.data("chat:1") == ["then"]


async def test_no_more_wait_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_EACH_MAX", 2)
    monkeypatch.setattr(module, "HELD_MAX", 3)
    async with running() as node:
        one, two = await streamed(node), await streamed(node, "bob")
        async with asyncio.TaskGroup() as tasks:
            for client in (one, two):
                node.hub.emulation.hold(client.peer.client)
            for client, expected in ((one, 1), (one, 2), (two, 3)):
                tasks.create_task(client.say(node, {}))
                await until(lambda expected=expected: len(node.hub.emulation) == expected)  # type: ignore[misc]
            assert await one.say(node, {}) == "busy"
            assert await two.say(node, {}) == "busy"
            for client in (one, two):
                node.hub.emulation.release(client.peer.client)
        assert len(node.hub.emulation) == 0


async def test_who_is_held_again_by_what_waited_keeps_the_rest_waiting() -> None:
    async with running() as node:
        client = await streamed(node)
        hold = node.store.hold("read")
        emulation = node.hub.emulation
        emulation.hold(client.peer.client)
        async with asyncio.TaskGroup() as tasks:
            history = {"id": 7, "history": {"channel": "chat:2", "limit": 1}}
            many = [{"id": 10 + number, "presence": {"channel": "chat:1"}} for number in range(300)]
            first = tasks.create_task(client.say(node, history, *many))
            second = tasks.create_task(client.say(node, {"id": 8, "rpc": {"method": "x"}}, *many))
            third = tasks.create_task(client.say(node, {"id": 9, "rpc": {"method": "x"}}))
            await until(lambda: len(emulation) == 3)
            emulation.release(client.peer.client)
            await hold.begun()
            await until(second.done)
            # More than may wait behind the read: the third is not read yet.
            assert first.done()
            await settled()
            assert not third.done()
            hold.release()
        await client.peer.reply(9)
        assert not emulation._held


async def test_who_is_gone_has_nothing_performed_that_waited() -> None:
    async with running() as node:
        client = await streamed(node)
        node.hub.emulation.hold(client.peer.client)
        async with asyncio.TaskGroup() as tasks:
            said = [tasks.create_task(client.say(node, {})) for _ in range(2)]
            await until(lambda: len(node.hub.emulation) == 2)
            client.peer.leave()
        assert [task.result() for task in said] == ["unknown"] * 2
        assert len(node.hub.emulation) == 0
        assert not node.hub.emulation._held


async def test_a_request_whose_sender_left_does_not_wait_on() -> None:
    async with running() as node:
        client = await streamed(node)
        node.hub.emulation.hold(client.peer.client)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(client.say(node, client.publish("chat:1", 1)))
            await until(lambda: len(node.hub.emulation) == 1)
            task.cancel()
        assert len(node.hub.emulation) == 0
        node.hub.emulation.release(client.peer.client)
        await settled()
        assert client.peer.data("chat:1") == []


# Between nodes.


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
        lives, emulation._lives = emulation._lives, lambda lease: False

        async def look() -> None:
            nonlocal looks
            looks += 1
            await asyncio.sleep(0)
            if looks == 2:
                emulation._lives = lives

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


class _SharedStore(MemorySharedStore):
    """A store that other nodes work on too, as far as a hub can tell."""

    async def check_epoch(self) -> str:
        """See `SharedStore`."""
        return self.epoch

    def heard(self, channel: str, offset: int) -> None:
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
