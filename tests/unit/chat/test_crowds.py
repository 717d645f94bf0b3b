"""Which channels have too many members for reactions to be told one by one."""

from collections.abc import AsyncIterator
from typing import Final

import pytest

from realtime.chat.crowds import LOOK_S, Crowds
from realtime.rows import CHANNELS
from realtime.settings.schema import ChatSettings
from realtime.stores.base import Write
from tests.support.chat import ChatParts, chat_parts

MEMBERS_MAX: Final = 3


@pytest.fixture
async def parts() -> AsyncIterator[ChatParts]:
    async with chat_parts(ChatSettings(reactions_members_max=MEMBERS_MAX)) as made:
        yield made


@pytest.fixture
def crowds(parts: ChatParts) -> Crowds:
    return Crowds(parts.around, parts.memberships.rooms)


async def have(parts: ChatParts, channel: str, members: int) -> None:
    kind = "feed" if channel.startswith("feed") else "room"
    write = Write(CHANNELS, (channel,), set={"kind": kind, "members": members})
    await parts.store.write([write])


async def merges(crowds: Crowds, channel: str) -> bool:
    """What is told once it has been looked at, if it was due."""
    crowds.merges_reactions(channel)
    await crowds.look_due()
    return crowds.merges_reactions(channel)


@pytest.mark.parametrize(
    ("channel", "members", "is_large"),
    [("room:a", 3, False), ("room:a", 4, True), ("feed:a", 3, False), ("feed:a", 4, True)],
)
async def test_the_bound_is_the_last_number_that_is_not_large(
    parts: ChatParts, crowds: Crowds, channel: str, members: int, is_large: bool
) -> None:
    await have(parts, channel, members)
    assert await merges(crowds, channel) is is_large


async def test_nobody_waits_for_the_first_answer(parts: ChatParts, crowds: Crowds) -> None:
    await have(parts, "room:a", 4)
    assert not crowds.merges_reactions("room:a")
    assert not await merges(crowds, "room:nobody")
    assert crowds.merges_reactions("room:a")


async def test_a_channel_crosses_the_bound_both_ways(parts: ChatParts, crowds: Crowds) -> None:
    """With the first reactions after it was looked at again, however many come meanwhile."""
    told = []
    for members in (3, 4, 3, 4):
        await have(parts, "room:a", members)
        told.append(await merges(crowds, "room:a"))
        parts.clock.now_ms += 1_000
        told.append(await merges(crowds, "room:a"))
        parts.clock.now_ms += int(LOOK_S * 1_000)
    assert told == [False, False, True, True, False, False, True, True]


async def test_a_channel_of_many_reactions_is_looked_at_once_in_a_while(
    parts: ChatParts, crowds: Crowds, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    look_up = parts.memberships.rooms.look_up

    async def counted(channel: str) -> object:
        looks.append(channel)
        return await look_up(channel)

    monkeypatch.setattr(parts.memberships.rooms, "look_up", counted)
    for _ in range(1_000):
        await merges(crowds, "room:a")
        parts.clock.now_ms += 30
    assert len(looks) == 3
