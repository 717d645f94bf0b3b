"""The lean client of the load tools against a hub: both formats, plain and over TLS."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from load.measured import SaturationFacts
from load.recording import Recorder
from load.scenarios.crowd import Crowd
from load.share import Share
from load.wire.client import Client, Opened, Refused, open_client
from load.wire.codec import Format, push_of
from load.wire.connection import Connection, HandshakeRefused
from load.wire.listener import Deliveries, Listener
from load.wire.mark import mark
from load.wire.messages import (
    ConnectRequest,
    HistoryRequest,
    Push,
    StreamPosition,
    SubscribeRequest,
)
from load.wire.target import Target
from tests.end_to_end.conftest import MakeHub
from tests.support.certificates import make_certificate
from tests.support.configuration import HMAC_SECRET
from tests.support.polling import eventually
from tests.support.processes import HubProcess
from tests.support.tokens import connection_token


class Inbox(Listener):
    """Keeps pushes and ends, to be waited for."""

    def __init__(self) -> None:
        self.pushes: asyncio.Queue[Push] = asyncio.Queue()
        self.ends: asyncio.Queue[tuple[int, str]] = asyncio.Queue()

    def pushed(self, client: Connection, document: bytes) -> None:
        self.pushes.put_nowait(push_of(client.codec, document))

    def closed(self, client: Connection, code: int, reason: str) -> None:
        self.ends.put_nowait((code, reason))


@pytest.fixture(params=["json", "protobuf"])
async def target(hub: HubProcess, request: pytest.FixtureRequest) -> AsyncIterator[Target]:
    """The module's hub, in either format."""
    wire_format: Format = request.param
    target = Target(hub.websocket_url, wire_format)
    yield target
    target.close()


async def opened(target: Target, listener: Listener, user: str, *channels: str) -> Opened:
    subscriptions = [SubscribeRequest(channel) for channel in channels]
    token = ConnectRequest(token=connection_token(user))
    async with asyncio.timeout(5):
        return await open_client(target, listener, token, subscriptions)


async def test_commands_bring_what_the_hub_answers(target: Target, channel: str) -> None:
    inbox = Inbox()
    client, connect, (subscribed,) = await opened(target, inbox, "ann", channel)
    assert (connect.ping, connect.pong, subscribed.offset) == (25, True, 0)
    await client.publish(channel, b'{"n": 1}')
    push = await asyncio.wait_for(inbox.pushes.get(), 5)
    while push.pub is None:
        push = await asyncio.wait_for(inbox.pushes.get(), 5)
    assert (push.channel, bytes(push.pub.data), push.pub.offset) == (channel, b'{"n": 1}', 1)
    assert push.pub.info is not None
    assert (push.pub.info.user, push.pub.info.client) == ("ann", connect.client)
    assert (await client.presence(channel)).presence[connect.client].user == "ann"
    assert (await client.presence_stats(channel)).num_clients == 1
    history = await client.history(HistoryRequest(channel, -1))
    assert (history.offset, [bytes(one.data) for one in history.publications]) == (
        (1, [b'{"n": 1}'])
    )
    await client.unsubscribe(channel)
    with pytest.raises(Refused, match="108"):
        await client.rpc("no such method", b"{}")
    client.close()


async def test_a_client_that_was_away_recovers_what_it_missed(target: Target, channel: str) -> None:
    away, _, (position,) = await opened(target, Listener(), "ann", channel)
    away.abort()
    other = (await opened(target, Listener(), "bob")).client
    for number in range(3):
        await other.publish(channel, b"%d" % number)
    again = (await opened(target, Listener(), "ann")).client
    result = await again.subscribe(
        SubscribeRequest(channel, recover=True, epoch=position.epoch, offset=position.offset)
    )
    assert result.recovered and result.was_recovering
    assert [bytes(one.data) for one in result.publications] == [b"0", b"1", b"2"]
    since = StreamPosition(2, position.epoch)
    history = await again.history(HistoryRequest(channel, -1, since))
    assert [one.offset for one in history.publications] == [3]


async def test_every_delivery_of_a_fan_out_is_counted_and_timed(
    target: Target, channel: str
) -> None:
    recorder = Recorder("steady")
    deliveries = Deliveries(recorder)
    clients: list[Client] = [
        (await opened(target, deliveries, f"user-{number}", channel)).client for number in range(20)
    ]
    before = time.monotonic_ns()
    for number in range(30):
        due_ns = time.monotonic_ns()
        data = f'{{"t":"{mark(due_ns)}","text":"{"x" * number * 20}"}}'
        clients[number % 20].send_publish(channel, data.encode(), due_ns)

    async def all_came() -> bool:
        return recorder.counts["received"] == 600 and recorder.counts["published"] == 30

    await eventually(all_came)
    took_us = (time.monotonic_ns() - before) // 1_000
    measured = recorder.measured(SaturationFacts())
    assert (measured.counts["received"], measured.counts["published"]) == (600, 30)
    assert measured.errors == {}
    delivery, ack = measured.histograms["delivery"], measured.histograms["ack"]
    assert (delivery.count, ack.count) == (600, 30)
    assert 1 < delivery.percentile(50) <= delivery.max <= took_us


