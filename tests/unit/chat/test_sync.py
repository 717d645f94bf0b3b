import json
from collections.abc import AsyncIterator

import msgspec
import pytest

from realtime.chat.calls.markers import SyncedChannel
from realtime.errors import CallRefused
from realtime.rows import CHANNELS, MEMBERS, USERS
from realtime.stores.base import Write
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import ManualClock
from tests.support.inboxes import (
    ChatNode,
    chat_node,
    connected,
    created,
    event,
    message,
    running,
)

A, B = "room:a", "room:b"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def nodes(clock: ManualClock) -> AsyncIterator[list[ChatNode]]:
    store = SQLiteStore(":memory:")
    await store.open()
    made = [chat_node(store, clock), chat_node(store, clock)]
    connected(made)
    async with running(*made):
        yield made
    await store.close()


@pytest.fixture
async def node(nodes: list[ChatNode], clock: ManualClock) -> ChatNode:
    """A node with a room of ann, who made it, and bob."""
    await nodes[0].write(created(A, {"ann": "owner", "bob": "member"}, clock.now_ms))
    return nodes[0]


async def only(node: ChatNode, user: str) -> SyncedChannel:
    (channel,) = (await node.sync(user)).channels
    return channel


async def test_a_user_without_channels_is_told_so(node: ChatNode) -> None:
    synced = await node.sync("nobody")
    assert (synced.channels, synced.badge, synced.full, synced.cursor) == ([], 0, True, "")
    assert synced.since


async def test_a_message_is_unread_for_all_but_its_sender(
    node: ChatNode, clock: ManualClock
) -> None:
    offset = await node.write(message("ann", A, clock.now_ms))
    bobs, anns = await only(node, "bob"), await only(node, "ann")
    assert (bobs.head, bobs.n, bobs.unread, bobs.read) == (offset, 1, 1, 1)
    assert (anns.unread, anns.read) == (0, offset)


async def test_what_was_said_before_one_came_is_not_unread(
    node: ChatNode, clock: ManualClock
) -> None:
    await node.write(message("ann", A, clock.now_ms))
    join = event(
        "member", "eve", A, clock.now_ms, data={"act": "join", "user": "eve", "role": "member"}
    )
    await node.write(join)
    await node.write(message("ann", A, clock.now_ms))
    assert (await only(node, "eve")).unread == 1


@pytest.mark.parametrize("rounds", [0, 1, 2, 3])
async def test_it_does_not_matter_how_far_rows_lag_behind_the_log(
    nodes: list[ChatNode], node: ChatNode, clock: ManualClock, rounds: int
) -> None:
    for index in range(3):
        await node.write(message("ann", A, clock.now_ms, f"text {index}"))
    offset = await node.write(message("bob", A, clock.now_ms, "from bob"))
    await node.write(message("ann", A, clock.now_ms, "last"))
    for _ in range(rounds):
        await node.round()
    for at in nodes:
        bobs = await only(at, "bob")
        assert (bobs.unread, bobs.n, bobs.read) == (1, 5, offset)
        assert bobs.last is not None
        assert json.loads(bytes(bobs.last.data)) == {"text": "last"}  # type: ignore[arg-type]  # set
        assert (await only(at, "ann")).unread == 0


async def test_a_reply_in_a_thread_is_not_unread_unless_it_goes_to_the_channel_too(
    node: ChatNode, clock: ManualClock
) -> None:
    parent = await node.write(message("ann", A, clock.now_ms))
    await node.write(message("ann", A, clock.now_ms, ref=parent))
    assert (await only(node, "bob")).unread == 1
    await node.write(message("ann", A, clock.now_ms, ref=parent, also=True))
    assert (await only(node, "bob")).unread == 2


async def test_ones_own_reply_in_a_thread_leaves_the_channel_unread(
    node: ChatNode, clock: ManualClock
) -> None:
    parent = await node.write(message("ann", A, clock.now_ms))
    await node.write(message("bob", A, clock.now_ms, ref=parent))
    assert (await only(node, "bob")).unread == 1


@pytest.mark.parametrize("settled", [False, True])
async def test_what_was_deleted_is_not_unread_and_is_shown_nowhere(
    node: ChatNode, clock: ManualClock, settled: bool
) -> None:
    await node.write(message("ann", A, clock.now_ms, "one"))
    second = await node.write(message("ann", A, clock.now_ms, "planted", mentions=["bob"]))
    if settled:
        await node.settle()
    assert (await only(node, "bob")).mentions == 1
    await node.write(event("delete", "ann", A, clock.now_ms, ref=second))
    for _ in range(3):
        bobs = await only(node, "bob")
        assert (bobs.unread, bobs.mentions) == (1, 0)
        assert bobs.last is not None
        assert (bobs.last.offset, bobs.last.deleted) == (second, True)
        assert b"planted" not in msgspec.json.encode(bobs)
        await node.round()
    rows = await node.around.store.get(CHANNELS, [(A,)])
    assert b"planted" not in rows[0].last


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_delete_of_which_nothing_has_followed_yet_holds_already(
    node: ChatNode, clock: ManualClock, settled: bool, in_thread: bool
) -> None:
    first = await node.write(message("ann", A, clock.now_ms, "one"))
    ref = first if in_thread else 0
    second = await node.write(message("ann", A, clock.now_ms, "two", ref=ref))
    if settled:
        await node.settle()
    # The node that wrote this died before it could fold it.
    await node.around.store.append([event("delete", "ann", A, clock.now_ms, ref=second)])
    bobs = await only(node, "bob")
    assert bobs.unread == 1
    assert bobs.last is not None
    assert (bobs.last.offset, bobs.last.deleted) == (first if in_thread else second, not in_thread)
    assert (await node.call("bob", "chat.badge", by="messages")).badge == 1


