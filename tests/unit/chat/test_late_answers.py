"""The app's own check may answer late: what happened meanwhile counts as if it had been before."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from realtime.chat.caller import Caller
from realtime.chat.hooks import Question
from realtime.errors import CallRefused
from tests.support.chat_messages import DIRECT, ROOM, MessageParts, message_parts


class SlowApp:
    """Answers when it is let."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()

    async def ask(self, caller: Caller, question: Question) -> bytes:
        """See `realtime.chat.hooks.Hook`."""
        self.asked.set()
        async with asyncio.timeout(5):
            await self.answers.wait()
        return bytes(question.data)


Say = Callable[[MessageParts, str], Awaitable[Any]]


async def send(chat: MessageParts, channel: str) -> Any:
    return await chat.call("chat.send", "bob", channel=channel, data="late")


async def publish(chat: MessageParts, channel: str) -> Any:
    return await chat.publish("bob", b'"late"', channel=channel)


async def edit(chat: MessageParts, channel: str) -> Any:
    return await chat.call("chat.edit", "bob", channel=channel, offset=1, data="late")


async def ban(chat: MessageParts) -> None:
    await chat.member("bob", role="banned", banned_until=-1)


async def ban_by_app(chat: MessageParts) -> None:
    chat.parts.stage.bans.add(("bob", ROOM))


async def archive(chat: MessageParts) -> None:
    await chat.change_room(archived_at=1)


async def mute(chat: MessageParts) -> None:
    await chat.member("bob", muted_until=-1)


@asynccontextmanager
async def slow_app() -> AsyncIterator[tuple[MessageParts, SlowApp]]:
    """Messages, of which bob's are asked about; there is one of his."""
    app = SlowApp()
    async with message_parts(hook=app) as chat:
        await chat.direct("ann", "bob")
        app.answers.set()
        await chat.send("bob", "first")
        await chat.call("chat.send", "bob", channel=DIRECT, data="first")
        app.answers.clear()
        app.asked.clear()
        yield chat, app


async def refused_late(
    chat: MessageParts, app: SlowApp, say: Awaitable[Any], change: Callable[[], Awaitable[Any]]
) -> CallRefused:
    """What is answered if this happens while the app thinks; nothing is stored."""
    before = len(await chat.log()) + len(await chat.log(DIRECT))
    async with asyncio.TaskGroup() as tasks:

        async def saying() -> CallRefused:
            with pytest.raises(CallRefused) as caught:
                await say
            return caught.value

        late = tasks.create_task(saying())
        async with asyncio.timeout(5):
            await app.asked.wait()
        await change()
        app.answers.set()
    assert len(await chat.log()) + len(await chat.log(DIRECT)) == before
    return late.result()


@pytest.mark.parametrize("say", [send, publish, edit])
@pytest.mark.parametrize(
    ("change", "why"),
    [(ban, "banned"), (ban_by_app, "banned"), (archive, "archived"), (mute, "muted")],
)
async def test_what_was_forbidden_meanwhile_is_refused(
    say: Say, change: Callable[[MessageParts], Awaitable[None]], why: str
) -> None:
    async with slow_app() as (chat, app):
        refusal = await refused_late(chat, app, say(chat, ROOM), lambda: change(chat))
        assert refusal.why == why


@pytest.mark.parametrize("say", [send, publish, edit])
async def test_a_block_meanwhile_is_a_block(say: Say) -> None:
    async with slow_app() as (chat, app):
        refusal = await refused_late(chat, app, say(chat, DIRECT), lambda: chat.block("ann", "bob"))
        assert refusal.why == "blocked"


async def test_a_message_that_is_deleted_meanwhile_is_not_edited() -> None:
    async with slow_app() as (chat, app):
        async with asyncio.TaskGroup() as tasks:

            async def editing() -> CallRefused:
                with pytest.raises(CallRefused) as caught:
                    await edit(chat, ROOM)
                return caught.value

            late = tasks.create_task(editing())
            await app.asked.wait()
            await chat.delete("ann", 1)
            app.answers.set()
        assert late.result().error.code == 410


async def test_who_was_nothing_but_slow_is_answered() -> None:
    async with slow_app() as (chat, app):
        app.answers.set()
        assert (await chat.send("bob", "late")).offset == 2
