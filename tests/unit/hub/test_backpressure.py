"""What a client may have waiting, and what becomes of it when it does not read (design 4)."""

from realtime.channels.outbox import SLOW_AFTER_S
from realtime.protocol.calls import DisconnectCall
from realtime.settings.schema import ClientSettings
from tests.support.hub import Node, make_settings, running, settled, until
from tests.support.peer import OTHER_LINES, Peer

LIMIT = 4096
SMALL = make_settings(client=ClientSettings(outbox_max_bytes=LIMIT))


async def stalled(node: Node, channel: str, user: str = "stalled") -> Peer:
    """A subscriber whose transport is full and takes nothing."""
    peer = await node.subscribed(channel, user)
    node.hub.paused(peer.client)
    return peer


async def test_what_waits_for_a_client_goes_out_in_order_when_it_reads_again() -> None:
    async with running(SMALL) as node:
        alice = await stalled(node, "chat:1")
        writer = await node.connected("writer")
        for number in range(5):
            await writer.publish("chat:1", number)
        assert alice.data("chat:1") == []
        node.hub.resumed(alice.client)
        await alice.received("chat:1", 5)
        assert alice.data("chat:1") == [0, 1, 2, 3, 4]
        await writer.publish("chat:1", 5)
        await alice.received("chat:1", 6)


