"""What a retry of a message is answered, whatever has happened since; what the app says to it."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from realtime.chat.caller import Caller
from realtime.chat.channel_events import ChannelSettings
from realtime.chat.hooks import Question
from realtime.chat.refusals import denied
from realtime.stores.base import Appended
from tests.support.chat_messages import ROOM, MessageParts, encode, message_parts, refused


@pytest.fixture
async def chat() -> AsyncIterator[MessageParts]:
    async with message_parts() as made:
        yield made


# The app's own check.


class AppCheck:
    """Says no to "no", and replaces "this" by "that"."""

    def __init__(self) -> None:
        self.asked: list[Question] = []

    async def ask(self, caller: Caller, question: Question) -> bytes:
        self.asked.append(question)
        data = bytes(question.data)
        if b"no" in data:
            raise denied("refused_by_hook")
        return data.replace(b"this", b"that")


async def test_the_app_is_asked_before_anything_is_stored() -> None:
    check = AppCheck()
    async with message_parts(hook=check) as chat:
        for call in (chat.send("bob", "no"), chat.publish("bob", b'"no"')):
            problem = await refused(call)
            assert (problem.error.code, problem.why) == (103, "refused_by_hook")
        assert await chat.log() == []
        await chat.send("bob", "this", client_id="id-1", mentions=["cid"])
        await chat.publish("bob", b'{"text":"this","client_id":"id-2"}')
        assert [entry.data for entry in await chat.log()] == [
            b'"that"',
            b'{"text":"that","client_id":"id-2"}',
        ]
        sent, published = check.asked[-2:]
        assert (sent.kind, sent.channel, sent.user) == ("message", ROOM, "bob")
        assert (sent.client_id, sent.mentions) == ("id-1", ["cid"])
        assert (published.client_id, published.ref) == ("id-2", 0)


async def test_a_retry_is_the_same_though_the_app_says_otherwise_now() -> None:
    check = AppCheck()
    async with message_parts(hook=check) as chat:
        await chat.send("bob", "this", client_id="id-1")
        again = await chat.send("bob", "this", client_id="id-1")
        assert (again.offset, again.duplicate) == (1, True)


# Retries from the outbox of yesterday.


async def kicked(chat: MessageParts) -> None:
    await chat.member("bob", role="")


async def banned(chat: MessageParts) -> None:
    await chat.member("bob", role="banned", banned_until=-1)


async def muted(chat: MessageParts) -> None:
    await chat.member("bob", muted_until=-1)


async def archived(chat: MessageParts) -> None:
    await chat.change_room(archived_at=1)


async def slow(chat: MessageParts) -> None:
    settings = encode(ChannelSettings(slow_mode_s=3_600))
    await chat.change_room(settings=settings)
    await chat.send("bob", "something else")


async def announcing(chat: MessageParts) -> None:
    await chat.change_room(settings=encode(ChannelSettings(announce=True)))


async def taken_back(chat: MessageParts) -> None:
    await chat.delete("ann", 1)


async def edited(chat: MessageParts) -> None:
    await chat.edit("bob", 1, "something else")


MOVED_ON = (kicked, banned, muted, archived, slow, announcing, taken_back, edited)


@pytest.mark.parametrize("move_on", MOVED_ON)
async def test_a_retry_of_a_message_answers_the_same(chat: MessageParts, move_on: Any) -> None:
    data = {"text": "hi", "client_id": "id-1"}
    first = await chat.send("bob", data, client_id="id-1")
    await move_on(chat)
    before = await chat.log()
    again = await chat.send("bob", data, client_id="id-1")
    assert again == msgspec.structs.replace(first, duplicate=True)
    published = await chat.publish("bob", encode(data))
    assert isinstance(published, Appended)
    assert (published.offset, published.duplicate) == (1, True)
    assert await chat.log() == before


@pytest.mark.parametrize("move_on", MOVED_ON)
async def test_a_retry_of_a_reply_answers_the_same(chat: MessageParts, move_on: Any) -> None:
    await chat.send("ann", "root")  # offset 1, which may be deleted meanwhile
    if move_on is edited:
        await chat.member("bob", role="moderator")
    reply = {"data": "hi", "client_id": "id-1", "reply_to": 1, "mentions": ["cid", "ann"]}
    first = await chat.call("chat.send", "bob", **reply)
    await chat.member("cid", role="")  # who cannot be mentioned any more
    await move_on(chat)
    before = await chat.log()
    again = await chat.call("chat.send", "bob", **reply)
    assert again == msgspec.structs.replace(first, duplicate=True)
    assert await chat.log() == before
