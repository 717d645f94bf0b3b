"""The outcomes of a connect, as the table of protocol 3.4 has them, and what its result says."""

import jwt
import pytest

from realtime.settings.schema import ClientSettings, Settings
from tests.support.configuration import HMAC_SECRET
from tests.support.hub import VERSION, Node, make_settings, running, settled
from tests.support.peer import Peer, error, result


async def outcome(peer: Peer, token: str = "", **fields: object) -> str | int:
    """ "connected", the error's code, or the disconnect's code."""
    number = peer.send("connect", **({"token": token} if token else {}), **fields)
    await settled()
    if peer.code is not None:
        return peer.code
    reply = await peer.reply(number)
    return "connected" if "connect" in reply else error(reply)


def token(secret: str = HMAC_SECRET, **claims: object) -> str:
    """A token with these claims and no others."""
    return jwt.encode(claims, secret, algorithm="HS256")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(token(sub="alice"), "connected", id="good"),
        pytest.param(token(sub=""), "connected", id="a guest's token"),
        pytest.param(token(sub="alice", exp=1), 109, id="expired"),
        pytest.param(token("b" * 64, sub="alice"), 3500, id="another's signature"),
        pytest.param("no.token.atall", 3500, id="not a token"),
        pytest.param(token(sub="alice", nbf=9_999_999_999), 3500, id="not yet"),
        pytest.param(token(sub="alice", channel="chat:1"), 3500, id="a subscription token"),
        pytest.param(token(sub="alice", role="emperor"), 3500, id="an unknown role"),
        pytest.param(token(sub="alice", channels=["nowhere:1"]), 102, id="an unknown namespace"),
        pytest.param(token(sub="alice", subs={"nowhere:1": {}}), 102, id="one in subs"),
        pytest.param(token(sub="alice", channels=["chat:*"]), 107, id="a channel that cannot be"),
        pytest.param("", 3501, id="none"),
    ],
)
async def test_what_a_token_leads_to(text: str, expected: str | int) -> None:
    async with running() as node:
        assert await outcome(node.peer(), text) == expected


@pytest.mark.parametrize("setting", ["anonymous", "insecure"])
async def test_without_a_token_one_is_a_guest_where_that_is_allowed(setting: str) -> None:
    async with running(
        make_settings(anonymous=setting == "anonymous", insecure=setting == "insecure")
    ) as node:
        peer = node.peer()
        reply = await peer.connect()
        assert reply == {"client": peer.id, "version": VERSION, "ping": 25, "pong": True}
        assert peer.client.user == ""


@pytest.mark.parametrize("setting", ["anonymous", "insecure"])
async def test_a_token_that_is_given_is_verified_even_where_none_is_needed(setting: str) -> None:
    async with running(
        make_settings(anonymous=setting == "anonymous", insecure=setting == "insecure")
    ) as node:
        assert await outcome(node.peer(), token("b" * 64, sub="alice")) == 3500
        assert await outcome(node.peer(), token(sub="alice", exp=1)) == 109


async def test_an_insecure_connection_never_expires() -> None:
    async with running(make_settings(insecure=True)) as node:
        peer = node.peer()
        reply = await peer.connect(node.token("alice", ttl_s=10))
        assert "expires" not in reply
        assert peer.client.user == "alice"
        await pinged(node, peer, 60)
        assert peer.code is None


async def test_the_result_says_when_to_refresh() -> None:
    async with running() as node:
        reply = await node.peer().connect(node.token("alice", ttl_s=100.5))
        assert reply["expires"] is True
        assert 100 <= reply["ttl"] <= 101
        reply = await node.peer().connect(node.token("alice", ttl_s=None))
        assert "expires" not in reply
        assert "ttl" not in reply


async def test_the_ttl_has_a_ceiling_of_a_year() -> None:
    async with running() as node:
        reply = await node.peer().connect(node.token("alice", ttl_s=400 * 24 * 3600))
        assert reply["ttl"] == 365 * 24 * 3600


async def test_a_refused_connect_makes_the_connection_unusable_and_stale() -> None:
    """Protocol 1.4: any following command is 3501, and it is closed 3502 after ten seconds."""
    async with running() as node:
        first, second = node.peer(), node.peer()
        for peer in (first, second):
            assert await outcome(peer, node.token("alice", ttl_s=-1)) == 109
        assert len(node.hub.clients) == 0
        first.send("publish", channel="chat:1", data=1)
        assert await first.closed() == 3501
        await node.advance(9)
        assert second.code is None
        await node.advance(2)
        assert second.code == 3502


async def test_commands_batched_behind_a_refused_connect_are_not_performed() -> None:
    async with running() as node:
        peer = node.peer()
        connect, subscribe, publish = peer.send_batch(
            ("connect", {"token": node.token("alice", channels=["nowhere:1"])}),
            ("subscribe", {"channel": "chat:1"}),
            ("publish", {"channel": "chat:1", "data": 1}),
        )
        assert error(await peer.reply(connect)) == 102
        await settled()
        assert not peer.replied(subscribe)
        assert not peer.replied(publish)
        assert not node.store.calls["append"]


async def test_commands_batched_behind_a_connect_are_answered_in_order() -> None:
    async with running() as node:
        peer = node.peer()
        hold = node.store.hold("read")
        numbers = peer.send_batch(
            ("connect", {"token": node.token("alice", channels=["chat:1"])}),
            ("subscribe", {"channel": "chat:2"}),
            ("presence_stats", {"channel": "chat:2"}),
        )
        later = peer.send("unsubscribe", channel="chat:2")
        await hold.begun()
        assert not peer.replied(numbers[0])
        hold.release()
        await peer.reply(later)
        answered = [document["id"] for document in peer.transport.documents if "id" in document]
        assert answered == [*numbers, later]


