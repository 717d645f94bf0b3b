import dataclasses
from collections.abc import AsyncIterator

import msgspec
import pytest

from realtime.chat import counting, previews
from realtime.chat.drift import AGAIN_MS, Drift, DriftCheck
from realtime.model import Entry
from realtime.rows import CHANNELS, EVERYBODY, MEMBERS, MENTIONS, ChannelRow, MemberRow
from realtime.settings.durations import Duration
from realtime.stores.base import Removal, Value, Write
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import ROOM, ManualClock
from tests.support.inboxes import ChatNode, chat_node, connected, created, event, message, running

A = "room:a"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def node(clock: ManualClock) -> AsyncIterator[ChatNode]:
    """A room of ann, bob and eve, in which much has happened long ago."""
    store = SQLiteStore(":memory:")
    await store.open()
    made = chat_node(store, clock)
    connected([made])
    members = {"ann": "owner", "bob": "member", "eve": "member"}
    await made.write(created(A, members, clock.now_ms))
    for user in ("ann", "ann", "bob", "ann"):
        await made.write(message(user, A, clock.now_ms, mentions=["eve"]))
    await made.write(message("bob", A, clock.now_ms, ref=2))
    await made.write(event("delete", "ann", A, clock.now_ms, ref=3))
    async with running(made):
        await made.call("eve", "chat.read", channel=A, offset=2)
    await made.settle()
    clock.now_ms += 120_000
    yield made
    await store.close()


@pytest.fixture
def check(node: ChatNode) -> DriftCheck:
    return node.inbox.check


async def row_of(node: ChatNode, channel: str = A) -> ChannelRow:
    (row,) = await node.around.store.get(CHANNELS, [(channel,)])
    return row


async def member_of(node: ChatNode, user: str) -> MemberRow:
    (row,) = await node.around.store.get(MEMBERS, [(A, user)])
    return row


async def put(node: ChatNode, **fields: Value) -> None:
    await node.around.store.write([Write(CHANNELS, (A,), set=fields)])


async def put_member(node: ChatNode, user: str, **fields: Value) -> None:
    await node.around.store.write([Write(MEMBERS, (A, user), set=fields)])


async def test_where_all_is_right_nothing_is_found_or_written(
    node: ChatNode, check: DriftCheck
) -> None:
    before = await row_of(node)
    await check.round()
    assert check.drift == Drift(channels=1)
    after = await row_of(node)
    assert after == msgspec.structs.replace(before, checked_at=after.checked_at)


async def test_a_channel_is_counted_once_a_day(
    node: ChatNode, check: DriftCheck, clock: ManualClock
) -> None:
    for _ in range(3):
        await check.round()
    assert check.drift.channels == 1
    clock.now_ms += AGAIN_MS
    for _ in range(3):
        await check.round()
    assert check.drift.channels == 2


async def test_every_channel_has_its_turn(
    node: ChatNode, check: DriftCheck, clock: ManualClock
) -> None:
    for index in range(5):
        await node.write(created(f"room:{index}", {"ann": "owner"}, clock.now_ms))
    for _ in range(6):
        await check.round()
    assert check.drift.channels == 6


async def test_a_number_of_members_is_put_right(node: ChatNode, check: DriftCheck) -> None:
    await put(node, members=7)
    await check.round()
    assert check.drift == Drift(channels=1, members=1)
    assert (await row_of(node)).members == 3


@pytest.mark.parametrize("head", [3, 70])
async def test_a_head_is_put_right_that_is_behind_its_log_or_beyond(
    node: ChatNode, check: DriftCheck, head: int
) -> None:
    right = await row_of(node)
    await put(node, head=head, head_n=2, last=b"", last_offset=3)
    await check.round()
    await node.settle()
    after = await row_of(node)
    assert check.drift.heads == 1
    assert (after.head, after.head_n) == (right.head, right.head_n)
    if head == 3:
        assert (after.last, after.last_offset) == (right.last, right.last_offset)


async def test_a_wrong_number_of_the_head_is_put_right(node: ChatNode, check: DriftCheck) -> None:
    await put(node, head_n=9)
    await check.round()
    assert check.drift.heads == 1
    assert (await row_of(node)).head_n == 4


async def test_a_preview_is_put_right_that_is_not_of_the_message(
    node: ChatNode, check: DriftCheck
) -> None:
    right = (await row_of(node)).last
    wrong = msgspec.structs.replace(previews.read(right) or previews.Preview(1), user="eve")
    await put(node, last=previews.written(wrong))
    await check.round()
    assert check.drift.previews == 1
    assert (await row_of(node)).last == right


