"""Pings by the name that a client gives: what it is told, when they come, and when it is freed."""

import pytest

from realtime.settings.schema import ClientSettings
from tests.support.hub import Node, make_settings, running
from tests.support.peer import Peer

INTERVALS = {"swift": 300.0, "watch": 4.6, "tv": 10.0}
SETTINGS = make_settings(
    client=ClientSettings(ping_interval_s=25.0, pong_timeout_s=4.0, ping_intervals_s=INTERVALS)
)
PING: dict[str, object] = {}


async def named(node: Node, name: str, **transport: object) -> tuple[Peer, dict[str, object]]:
    """A connected client of that name, and what it was told."""
    peer = node.peer(**transport)
    return peer, await peer.connect(node.token("alice"), name=name)


def pings(peer: Peer) -> int:
    """How many have come."""
    return peer.transport.documents.count(PING)


async def pass_time(node: Node, peer: Peer, seconds: float) -> None:
    """Let time pass, and have the client answer every ping."""
    answered = pings(peer)
    for _ in range(round(seconds)):
        await node.advance(1)
        while answered < pings(peer):
            answered += 1
            peer.send_bytes(b"{}")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("swift", 300),
        ("watch", 5),
        ("tv", 10),
        ("js", 25),
        ("", 25),
        ("Swift", 25),
        ("s" * 999, 25),
    ],
)
async def test_a_client_is_told_the_interval_of_its_name(name: str, told: int) -> None:
    async with running(SETTINGS) as node:
        _, reply = await named(node, name)
        assert (reply["ping"], reply["pong"]) == (told, True)


async def test_pings_come_at_the_interval_of_the_name_however_long_it_is() -> None:
    """The wheel goes round in 64 s."""
    async with running(SETTINGS) as node:
        peer, _ = await named(node, "swift")
        await pass_time(node, peer, 149)
        assert pings(peer) == 0
        await pass_time(node, peer, 152)  # the first comes in the second half of an interval
        assert pings(peer) == 1
        # Ten more of 300 s, each up to a turn of a second late.
        await pass_time(node, peer, 3030)
        assert pings(peer) == 11


async def test_others_are_pinged_as_before() -> None:
    async with running(SETTINGS) as node:
        phone, _ = await named(node, "swift")
        browser, _ = await named(node, "js")
        await pass_time(node, browser, 110)
        assert pings(phone) == 0
        assert pings(browser) in (4, 5)


@pytest.mark.parametrize("name", ["swift", "watch", "tv", "js"])
async def test_a_client_that_vanished_is_freed_in_interval_and_timeout_and_counted(
    name: str,
) -> None:
    async with running(SETTINGS) as node:
        peer, _ = await named(node, name)
        await node.advance(INTERVALS.get(name, 25.0) + 4.0 + 3.0)
        assert peer.code == 3012
        assert node.hub.statistics.disconnects == {3012: 1}


async def test_pings_of_the_transport_itself_keep_to_the_name_too() -> None:
    async with running(SETTINGS) as node:
        peer, reply = await named(node, "tv", frame_pings=True)
        assert "ping" not in reply
        await node.advance(11)
        assert peer.transport.pings == 1


async def test_a_drain_closes_clients_of_every_interval() -> None:
    async with running(SETTINGS) as node:
        peers = [(await named(node, name))[0] for name in ("swift", "tv", "js")]
        await node.hub.drain(0)
        assert [peer.code for peer in peers] == [3001, 3001, 3001]
