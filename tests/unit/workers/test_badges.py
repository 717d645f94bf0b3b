"""The numbers on icons: counted as the app counts them, for as many as may be."""

from typing import Any

import pytest

import workers.badges as badges_module
from realtime.errors import UNKNOWN_CHANNEL, CommandRefused
from realtime.rows import CHANNELS, MEMBERS
from realtime.settings.schema import ChannelOptions
from realtime.stores.base import TableStore
from tests.support.chat import ManualClock
from tests.unit.workers.worker_house import ROOM, Failing, opened, put
from workers.badges import Badges


class Rules:
    """Channels that begin with "gone:" are not configured; Eve is banned from one."""

    def options(self, channel: str) -> ChannelOptions:
        if channel.startswith("gone:"):
            raise CommandRefused(UNKNOWN_CHANNEL)
        return ROOM

    def banned(self, user: str, channel: str) -> bool:
        return (user, channel) == ("eve", "room:a")


async def unread(
    store: TableStore,
    user: str,
    channel: str,
    count: int,
    *,
    role: str = "member",
    kind: str = "room",
) -> None:
    await put(store, CHANNELS, channel, kind=kind, members=2, head=9, head_n=9)
    await put(store, MEMBERS, channel, user, role=role, read=9 - count, read_n=9 - count)


def make(store: Any) -> Badges:
    return Badges(store, Rules(), ManualClock())


async def test_channels_with_something_unread_are_counted() -> None:
    async with opened() as store:
        await unread(store, "bob", "room:a", 2)
        await unread(store, "bob", "room:b", 1)
        await unread(store, "bob", "room:c", 0)
        await unread(store, "bob", "room:left", 5, role="")
        await unread(store, "bob", "feed:a", 5, role="follower", kind="feed")
        await unread(store, "eve", "room:a", 1)
        assert await make(store).of({"bob", "eve", "joe"}) == {"bob": 2, "eve": 0, "joe": 0}


async def test_channels_whose_namespace_is_configured_no_more_do_not_count() -> None:
    async with opened() as store:
        await unread(store, "bob", "gone:a", 2)
        await unread(store, "bob", "room:b", 1)
        assert await make(store).of({"bob"}) == {"bob": 1}


async def test_of_very_many_memberships_those_of_the_first_users_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(badges_module, "MEMBERSHIPS_MAX", 4)
    async with opened() as store:
        for user in ("bob", "eve", "joe"):
            await unread(store, user, "room:b", 1)
            await unread(store, user, "room:c", 1)
        assert await make(store).of({"bob", "eve"}) == {"bob": 2, "eve": 2}
        assert await make(store).of({"bob", "eve", "joe"}) == {"bob": 2, "eve": 2}
        for channel in "defgh":
            await unread(store, "bob", f"room:{channel}", 1)
        assert await make(store).of({"bob", "eve"}) == {}


async def test_many_users_are_counted_together() -> None:
    async with opened() as store:
        for number in range(100):
            await unread(store, f"u{number:03}", "room:b", number % 2)
        failing = Failing(store)
        found = await make(failing).of({f"u{number:03}" for number in range(100)})
        assert sum(found.values()) == 50
        assert len(failing.calls) <= 3