async def test_a_message_that_the_preview_has_missed_is_shown_again(
    node: ChatNode, check: DriftCheck
) -> None:
    right = await row_of(node)
    await put(node, last=b'{"offset":4}', last_offset=4, last_by=4)
    await check.round()
    await node.settle()
    after = await row_of(node)
    assert check.drift.previews == 1
    assert (after.last, after.last_offset) == (right.last, right.last_offset)


async def test_a_deletion_that_is_not_known_beside_the_log_is_written(
    node: ChatNode, check: DriftCheck
) -> None:
    await node.around.store.write([Removal(MENTIONS, (EVERYBODY, A, 3))])
    await put(node, deleted=0)
    await check.round()
    assert check.drift == Drift(channels=1, deletions=1)
    (channel,) = (await node.sync("eve")).channels
    assert channel.unread == 2


async def test_a_marker_is_raised_to_what_its_user_has_sent(
    node: ChatNode, check: DriftCheck
) -> None:
    await put_member(node, "bob", read=1, read_n=0, delivered=1, delivered_n=0)
    await check.round()
    assert check.drift.markers == 1
    bob = await member_of(node, "bob")
    assert (bob.read, bob.read_n, bob.delivered, bob.delivered_n) == (4, 3, 4, 3)


async def test_a_wrong_number_of_a_marker_is_put_right(node: ChatNode, check: DriftCheck) -> None:
    await put_member(node, "eve", read_n=0)
    await check.round()
    assert check.drift.markers == 1
    assert (await member_of(node, "eve")).read_n == 1


async def test_a_mention_that_is_not_known_beside_the_log_is_told_of(
    node: ChatNode, check: DriftCheck
) -> None:
    await node.around.store.write([Removal(MENTIONS, ("eve", A, 4))])
    await check.round()
    assert check.drift == Drift(channels=1, mentions=1)


async def test_what_is_too_new_to_be_missing_is_not_drift(
    node: ChatNode, check: DriftCheck, clock: ManualClock
) -> None:
    await node.write(message("bob", A, clock.now_ms))
    await check.round()
    assert check.drift == Drift(channels=1)


async def test_a_preview_past_its_time_is_removed_from_the_row(clock: ManualClock) -> None:
    store = SQLiteStore(":memory:")
    await store.open()
    brief = dataclasses.replace(ROOM, history_ttl=Duration(60_000))
    node = chat_node(store, clock, None, {"room": brief})
    await node.write(created(A, {"ann": "owner"}, clock.now_ms))
    await node.write(message("ann", A, clock.now_ms, "planted"))
    await node.settle()
    await node.inbox.check.round()
    assert b"planted" in (await row_of(node)).last
    clock.now_ms += 60_000
    (channel,) = (await node.sync("ann")).channels
    assert channel.last is None
    await node.inbox.check.round()
    assert (await row_of(node)).last == b""
    await store.close()


async def test_previews_do_not_wait_for_channels_to_be_counted(clock: ManualClock) -> None:
    store = SQLiteStore(":memory:")
    await store.open()
    brief = dataclasses.replace(ROOM, history_ttl=Duration(60_000))
    node = chat_node(store, clock, None, {"room": brief})
    channels = [f"room:{index}" for index in range(5)]
    for channel in channels:
        await node.write(created(channel, {"ann": "owner"}, clock.now_ms))
        await node.write(message("ann", channel, clock.now_ms, "planted"))
    await node.settle()
    clock.now_ms += 60_000
    # One of them is counted, and the last message of none is kept.
    await node.inbox.check.round()
    assert node.inbox.check.drift.channels == 1
    for channel in channels:
        assert (await row_of(node, channel)).last == b""
    await store.close()


def entry(offset: int, n: int, counts: bool = True) -> Entry:
    return Entry(A, offset, b"{}", 1, n=n, counts=counts)


@pytest.mark.parametrize(
    ("entries", "wrong"),
    [
        ([], 0),
        ([entry(1, 0, False), entry(2, 1), entry(3, 2), entry(4, 2, False)], 0),
        ([entry(1, 1), entry(2, 3)], 1),
        ([entry(1, 1), entry(2, 1)], 1),
        ([entry(1, 1), entry(2, 2, False)], 1),
        ([entry(1, 2)], 1),
        ([entry(5, 0)], 1),
        # Three are missing in between, which may all have counted, or none.
        ([entry(1, 1), entry(5, 5)], 0),
        ([entry(1, 1), entry(5, 2)], 0),
        ([entry(1, 1), entry(5, 6)], 1),
    ],
)
def test_numbers_follow_from_one_another(entries: list[Entry], wrong: int) -> None:
    assert counting.wrong_numbers(entries) == wrong
