"""What users have seen: by proof, by reading, and by what devices in the foreground have."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import msgspec
import pytest

from realtime.auth.device_names import device_name
from realtime.chat import seen
from realtime.chat.caller import Caller
from realtime.chat.ledger import stored
from realtime.chat.memberships import KeptMemberships
from realtime.chat.others import Others
from realtime.chat.service import ChatService
from realtime.errors import StoreUnavailable
from realtime.model import Entry, NewEntry
from realtime.push.waking import PUSH_WAKE, Wake
from realtime.rows import MEMBERS, MemberRow
from realtime.settings.push_schema import PushSettings
from realtime.settings.schema import ChannelOptions, ChatSettings
from realtime.stores.base import Appended, Removal, Write
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import FEED, ROOM, KeepingStage, ManualClock, caller

LOUD: Final = dataclasses.replace(ROOM, push="all")
NAMESPACES: Final[dict[str, ChannelOptions]] = {"loud": LOUD, "room": ROOM, "feed": FEED}
A: Final = "loud:a"


class FailingStore(SQLiteStore):
    """Refuses to write while `fails`, and counts the rows of its writes."""

    fails = False
    held: asyncio.Event | None = None

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.written: list[int] = []

    async def write(self, writes: Sequence[Write | Removal]) -> None:
        if self.held is not None:
            await self.held.wait()
        if self.fails:
            raise StoreUnavailable("away")
        self.written.append(len(writes))
        await super().write(writes)


@dataclasses.dataclass
class Place:
    """A service, with room A of ann and bob, in which there are three messages."""

    service: ChatService
    store: FailingStore
    stage: KeepingStage

    async def row(self, user: str, channel: str = A) -> MemberRow:
        """What there is of a member; the default for who has no row."""
        rows = await self.store.get(MEMBERS, [(channel, user)])
        return rows[0] if rows else MemberRow(channel, user)

    async def seen(self, user: str = "bob", channel: str = A) -> tuple[int, str]:
        """The marker, and who raised it, once what waits is written."""
        await self.service.seen.write()
        row = await self.row(user, channel)
        return row.seen, row.seen_by

    async def call(self, who: Caller, method: str, **params: Any) -> None:
        """Perform an operation; markers are written meanwhile."""
        running = asyncio.get_running_loop().create_task(self.service.inbox.markers.run())
        try:
            await self.service.call(who, method, msgspec.json.encode(params))
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def write(self, channel: str = A) -> Entry:
        """A message."""
        entry = NewEntry(channel, "u:ann", f"c{len(self.stage.entries)}", b'"hi"', 1, counts=True)
        outcome = await self.stage.append(entry)
        assert isinstance(outcome, Appended)
        return stored(entry, outcome.offset, outcome.at, outcome.n)


class Neighbours:
    """Other nodes, as far as they can be told something and say something."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.handlers: dict[str, tuple[type[Any], Callable[[Any], Awaitable[None]]]] = {}

    def on(self, kind: str, body: type[Any], handler: Callable[[Any], Awaitable[None]]) -> None:
        """See `realtime.chat.others.Words`."""
        self.handlers[kind] = body, handler

    def tell(self, kind: str, body: msgspec.Struct) -> None:
        """See `realtime.chat.others.Words`."""
        self.told.append(kind)

    async def say(self, kind: str) -> None:
        """One of them says it."""
        body, handler = self.handlers[kind]
        await handler(body())


@asynccontextmanager
async def place(
    push: PushSettings | None = None,
    wake: Wake | None = None,
    neighbours: Neighbours | None = None,
) -> AsyncIterator[Place]:
    """One with these settings."""
    store = FailingStore()
    await store.open()
    try:
        clock = ManualClock()
        stage = KeepingStage(store, NAMESPACES)
        service = ChatService(
            store=store,
            stage=stage,
            memberships=KeptMemberships(store, clock),
            clock=clock,
            settings=ChatSettings(),
            namespaces=NAMESPACES,
            data_max_bytes=1000,
            push=push or PushSettings(),
            wake=wake,
            others=Others(neighbours, None) if neighbours else None,  # type: ignore[arg-type]  # nothing is asked of leases before `run`
        )
        made = Place(service, store, stage)
        for channel in (A, "room:a"):
            members = [
                Write(MEMBERS, (channel, user), set={"role": "member"}) for user in ("ann", "bob")
            ]
            await store.write(members)
            for _ in range(3):
                await made.write(channel)
        store.written.clear()
        yield made
    finally:
        await store.close()


