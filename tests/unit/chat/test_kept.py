"""Whoever holds on to a copy of what is kept sees when it is not so any more."""

from collections.abc import Callable
from typing import Final

import pytest

from realtime.chat.kept import Kept, KeptCopy
from tests.support.chat import ManualClock

ROOM: Final = "room:a"
LIVE_S: Final = 10.0


class Node:
    """Keeps two words at most; one channel is live."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.kept: Kept[str] = Kept(self.clock, kept_max=2, live_s=LIVE_S)
        self.kept.opened(ROOM)

    async def read(self, key: str = "ann", *, channel: str = ROOM) -> KeptCopy[str]:
        """Read what nobody has changed, and hold on to it."""

        async def read() -> str:
            return "member"

        await self.kept.look_up(channel, key, read)
        copy = self.kept.copy(channel, key)
        assert copy is not None
        assert copy.value == "member"
        return copy

    def holds(self, copy: KeptCopy[str]) -> bool:
        """Whether it does now."""
        return copy.holds(self.clock.monotonic())


async def test_a_copy_holds_while_what_is_kept_is_the_same() -> None:
    node = Node()
    copy = await node.read()
    assert node.kept.copy(ROOM, "ann") is copy
    node.kept.forget(ROOM, "bob")
    node.kept.closed("room:b")
    node.clock.now_ms += int(LIVE_S * 1000) - 1
    assert node.holds(copy)


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: kept.put(ROOM, "ann", "banned", offset=1),
        lambda kept: kept.put(ROOM, "ann", "member", offset=1),
        lambda kept: kept.doubt(ROOM, "ann", 1),
        lambda kept: kept.forget(ROOM, "ann"),
        lambda kept: kept.forget_all(ROOM),
        lambda kept: kept.closed(ROOM),
        lambda kept: kept.opened(ROOM),
    ],
    ids=["changed", "confirmed", "in doubt", "forgotten", "all forgotten", "not live", "live anew"],
)
async def test_a_copy_holds_no_longer_than_what_is_kept(
    change: Callable[[Kept[str]], None],
) -> None:
    node = Node()
    copy = await node.read()
    change(node.kept)
    assert not node.holds(copy)
    assert node.kept.copy(ROOM, "ann") is not copy


async def test_what_was_doubted_and_has_not_changed_holds_anew() -> None:
    node = Node()
    before = await node.read()
    node.kept.doubt(ROOM, "ann", 7)
    node.kept.put(ROOM, "ann", "member", offset=6)
    assert node.kept.copy(ROOM, "ann") is None, "the entry in question has not passed"
    node.kept.put(ROOM, "ann", "member", offset=7)
    after = node.kept.copy(ROOM, "ann")
    assert after is not None
    assert node.holds(after)
    assert not node.holds(before)


async def test_a_copy_does_not_hold_when_its_time_is_up() -> None:
    node = Node()
    copy = await node.read()
    node.clock.now_ms += int(LIVE_S * 1000)
    assert not node.holds(copy)


async def test_a_copy_does_not_hold_once_it_has_made_room_for_others() -> None:
    node = Node()
    copy = await node.read()
    for key in ("bob", "cid"):
        await node.read(key)
    assert len(node.kept) == 2
    assert not node.holds(copy)


async def test_where_the_channel_is_not_live_no_copy_is_held_on_to() -> None:
    node = Node()
    copy = await node.read(channel="room:b")
    assert node.kept.get("room:b", "ann") == "member"
    assert not node.holds(copy)