async def test_a_client_that_stops_reading_gets_the_rest_when_it_reads_again(
    target: Target, channel: str
) -> None:
    inbox = Inbox()
    slow = (await opened(target, inbox, "ann", channel)).client
    other = (await opened(target, Listener(), "bob")).client
    slow.pause()
    await other.publish(channel, b'"while it did not read"')
    await asyncio.sleep(0.05)
    assert inbox.pushes.empty()
    slow.resume()
    async with asyncio.timeout(5):
        while (push := await inbox.pushes.get()).pub is None:
            pass
    assert bytes(push.pub.data) == b'"while it did not read"'


async def test_clients_come_from_the_address_that_is_asked_for(hub: HubProcess) -> None:
    target = Target(hub.websocket_url)
    token = ConnectRequest(token=connection_token("ann"))
    await open_client(target, Listener(), token, source="127.0.0.9")
    (peer,) = [plain._socket.getsockname()[0] for plain in target.sockets._connected.values()]
    assert peer == "127.0.0.9"
    target.close()


@pytest.mark.parametrize("hubs", [1, 2])
async def test_clients_are_dealt_to_all_addresses_at_each_hub(hub: HubProcess, hubs: int) -> None:
    sources = ("127.0.0.2", "127.0.0.3")
    share = Share(
        player="",
        parameters={},
        urls=(hub.websocket_url,) * hubs,
        format="json",
        seed=1,
        run="sources",
        index=0,
        processes=1,
        sources=sources,
        secret=HMAC_SECRET,
    )
    crowd = Crowd(share, listener=lambda _: Listener(), subscriptions=lambda _: [])
    async with asyncio.timeout(10):
        await crowd.fill(range(12), rate=1_000)
    for target in crowd._targets:
        entries = target.sockets._connected.values()
        # A port may be used once for an address at a hub: none may have more than its part.
        found = Counter(plain._socket.getsockname()[0] for plain in entries)
        assert found == dict.fromkeys(sources, 12 // hubs // 2)
        target.close()


async def test_refusals_are_told_and_leave_nothing_open(hub: HubProcess) -> None:
    target = Target(hub.websocket_url)
    with pytest.raises(Refused, match="103"):
        await opened(target, Listener(), "ann", "closed:secret")
    with pytest.raises(ConnectionError, match="3500"):
        await open_client(target, Listener(), ConnectRequest(token="x.y.z"))
    lost = Target(hub.websocket_url.replace("/connection/websocket", "/nowhere"))
    with pytest.raises(HandshakeRefused, match="404"):
        await open_client(lost, Listener())
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await open_client(Target(f"ws://127.0.0.1:{port}"), Listener())
    assert target.sockets._connected == {}
    target.close()


async def test_the_same_over_tls(
    make_hub: MakeHub, tmp_path_factory: pytest.TempPathFactory, channel: str
) -> None:
    certificate = make_certificate(tmp_path_factory.mktemp("tls"))
    tls = {"tls_certificate": str(certificate.certificate), "tls_key": str(certificate.key)}
    hub = make_hub({"server": tls})
    hub.start()
    target = Target(hub.websocket_url, "protobuf", ca_file=str(certificate.certificate))
    inbox = Inbox()
    client = (await opened(target, inbox, "ann", channel)).client
    await client.publish(channel, b'"%s"' % (b"x" * 40_000))
    async with asyncio.timeout(5):
        while (push := await inbox.pushes.get()).pub is None:
            pass
    assert len(bytes(push.pub.data)) == 40_002
    # A farewell over TLS takes some turns of the loop, which ends with the test: it is waited for.
    await asyncio.to_thread(hub.terminate)
    await asyncio.wait_for(inbox.ends.get(), 5)
    target.close()


async def test_a_hub_that_stops_says_so(make_hub: MakeHub) -> None:
    hub = make_hub({})
    hub.start()
    target, inbox = Target(hub.websocket_url), Inbox()
    client = (await opened(target, inbox, "ann")).client
    await asyncio.to_thread(hub.terminate)
    code, reason = await asyncio.wait_for(inbox.ends.get(), 5)
    assert (code, reason) == (3001, "shutdown")
    assert not client.is_open
    target.close()
