import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from realtime.chat.hints import MENTIONED_MAX
from realtime.chat.marker_hints import BADGES_PER_S
from realtime.settings.schema import ChatSettings
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

A = "room:a"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def node(clock: ManualClock) -> AsyncIterator[ChatNode]:
    """A room of ann and bob that has told its news."""
    store = SQLiteStore(":memory:")
    await store.open()
    made = chat_node(store, clock, ChatSettings(inbox_members_max=3))
    connected([made])
    await made.write(created(A, {"ann": "owner", "bob": "member"}, clock.now_ms))
    await news(made)
    clock.now_ms += 1_000
    made.stage.hints.clear()
    async with running(made):
        yield made
    await store.close()


async def news(node: ChatNode) -> list[dict[str, Any]]:
    """What is hinted at now, about channels."""
    node.stage.hints.clear()
    await node.inbox.hints.send_due()
    return [json.loads(data) for _, data, _ in node.stage.hints]


async def just_told(node: ChatNode, clock: ManualClock) -> None:
    """Use up the hint of this second: what follows within it is told together."""
    await node.write(message("ann", A, clock.now_ms))
    assert len(await news(node)) == 1


async def told(node: ChatNode) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """What is hinted at now, about markers, and to whom."""
    node.stage.hints.clear()
    await node.inbox.marker_hints.send_due()
    return [(users, json.loads(data)) for users, data, _ in node.stage.hints]


async def test_members_are_told_of_a_message_at_once(node: ChatNode, clock: ManualClock) -> None:
    offset = await node.write(message("ann", A, clock.now_ms, "hi"))
    assert await news(node) == [
        {
            "type": "channel",
            "channel": A,
            "offset": offset,
            "n": 1,
            "last": {"offset": offset, "user": "ann", "at": clock.now_ms, "data": {"text": "hi"}},
        }
    ]
    ((users, _, about),) = node.stage.hints
    assert (sorted(users), about) == (["ann", "bob"], A)


async def test_a_channel_has_one_hint_a_second_of_the_newest_entry(
    node: ChatNode, clock: ManualClock
) -> None:
    await node.write(message("ann", A, clock.now_ms, "one"))
    assert len(await news(node)) == 1
    for text in ("two", "three"):
        await node.write(message("ann", A, clock.now_ms, text))
    clock.now_ms += 900
    assert await news(node) == []
    clock.now_ms += 100
    (hint,) = await news(node)
    assert (hint["offset"], hint["n"], hint["last"]["data"]) == (4, 3, {"text": "three"})
    clock.now_ms += 5_000
    assert await news(node) == []


async def test_what_was_taken_back_within_the_second_is_not_told(
    node: ChatNode, clock: ManualClock
) -> None:
    offset = await node.write(message("ann", A, clock.now_ms, "planted"))
    await node.write(event("delete", "ann", A, clock.now_ms, ref=offset))
    (hint,) = await news(node)
    assert b"planted" not in node.stage.hints[0][1]
    assert (hint["last"]["deleted"], hint["deleted"], hint["offset"]) == (True, [offset], 3)


async def test_an_edit_and_a_delete_say_of_which_messages_they_are(
    node: ChatNode, clock: ManualClock
) -> None:
    first = await node.write(message("ann", A, clock.now_ms, "one"))
    second = await node.write(message("ann", A, clock.now_ms, "two"))
    await news(node)
    clock.now_ms += 1_000
    await node.write(event("edit", "ann", A, clock.now_ms, ref=first, data={"text": "x"}))
    await node.write(event("delete", "ann", A, clock.now_ms, ref=second))
    (hint,) = await news(node)
    assert (hint["edited"], hint["deleted"], "last" in hint) == ([first], [second], False)


async def test_whoever_has_left_is_told_nothing_more(node: ChatNode, clock: ManualClock) -> None:
    node.memberships.opened(A)
    await node.write(message("ann", A, clock.now_ms))
    await news(node)
    clock.now_ms += 1_000
    leave = event("member", "bob", A, clock.now_ms, data={"act": "leave", "user": "bob"})
    await node.write(leave)
    await node.write(message("ann", A, clock.now_ms))
    await news(node)
    ((users, _, _),) = node.stage.hints
    assert users == ("ann",)


async def test_channels_with_too_many_members_have_no_hints(
    node: ChatNode, clock: ManualClock
) -> None:
    invited = {"act": "invite", "users": [{"user": user, "role": "member"} for user in "cde"]}
    await node.write(event("member", "ann", A, clock.now_ms, data=invited))
    await node.write(message("ann", A, clock.now_ms))
    assert await news(node) == []


