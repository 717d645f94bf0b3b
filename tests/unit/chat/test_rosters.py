from collections.abc import AsyncIterator

import msgspec
import pytest

from realtime.chat.member_events import MemberEvent
from realtime.model import Entry, NewEntry
from realtime.rows import MEMBERS
from realtime.stores.base import Write
from tests.support.chat import ChatParts, chat_parts

ROOM = "room:a"


@pytest.fixture
async def parts() -> AsyncIterator[ChatParts]:
    async with chat_parts() as made:
        yield made


async def join(parts: ChatParts, user: str, role: str = "member") -> None:
    await parts.store.write([Write(MEMBERS, (ROOM, user), set={"role": role})])


async def users(parts: ChatParts, most: int = 10) -> tuple[str, ...] | None:
    return (await parts.memberships.rosters.look_up(ROOM, most)).users


async def test_a_roster_has_everyone_who_is_in_a_room(parts: ChatParts) -> None:
    for user, role in (("ann", "owner"), ("bob", "member"), ("eve", "reader")):
        await join(parts, user, role)
    for user, role in (("gone", ""), ("bad", "banned"), ("fan", "follower")):
        await join(parts, user, role)
    assert sorted(await users(parts) or ()) == ["ann", "bob", "eve"]


async def test_a_roster_that_is_too_long_is_none(parts: ChatParts) -> None:
    for index in range(3):
        await join(parts, f"user{index}")
    assert await users(parts, most=2) is None


async def test_a_roster_is_kept_where_entries_tell_of_changes_and_read_again_when_they_do(
    parts: ChatParts,
) -> None:
    parts.memberships.opened(ROOM)
    await join(parts, "ann")
    assert await users(parts) == ("ann",)
    await join(parts, "bob")
    parts.clock.now_ms += 10_000
    assert await users(parts) == ("ann",)
    left = msgspec.json.encode(MemberEvent("join", "bob"))
    parts.memberships.passed(Entry(ROOM, 9, left, 1, "member"))
    assert await users(parts) == ("ann", "bob")
    await join(parts, "ann", "")
    parts.memberships.forget(ROOM)
    assert await users(parts) == ("bob",)


async def test_where_nothing_tells_of_changes_a_roster_is_kept_for_a_second(
    parts: ChatParts,
) -> None:
    await join(parts, "ann")
    assert await users(parts) == ("ann",)
    await join(parts, "bob")
    parts.clock.now_ms += 1_001
    assert await users(parts) == ("ann", "bob")


async def test_who_is_being_removed_is_not_in_a_roster_any_more(parts: ChatParts) -> None:
    await join(parts, "ann")
    await join(parts, "bob")
    event = msgspec.json.encode(MemberEvent("kick", "bob"))
    await parts.store.append(
        [NewEntry(ROOM, "u:ann", "c1", event, parts.clock.now_ms, "member", pending=True)]
    )
    assert await users(parts) == ("ann",)