@pytest.mark.parametrize("settled", [False, True])
async def test_the_last_message_is_shown_as_it_was_edited(
    node: ChatNode, clock: ManualClock, settled: bool
) -> None:
    offset = await node.write(message("ann", A, clock.now_ms, "before"))
    if settled:
        await node.settle()
    await node.write(event("edit", "ann", A, clock.now_ms, ref=offset, data={"text": "after"}))
    for _ in range(3):
        shown = await only(node, "bob")
        assert shown.last is not None
        assert shown.last.edited
        assert b"after" in msgspec.json.encode(shown)
        assert b"before" not in msgspec.json.encode(shown)
        await node.round()


async def test_mentions_are_counted_apart_in_threads_too(
    node: ChatNode, clock: ManualClock
) -> None:
    parent = await node.write(message("ann", A, clock.now_ms, mentions=["bob"]))
    await node.write(message("ann", A, clock.now_ms, ref=parent, mentions=["bob", "ann"]))
    for _ in range(3):
        bobs = await only(node, "bob")
        assert (bobs.unread, bobs.mentions) == (1, 2)
        await node.round()
    await node.call("bob", "chat.read", channel=A)
    bobs = await only(node, "bob")
    assert (bobs.unread, bobs.mentions) == (0, 0)


async def test_only_what_changed_since_comes_and_what_one_has_left_is_removed(
    node: ChatNode, clock: ManualClock
) -> None:
    await node.write(created(B, {"ann": "owner", "bob": "member"}, clock.now_ms))
    await node.settle()
    clock.now_ms += 120_000
    first = await node.sync("bob")
    assert ([item.channel for item in first.channels], first.full) == ([A, B], True)
    clock.now_ms += 120_000
    await node.write(message("ann", B, clock.now_ms))
    second = await node.sync("bob", since=first.since)
    assert ([item.channel for item in second.channels], second.full) == ([B], False)
    assert second.badge == 1
    await node.settle()
    clock.now_ms += 120_000
    third = await node.sync("bob", since=second.since)
    # Its row was written at the moment of the second answer, and may have come a little later.
    assert [item.channel for item in third.channels] == [B]
    leave = event("member", "bob", A, clock.now_ms, data={"act": "leave", "user": "bob"})
    await node.write(leave)
    last = await node.sync("bob", since=third.since)
    assert (last.channels, last.removed, last.badge) == ([], [A], 1)
    assert (await node.sync("bob")).removed == []


async def test_a_channel_comes_again_when_a_marker_has_moved(
    node: ChatNode, clock: ManualClock
) -> None:
    await node.write(message("ann", A, clock.now_ms))
    await node.settle()
    clock.now_ms += 120_000
    first = await node.sync("bob")
    assert (await node.sync("bob", since=first.since)).channels == []
    await node.call("bob", "chat.read", channel=A)
    (again,) = (await node.sync("bob", since=first.since)).channels
    assert again.unread == 0


async def test_a_direct_channel_has_the_name_of_the_other_one(
    node: ChatNode, clock: ManualClock
) -> None:
    await node.write(
        created("room:d", {"bob": "member", "eve": "member"}, clock.now_ms, direct=True)
    )
    for user in ("bob", "eve"):
        profile = {"name": user.title(), "avatar": f"https://img/{user}"}
        await node.around.store.write([Write(USERS, (user,), set=profile)])
    eves = await only(node, "eve")
    assert (eves.kind, eves.user, eves.title, eves.avatar) == (
        "direct",
        "bob",
        "Bob",
        "https://img/bob",
    )
    bobs = next(item for item in (await node.sync("bob")).channels if item.kind == "direct")
    assert (bobs.user, bobs.title) == ("eve", "Eve")


async def test_a_direct_channel_comes_again_when_the_other_one_has_a_new_name(
    node: ChatNode, clock: ManualClock
) -> None:
    await node.write(
        created("room:d", {"bob": "member", "eve": "member"}, clock.now_ms, direct=True)
    )
    await node.settle()
    clock.now_ms += 120_000
    first = await node.sync("eve")
    assert (await node.sync("eve", since=first.since)).channels == []
    changed_at = {"changed_at": clock.now_ms}
    await node.around.store.write(
        [Write(USERS, ("bob",), set={"name": "Bobby"}, highest=changed_at)]
    )
    (again,) = (await node.sync("eve", since=first.since)).channels
    assert again.title == "Bobby"


