"""Which entries are stored with the mark that people may have to be told of them."""

import dataclasses
from collections.abc import AsyncIterator

import pytest

from realtime.settings.schema import ChannelOptions
from tests.support.chat import ROOM as QUIET
from tests.support.chat_messages import MessageParts, encode, message_parts


def options(push: str) -> ChannelOptions:
    """A namespace of rooms, with `push` as it is set."""
    return dataclasses.replace(QUIET, push=push)  # type: ignore[arg-type]  # one of the three


@pytest.fixture
async def loud() -> AsyncIterator[MessageParts]:
    async with message_parts(room=options("all")) as made:
        yield made


@pytest.mark.parametrize("push", ["", "all", "mentions"])
async def test_messages_of_rooms_are_marked_where_the_namespace_has_push(push: str) -> None:
    async with message_parts(room=options(push)) as chat:
        await chat.send("bob", "sent")
        await chat.publish("bob", encode("published"))
        await chat.send("bob", "answered", reply_to=1)
        assert [entry.notify for entry in await chat.log()] == [push != ""] * 3


async def test_a_publish_that_is_let_through_at_once_is_marked_like_the_first(
    loud: MessageParts,
) -> None:
    for number in range(3):
        await loud.publish("bob", encode(number))
    assert [entry.notify for entry in await loud.log()] == [True] * 3


async def test_what_changes_a_message_is_not_marked(loud: MessageParts) -> None:
    await loud.send("bob", "hello")
    await loud.edit("bob", 1, "hullo")
    await loud.react("bob", 1, "👍")
    await loud.delete("bob", 1)
    marks = {entry.kind: entry.notify for entry in await loud.log() if entry.kind != "message"}
    assert marks == {"edit": False, "reaction": False, "delete": False}