@pytest.mark.parametrize("method", ["subscribe", "publish", "history", "rpc", "refresh", "send"])
async def test_the_first_command_must_be_connect(method: str) -> None:
    async with running() as node:
        peer = node.peer()
        peer.send(method, channel="chat:1", data=1)
        assert await peer.closed() == 3501


async def test_a_second_connect_is_malformed() -> None:
    async with running() as node:
        peer = await node.connected()
        peer.send("connect", token=node.token("alice"))
        assert await peer.closed() == 3501
        assert len(node.hub.clients) == 0


async def test_who_never_connects_is_stale() -> None:
    async with running() as node:
        peer = node.peer()
        await node.advance(9)
        assert peer.code is None
        await node.advance(2)
        assert peer.code == 3502


@pytest.mark.parametrize(
    "payload",
    [b"", b"\n", b"{", b"[]", b'{"id":1}', b'{"connect":{}}', b'{"id":-1,"connect":{}}', b"\xff"],
)
async def test_what_cannot_be_read_closes_the_connection_alone(payload: bytes) -> None:
    async with running(make_settings(anonymous=True)) as node:
        neighbour = await node.subscribed("chat:1", "neighbour")
        peer = node.peer()
        peer.send_bytes(payload)
        assert await peer.closed() == 3501
        await neighbour.publish("chat:1", 1)


def connections(limit: int) -> Settings:
    """Settings that allow a user so many connections."""
    return make_settings(client=ClientSettings(user_connections_max=limit), anonymous=True)


async def test_a_user_may_have_so_many_connections_and_the_next_is_3504() -> None:
    async with running(connections(2)) as node:
        first = await node.connected("alice")
        await node.connected("alice")
        assert await outcome(node.peer(), node.token("alice")) == 3504
        assert await outcome(node.peer(), node.token("bob")) == "connected"
        first.leave()
        assert await outcome(node.peer(), node.token("alice")) == "connected"


async def test_guests_are_not_one_user() -> None:
    async with running(connections(1)) as node:
        assert [await outcome(node.peer()) for _ in range(3)] == ["connected"] * 3


async def test_connections_that_are_still_being_made_count_too() -> None:
    async with running(connections(1)) as node:
        hold = node.store.hold("read")
        first = node.peer()
        number = first.send("connect", token=node.token("alice", channels=["chat:1"]))
        await hold.begun()
        assert await outcome(node.peer(), node.token("alice")) == 3504
        hold.release()
        assert "connect" in await first.reply(number)


async def test_a_connect_that_failed_counts_no_longer() -> None:
    async with running(connections(1)) as node:
        node.store.fail("read")
        assert await outcome(node.peer(), node.token("alice", channels=["chat:1"])) == 100
        assert await outcome(node.peer(), node.token("alice")) == "connected"


async def test_connects_are_counted() -> None:
    async with running() as node:
        await node.connected("alice")
        await node.connected("alice")
        await node.connected("bob")
        assert node.hub.statistics.connects == 3
        assert len(node.hub.clients) == 3
        assert node.hub.clients.user_count() == 2


async def test_without_handlers_rpc_is_108_and_send_is_3508() -> None:
    async with running() as node:
        peer = await node.connected()
        assert await peer.refused("rpc", method="anything", data=1) == 108
        peer.send_bytes(b'{"send":{"data":1}}')
        assert await peer.closed() == 3508


async def test_a_pong_is_asked_for_and_its_absence_ends_the_connection() -> None:
    async with running() as node:
        peer = await node.connected()
        while {} not in peer.transport.documents:
            await node.advance(1)
        peer.send_bytes(b"{}")
        await node.advance(9)
        assert peer.code is None
        while peer.transport.documents.count({}) < 2:
            await node.advance(1)
        await node.advance(9)
        assert peer.code == 3012


async def test_a_transport_with_pings_of_its_own_is_asked_for_those() -> None:
    async with running() as node:
        peer = node.peer(frame_pings=True)
        reply = await peer.connect(node.token("alice"))
        assert "ping" not in reply
        assert "pong" not in reply
        while not peer.transport.pings:
            await node.advance(1)
        assert {} not in peer.transport.documents
        peer.client.session.pong()
        await node.advance(9)
        assert peer.code is None


async def test_first_pings_are_spread_over_half_an_interval() -> None:
    async with running() as node:
        peers = [await node.connected(f"user{number}") for number in range(40)]
        first: dict[str, int] = {}
        for second in range(1, 27):
            await node.advance(1)
            for peer in peers:
                if {} in peer.transport.documents:
                    first.setdefault(peer.id, second)
        assert len(first) == len(peers)
        assert min(first.values()) >= 12
        assert len(set(first.values())) > 5


async def pinged(node: Node, peer: Peer, seconds: int) -> None:
    """Let time pass for a client that answers its pings."""
    for _ in range(seconds):
        peer.send_bytes(b"{}")
        await node.advance(1)


async def test_a_connect_that_waits_is_ended_by_its_client_without_a_trace() -> None:
    async with running() as node:
        hold = node.store.hold("read")
        peer = node.peer()
        peer.send("connect", token=node.token("alice", channels=["chat:1", "chat:2"]))
        await hold.begun()
        peer.leave()
        hold.release()
        await settled()
        assert node.leaks() == []


async def test_connect_is_a_result_with_its_own_name() -> None:
    async with running() as node:
        peer = node.peer()
        reply = await peer.command("connect", token=node.token("alice"))
        assert reply["id"] == 1
        assert result(reply, "connect")["client"] == peer.id
