"""Clients that only listen: what they follow, and what they are closed with (protocol 7)."""

import json
from typing import Any

import pytest

from realtime.channels.live import Wire
from realtime.errors import (
    BAD_REQUEST,
    EXPIRED,
    INTERNAL,
    PERMISSION_DENIED,
    TOKEN_EXPIRED,
    TOO_MANY_REQUESTS,
    UNKNOWN_CHANNEL,
    CommandRefused,
    Error,
)
from realtime.protocol.calls import PublishCall
from realtime.protocol.unidirectional import UnidirectionalJsonCodec
from tests.support.hub import Node, make_settings, running, settled
from tests.support.peer import Peer

BARE = Wire("bare", UnidirectionalJsonCodec(), lambda document: document + b"\n")


async def listener(node: Node, **request: Any) -> Peer:
    """A client that has said its connect request."""
    peer = node.peer(wire=BARE, pongs=False)
    request.setdefault("token", node.token("alice"))
    peer.send_bytes(json.dumps(request).encode())
    await settled()
    return peer


async def publish(node: Node, *numbers: int) -> None:
    """Into chat:1."""
    for number in numbers:
        data = json.dumps(number).encode()
        await node.api.publish(PublishCall(channel="chat:1", data=data))  # type: ignore[arg-type]


async def test_it_follows_what_it_asked_for_and_may_have() -> None:
    async with running() as node:
        peer = await listener(node, subs={"chat:1": {}, "nowhere:1": {}})
        (told,) = peer.transport.documents
        assert list(told["connect"]["subs"]) == ["chat:1"]
        await publish(node, 1, 2)
        await settled()
        assert [each["pub"]["data"] for each in peer.transport.documents[1:]] == [1, 2]
        assert peer.transport.documents[1]["channel"] == "chat:1"


async def test_it_recovers_from_where_it_says_it_was() -> None:
    async with running() as node:
        await publish(node, 1, 2, 3)
        first = await listener(node, subs={"chat:1": {}})
        epoch = first.transport.documents[0]["connect"]["subs"]["chat:1"]["epoch"]
        peer = await listener(node, subs={"chat:1": {"recover": True, "epoch": epoch, "offset": 1}})
        found = peer.transport.documents[0]["connect"]["subs"]["chat:1"]
        assert found["recovered"] is True
        assert [each["data"] for each in found["publications"]] == [2, 3]


async def test_a_lost_position_closes_it_so_that_it_comes_again() -> None:
    async with running() as node:
        peer = await listener(node, subs={"chat:1": {}})
        node.hub._insufficient(peer.client.subscriptions["chat:1"])
        assert peer.transport.documents[-1] == peer.transport.documents[0]
        assert await peer.closed() == 3010


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TOKEN_EXPIRED, 3005),
        (EXPIRED, 3005),
        (TOO_MANY_REQUESTS, 3013),
        (PERMISSION_DENIED, 3507),
        (INTERNAL, 3004),
        (UNKNOWN_CHANNEL, 3004),
        (BAD_REQUEST, 3004),
    ],
)
async def test_an_error_at_connect_closes_it(
    error: Error, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running() as node:

        def refuse(*_: object) -> None:
            raise CommandRefused(error)

        monkeypatch.setattr(node.hub.connecting, "_claims", refuse)
        peer = await listener(node)
        assert peer.code == code
        assert peer.transport.documents == []
        assert node.hub.statistics.disconnects == {code: 1}
        assert not node.hub.statistics.errors


async def test_so_does_one_that_is_found_while_the_store_is_asked() -> None:
    async with running() as node:
        node.store.fail("read", times=10)
        peer = await listener(node, subs={"chat:1": {}})
        assert await peer.closed() == 3004


async def test_an_invalid_token_and_a_missing_one_close_as_ever() -> None:
    async with running() as node:
        assert (await listener(node, token="x")).code == 3500
        assert (await listener(node, token="")).code == 3501
    async with running(make_settings(anonymous=True)) as node:
        guest = await listener(node, token="")
        assert "connect" in guest.transport.documents[0]


async def test_it_is_told_its_session_but_no_node() -> None:
    async with running() as node:
        peer = await listener(node)
        told = peer.transport.documents[0]["connect"]
        assert told["session"] == peer.client.session_id
        assert "node" not in told
        assert "pong" not in told
        assert told["ping"] == 25


async def test_it_is_pinged_and_needs_not_answer() -> None:
    async with running() as node:
        peer = await listener(node)
        await node.advance(120)
        assert peer.code is None
        assert peer.transport.documents.count({}) >= 4
