"""One connection a device: the newer one replaces the older, on one node."""

import json
from typing import Any

import msgspec
import pytest

from realtime.auth.device_names import DIGEST_BYTES
from realtime.auth.identity import Identity
from realtime.channels.live import Wire
from realtime.errors import REPLACED
from realtime.hub.devices import device_of
from realtime.protocol.commands import ConnectRequest
from realtime.protocol.unidirectional import UnidirectionalJsonCodec
from realtime.settings.schema import ClientSettings
from tests.support.faulty_store import Hold
from tests.support.hub import Node, make_settings, running, settled, until
from tests.support.peer import Peer, offsets

PHONE = {"device_id": "phone"}


async def connected(node: Node, user: str = "alice", **claims: Any) -> Peer:
    """A client that says in `data` that it is the phone; other arguments are claims."""
    peer = node.peer()
    await peer.connect(node.token(user, **claims), data=PHONE)
    return peer


async def test_a_newer_connection_of_a_device_closes_the_older() -> None:
    async with running() as node:
        old = await connected(node)
        new = await connected(node)
        assert old.code == 3510
        assert new.code is None
        assert node.hub.statistics.disconnects[3510] == 1
        assert not REPLACED.reconnects


async def test_presence_shows_one_and_others_see_it_leave_before_it_joins() -> None:
    async with running() as node:
        friend = await node.subscribed("chat:1", "bob", join_leave=True)
        old = await connected(node, channels=["chat:1"])
        new = await connected(node, channels=["chat:1"])
        presence = (await friend.command("presence", channel="chat:1"))["presence"]["presence"]
        assert set(presence) == {friend.id, new.id}
        told = [
            (kind, document["push"][kind]["info"]["client"])
            for document in friend.transport.documents
            for kind in ("join", "leave")
            if kind in document.get("push", {})
        ]
        assert told[-3:] == [("join", old.id), ("leave", old.id), ("join", new.id)]


async def test_presence_never_shows_none_or_two_of_a_device_that_the_server_subscribes() -> None:
    async with running() as node:
        await connected(node, channels=["chat:1"])
        seen = set()
        new = node.peer()
        new.send("connect", token=node.token("alice", channels=["chat:1"]), data=PHONE)
        while not new.transport.documents:
            live = node.hub.delivery.find("chat:1")
            assert live is not None
            seen.add(live.count())
            await settled(1)
        assert seen == {1}


async def test_what_was_said_between_the_two_is_recovered_once() -> None:
    async with running() as node:
        old = await connected(node)
        position = await old.subscribe("chat:1")
        writer = await node.connected("writer")
        await writer.publish("chat:1", 1)
        new = await connected(node)
        await writer.publish("chat:1", 2)
        found = await new.subscribe("chat:1", recover=True, epoch=position["epoch"], offset=0)
        assert found["recovered"] is True
        assert offsets(found["publications"]) == [1, 2]


@pytest.mark.parametrize(
    ("claims", "data"),
    [
        ({"device_id": "phone"}, None),
        ({"device_id": "phone"}, {"device_id": "tablet"}),
        ({}, {"device_id": "phone", "other": [1, {"device_id": 2}]}),
    ],
)
async def test_the_token_says_which_device_it_is_or_else_the_connect_does(
    claims: dict[str, Any], data: object
) -> None:
    async with running() as node:
        old = await connected(node)
        new = node.peer()
        await new.connect(node.token("alice", **claims), data=data)
        assert old.code == 3510


@pytest.mark.parametrize(
    "data",
    [
        None,
        "phone",
        7,
        ["phone"],
        {},
        {"device_id": ""},
        {"device_id": None},
        {"device_id": 5},
        {"device_id": ["phone"]},
        {"device_id": "x" * 129},
        {"device": {"device_id": "phone"}},
        {"device_id": "another"},
        {"device_id": "Phone"},
    ],
)
async def test_what_names_no_device_or_another_replaces_nothing(data: object) -> None:
    async with running() as node:
        old = await connected(node)
        new = node.peer()
        await new.connect(node.token("alice"), data=data)
        again = node.peer()
        await again.connect(node.token("alice"), data=data)
        assert old.code is None
        assert (new.code == 3510) == (isinstance(data, dict) and data.get("device_id") in NAMED)


NAMED = ("another", "Phone")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x01",
        b"\xff",
        b'{"device_id":"\xff"}',
        b'{"device_id":"\\ud800"}',
        b'{"device_id":"phone"',
        b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    ],
)
def test_bytes_that_are_no_document_name_no_device(data: bytes) -> None:
    """As a Protobuf client may send them, whose `data` is any bytes."""
    request = ConnectRequest(data=msgspec.Raw(data))
    assert device_of(Identity("alice", "user"), None, request) == ""


async def test_another_user_is_another_device() -> None:
    async with running() as node:
        alice = await connected(node, "alice")
        bob = await connected(node, "bob")
        assert (alice.code, bob.code) == (None, None)
        # Neither can be spelled so that it is the other.
        assert alice.client.device != bob.client.device
        assert len(alice.client.device) == 2 * DIGEST_BYTES


