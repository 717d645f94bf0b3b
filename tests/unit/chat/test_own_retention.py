"""What rooms are set to keep is at hand, right as soon as an entry passes, and read seldom."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec
import pytest

from realtime.chat import channel_events, own_retention
from realtime.chat.kept import KEEP_S
from realtime.chat.memberships import KeptMemberships
from realtime.chat.own_retention import ROWS, narrowed
from realtime.errors import StoreUnavailable
from realtime.model import EVERYTHING, NOTHING, Entry, NewEntry, Retention
from realtime.rows import CHANNELS, ChannelRow
from realtime.stores.base import Appended, Key, Row, Table, Value, Write
from realtime.stores.mongo import retention as mongo_retention
from realtime.stores.sqlite import SQLiteStore
from realtime.stores.sqlite import retention as sqlite_retention
from tests.support.chat import ManualClock

ROOM: Final = "room:a"
THREE: Final = Retention(3, 0)


class CountingStore(SQLiteStore):
    """Counts reads of rows, and is away on demand."""

    reads = 0
    is_away = False

    async def find(self, *args: Any, **options: Any) -> Sequence[Any]:
        self._count()
        return await super().find(*args, **options)

    async def get(self, table: Table[Row], keys: Sequence[Key]) -> Sequence[Row]:
        self._count()
        return await super().get(table, keys)

    def _count(self) -> None:
        self.reads += 1
        if self.is_away:
            raise StoreUnavailable("away")


class Node:
    """What a node keeps, over a store that others write too."""

    def __init__(self, store: CountingStore) -> None:
        self.store = store
        self.clock = ManualClock()
        self.kept = KeptMemberships(store, self.clock)

    async def write(self, channel: str = ROOM, **settings: Any) -> None:
        """Write a row as a fold does, whoever does."""
        row: dict[str, Value] = {"kind": "room", "keeps_less": int(bool(settings))}
        row["settings"] = msgspec.json.encode(settings)
        await self.store.write([Write(CHANNELS, (channel,), set=row)])

    async def append(self, **settings: Any) -> Entry:
        """Append an entry that waits to be folded; it has not passed."""
        data = msgspec.json.encode({"act": "update", "settings": settings})
        new = NewEntry(ROOM, "u:ann", str(self.store.reads), data, 0, kind="channel", pending=True)
        (outcome,) = await self.store.append([new])
        assert isinstance(outcome, Appended)
        return Entry(ROOM, outcome.offset, data, 0, "channel")

    async def look_up(self, channel: str = ROOM) -> Retention:
        return await self.kept.look_up_retention(channel)

    def known(self, channel: str = ROOM) -> Retention | None:
        return self.kept.known_retention(channel)


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    """A node over an empty store."""
    store = CountingStore(":memory:")
    await store.open()
    yield Node(store)
    await store.close()


async def test_a_node_that_starts_asks_before_it_says_anything(node: Node) -> None:
    await node.write(history_size=3)
    assert node.known() is None
    assert await node.look_up() == THREE


async def test_where_no_room_has_any_one_read_a_second_does_for_all(node: Node) -> None:
    await node.write("room:b")
    for number in range(100):
        assert await node.look_up(f"room:{number}") is EVERYTHING
        assert node.known(f"room:{number}") is EVERYTHING
    assert node.store.reads == 1
    node.clock.now_ms += int(KEEP_S * 1_000)
    assert node.known() is None
    assert await node.look_up() is EVERYTHING
    assert node.store.reads == 2


async def test_what_was_done_elsewhere_to_a_room_that_is_not_followed_is_known_in_a_second(
    node: Node,
) -> None:
    assert await node.look_up() is EVERYTHING
    await node.write(history_size=3)
    node.clock.now_ms += int(KEEP_S * 1_000)
    assert await node.look_up() == THREE
    await node.write(history_size=2)
    node.clock.now_ms += int(KEEP_S * 1_000)
    assert node.known() is None
    assert await node.look_up() == Retention(2, 0)


@pytest.mark.parametrize("way", ["passed", "heard"])
async def test_an_entry_is_in_force_as_soon_as_the_node_has_it(node: Node, way: str) -> None:
    if way == "passed":
        node.kept.opened(ROOM)
    assert await node.look_up() is EVERYTHING
    entry = await node.append(history_size=3)
    assert node.known() is EVERYTHING, "it has not come here yet"
    getattr(node.kept, way)(entry)
    assert node.known() is None
    assert await node.look_up() == THREE, "no row says so yet"


async def test_a_look_that_was_under_way_when_the_entry_came_does_not_count(node: Node) -> None:
    entry = await node.append(history_size=3)
    kept = node.kept

    class Late(CountingStore):
        async def find(self, *args: Any, **options: Any) -> Sequence[Any]:
            found = await CountingStore.find(self, *args, **options)
            if self.reads == 1:
                kept.heard(entry)
            return found

    node.store.__class__ = Late
    assert await node.look_up() == THREE


async def test_where_the_room_is_followed_it_is_read_once_until_an_entry_changes_it(
    node: Node,
) -> None:
    node.kept.opened(ROOM)
    await node.write(history_size=3)
    assert await node.look_up() == THREE
    reads = node.store.reads
    node.clock.now_ms += 1_000_000
    assert node.known() == THREE
    assert node.store.reads == reads
    node.kept.passed(await node.append(history_ttl_s=5))
    assert node.known() is None
    assert await node.look_up() == Retention(3, 5_000)
    node.kept.closed(ROOM)
    assert node.known() is None


async def test_others_rooms_are_read_for_themselves_while_one_has_it(node: Node) -> None:
    await node.write(history_size=3)
    assert await node.look_up("room:b") is EVERYTHING
    assert await node.look_up() == THREE


async def test_a_node_that_has_seen_an_entry_asks_from_then_on_whatever_rows_say(
    node: Node,
) -> None:
    node.kept.heard(await node.append(history_size=3))
    node.clock.now_ms += 1_000_000
    assert await node.look_up("room:b") is EVERYTHING
    assert await node.look_up() == THREE


async def test_what_was_missed_is_read_again(node: Node) -> None:
    node.kept.opened(ROOM)
    await node.write(history_size=3)
    assert await node.look_up() == THREE
    await node.write(history_size=2)
    node.kept.forget(ROOM)
    assert await node.look_up() == Retention(2, 0)


async def test_nothing_is_taken_to_be_kept_while_the_store_is_away(node: Node) -> None:
    node.store.is_away = True
    assert node.known() is None
    with pytest.raises(StoreUnavailable):
        await node.look_up()


async def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_retention, "ROOMS_MAX", 10)
    store = CountingStore(":memory:")
    await store.open()
    clock = ManualClock()
    kept = own_retention.OwnRetentions(store, clock, rooms_max=10)
    await Node(store).write(history_size=3)
    for number in range(100):
        kept.opened(f"room:{number}")
        await kept.look_up(f"room:{number}")
    assert len(kept._kept) == 10
    await store.close()


async def test_a_sweep_is_told_part_by_part(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_retention, "ROWS", 2)
    for name in ("a", "b", "c"):
        await node.write(f"room:{name}", history_size=3)
    await node.write("room:bb")
    after = narrowed(node.store, lambda name: NOTHING if name == "gone:a" else Retention(10, 0))
    first = await after("")
    assert [first(f"room:{name}") for name in ("a", "b", "bb")] == [THREE, THREE, Retention(10, 0)]
    # Those that were not read are not taken from by what others are set to.
    assert first("room:c") == Retention(10, 0)
    assert first("gone:a") == NOTHING
    second = await after("room:bb")
    assert second("room:c") == THREE


def test_a_part_of_a_sweep_is_told_of_all_its_rooms() -> None:
    assert max(sqlite_retention.CHANNELS_MAX, mongo_retention.CHANNELS_MAX) <= ROWS


def test_a_row_that_cannot_be_read_keeps_what_its_namespace_does() -> None:
    assert channel_events.own_retention(ChannelRow(ROOM, settings=b"{", keeps_less=1)) == EVERYTHING
