"""What a node keeps of channels is never behind what has passed there, nor grants what is gone."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from realtime.chat import waiting
from realtime.chat.kept import KEEP_S, TRIES_MAX
from realtime.chat.member_events import MemberEvent
from realtime.chat.memberships import KeptMemberships
from realtime.chat.rooms import NOWHERE, ROOM_S
from realtime.chat.standing import NOBODY, Standing
from realtime.errors import StoreUnavailable
from realtime.model import Entry, NewEntry
from realtime.rows import CHANNELS, MEMBERS
from realtime.stores.base import Appended, Key, Row, Table, Write
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import ManualClock

ROOM = "room:a"


class SlowStore(SQLiteStore):
    """A store whose reads of rows wait for a test, or fail."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.reads = 0
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken = False

    async def get(self, table: Table[Row], keys: Sequence[Key]) -> Sequence[Row]:
        """See base; what is answered is as of before the wait."""
        self.reads += 1
        found = await super().get(table, keys)
        self.begun.set()
        await self.gate.wait()
        if self.broken:
            raise StoreUnavailable("broken on purpose")
        return found

    def hold(self) -> None:
        """Have reads wait from now on."""
        self.begun.clear()
        self.gate.clear()


class Node:
    """Memberships over a store, and entries that pass there."""

    def __init__(self, store: SlowStore, *, standings_max: int = 1_000) -> None:
        self.store = store
        self.clock = ManualClock()
        self.kept = KeptMemberships(store, self.clock, standings_max=standings_max)
        self.client_ids = itertools.count()

    async def set_role(self, user: str, role: str, offset: int = 0) -> None:
        """Write a row as a fold does."""
        await self.store.write([Write(MEMBERS, (ROOM, user), set={"role": role, "offset": offset})])

    async def append(self, event: MemberEvent | bytes, kind: Any = "member") -> Entry:
        """Append an entry that waits to be folded; it has not passed."""
        data = event if isinstance(event, bytes) else msgspec.json.encode(event)
        client_id = str(next(self.client_ids))
        new = NewEntry(ROOM, "u:ann", client_id, data, self.clock.now_ms, kind=kind, pending=True)
        (outcome,) = await self.store.append([new])
        assert isinstance(outcome, Appended)
        return Entry(ROOM, outcome.offset, data, new.at, kind=kind)

    async def role(self, user: str) -> str:
        """What the user is now."""
        return (await self.kept.look_up(ROOM, user)).role

    def known(self, user: str) -> str | None:
        """What the user is, as far as is at hand."""
        standing = self.kept.known(ROOM, user)
        return None if standing is None else standing.role


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    """A node over an empty store."""
    store = SlowStore()
    await store.open()
    yield Node(store)
    await store.close()


KICK = MemberEvent("kick", "bob")


async def test_strangers_are_nobody(node: Node) -> None:
    assert await node.kept.look_up(ROOM, "bob") is NOBODY


async def test_where_nothing_passes_a_standing_is_kept_for_a_second(node: Node) -> None:
    await node.set_role("bob", "member")
    assert node.known("bob") is None
    assert await node.role("bob") == "member"
    await node.set_role("bob", "")
    assert node.known("bob") == "member"
    node.clock.now_ms += int(KEEP_S * 1_000)
    assert node.known("bob") is None
    assert await node.role("bob") == ""


async def test_where_entries_pass_a_standing_is_kept_until_one_changes_it(node: Node) -> None:
    await node.set_role("bob", "member")
    node.kept.opened(ROOM)
    assert await node.role("bob") == "member"
    node.clock.now_ms += 1_000_000_000
    assert node.known("bob") == "member"
    reads = node.store.reads
    node.kept.passed(await node.append(KICK))
    assert node.known("bob") == ""
    assert node.store.reads == reads


async def test_of_a_channel_that_is_not_followed_an_entry_has_the_row_read_again(
    node: Node,
) -> None:
    await node.set_role("bob", "member")
    await node.role("bob")
    node.kept.passed(await node.append(KICK))
    assert node.known("bob") is None
    assert await node.role("bob") == ""


async def test_an_entry_that_is_ahead_of_others_is_not_applied_before_them(node: Node) -> None:
    await node.set_role("bob", "member")
    node.kept.opened(ROOM)
    await node.role("bob")
    kick = await node.append(KICK)
    rise = await node.append(MemberEvent("role", "bob", "moderator"))
    node.kept.heard(rise)
    assert node.known("bob") is None
    assert await node.role("bob") == ""
    for entry in (kick, rise):
        node.kept.passed(entry)
        assert node.known("bob") == ""


