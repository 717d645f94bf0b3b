"""Reactions, and who gave them."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from realtime.chat.channel_events import ChannelSettings
from tests.support.chat_messages import MessageParts, encode, message_parts, refused


@pytest.fixture
async def chat() -> AsyncIterator[MessageParts]:
    async with message_parts() as made:
        await made.send("ann")
        yield made


async def test_reactions_are_counted_and_one_s_own_are_known(chat: MessageParts) -> None:
    for user, emoji in (("ann", "👍"), ("bob", "👍"), ("bob", "🎉"), ("cid", "🎉")):
        await chat.react(user, 1, emoji)
    assert (await chat.view(1, "ann"))["reactions"] == {
        "👍": {"count": 2, "mine": True},
        "🎉": {"count": 2},
    }
    assert (await chat.view(1, "bob"))["reactions"] == {
        "👍": {"count": 2, "mine": True},
        "🎉": {"count": 2, "mine": True},
    }
    event = (await chat.log())[-1]
    assert (event.kind, event.ref, event.counts) == ("reaction", 1, False)
    assert msgspec.json.decode(event.data) == {"emoji": "🎉", "shown": True}
    assert event.tags == {"kind": "reaction", "ref": "1"}


async def test_the_same_again_changes_nothing(chat: MessageParts) -> None:
    first = await chat.react("bob", 1, "👍")
    second = await chat.react("bob", 1, "👍")
    assert second.offset > first.offset
    assert (await chat.view(1))["reactions"] == {"👍": {"count": 1}}
    await chat.react("ann", 1, "👍")
    for _ in range(2):
        await chat.call("chat.unreact", "bob", offset=1, emoji="👍")
    assert (await chat.view(1, "bob"))["reactions"] == {"👍": {"count": 1}}
    await chat.call("chat.unreact", "ann", offset=1, emoji="👍")
    assert "reactions" not in await chat.view(1)


async def test_a_message_has_twenty_different_ones(chat: MessageParts) -> None:
    for number in range(20):
        await chat.react("bob", 1, f"e{number}")
    problem = await refused(chat.react("cid", 1, "new"))
    assert (problem.error.code, problem.why) == (106, "full")
    await chat.react("cid", 1, "e7")
    await chat.call("chat.unreact", "cid", offset=1, emoji="new")
    await chat.call("chat.unreact", "bob", offset=1, emoji="e0")
    await chat.react("cid", 1, "new")
    assert len((await chat.view(1))["reactions"]) == 20


async def test_nobody_fills_a_message_with_what_they_take_back(chat: MessageParts) -> None:
    for number in range(40):
        call = "chat.react" if number % 2 else "chat.unreact"
        await chat.call(call, "bob", offset=1, emoji=f"e{number}")
        await chat.call("chat.unreact", "bob", offset=1, emoji=f"e{number}")
    for call in ("chat.react", "chat.unreact"):
        problem = await refused(chat.call(call, "bob", offset=1, emoji="new"))
        assert (problem.error.code, problem.why) == (106, "full")
    await chat.react("bob", 1, "e7")
    await chat.react("cid", 1, "new")
    await chat.react("bob", 1, "new")  # with what others show, one may agree


@pytest.mark.parametrize("emoji", ["", "x" * 33])
async def test_an_emoji_is_a_short_text(chat: MessageParts, emoji: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        await chat.react("bob", 1, emoji)


async def test_who_may_read_may_react_but_for_the_muted(chat: MessageParts) -> None:
    await chat.member("bob", role="reader")
    await chat.react("bob", 1, "👍")
    await chat.change_room(settings=encode(ChannelSettings(announce=True)))
    await chat.react("cid", 1, "👍")
    await chat.member("cid", muted_until=-1)
    assert (await refused(chat.react("cid", 1, "🎉"))).why == "muted"
    assert (await refused(chat.react("dan", 1, "🎉"))).why == "not_a_member"
    await chat.change_room(archived_at=1)
    assert (await refused(chat.react("ann", 1, "🎉"))).why == "archived"


async def test_who_reacted_is_paged_by_emoji_and_user(chat: MessageParts) -> None:
    users = [f"user-{number}" for number in range(5)]
    await chat.room(users, ann="owner")
    for user in users:
        await chat.react(user, 1, "b")
    await chat.react("user-3", 1, "a")
    await chat.react("user-4", 1, "c")
    await chat.call("chat.unreact", "user-1", offset=1, emoji="b")
    pages = []
    cursor = ""
    while True:
        page = await chat.call("chat.reactions", "ann", offset=1, limit=2, cursor=cursor)
        assert len(page.reactions) <= 2
        pages += [(one.emoji, one.user) for one in page.reactions]
        cursor = page.cursor
        if not cursor:
            break
    assert pages == [
        ("a", "user-3"),
        ("b", "user-0"),
        ("b", "user-2"),
        ("b", "user-3"),
        ("b", "user-4"),
        ("c", "user-4"),
    ]
    first = await chat.call("chat.reactions", "ann", offset=1, limit=3, emoji="b")
    assert [one.user for one in first.reactions] == ["user-0", "user-2"]
    rest = await chat.call(
        "chat.reactions", "ann", offset=1, limit=3, emoji="b", cursor=first.cursor
    )
    assert [one.user for one in rest.reactions] == ["user-3", "user-4"]
    assert rest.cursor == ""


@pytest.mark.parametrize("cursor", ["x", "e30=", "WzEsMl0=", "🎉"])
async def test_a_cursor_of_somebody_else_s_making_is_refused(
    chat: MessageParts, cursor: str
) -> None:
    problem = await refused(chat.call("chat.reactions", "ann", offset=1, cursor=cursor))
    assert (problem.error.code, problem.field) == (422, "cursor")