@pytest.fixture
async def here() -> AsyncIterator[Place]:
    async with place() as made:
        for user in ("ann", "bob"):
            made.service.connected(caller(user))
        yield made


BOB: Final = caller("bob")
HTTP: Final = Caller("bob", "user")


# What was shown.


async def test_what_was_shown_is_written_with_who_showed_it(here: Place) -> None:
    here.service.seen_by("bob", BOB.client, A, 2)
    assert await here.seen() == (2, BOB.client)


async def test_the_marker_goes_up_alone(here: Place) -> None:
    here.service.seen_by("bob", "one", A, 3)
    here.service.seen_by("bob", "two", A, 2)
    assert len(here.service.seen) == 1
    assert await here.seen() == (3, "one")
    here.service.seen_by("bob", "two", A, 1)
    assert await here.seen() == (3, "one")


async def test_a_device_that_has_said_its_name_is_called_by_it(here: Place) -> None:
    params = {"state": "active", "device_id": "phone-1"}
    await here.call(BOB, "presence.set", **params)
    here.service.seen_by("bob", BOB.client, A, 2)
    assert await here.seen() == (2, device_name("bob", "phone-1"))


async def test_a_stranger_gets_no_row(here: Place) -> None:
    here.service.seen_by("eve", "c", A, 2)
    assert await here.seen("eve") == (0, "")
    assert not await here.store.get(MEMBERS, [(A, "eve")])


async def test_what_is_shown_together_is_written_together(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "WRITES_MAX", 100)
    for number in range(250):
        here.service.seen_by(f"u{number}", "c", A, 2)
    await here.service.seen.write()
    assert here.store.written == [100, 100, 50]
    assert len(here.service.seen) == 0


async def test_what_the_store_did_not_take_is_written_the_next_time(here: Place) -> None:
    here.store.fails = True
    here.service.seen_by("bob", "one", A, 2)
    assert await here.seen() == (0, "")
    here.service.seen_by("bob", "two", A, 3)
    here.store.fails = False
    assert await here.seen() == (3, "two")
    assert len(here.service.seen) == 0


async def test_what_is_shown_during_a_write_is_not_forgotten(here: Place) -> None:
    here.store.held = asyncio.Event()
    here.service.seen_by("bob", "one", A, 2)
    async with asyncio.TaskGroup() as group:
        group.create_task(here.service.seen.write())
        await asyncio.sleep(0)
        here.service.seen_by("bob", "two", A, 3)
        here.store.held.set()
    assert await here.seen() == (3, "two")


async def test_there_is_an_end_to_what_waits(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "WAITING_MAX", 2)
    for user in ("ann", "bob", "cid"):
        here.service.seen_by(user, "c", A, 2)
    here.service.seen_by("ann", "c", A, 3)
    assert (len(here.service.seen), here.service.seen.dropped) == (2, 1)
    assert await here.seen("ann") == (3, "c")


async def test_it_is_written_once_a_second_and_when_the_node_stops(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "ROUND_S", 0.01)
    here.service.seen_by("bob", "one", A, 2)
    running = asyncio.get_running_loop().create_task(here.service.seen.run())
    async with asyncio.timeout(5):
        while len(here.service.seen):  # noqa: ASYNC110 - there is no event for tests
            await asyncio.sleep(0.01)
    monkeypatch.setattr(seen, "ROUND_S", 3600)
    await asyncio.sleep(0.05)
    here.service.seen_by("bob", "two", A, 3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await here.row("bob")).seen == 3


# Markers.