async def test_a_log_that_overflows_an_outbox_closes_that_client_alone() -> None:
    async with running(SMALL) as node:
        slow = await stalled(node, "chat:1")
        reader = await node.subscribed("chat:1", "reader")
        writer = await node.connected("writer")
        for _ in range(2 * LIMIT // 500):
            await writer.publish("chat:1", "x" * 500)
        assert await slow.closed() == 3008
        assert node.hub.statistics.slow_closes == 1
        await writer.publish("chat:1", "end")
        await reader.received("chat:1", 2 * LIMIT // 500 + 1)
        assert reader.code is None
        assert slow.data("chat:1") == []


async def test_what_waits_for_a_client_never_exceeds_the_limit() -> None:
    async with running(SMALL) as node:
        slow = await stalled(node, "live:1")
        writer = await node.connected("writer")
        backlog = slow.client.outbox.backlog
        assert backlog is not None
        for _ in range(50):
            await writer.publish("live:1", "x" * 500)
            assert backlog.size <= LIMIT
        assert slow.code is None


async def test_ephemeral_frames_are_dropped_oldest_first() -> None:
    async with running(SMALL) as node:
        slow = await stalled(node, "live:1")
        writer = await node.connected("writer")
        for number in range(40):
            await writer.publish("live:1", [number, "x" * 200])
        await settled()
        node.hub.resumed(slow.client)
        await until(lambda: slow.data("live:1"))
        numbers = [data[0] for data in slow.data("live:1")]
        assert numbers == list(range(40 - len(numbers), 40))
        assert 5 < len(numbers) < 20
        assert node.hub.fanout.dropped == 40 - len(numbers)


async def test_ephemeral_frames_make_room_for_a_log() -> None:
    async with running(SMALL) as node:
        slow = await node.subscribed("live:1", "slow")
        await slow.subscribe("chat:1")
        node.hub.paused(slow.client)
        writer = await node.connected("writer")
        for number in range(20):
            await writer.publish("live:1", "x" * 200)
            await writer.publish("chat:1", number)
        assert slow.code is None
        node.hub.resumed(slow.client)
        await slow.received("chat:1", 20)
        assert slow.data("chat:1") == list(range(20))
        assert len(slow.data("live:1")) < 20


async def test_replies_are_never_dropped() -> None:
    async with running(SMALL) as node:
        slow = await stalled(node, "live:1")
        number = slow.send("presence_stats", channel="live:1")
        writer = await node.connected("writer")
        for _ in range(30):
            await writer.publish("live:1", "x" * 500)
        node.hub.resumed(slow.client)
        await slow.reply(number)


async def test_replies_that_overflow_an_outbox_close_the_client_with_nobody_else_there() -> None:
    """No frame goes to anyone else meanwhile, so nothing else would look at the outbox."""
    async with running(SMALL) as node:
        alice = await node.connected()
        await alice.publish("chat:1", "x" * 1000)
        node.hub.paused(alice.client)
        backlog = alice.client.outbox.backlog
        assert backlog is not None
        for _ in range(20):
            alice.send("history", channel="chat:1", limit=1)
            await settled()
            assert backlog.size <= LIMIT + 1500
        assert await alice.closed() == 3008


async def test_a_client_that_takes_nothing_for_long_is_slow_however_little_waits() -> None:
    async with running() as node:
        slow = await stalled(node, "chat:1")
        writer = await node.connected("writer")
        await writer.publish("chat:1", 1)
        await settled()
        node.clock.move(SLOW_AFTER_S - 1)
        assert node.hub.fanout.overdue(node.clock.monotonic()) == []
        node.clock.move(2)
        await until(lambda: slow.code is not None)
        assert slow.code == 3008


async def test_a_client_that_waits_for_ephemeral_frames_alone_is_not_slow() -> None:
    async with running() as node:
        slow = await stalled(node, "live:1")
        writer = await node.connected("writer")
        await writer.publish("live:1", 1)
        await settled()
        node.clock.move(SLOW_AFTER_S + 5)
        assert node.hub.fanout.overdue(node.clock.monotonic()) == []
        node.hub.resumed(slow.client)
        await slow.received("live:1", 1)


async def test_a_real_buffer_that_fills_and_empties_loses_nothing() -> None:
    """The transport says itself when it is full, in the middle of a write."""
    async with running() as node:
        alice = node.peer(high_bytes=1000)
        await alice.connect(node.token("alice"))
        await alice.subscribe("chat:1")
        writer = await node.connected("writer")
        for number in range(30):
            await writer.publish("chat:1", [number, "x" * 100])
            if number % 5 == 0:
                alice.transport.take_all()
        alice.transport.take_all()
        while len(alice.data("chat:1")) < 30:
            await settled()
            alice.transport.take_all()
        assert [data[0] for data in alice.data("chat:1")] == list(range(30))


async def test_a_transport_that_is_full_from_the_last_write_holds_no_closed_client() -> None:
    """What is written at the close may fill the buffer; the hub is told so afterwards."""
    async with running() as node:
        alice = node.peer(high_bytes=0)
        await alice.connect(node.token("alice"))
        alice.transport.take_all()
        alice.send("ping_unknown")
        await node.api.disconnect(DisconnectCall(user="alice"))
        node.hub.paused(alice.client)
        assert not node.hub.fanout.paused


async def test_what_was_queued_goes_out_before_the_close() -> None:
    async with running() as node:
        alice = await node.subscribed("chat:1")
        number = alice.send("presence_stats", channel="chat:1")
        await node.api.disconnect(DisconnectCall(user="alice"))
        assert alice.code == 3503
        assert alice.replied(number)


async def test_a_tick_is_one_write_per_client() -> None:
    async with running() as node:
        peers = [await node.subscribed("live:1", f"user{number}") for number in range(5)]
        other = node.peer(wire=OTHER_LINES)
        await other.connect(node.token("other"))
        await other.subscribe("live:1")
        writer = await node.connected("writer")
        await settled()
        before = [peer.transport.writes for peer in (*peers, other)]
        publishes = [("publish", {"channel": "live:1", "data": number}) for number in range(10)]
        numbers = writer.send_batch(*publishes)
        await writer.reply(numbers[-1])
        await settled()
        after = [peer.transport.writes for peer in (*peers, other)]
        assert [late - early for early, late in zip(before, after, strict=True)] == [1] * 6
        assert peers[0].data("live:1") == list(range(10)) == other.data("live:1")
        assert node.hub.fanout.deliveries >= 60
