"""Pages of a channel's log, as clients and the server API ask for them (protocol 1.4)."""

import msgspec
import pytest

from realtime.errors import CommandRefused
from realtime.protocol.calls import HistoryCall, HistoryRemoveCall
from realtime.protocol.commands import Since
from realtime.protocol.replies import HistoryResult
from realtime.settings.schema import ClientSettings
from tests.support.hub import Node, make_settings, running, settled
from tests.support.memory_store import EPOCH
from tests.support.peer import Document, Peer, offsets, result


async def stored(node: Node, channel: str = "chat:1", count: int = 5) -> Peer:
    """A client that has published 1, 2, 3 …"""
    writer = await node.connected("writer")
    for number in range(1, count + 1):
        await writer.publish(channel, number)
    return writer


async def history(peer: Peer, **fields: object) -> Document:
    """A page of `chat:1`."""
    return result(await peer.command("history", channel="chat:1", **fields), "history")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, []),
        ({"limit": 0}, []),
        ({"limit": 2}, [1, 2]),
        ({"limit": -1}, [1, 2, 3, 4, 5]),
        ({"limit": 100}, [1, 2, 3, 4, 5]),
        ({"limit": -1, "reverse": True}, [5, 4, 3, 2, 1]),
        ({"limit": 2, "reverse": True}, [5, 4]),
        ({"limit": 2, "since": {"offset": 2, "epoch": EPOCH}}, [3, 4]),
        ({"limit": 2, "since": {"offset": 2}}, [3, 4]),
        ({"limit": -1, "since": {"offset": 5}}, []),
        ({"limit": -1, "since": {"offset": 500}}, []),
        ({"limit": 2, "since": {"offset": 4}, "reverse": True}, [3, 2]),
        ({"limit": -1, "since": {"offset": 1}, "reverse": True}, []),
    ],
)
async def test_a_page_is_what_was_asked_and_the_position(
    asked: Document, expected: list[int]
) -> None:
    async with running() as node:
        writer = await stored(node)
        page = await history(writer, **asked)
        assert offsets(page["publications"]) == expected
        assert (page["epoch"], page["offset"]) == (EPOCH, 5)


async def test_an_empty_log_has_an_epoch_and_offset_zero_written_out() -> None:
    async with running() as node:
        alice = await node.connected()
        assert await history(alice, limit=10) == {"publications": [], "epoch": EPOCH, "offset": 0}


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"limit": 1, "since": {"offset": 0}, "reverse": True}, 107),
        ({"limit": 1, "since": {"offset": 1, "epoch": "another"}}, 112),
        ({"limit": 0, "since": {"offset": 1, "epoch": "another"}}, 112),
    ],
)
async def test_a_page_that_makes_no_sense_is_refused(asked: Document, code: int) -> None:
    async with running() as node:
        writer = await stored(node)
        assert await writer.refused("history", channel="chat:1", **asked) == code


async def test_a_channel_without_history_has_none_to_give() -> None:
    async with running() as node:
        alice = await node.connected()
        assert await alice.refused("history", channel="live:1", limit=1) == 108


async def test_a_page_is_cut_at_the_cap() -> None:
    async with running(make_settings(client=ClientSettings(history_max=3))) as node:
        writer = await stored(node)
        assert offsets((await history(writer, limit=-1))["publications"]) == [1, 2, 3]
        assert offsets((await history(writer, limit=4))["publications"]) == [1, 2, 3]


async def test_the_server_api_has_its_own_cap() -> None:
    async with running(make_settings(client=ClientSettings(history_max=3))) as node:
        await stored(node)
        page = await node.api.history(HistoryCall(channel="chat:1", limit=-1))
        assert [publication.offset for publication in page.publications] == [1, 2, 3, 4, 5]


async def test_a_page_is_cut_where_it_grows_too_large_but_never_to_nothing() -> None:
    async with running(make_settings(client=ClientSettings(outbox_max_bytes=5000))) as node:
        writer = await node.connected("writer")
        for _ in range(4):
            await writer.publish("chat:1", "x" * 2000)
        assert offsets((await history(writer, limit=10))["publications"]) == [1, 2]
        await writer.publish("chat:1", "y" * 4990)
        page = await history(writer, limit=10, since={"offset": 4})
        assert offsets(page["publications"]) == [5]


async def test_retention_by_size_holds_on_read() -> None:
    async with running() as node:
        writer = await stored(node, "short:1", 5)
        reply = result(await writer.command("history", channel="short:1", limit=-1), "history")
        assert offsets(reply["publications"]) == [3, 4, 5]
        assert reply["offset"] == 5