async def test_where_hints_are_switched_off_there_are_none(clock: ManualClock) -> None:
    store = SQLiteStore(":memory:")
    await store.open()
    made = chat_node(store, clock, ChatSettings(inbox_members_max=0))
    await made.write(created(A, {"ann": "owner", "bob": "member"}, clock.now_ms))
    assert await news(made) == []
    await store.close()


async def test_an_entry_of_a_feed_is_not_hinted_at(node: ChatNode, clock: ManualClock) -> None:
    await node.write(message("ann", "feed:x", clock.now_ms))
    assert await news(node) == []


async def test_a_hint_of_an_event_has_no_last_message(node: ChatNode, clock: ManualClock) -> None:
    await node.write(event("reaction", "ann", A, clock.now_ms, ref=1, data={"emoji": "x"}))
    (hint,) = await news(node)
    assert set(hint) == {"type", "channel", "offset", "n"}


async def test_a_hint_says_whom_the_new_messages_mention_and_how_often(
    node: ChatNode, clock: ManualClock
) -> None:
    await just_told(node, clock)
    first = await node.write(message("ann", A, clock.now_ms, mentions=["bob"]))
    await node.write(message("ann", A, clock.now_ms, mentions=["ann", "bob"], ref=first))
    # What an edit adds is for `chat.sync` to tell.
    await node.write(event("edit", "ann", A, clock.now_ms, ref=first, mentions=["bob"]))
    clock.now_ms += 1_000
    (hint,) = await news(node)
    assert hint["mentions"] == {"bob": 2, "ann": 1}


async def test_one_hint_says_of_a_bounded_number_of_users_that_they_are_mentioned(
    node: ChatNode, clock: ManualClock
) -> None:
    await just_told(node, clock)
    for part in range(4):
        users = [f"user{part}-{number}" for number in range(40)]
        await node.write(message("ann", A, clock.now_ms, mentions=users))
    clock.now_ms += 1_000
    (hint,) = await news(node)
    assert len(hint["mentions"]) == MENTIONED_MAX


async def test_a_hint_says_that_a_channel_is_called_something_else(
    node: ChatNode, clock: ManualClock
) -> None:
    await just_told(node, clock)
    renamed = {"act": "update", "title": "New"}
    await node.write(event("channel", "ann", A, clock.now_ms, data=renamed))
    await node.write(message("ann", A, clock.now_ms))
    clock.now_ms += 1_000
    (hint,) = await news(node)
    assert hint["updated"] is True


async def test_other_devices_are_told_of_markers_what_is_unread_and_the_badge(
    node: ChatNode, clock: ManualClock
) -> None:
    for _ in range(3):
        await node.write(message("ann", A, clock.now_ms, mentions=["bob"]))
    await node.call("bob", "chat.read", channel=A, offset=2)
    assert await told(node) == [
        (
            ("bob",),
            {
                "type": "marker",
                "channel": A,
                "delivered": 2,
                "read": 2,
                "unread": 2,
                "mentions": 2,
                "badge": 1,
            },
        )
    ]


async def test_markers_of_one_user_are_told_once_a_second_for_all_channels(
    node: ChatNode, clock: ManualClock
) -> None:
    await node.write(created("room:b", {"bob": "owner"}, clock.now_ms))
    await node.write(message("ann", A, clock.now_ms))
    await node.call("bob", "chat.read", channel=A)
    assert len(await told(node)) == 1
    await node.call("bob", "chat.unread", channel=A)
    await node.call("bob", "chat.read", channel="room:b")
    assert await told(node) == []
    clock.now_ms += 1_000
    hints = [hint for _, hint in await told(node)]
    assert {(hint["channel"], hint["unread"], hint["badge"]) for hint in hints} == {
        (A, 1, 1),
        ("room:b", 0, 1),
    }


async def test_above_a_rate_badges_are_left_out(node: ChatNode, clock: ManualClock) -> None:
    users = [f"user{index}" for index in range(BADGES_PER_S + 2)]
    invited = {"act": "invite", "users": [{"user": user, "role": "member"} for user in users]}
    await node.write(event("member", "ann", A, clock.now_ms, data=invited))
    for user in users:
        await node.call(user, "chat.read", channel=A)
    hints = [hint for _, hint in await told(node)]
    assert len(hints) == len(users)
    assert sum("badge" in hint for hint in hints) == BADGES_PER_S
