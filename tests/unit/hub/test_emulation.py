"""Requests that speak for a client whose transport only carries what the hub says (protocol 7)."""

import asyncio

import pytest

from realtime.hub import emulation as module
from tests.support.hub import running, settled, until
from tests.unit.hub.streamed import streamed


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
        # At once: who waits for as long as may be is told "busy" as well.
        async with asyncio.timeout(1), asyncio.TaskGroup() as tasks:
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