async def test_a_failing_store_is_a_temporary_error() -> None:
    async with running() as node:
        alice = await node.connected()
        node.store.fail("read")
        reply = await alice.command("history", channel="chat:1", limit=1)
        assert reply["error"]["code"] == 100
        assert reply["error"]["temporary"] is True
        assert "publications" in await history(alice, limit=1)


async def test_the_same_page_asked_by_many_at_once_is_read_once() -> None:
    async with running() as node:
        await stored(node)
        peers = [await node.connected(f"user{number}") for number in range(20)]
        hold = node.store.hold("read")
        node.store.calls.clear()
        numbers = [peer.send("history", channel="chat:1", limit=3) for peer in peers]
        await hold.begun()
        hold.release()
        for peer, number in zip(peers, numbers, strict=True):
            page = result(await peer.reply(number), "history")
            assert offsets(page["publications"]) == [1, 2, 3]
        assert node.store.calls["read"] <= 2


async def test_different_pages_are_not_mixed_up() -> None:
    async with running() as node:
        await stored(node)
        alice, bob = await node.connected(), await node.connected("bob")
        hold = node.store.hold("read")
        forwards = alice.send("history", channel="chat:1", limit=2)
        backwards = bob.send("history", channel="chat:1", limit=2, reverse=True)
        await hold.begun()
        hold.release()
        assert offsets((await alice.reply(forwards))["history"]["publications"]) == [1, 2]
        assert offsets((await bob.reply(backwards))["history"]["publications"]) == [5, 4]


async def test_who_is_closed_while_its_page_is_read_is_sent_nothing_behind_the_close() -> None:
    async with running() as node:
        alice = await node.connected()
        hold = node.store.hold("read")
        alice.send("history", channel="chat:1", limit=1)
        await hold.begun()
        alice.send_bytes(b"not json")
        assert alice.code == 3501
        hold.release()
        await settled()
        assert alice.transport.late == []


async def test_a_removed_history_is_gone_and_its_offsets_go_on() -> None:
    async with running() as node:
        reader = await node.subscribed("chat:1", "reader")
        writer = await stored(node)
        await node.api.history_remove(HistoryRemoveCall(channel="chat:1"))
        assert await history(writer, limit=-1) == {
            "publications": [],
            "epoch": EPOCH,
            "offset": 5,
        }
        await writer.publish("chat:1", 6)
        await reader.received("chat:1", 6)
        assert reader.offsets("chat:1") == [1, 2, 3, 4, 5, 6]


async def test_the_server_api_reads_from_a_position() -> None:
    async with running() as node:
        await stored(node)
        call = HistoryCall(channel="chat:1", limit=2, since=Since(offset=3), reverse=True)
        page = await node.api.history(call)
        assert isinstance(page, HistoryResult)
        assert [publication.offset for publication in page.publications] == [2, 1]
        assert page.offset == 5
        assert bytes(page.publications[0].data) == b"2"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (HistoryCall(channel=""), 107),
        (HistoryCall(channel="nowhere:1"), 102),
        (HistoryCall(channel="live:1"), 108),
        (HistoryCall(channel="chat:1", since=Since(offset=1, epoch="another")), 112),
        (HistoryCall(channel="chat:1", since=Since(offset=0), reverse=True), 107),
    ],
)
async def test_the_server_api_refuses_what_makes_no_sense(call: HistoryCall, code: int) -> None:
    async with running() as node:
        with pytest.raises(CommandRefused) as refused:
            await node.api.history(call)
        assert refused.value.error.code == code


async def test_history_remove_needs_a_history_and_a_store() -> None:
    async with running() as node:
        for call, code in (
            (HistoryRemoveCall(channel="live:1"), 108),
            (HistoryRemoveCall(channel="nowhere:1"), 102),
            (HistoryRemoveCall(channel=""), 107),
        ):
            with pytest.raises(CommandRefused) as refused:
                await node.api.history_remove(call)
            assert refused.value.error.code == code
        node.store.fail("truncate")
        with pytest.raises(CommandRefused) as refused:
            await node.api.history_remove(HistoryRemoveCall(channel="chat:1"))
        assert refused.value.error.code == 100
        assert (
            msgspec.json.encode(await node.api.history_remove(HistoryRemoveCall(channel="chat:1")))
            == b"{}"
        )
