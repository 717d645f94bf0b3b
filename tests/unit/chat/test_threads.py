"""Threads, page by page."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from realtime.chat.calls.messages import ThreadPage
from realtime.errors import CallRefused
from tests.support.chat_messages import ROOM, MessageParts, message_parts


@pytest.fixture
async def chat() -> AsyncIterator[MessageParts]:
    async with message_parts() as made:
        await made.send("ann", "root")
        yield made


async def thread(chat: MessageParts, offset: int = 1, **params: Any) -> ThreadPage:
    """A page."""
    page = await chat.call("chat.thread", "ann", offset=offset, **params)
    assert isinstance(page, ThreadPage)
    return page


def said(page: ThreadPage) -> list[Any]:
    """What the replies on a page say."""
    return [msgspec.json.decode(view.data) for view in page.replies]


async def test_a_thread_is_paged_in_both_directions(chat: MessageParts) -> None:
    for number in range(1, 8):
        await chat.send("bob", number, reply_to=1)
        await chat.send("cid", "elsewhere")
    page = await thread(chat, limit=3)
    assert page.root is not None
    assert (page.root.offset, page.root.replies) == (1, 7)
    assert (said(page), page.newer) == ([5, 6, 7], None)
    page = await thread(chat, limit=3, before=page.older)
    assert said(page) == [2, 3, 4]
    page = await thread(chat, limit=3, before=page.older)
    assert (said(page), page.older) == ([1], 0)
    page = await thread(chat, limit=3, after=0)
    assert (said(page), page.older) == ([1, 2, 3], 0)
    page = await thread(chat, limit=3, after=page.newer)
    assert said(page) == [4, 5, 6]
    page = await thread(chat, limit=3, after=page.newer)
    assert (said(page), page.newer) == ([7], None)
    assert said(await thread(chat, limit=3, before=page.older)) == [4, 5, 6]


async def test_a_reply_shows_its_thread(chat: MessageParts) -> None:
    reply = await chat.send("bob", "one", reply_to=1)
    await chat.send("bob", "two", reply_to=1)
    page = await thread(chat, reply.offset)
    assert page.root is not None
    assert page.root.offset == 1
    assert said(page) == ["one", "two"]


async def test_edits_and_deleted_replies_do_not_take_the_place_of_replies(
    chat: MessageParts,
) -> None:
    for number in range(20):
        sent = await chat.send("bob", number, reply_to=1)
        await chat.edit("ann", 1, number)
        if number % 2:
            await chat.delete("bob", sent.offset)
    found: list[Any] = []
    page = await thread(chat, limit=4)
    found = said(page)
    while page.older:
        page = await thread(chat, limit=4, before=page.older)
        found = said(page) + found
    assert found == list(range(0, 20, 2))


async def test_a_thread_outlives_its_first_message(chat: MessageParts) -> None:
    await chat.send("bob", "reply", reply_to=1)
    await chat.delete("ann", 1)
    page = await thread(chat)
    assert page.root is not None
    assert page.root.deleted_at
    assert said(page) == ["reply"]


async def test_reactions_to_replies_are_there(chat: MessageParts) -> None:
    reply = await chat.send("bob", reply_to=1)
    await chat.react("ann", reply.offset, "👍")
    (view,) = (await thread(chat)).replies
    assert view.reactions["👍"].mine


async def test_one_says_before_or_after(chat: MessageParts) -> None:
    with pytest.raises(CallRefused) as caught:
        await thread(chat, before=3, after=1)
    assert (caught.value.error.code, caught.value.field) == (422, "after")


async def test_a_message_without_replies_has_an_empty_thread(chat: MessageParts) -> None:
    page = await thread(chat)
    assert (page.replies, page.older, page.newer) == ([], 0, None)
    assert (await chat.log(ROOM))[0].offset == 1
