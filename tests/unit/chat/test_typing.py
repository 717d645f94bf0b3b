from collections.abc import AsyncIterator

import pytest

from realtime.chat import typing as module
from realtime.chat.caller import Caller
from realtime.chat.calls.presence import SetTyping
from realtime.chat.operations import DONE
from realtime.chat.refusals import denied
from realtime.chat.rooms import Room
from realtime.chat.tiers import Tiers
from realtime.chat.typing import Typing
from realtime.errors import CallRefused
from realtime.model import ClientInfo, Entry
from realtime.settings.schema import ChannelOptions, ChatSettings
from tests.support.chat import ChatParts, caller, chat_parts

ROOM = "room:a"
START = 1_700_000_000_000


class Gate:
    """Who may write, and how many members the room has."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.members = 3

    async def check(self, caller: Caller, channel: str, options: ChannelOptions) -> Room:
        if caller.user in self.refused:
            raise denied("role")
        return Room("room", members=self.members)


@pytest.fixture
async def parts() -> AsyncIterator[ChatParts]:
    async with chat_parts(ChatSettings(typing_members_max=50)) as made:
        yield made


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def typing(parts: ChatParts, gate: Gate) -> Typing:
    return Typing(parts.around, Tiers(parts.stage), check=gate.check)


def began(user: str, at: int) -> tuple[str, str, bytes]:
    return (ROOM, "typing", b'{"user":"%s","until":%d}' % (user.encode(), at + 6_000))


def ended(user: str) -> tuple[str, str, bytes]:
    return (ROOM, "typing", b'{"user":"%s","until":0}' % user.encode())


def message_of(user: str, channel: str = ROOM) -> Entry:
    return Entry(channel, 1, b"{}", START, info=ClientInfo(user, "c"))


async def test_others_are_told_until_when_to_believe_it(parts: ChatParts, typing: Typing) -> None:
    assert await typing.set(caller("ann"), SetTyping(ROOM)) == DONE
    assert parts.stage.signals == [began("ann", START)]


async def test_they_are_told_at_most_once_in_three_seconds(
    parts: ChatParts, typing: Typing
) -> None:
    for _ in range(60):
        assert await typing.set(caller("ann"), SetTyping(ROOM)) == DONE
        parts.clock.now_ms += 100
    assert parts.stage.signals == [began("ann", START), began("ann", START + 3_000)]


async def test_each_user_and_channel_is_told_of(parts: ChatParts, typing: Typing) -> None:
    await typing.set(caller("ann"), SetTyping(ROOM))
    await typing.set(caller("bob"), SetTyping(ROOM))
    await typing.set(caller("ann"), SetTyping("room:b"))
    assert len(parts.stage.signals) == 3


async def test_a_message_ends_it_once(parts: ChatParts, typing: Typing) -> None:
    await typing.set(caller("ann"), SetTyping(ROOM))
    typing.committed(message_of("ann"))
    typing.committed(message_of("ann"))
    assert parts.stage.signals == [began("ann", START), ended("ann")]


async def test_nothing_ends_that_had_not_begun(parts: ChatParts, typing: Typing) -> None:
    await typing.set(caller("ann"), SetTyping(ROOM))
    typing.committed(message_of("bob"))
    typing.committed(message_of("ann", "room:b"))
    typing.committed(Entry(ROOM, 1, b"{}", START, kind="edit", info=ClientInfo("ann", "c")))
    typing.committed(Entry(ROOM, 1, b"{}", START))
    await typing.set(caller("bob"), SetTyping(ROOM, typing=False))
    parts.clock.now_ms += 6_000
    typing.committed(message_of("ann"))
    assert parts.stage.signals == [began("ann", START)]


async def test_whoever_stops_and_begins_again_is_not_told_of_more_often(
    parts: ChatParts, typing: Typing
) -> None:
    for _ in range(10):
        await typing.set(caller("ann"), SetTyping(ROOM))
        await typing.set(caller("ann"), SetTyping(ROOM, typing=False))
    assert parts.stage.signals == [began("ann", START), ended("ann")]


async def test_whoever_may_not_write_may_not_type(
    parts: ChatParts, gate: Gate, typing: Typing
) -> None:
    gate.refused.add("eve")
    with pytest.raises(CallRefused):
        await typing.set(caller("eve"), SetTyping(ROOM))
    assert parts.stage.signals == []


async def test_a_feed_has_no_typing(typing: Typing) -> None:
    with pytest.raises(CallRefused) as refused:
        await typing.set(caller("ann"), SetTyping("feed:a"))
    assert refused.value.error.code == 404


async def test_it_is_off_with_many_members(parts: ChatParts, gate: Gate, typing: Typing) -> None:
    gate.members = 51
    assert await typing.set(caller("ann"), SetTyping(ROOM)) == DONE
    assert parts.stage.signals == []
    gate.members = 50
    await typing.set(caller("ann"), SetTyping(ROOM))
    assert len(parts.stage.signals) == 1


async def test_it_is_off_in_large_tiers(parts: ChatParts, typing: Typing) -> None:
    parts.stage.subscribed[ROOM] = 2_001
    assert await typing.set(caller("ann"), SetTyping(ROOM)) == DONE
    assert [signal[1] for signal in parts.stage.signals] == ["tier"]


async def test_what_is_known_of_typists_shrinks_and_is_bounded(
    parts: ChatParts, typing: Typing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TYPISTS_MAX", 10)
    for number in range(20):
        await typing.set(caller(f"user {number}"), SetTyping(ROOM))
    assert len(typing) == 10
    parts.clock.now_ms += 7_000
    for number in range(10):
        await typing.set(caller(f"user {number % 2}"), SetTyping(ROOM))
    assert len(typing) <= 8
