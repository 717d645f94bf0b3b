"""Moving in from another system: what lines come to, once, however often they are given."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from realtime.chat.contents import Contents
from realtime.chat.importing import Import, ImportRefused, Progress
from realtime.chat.service import ChatService
from realtime.errors import CommandRefused, StoreUnavailable
from realtime.rows import MEMBERS
from realtime.settings.schema import ChatSettings
from realtime.stores.base import Span
from tests.support.chat import FEED, ROOM, ChatParts, caller, chat_parts

LINES: list[dict[str, Any]] = [
    {"type": "user", "user": "ada", "name": "Ada", "time_zone": "Europe/London"},
    {"type": "user", "user": "bob", "name": "Bob"},
    {
        "type": "channel",
        "channel": "room:general",
        "title": "General",
        "owner": "ada",
        "members": [{"user": "bob"}, {"user": "eve", "role": "reader"}],
        "at": 1_000,
    },
    {"type": "direct", "namespace": "room", "users": ["bob", "ada"], "at": 1_500},
    {
        "type": "message",
        "channel": "room:general",
        "id": "old-1",
        "user": "ada",
        "at": 2_000,
        "data": {"text": "hello"},
    },
    {
        "type": "message",
        "channel": "room:general",
        "id": "old-2",
        "user": "bob",
        "at": 3_000,
        "data": {"text": "hello, @ada"},
        "reply_to": {"id": "old-1", "user": "ada"},
        "mentions": ["ada"],
    },
    {
        "type": "reaction",
        "channel": "room:general",
        "message": {"id": "old-1", "user": "ada"},
        "user": "bob",
        "emoji": "x",
        "at": 4_000,
    },
    {"type": "member", "channel": "room:general", "user": "zoe", "at": 5_000},
    {
        "type": "message",
        "namespace": "room",
        "users": ["ada", "bob"],
        "id": "old-3",
        "user": "bob",
        "at": 6_000,
        "data": "psst",
    },
    {"type": "block", "user": "ada", "blocked": "eve", "at": 7_000},
]


class Moving:
    """A service over an empty store, and imports into it."""

    def __init__(self, parts: ChatParts, service: ChatService) -> None:
        self.parts = parts
        self.service = service

    async def run(self, lines: Iterable[dict[str, Any]], store: Any = None) -> Progress:
        """Import these."""
        importing = Import(
            store or self.parts.store,
            self.service.ledger,
            self.parts.clock,
            options=lambda channel: {"room": ROOM, "feed": FEED}.get(channel.partition(":")[0]),
            contents=Contents(data_max_bytes=1_000),
            settle=self.service.direct_blocks.settle,
        )
        return await importing.run("old.jsonl", [json.dumps(line).encode() for line in lines])

    async def call(self, as_user: str, method: str, **params: Any) -> Any:
        """What a user is answered."""
        answer = await self.service.call(caller(as_user), method, json.dumps(params).encode())
        return json.loads(answer)


@asynccontextmanager
async def moving() -> AsyncIterator[Moving]:
    """Somewhere to move into."""
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
        yield Moving(parts, service)


async def test_everything_is_there_and_read() -> None:
    async with moving() as house:
        progress = await house.run(LINES)
        assert (progress.users, progress.channels, progress.messages) == (2, 2, 3)
        history = await house.call("zoe", "chat.history", channel="room:general")
        (message,) = history["messages"]
        assert (message["user"], message["at"], message["data"]) == (
            "ada",
            2_000,
            {"text": "hello"},
        )
        assert (message["client_id"], message["replies"]) == ("old-1", 1)
        assert message["reactions"] == {"x": {"count": 1}}
        thread = await house.call("eve", "chat.thread", channel="room:general", offset=2)
        assert [reply["client_id"] for reply in thread["replies"]] == ["old-2"]
        synced = await house.call("ada", "chat.sync")
        assert {room["channel"].partition(":")[2] for room in synced["channels"]} >= {"general"}
        assert len(synced["channels"]) == 2
        assert synced["badge"] == 0
        profile = await house.call("ada", "user.get", user="ada")
        assert (profile["name"], profile["time_zone"]) == ("Ada", "Europe/London")
        with pytest.raises(CommandRefused) as refused:
            await house.call("eve", "chat.send", channel="room:general", client_id="1", data=1)
        assert refused.value.error.code == 103


async def test_the_same_lines_again_change_nothing() -> None:
    async with moving() as house:
        await house.run(LINES)
        before = await house.call("ada", "chat.history", channel="room:general", events=True)
        progress = await house.run(LINES)
        assert (progress.messages, progress.duplicates) == (0, 3)
        after = await house.call("ada", "chat.history", channel="room:general", events=True)
        assert after == before


async def test_an_import_that_breaks_off_goes_on_where_it_was() -> None:
    async with moving() as house:

        class Dying:
            """A store that fails at the nth append."""

            def __init__(self, after: int) -> None:
                self.left = after

            def __getattr__(self, name: str) -> Any:
                method = getattr(house.parts.store, name)
                if name != "append":
                    return method

                async def append(*arguments: Any) -> Any:
                    if not self.left:
                        raise StoreUnavailable("it died")
                    self.left -= 1
                    return await method(*arguments)

                return append

        with pytest.raises(StoreUnavailable):
            await house.run(LINES, Dying(1))
        await house.run(LINES)
        history = await house.call("ada", "chat.history", channel="room:general")
        assert [message["client_id"] for message in history["messages"]] == ["old-1"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ({"type": "secret-type"}, "line 1: type: not what lines of this type have there"),
        ({"type": "user"}, "line 1: user: not what lines of this type have there"),
        ({"type": "user", "user": "a", "secret": 1}, "line 1: a field too many, or no object"),
        (
            {"type": "message", "channel": "feed:x", "id": "1", "user": "a", "at": 1, "data": 1},
            'line 1: channel: its namespace is no chat (`chat = "room"`)',
        ),
        (
            {"type": "message", "channel": "room:x", "id": "1", "user": "a", "at": 1, "data": 1},
            "line 1: channel: it has not been imported, nor made before",
        ),
        (
            {"type": "user", "user": "a", "avatar": "javascript:alert(1)"},
            "line 1: avatar: an https:// or http:// address expected",
        ),
        (
            {"type": "user", "user": "a", "name": "two\nlines"},
            "line 1: name: a line of text expected",
        ),
        (
            {"type": "channel", "channel": "room:x", "owner": "a", "custom": [1]},
            "line 1: custom: a small JSON object expected",
        ),
        (
            {"type": "member", "channel": "room:x", "user": "a", "role": "owner"},
            "line 1: role: not what lines of this type have there",
        ),
        (
            {"type": "member", "channel": "room:x", "user": "a", "at": 10**30},
            "line 1: at: not what lines of this type have there",
        ),
        (
            {"type": "direct", "namespace": "room", "users": []},
            "line 1: needs channel, or namespace and one or two users",
        ),
        (
            {
                "type": "reaction",
                "channel": "room:x",
                "message": {"id": "1", "user": "a"},
                "user": "b",
                "emoji": "x",
            },
            "line 1: channel: it has not been imported, nor made before",
        ),
    ],
)
async def test_what_is_wrong_is_said_by_line_and_field(line: dict[str, Any], problem: str) -> None:
    async with moving() as house:
        with pytest.raises(ImportRefused) as refused:
            await house.run([line])
        assert str(refused.value) == problem


async def test_the_same_id_for_another_message_is_refused() -> None:
    async with moving() as house:
        changed = {**LINES[4], "data": {"text": "something else"}}
        with pytest.raises(ImportRefused, match="line 4: id: another message"):
            await house.run([*LINES[:3], LINES[4], changed][1:])


async def test_a_message_is_what_the_namespace_takes() -> None:
    async with moving() as house:
        for broken in ("x" * 2_000, None):
            line = {**LINES[4], "data": broken}
            if broken is None:
                line["mentions"] = [f"user-{number}" for number in range(51)]
            with pytest.raises(ImportRefused, match=r"line 4: (data|mentions)"):
                await house.run([*LINES[:3], line])


async def test_what_is_answered_must_have_been_imported() -> None:
    async with moving() as house:
        with pytest.raises(ImportRefused, match="line 4: the message that it refers to"):
            await house.run([*LINES[:3], LINES[6]])


async def test_members_of_a_channel_that_is_there_are_brought_in_and_its_owner_stays() -> None:
    async with moving() as house:
        for user in ("ada", "bob", "eve"):
            await house.call(user, "user.update", user=user, client_id="1", name=user)
        await house.call(
            "ada",
            "chat.create",
            namespace="room",
            id="general",
            client_id="1",
            members=[{"user": "bob"}, {"user": "eve"}],
        )
        members = [{"user": f"member-{number}"} for number in range(150)]
        await house.run([{**LINES[2], "owner": "zoe", "members": members}])
        info = await house.call("ada", "chat.channel", channel="room:general")
        assert info["members"] == 153
        assert info["owner"] == "ada"


async def test_who_blocks_the_other_is_spared_their_direct_channel() -> None:
    async with moving() as house:
        await house.run([*LINES, {"type": "block", "user": "ada", "blocked": "bob"}])
        (pair,) = [
            row
            for row in await house.parts.store.find(MEMBERS, Span(), limit=99)
            if row.user == "ada" and row.blocks
        ]
        assert pair.channel.startswith("room:d-")