async def test_who_reads_has_seen(here: Place) -> None:
    await here.call(BOB, "presence.set", state="background")
    await here.call(BOB, "chat.read", channel=A, offset=2)
    assert await here.seen() == (2, BOB.client)
    await here.call(HTTP, "chat.read", channel=A)
    assert await here.seen() == (3, "http")


async def test_what_is_delivered_to_the_foreground_is_seen(here: Place) -> None:
    await here.call(BOB, "chat.delivered", channel=A, offset=2)
    assert await here.seen() == (2, BOB.client)
    assert (await here.row("bob")).delivered == 2


async def test_what_is_delivered_to_the_background_is_not(here: Place) -> None:
    await here.call(BOB, "presence.set", state="background")
    await here.call(BOB, "chat.delivered", channel=A, offset=2)
    await here.call(HTTP, "chat.delivered", channel=A, offset=3)
    assert await here.seen() == (0, "")
    assert (await here.row("bob")).delivered == 3
    await here.call(BOB, "presence.set", state="active")
    await here.call(BOB, "chat.delivered", channel=A, offset=3)
    assert await here.seen() == (3, BOB.client)


async def test_what_is_marked_as_unread_is_not_seen_by_it(here: Place) -> None:
    await here.call(BOB, "chat.unread", channel=A, offset=2)
    assert await here.seen() == (0, "")


async def test_where_there_is_no_push_nothing_is_kept(here: Place) -> None:
    await here.call(BOB, "chat.read", channel="room:a", offset=2)
    assert (await here.row("bob", "room:a")).read == 2
    assert await here.seen(channel="room:a") == (0, "")


# What counts as being in the foreground.


@pytest.mark.parametrize("undeclared", ["foreground", "background"])
async def test_who_says_nothing_counts_as_the_settings_say(undeclared: Any) -> None:
    async with place(PushSettings(undeclared=undeclared)) as here:
        service = here.service
        assert not service.is_foreground("bob", BOB.client)
        service.connected(BOB)
        assert service.is_foreground("bob", BOB.client) is (undeclared == "foreground")
        await here.call(BOB, "presence.set", state="active")
        assert service.is_foreground("bob", BOB.client)
        await here.call(BOB, "presence.set", state="away")
        assert not service.is_foreground("bob", BOB.client)
        service.departed(BOB)
        assert not service.is_foreground("bob", BOB.client)
        service.connected(BOB)
        assert service.is_foreground("bob", BOB.client) is (undeclared == "foreground")


async def test_what_is_said_over_http_of_a_device_counts_too() -> None:
    async with place(PushSettings(undeclared="background")) as here:
        here.service.connected(BOB)
        await here.call(HTTP, "presence.set", state="active")
        assert here.service.is_foreground("bob", BOB.client)
        await here.call(HTTP, "presence.set", state="background")
        assert not here.service.is_foreground("bob", BOB.client)


# Waking.


async def test_messages_of_rooms_with_push_wake_whoever_tells_of_them() -> None:
    woken: list[None] = []
    async with place(wake=lambda: woken.append(None)) as here:
        here.service.committed(await here.write("room:a"))
        entry = await here.write()
        here.service.committed(msgspec.structs.replace(entry, kind="reaction"))
        assert woken == []
        here.service.committed(entry)
        assert len(woken) == 1


async def test_other_nodes_are_told_and_say_so_themselves() -> None:
    woken: list[None] = []
    neighbours = Neighbours()
    async with place(wake=lambda: woken.append(None), neighbours=neighbours) as here:
        here.service.committed(await here.write())
        assert (len(woken), neighbours.told) == (1, [PUSH_WAKE])
        await neighbours.say(PUSH_WAKE)
        assert (len(woken), neighbours.told) == (2, [PUSH_WAKE])


async def test_a_node_that_tells_nobody_of_messages_leaves_it_to_the_others() -> None:
    neighbours = Neighbours()
    async with place(neighbours=neighbours) as here:
        here.service.committed(await here.write())
        assert neighbours.told == [PUSH_WAKE]
        assert PUSH_WAKE not in neighbours.handlers