async def test_what_was_in_doubt_is_known_again_when_its_entry_has_passed(node: Node) -> None:
    await node.set_role("bob", "member")
    node.kept.opened(ROOM)
    await node.role("bob")
    mute = await node.append(MemberEvent("mute", "bob", until=-1))
    kick = await node.append(KICK)
    node.kept.heard(kick)
    node.kept.passed(mute)
    assert node.known("bob") is None
    node.kept.passed(kick)
    assert node.known("bob") == ""
    # Told of again, as buses do, it says nothing new.
    node.kept.heard(kick)
    assert node.known("bob") == ""


async def test_a_row_that_lags_behind_the_log_does_not_grant(node: Node) -> None:
    await node.set_role("bob", "member")
    await node.append(KICK)
    assert await node.role("bob") == ""


async def test_what_is_folded_already_is_not_applied_again(node: Node) -> None:
    entry = await node.append(KICK)
    await node.set_role("bob", "member", offset=entry.offset + 1)
    assert await node.role("bob") == "member"


async def test_a_standing_may_hang_on_transfers_that_wait(node: Node) -> None:
    await node.set_role("ann", "owner")
    await node.set_role("bob", "member")
    await node.set_role("cat", "member")
    await node.append(MemberEvent("transfer", "bob", previous="ann"))
    await node.append(MemberEvent("transfer", "cat", previous="bob"))
    await node.append(MemberEvent("transfer", "ann", previous="bob"))
    roles = [await node.role(user) for user in ("ann", "bob", "cat")]
    assert roles == ["moderator", "moderator", "owner"]


async def test_an_entry_that_passes_during_a_look_up_is_not_missed(node: Node) -> None:
    await node.set_role("bob", "member")
    node.kept.opened(ROOM)
    node.store.hold()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(node.role("bob"))
        await node.store.begun.wait()
        second = group.create_task(node.role("bob"))
        await asyncio.sleep(0)
        node.kept.passed(await node.append(KICK))
        node.store.gate.set()
    assert (first.result(), second.result()) == ("", "")
    assert node.known("bob") == ""


async def test_an_entry_that_passes_after_a_look_up_is_not_missed_by_who_waited(node: Node) -> None:
    await node.set_role("bob", "member")
    node.kept.opened(ROOM)
    node.store.hold()
    roles = []

    async def leader() -> None:
        await node.kept.look_up(ROOM, "bob")
        node.kept.passed(entry)

    async def waiter() -> None:
        roles.append(await node.role("bob"))

    async with asyncio.TaskGroup() as group:
        group.create_task(leader())
        await node.store.begun.wait()
        group.create_task(waiter())
        await asyncio.sleep(0)
        entry = Entry(ROOM, 1, msgspec.json.encode(KICK), node.clock.now_ms, kind="member")
        node.store.gate.set()
    assert roles == [""]


async def test_look_ups_at_the_same_time_are_one(node: Node) -> None:
    node.store.hold()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(node.role("bob")) for _ in range(20)]
        await node.store.begun.wait()
        await asyncio.sleep(0)
        node.store.gate.set()
    assert node.store.reads == 1
    assert {task.result() for task in tasks} == {""}


async def test_whoever_waits_goes_on_when_the_first_is_cancelled(node: Node) -> None:
    await node.set_role("bob", "member")
    node.store.hold()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(node.role("bob"))
        await node.store.begun.wait()
        second = group.create_task(node.role("bob"))
        await asyncio.sleep(0)
        first.cancel()
        node.store.gate.set()
    assert second.result() == "member"


async def test_a_read_that_fails_is_told_and_not_kept(node: Node) -> None:
    node.store.broken = True
    with pytest.raises(StoreUnavailable):
        await node.role("bob")
    node.store.broken = False
    await node.set_role("bob", "member")
    assert await node.role("bob") == "member"


async def test_what_was_read_before_the_channel_was_followed_is_not_kept(node: Node) -> None:
    await node.set_role("bob", "member")
    await node.role("bob")
    node.kept.opened(ROOM)
    assert node.known("bob") is None
    node.store.hold()
    async with asyncio.TaskGroup() as group:
        looked_up = group.create_task(node.role("bob"))
        await node.store.begun.wait()
        node.kept.closed(ROOM)
        node.kept.opened(ROOM)
        await node.set_role("bob", "reader")
        node.store.gate.set()
    assert looked_up.result() == "reader"


async def test_what_is_not_followed_any_more_is_not_known(node: Node) -> None:
    node.kept.opened(ROOM)
    await node.role("bob")
    node.kept.closed(ROOM)
    assert node.known("bob") is None


