"""Who blocks somebody is shown nothing of what that one says in the channel of the two."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from realtime.chat.caller import Caller
from realtime.chat.service import ChatService
from realtime.rows import MEMBERS, MemberRow
from realtime.settings.schema import ChatSettings
from realtime.stores.base import Write
from tests.support.chat import FEED, ROOM, ChatParts, caller, chat_parts


@dataclass
class House:
    """The service of a node, where ann and bob may have a channel of their own."""

    parts: ChatParts
    service: ChatService
    channel: str = ""

    async def call(self, who: str | Caller, name: str, **params: Any) -> Any:
        """Call an operation, JSON in and JSON out."""
        who = caller(who) if isinstance(who, str) else who
        answer = await self.service.call(who, name, msgspec.json.encode(params))
        return msgspec.json.decode(answer)

    async def open(self, who: str | Caller = "ann", user: str = "bob") -> None:
        """Make the channel."""
        self.channel = (await self.call(who, "chat.direct", namespace="room", user=user))["channel"]

    async def say(self, user: str, text: str) -> None:
        """Send."""
        await self.call(user, "chat.send", channel=self.channel, client_id=text, data=text)
        self.service.committed(self.parts.stage.entries[-1])

    async def synced(self, user: str) -> Any:
        """The channel to the user, as `chat.sync` tells, and the badge."""
        answer = await self.call(user, "chat.sync")
        (channel,) = answer["channels"]
        return channel.get("last"), channel.get("unread", 0), answer.get("badge", 0)

    async def readers(self, user: str) -> list[str]:
        """Whose receipts the user sees."""
        page = await self.call(user, "chat.receipts", channel=self.channel)
        return [receipt["user"] for receipt in page["receipts"]]

    async def member(self, user: str) -> MemberRow:
        """The row."""
        (row,) = await self.parts.store.get(MEMBERS, [(self.channel, user)])
        return row


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    """Over an empty store."""
    async with chat_parts() as parts:
        service = ChatService(
            store=parts.store,
            stage=parts.stage,
            memberships=parts.memberships,
            clock=parts.clock,
            settings=ChatSettings(),
            namespaces={"room": ROOM, "feed": FEED},
            data_max_bytes=65_536,
        )
        yield House(parts, service)


async def test_a_block_hides_what_was_said_until_it_is_lifted() -> None:
    async with house() as home:
        await home.open()
        await home.say("bob", "ugly")
        last, unread, badge = await home.synced("ann")
        assert (last["offset"], unread, badge) == (2, 1, 1)
        await home.call("ann", "user.block", user="bob")
        assert home.parts.stage.cuts.count(("ann", home.channel)) == 1
        assert ("bob", home.channel) not in home.parts.stage.cuts
        assert await home.synced("ann") == (None, 0, 0)
        assert (await home.call("ann", "chat.badge", by="messages"))["badge"] == 0
        assert (await home.call("ann", "chat.history", channel=home.channel))["messages"] == []
        assert (await home.synced("bob"))[0]["offset"] == 2
        standing = await home.parts.memberships.look_up(home.channel, "ann")
        assert standing.blocks
        assert not (await home.parts.memberships.look_up(home.channel, "bob")).blocks
        await home.call("ann", "user.unblock", user="bob")
        assert await home.synced("ann") == (last, 1, 1)
        assert not (await home.parts.memberships.look_up(home.channel, "ann")).blocks
        assert home.parts.stage.cuts.count(("ann", home.channel)) == 1


async def test_what_changed_since_has_the_channel_when_it_is_hidden_and_when_not() -> None:
    async with house() as home:
        await home.open()
        await home.say("bob", "ugly")
        for name in ("user.block", "user.unblock"):
            await home.service.inbox.flush()
            home.parts.clock.now_ms += 600_000
            since = (await home.call("ann", "chat.sync"))["since"]
            home.parts.clock.now_ms += 600_000
            assert (await home.call("ann", "chat.sync", since=since))["channels"] == []
            await home.call("ann", name, user="bob")
            (channel,) = (await home.call("ann", "chat.sync", since=since))["channels"]
            assert ("last" in channel) is (name == "user.unblock")


async def test_neither_is_told_how_far_the_other_has_read() -> None:
    async with house() as home:
        await home.open()
        assert await home.readers("ann") == await home.readers("bob") == ["ann", "bob"]
        await home.call("ann", "user.block", user="bob")
        assert await home.readers("ann") == ["ann"]
        assert await home.readers("bob") == ["bob"]
        receipts = home.service.inbox.receipts
        home.parts.stage.subscribed[home.channel] = 2
        home.parts.stage.signals.clear()
        await home.parts.store.write([Write(MEMBERS, (home.channel, "ann"), set={"read": 1})])
        receipts.moved(home.channel, "ann")
        await receipts.send_due()
        assert home.parts.stage.signals == []
        await home.call("ann", "user.unblock", user="bob")
        assert await home.readers("bob") == ["ann", "bob"]


@pytest.mark.parametrize("who", ["ann", "bob"])
async def test_a_channel_that_an_admin_opens_in_spite_of_it_is_hidden_from_the_first(
    who: str,
) -> None:
    async with house() as home:
        await home.call("ann", "user.block", user="bob")
        await home.open(caller(who, "admin"), "bob" if who == "ann" else "ann")
        assert (await home.member("ann")).blocks == 1
        assert (await home.member("bob")).blocks == 0


async def test_a_block_where_there_is_no_channel_makes_none() -> None:
    async with house() as home:
        await home.call("ann", "user.block", user="bob")
        assert (await home.call("ann", "chat.sync"))["channels"] == []
        assert home.parts.stage.cuts.count(("ann", home.channel)) == 0
        await home.call("ann", "user.unblock", user="bob")
        await home.open()
        assert (await home.member("ann")).blocks == 0