@pytest.mark.parametrize("claims", [{"role": "guest"}, {"role": "guest", "device_id": "phone"}])
async def test_guests_have_no_devices(claims: dict[str, Any]) -> None:
    async with running(make_settings(anonymous=True)) as node:
        nobody, somebody = node.peer(), node.peer()
        await nobody.connect(data=PHONE)
        await somebody.connect(data=PHONE)
        one = await connected(node, "visitor", **claims)
        two = await connected(node, "visitor", **claims)
        assert {peer.code for peer in (nobody, somebody, one, two)} == {None}


@pytest.mark.parametrize("id", ["", 7, None, "x" * 129])
async def test_a_token_whose_device_is_none_is_invalid(id: object) -> None:
    async with running() as node:
        peer = node.peer()
        peer.send("connect", token=node.token("alice", device_id=id))
        assert await peer.closed() == 3500


async def test_a_refresh_changes_nothing_about_the_device() -> None:
    async with running() as node:
        old = await connected(node, device_id="phone")
        assert "refresh" in await old.command("refresh", token=node.token("alice", device_id="x"))
        await connected(node)
        assert old.code == 3510


@pytest.mark.parametrize("is_emulated", [False, True])
async def test_whatever_transport_carries_them(is_emulated: bool) -> None:
    async with running() as node:
        old, new = node.peer(is_emulated=not is_emulated), node.peer(is_emulated=is_emulated)
        await old.connect(node.token("alice"), data=PHONE)
        await new.connect(node.token("alice"), data=PHONE)
        assert (old.code, new.code) == (3510, None)


async def test_a_listener_without_an_sdk_is_replaced_too() -> None:
    wire = Wire("bare", UnidirectionalJsonCodec(), lambda document: document + b"\n")
    async with running() as node:
        peers = [node.peer(wire=wire, pongs=False) for _ in range(2)]
        for peer in peers:
            peer.send_bytes(json.dumps({"token": node.token("alice"), "data": PHONE}).encode())
        await settled()
        assert [peer.code for peer in peers] == [3510, None]


class TestLimit:
    """Connections of a user are counted without those that are about to be replaced."""

    SETTINGS = make_settings(client=ClientSettings(user_connections_max=2))

    async def test_a_device_that_comes_back_is_not_one_too_many(self) -> None:
        async with running(self.SETTINGS) as node:
            await node.connected("alice")
            for _ in range(3):
                new = await connected(node)
            assert new.code is None
            assert len(node.hub.clients.of_user("alice")) == 2

    async def test_one_more_device_is(self) -> None:
        async with running(self.SETTINGS) as node:
            await node.connected("alice")
            await connected(node)
            tablet = node.peer()
            tablet.send("connect", token=node.token("alice"), data={"device_id": "tablet"})
            assert await tablet.closed() == 3504

    async def test_one_that_never_got_its_answer_is_not_counted(self) -> None:
        async with running(self.SETTINGS) as node:
            await node.connected("alice")
            hold = node.store.hold("read")
            stuck = waiting(node, channels=["chat:1"])
            await hold.begun()
            new = await connected(node)
            assert new.code is None
            hold.release()
            await stuck.closed()


def waiting(node: Node, **claims: Any) -> Peer:
    """A client of the phone that has sent its connect and was not answered."""
    peer = node.peer()
    peer.send("connect", token=node.token("alice", **claims), data=PHONE)
    return peer


async def test_a_connect_that_fails_replaces_nothing() -> None:
    async with running() as node:
        old = await connected(node)
        node.store.fail("read")
        new = waiting(node, channels=["chat:1"])
        await until(lambda: new.transport.documents)
        assert new.transport.documents[0]["error"]["code"] == 100
        assert old.code is None


async def test_a_connect_that_waited_does_not_replace_one_that_came_after_it() -> None:
    async with running() as node:
        hold: Hold = node.store.hold("read")
        older = waiting(node, channels=["chat:1"])
        await hold.begun()
        newer = await connected(node)
        hold.release()
        assert await older.closed() == 3510
        assert newer.code is None
        assert not older.transport.documents
        assert node.hub.clients.of_user("alice") == (newer.client,)


async def test_of_many_that_come_at_once_the_last_one_stays() -> None:
    async with running() as node:
        peers = [waiting(node, channels=["chat:1"] if n % 2 else []) for n in range(20)]
        await until(lambda: sum(peer.code == 3510 for peer in peers) == 19)
        await settled()
        assert peers[-1].code is None
        assert node.hub.statistics.disconnects == {3510: 19}


async def test_a_device_that_leaves_by_itself_is_not_remembered() -> None:
    async with running() as node:
        old = await connected(node)
        old.leave()
        new = await connected(node)
        assert new.code is None
        assert node.hub.statistics.disconnects[3510] == 0