@pytest.mark.parametrize("user", ["", "bob"])
@pytest.mark.parametrize("followed", [True, False])
async def test_after_something_was_missed_rows_are_read_again(
    node: Node, user: str, followed: bool
) -> None:
    if followed:
        node.kept.opened(ROOM)
    await node.role("bob")
    await node.role("cat")
    await node.set_role("bob", "member")
    node.kept.forget(ROOM, user)
    assert (node.known("bob"), node.known("cat")) == (None, None if user == "" else "")
    assert await node.role("bob") == "member"


async def test_a_transfer_between_one_who_is_known_and_one_who_is_not(node: Node) -> None:
    node.kept.opened(ROOM)
    await node.set_role("ann", "owner")
    await node.set_role("bob", "member")
    await node.role("bob")
    node.kept.passed(await node.append(MemberEvent("transfer", "bob", previous="ann")))
    assert node.known("bob") is None
    assert await node.role("bob") == "owner"


async def test_standings_that_are_not_asked_for_go_first() -> None:
    store = SlowStore()
    await store.open()
    node = Node(store, standings_max=2)
    node.kept.opened(ROOM)
    for user in ("ann", "bob"):
        await node.role(user)
    node.known("ann")
    await node.role("cat")
    assert [node.known(user) for user in ("ann", "bob", "cat")] == ["", None, ""]
    await store.close()


async def test_a_standing_that_changes_at_every_try_is_not_told(node: Node) -> None:
    node.kept.opened(ROOM)
    original = node.store.get
    tries = 0

    async def changing(table: Table[Row], keys: Sequence[Key]) -> Sequence[Row]:
        nonlocal tries
        tries += 1
        node.kept.forget(ROOM)
        return await original(table, keys)

    node.store.get = changing  # type: ignore[method-assign]  # a store under a storm of changes
    with pytest.raises(StoreUnavailable):
        await node.role("bob")
    assert tries == TRIES_MAX


async def test_above_so_many_that_wait_nobody_is_told_anything(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAITING_MAX", 3)
    for _ in range(2):
        await node.append(KICK)
    assert await node.role("bob") == ""
    await node.append(KICK)
    node.kept.forget(ROOM)
    with pytest.raises(StoreUnavailable):
        await node.role("bob")
    # The oldest can be folded all the same.
    assert len(await waiting.waiting_before(node.store, ROOM, 3)) == 2
    await node.append(KICK)
    with pytest.raises(StoreUnavailable):
        await waiting.waiting_before(node.store, ROOM, 4)


# Rooms are kept by the same means.


async def test_a_room_that_nobody_has_made_is_nowhere(node: Node) -> None:
    assert await node.kept.rooms.look_up(ROOM) is NOWHERE


async def test_a_room_is_read_again_after_an_entry_that_changes_it(node: Node) -> None:
    await node.store.write([Write(CHANNELS, (ROOM,), set={"kind": "room", "members": 3})])
    rooms = node.kept.rooms
    node.kept.opened(ROOM)
    room = await rooms.look_up(ROOM)
    assert (room.archived, room.announce, room.members) == (False, False, 3)
    for data in (b'{"act":"archive"}', b'{"act":"update","settings":{"announce":true}}'):
        entry = await node.append(data, kind="channel")
        assert rooms.known(ROOM) is not None
        node.kept.passed(entry)
        assert rooms.known(ROOM) is None
        await rooms.look_up(ROOM)
    room = await rooms.look_up(ROOM)
    assert (room.archived, room.announce) == (True, True)
    node.kept.heard(entry)
    assert rooms.known(ROOM) is None
    await rooms.look_up(ROOM)
    node.kept.passed(await node.append(KICK))
    assert rooms.known(ROOM) is not None
    node.kept.passed(await node.append(MemberEvent("leave", "ann", last=True)))
    assert rooms.known(ROOM) is None


async def test_how_many_members_a_room_has_is_read_again_after_a_while(node: Node) -> None:
    node.kept.opened(ROOM)
    await node.kept.rooms.look_up(ROOM)
    node.clock.now_ms += int(ROOM_S * 1_000) - 1
    assert node.kept.rooms.known(ROOM) is not None
    node.clock.now_ms += 1
    assert node.kept.rooms.known(ROOM) is None


async def test_standings_are_of_the_entry_they_are_as_of(node: Node) -> None:
    await node.set_role("bob", "member", offset=0)
    entry = await node.append(MemberEvent("mute", "bob", until=-1))
    assert await node.kept.look_up(ROOM, "bob") == Standing("member", -1, 0, entry.offset)