async def test_an_invitation_is_told_of_until_it_is_taken(
    node: ChatNode, clock: ManualClock
) -> None:
    invite = {"act": "invite", "users": [{"user": "eve"}]}
    await node.write(event("member", "ann", A, clock.now_ms, data=invite))
    synced = await node.sync("eve")
    assert [(item.channel, item.by) for item in synced.invitations] == [(A, "ann")]
    assert (synced.channels, synced.removed) == ([], [])
    join = {"act": "join", "user": "eve", "role": "member"}
    await node.write(event("member", "eve", A, clock.now_ms, data=join))
    synced = await node.sync("eve")
    assert (len(synced.channels), synced.invitations) == (1, [])


async def test_pages_have_every_channel_once_and_the_badge_of_all(
    node: ChatNode, clock: ManualClock
) -> None:
    for index in range(7):
        channel = f"room:p{index}"
        await node.write(created(channel, {"ann": "owner", "eve": "member"}, clock.now_ms))
        if index % 2:
            await node.write(message("ann", channel, clock.now_ms))
    seen: list[str] = []
    cursor = ""
    for _ in range(10):
        page = await node.sync("eve", limit=2, cursor=cursor)
        assert len(page.channels) <= 2
        seen += [item.channel for item in page.channels]
        cursor = page.cursor
        assert (page.badge is None) == bool(cursor) == (not page.since)
        if not cursor:
            break
    assert seen == [f"room:p{index}" for index in range(7)]
    assert page.badge == 3
    assert (await node.call("eve", "chat.badge")).badge == 3
    await node.write(message("ann", "room:p1", clock.now_ms))
    assert (await node.call("eve", "chat.badge", by="messages")).badge == 4
    assert (await node.sync("eve", badge="messages")).badge == 4


async def test_changes_come_in_pages_too(node: ChatNode, clock: ManualClock) -> None:
    for index in range(5):
        channel = f"room:p{index}"
        await node.write(created(channel, {"ann": "owner", "eve": "member"}, clock.now_ms))
    await node.settle()
    clock.now_ms += 120_000
    since = (await node.sync("eve")).since
    for index in (0, 2, 3):
        await node.write(message("ann", f"room:p{index}", clock.now_ms))
    first = await node.sync("eve", since=since, limit=2)
    assert [item.channel for item in first.channels] == ["room:p0", "room:p2"]
    last = await node.sync("eve", cursor=first.cursor, limit=2)
    assert [item.channel for item in last.channels] == ["room:p3"]
    assert (last.badge, last.full) == (3, False)


async def test_a_badge_is_at_most_999(node: ChatNode, clock: ManualClock) -> None:
    count = {"head": 5_000, "head_n": 5_000}
    await node.around.store.write([Write(CHANNELS, (A,), set=count)])
    assert (await node.call("bob", "chat.badge", by="messages")).badge == 999
    assert (await node.sync("bob", badge="messages")).badge == 999


async def test_feeds_that_one_follows_are_not_in_it(node: ChatNode, clock: ManualClock) -> None:
    feed = "feed:x"
    await node.around.store.write(
        [
            Write(MEMBERS, (feed, "bob"), set={"role": "follower"}),
            Write(CHANNELS, (feed,), set={"kind": "feed"}),
        ]
    )
    assert [item.channel for item in (await node.sync("bob")).channels] == [A]


async def test_after_a_restore_of_the_store_everything_comes(
    nodes: list[ChatNode], node: ChatNode, clock: ManualClock
) -> None:
    other = SQLiteStore(":memory:")
    await other.open()
    elsewhere = await chat_node(other, clock).sync("bob")
    await other.close()
    assert (await node.sync("bob", since=elsewhere.since)).full


@pytest.mark.parametrize("text", ["x", "W10", "eyJhIjoxfQ", "é", "=" * 9])
@pytest.mark.parametrize("field", ["since", "cursor"])
async def test_what_is_none_of_our_texts_is_refused(node: ChatNode, field: str, text: str) -> None:
    with pytest.raises(CallRefused) as refused:
        await node.sync("bob", **{field: text})
    assert (refused.value.error.code, refused.value.field) == (422, field)


async def test_what_a_node_has_left_behind_is_written_by_whoever_finds_it(
    nodes: list[ChatNode], node: ChatNode, clock: ManualClock
) -> None:
    offset = await nodes[1].write(message("ann", A, clock.now_ms))
    await node.settle()
    clock.now_ms += 20_000
    assert (await only(node, "bob")).unread == 1
    await node.settle()
    (row,) = await node.around.store.get(CHANNELS, [(A,)])
    assert (row.head, row.head_n, row.last_offset) == (offset, 1, offset)
    # Or her own message would be unread for her.
    (ann,) = await node.around.store.get(MEMBERS, [(A, "ann")])
    assert (ann.read, ann.read_n) == (offset, 1)


async def test_what_is_only_a_moment_old_is_left_to_the_node_that_has_it(
    nodes: list[ChatNode], node: ChatNode, clock: ManualClock
) -> None:
    await nodes[1].write(message("ann", A, clock.now_ms))
    await node.settle()
    clock.now_ms += 1_000
    await only(node, "bob")
    assert len(node.inbox.heads) == 0
