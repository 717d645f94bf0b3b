"""What a backend has done to a session's connection, on whichever node it is (protocol 5.2)."""

import pytest

from realtime.errors import CommandRefused
from realtime.hub.connections import NOBODY, named_by
from realtime.hub.orders import RefreshOrder, SubscribeOrder
from realtime.model import Revocation
from realtime.protocol.calls import (
    DisconnectCall,
    RefreshCall,
    SubscribeCall,
    UnsubscribeCall,
)
from tests.support.hub import Node, running, settled
from tests.support.peer import Peer
from tests.unit.hub.pair import two_nodes


async def streamed(node: Node, user: str = "alice") -> Peer:
    """A client over a stream, connected."""
    peer = node.peer(is_emulated=True)
    await peer.connect(node.token(user))
    return peer


async def test_each_order_reaches_the_sessions_connection_and_no_other() -> None:
    async with two_nodes() as pair:
        one, two = await streamed(pair.here), await streamed(pair.here)
        session = two.client.session_id
        api = pair.there.api
        await api.subscribe(SubscribeCall(user="alice", channel="chat:1", session=session))
        await two.push("subscribe", "chat:1")
        await api.refresh(RefreshCall(user="alice", session=session, expire_at=4_000_000_000))
        assert (await two.push("refresh"))["expires"] is True
        await api.unsubscribe(UnsubscribeCall(session=session, channel="chat:1"))
        await two.push("unsubscribe", "chat:1")
        await api.disconnect(DisconnectCall(user="alice", session=session))
        assert await two.closed() == 3503
        await settled()
        assert one.code is None
        assert not one.pushes("subscribe", "chat:1")
        assert not one.pushes("refresh")


async def test_a_session_may_be_closed_as_expired() -> None:
    async with running() as node:
        one, two = await streamed(node), await streamed(node)
        call = RefreshCall(user="alice", session=two.client.session_id, expired=True)
        await node.api.refresh(call)
        assert await two.closed() == 3005
        assert one.code is None


@pytest.mark.parametrize("what", ["secret", "no secret", "no id", "dot", "id", "client", "user"])
async def test_what_does_not_fit_together_is_nobodys(what: str) -> None:
    async with running() as node:
        alice = await streamed(node)
        await alice.subscribe("chat:1")
        id, _, secret = alice.client.session_id.partition(".")
        session = {
            "secret": f"{id}.{secret}x",
            "no secret": f"{id}.",
            "no id": f".{secret}",
            "dot": ".",
            "id": id,
        }.get(what, f"{id}.{secret}")
        user = "bob" if what == "user" else "alice"
        client = "another" if what == "client" else ""
        api = node.api
        subscribe = SubscribeCall(user=user, channel="chat:2", session=session, client=client)
        await api.subscribe(subscribe)
        await api.refresh(RefreshCall(user=user, session=session, client=client, expire_at=10**9))
        await api.refresh(RefreshCall(user=user, session=session, client=client, expired=True))
        await api.unsubscribe(UnsubscribeCall(user=user, session=session, client=client))
        await api.disconnect(DisconnectCall(user=user, session=session, client=client))
        await settled()
        assert alice.code is None
        assert list(alice.client.subscriptions) == ["chat:1"]
        assert not alice.pushes("refresh")


async def test_a_client_and_its_own_session_fit_together() -> None:
    async with running() as node:
        alice = await streamed(node)
        call = DisconnectCall(user="alice", client=alice.id, session=alice.client.session_id)
        await node.api.disconnect(call)
        assert await alice.closed() == 3503


async def test_a_dot_for_a_client_is_nobody() -> None:
    async with running() as node:
        alice = await streamed(node)
        await node.api.disconnect(DisconnectCall(user="alice", client="."))
        await settled()
        assert alice.code is None


async def test_neither_the_log_nor_the_bus_learns_the_secret() -> None:
    async with two_nodes() as pair:
        alice = await streamed(pair.here)
        session, secret = alice.client.session_id, alice.client.secret
        told: list[bytes] = []
        broker = pair.there.hub._broker
        carry = broker.control

        def overheard(message: object, **to: object) -> None:
            told.append(message.body)  # type: ignore[attr-defined]
            carry(message, **to)  # type: ignore[arg-type]

        broker.control = overheard  # type: ignore[method-assign]
        await pair.there.api.subscribe(
            SubscribeCall(user="alice", channel="chat:1", session=session)
        )
        await pair.there.api.disconnect(DisconnectCall(user="alice", session=session))
        await alice.closed()
        rows = await pair.store.revocations(after=0, limit=10, now_ms=0)
        assert [row.act for row in rows] == ["disconnect"]
        assert rows[0].client.startswith(f"{alice.id}.")
        assert told
        assert not [text for text in (*told, str(rows).encode()) if secret.encode() in text]


async def test_an_unsubscribe_needs_somebody() -> None:
    async with running() as node:
        with pytest.raises(CommandRefused):
            await node.api.unsubscribe(UnsubscribeCall(channel="chat:1"))


def test_a_name_is_an_id_or_an_id_and_a_mark() -> None:
    assert named_by("c", "") == "c"
    assert named_by("", "") == ""
    assert named_by("", "c.secret") == "c.2bb80d537b1da3e38bd30361aa855686"
    assert named_by("c", "c.secret") == named_by("", "c.secret")
    for client, session in (("d", "c.secret"), ("", "c"), ("", "."), ("", ".s"), ("c", "c.")):
        assert named_by(client, session) == NOBODY
    assert Revocation(client=named_by("", "c.\udcff")).client


async def test_an_order_of_an_earlier_versions_hub_reaches_no_other_session() -> None:
    """It tells of the session as it was asked, where later ones tell of its mark."""
    async with two_nodes() as pair:
        one, two = await streamed(pair.here), await streamed(pair.here)
        tell = pair.there.hub.peers.tell
        for session in ("no-such.session", two.client.session_id):
            subscribe = SubscribeCall(user="alice", channel="chat:1", session=session)
            tell("subscribe", SubscribeOrder(subscribe))
            refresh = RefreshCall(user="alice", session=session, expire_at=4_000_000_000)
            tell("refresh", RefreshOrder(refresh))
        await two.push("subscribe", "chat:1")
        await two.push("refresh")
        await settled()
        assert not one.client.subscriptions
        assert not one.pushes("refresh")
        assert len(two.pushes("refresh")) == 1
