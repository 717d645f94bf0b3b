"""Messages become jobs: whose, due when, and what happens to those that cannot."""

from collections.abc import Collection, Mapping
from typing import Any

import pytest

import workers.dispatching as dispatching
from realtime.chat.calls.presence import DeviceState
from realtime.push.jobs import LARGE, SMALL, Jobs
from realtime.rows import CHANNELS, MEMBERS
from realtime.settings.durations import Duration
from realtime.settings.push_schema import PushSettings
from realtime.stores.base import Write
from tests.support.chat import ManualClock
from tests.unit.workers.worker_house import (
    AWAY,
    NOW,
    Failing,
    jobs_of,
    make_room,
    opened,
    options,
    put,
    say,
    waiting,
)
from workers.dispatching import ASIDE_MS, PAGE, Dispatcher

SETTINGS = PushSettings(
    ack_wait=Duration(5_000), background_wait=Duration(1_000), ttl=Duration(86_400_000), small_max=3
)


WALKED = 4
"""Members of a page of a large room, in tests that look at pages."""


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatching, "WALK_PAGE", WALKED)


class Whereabouts:
    """Says what the test says."""

    def __init__(self, **states: DeviceState) -> None:
        self._states = states

    async def states(self, users: Collection[str]) -> Mapping[str, DeviceState]:
        return {user: state for user, state in self._states.items() if user in users}


async def turn(dispatcher: Dispatcher) -> bool:
    """A round, and then a page of a large channel; whether there is more."""
    is_more = await dispatcher.round()
    return await dispatcher.walk() or is_more


def make(store: Any, clock: ManualClock | None = None, **fields: Any) -> Dispatcher:
    return Dispatcher(
        store,
        Jobs(store),
        **{
            "options": options,
            "whereabouts": Whereabouts(),
            "settings": SETTINGS,
            "clock": clock or ManualClock(),
            **fields,
        },
    )


async def test_a_message_becomes_a_job_for_everybody_but_its_sender_and_is_marked_no_more() -> None:
    async with opened() as store:
        await make_room(store, "room:a", "ann", "bob", "eve")
        offset = await say(store, "room:a")
        dispatcher = make(store)
        assert not await turn(dispatcher)
        jobs = await jobs_of(store)
        assert list(jobs) == [("bob", "room:a"), ("eve", "room:a")]
        job = jobs["bob", "room:a"]
        assert (job.offset, job.due_at, job.first_at, job.lane) == (offset, NOW, NOW, SMALL)
        assert await waiting(store) == []
        assert (dispatcher.dispatched, dispatcher.raised) == (1, 2)


async def test_who_is_connected_has_some_time_to_see_it() -> None:
    async with opened() as store:
        await make_room(store, "room:a", "bob", "eve", "joe")
        await say(store, "room:a")
        whereabouts = Whereabouts(bob="active", eve="background")
        await make(store, whereabouts=whereabouts).round()
        due = {user: job.due_at - NOW for (user, _), job in (await jobs_of(store)).items()}
        assert due == {"bob": 5_000, "eve": 1_000, "joe": 0}


async def test_of_several_messages_the_newest_has_its_time_too() -> None:
    async with opened() as store:
        await make_room(store, "room:a", "bob")
        await say(store, "room:a")
        offset = await say(store, "room:a", at=NOW + 4_000)
        await make(store, whereabouts=Whereabouts(bob="active")).round()
        job = (await jobs_of(store))["bob", "room:a"]
        assert (job.offset, job.first_at, job.wait_until) == (offset, NOW, NOW + 9_000)


async def test_the_newest_message_is_told_of_though_its_clock_was_behind() -> None:
    async with opened() as store:
        await make_room(store, "room:a", "bob")
        await say(store, "room:a", at=NOW)
        newest = await say(store, "room:a", at=NOW - 50)
        await make(store).round()
        assert (await jobs_of(store))["bob", "room:a"].offset == newest
        assert await waiting(store) == []


async def test_what_nobody_can_be_told_of_is_marked_no_more() -> None:
    async with opened() as store:
        for channel in ("gone:a", "quiet:a", "room:feed"):
            await make_room(store, channel, "bob", kind="feed" if "feed" in channel else "room")
            await say(store, channel)
        await say(store, "room:unknown")
        await make(store).round()
        assert await jobs_of(store) == {}
        assert await waiting(store) == []


async def test_only_who_is_in_the_room_is_told() -> None:
    async with opened() as store:
        await make_room(store, "room:a", "bob")
        for user, role in (("eve", ""), ("joe", "banned"), ("kim", "reader")):
            await put(store, MEMBERS, "room:a", user, role=role)
        await say(store, "room:a")
        await make(store).round()
        assert list(await jobs_of(store)) == [("bob", "room:a"), ("kim", "room:a")]


async def test_a_room_that_most_have_left_is_looked_through_to_its_end() -> None:
    async with opened() as store:
        left = [f"a{number:05}" for number in range(2 * PAGE + 7)]
        for name in ("room:a", "room:b"):
            await make_room(store, name, *left, "bob")
            await put(store, CHANNELS, name, members=1)
            for start in range(0, len(left), PAGE):
                await store.write(
                    [
                        Write(MEMBERS, (name, user), set={"role": ""})
                        for user in left[start : start + PAGE]
                    ]
                )
            await say(store, name)
        await make(store).round()
        assert list(await jobs_of(store)) == [("bob", "room:a"), ("bob", "room:b")]


async def test_a_large_room_is_walked_page_by_page_and_holds_up_nobody(small_pages: None) -> None:
    async with opened() as store:
        users = [f"u{number:05}" for number in range(2 * WALKED + 1)]
        await make_room(store, "room:large", *users)
        await make_room(store, "room:small", "bob")
        await say(store, "room:large")
        dispatcher = make(store)
        assert await turn(dispatcher)
        assert len(await jobs_of(store)) == WALKED
        await say(store, "room:small")
        assert await turn(dispatcher)
        jobs = await jobs_of(store)
        assert len(jobs) == 2 * WALKED + 1
        assert jobs["bob", "room:small"].lane == SMALL
        assert await waiting(store) == [("room:large", 1)]
        assert not await turn(dispatcher)
        assert await waiting(store) == []
        jobs = await jobs_of(store)
        assert len(jobs) == len(users) + 1
        assert jobs[users[-1], "room:large"].lane == LARGE


async def test_what_is_said_in_a_large_room_meanwhile_is_told_of_afterwards(
    small_pages: None,
) -> None:
    async with opened() as store:
        users = [f"u{number:05}" for number in range(WALKED + 1)]
        await make_room(store, "room:large", *users)
        await say(store, "room:large")
        dispatcher = make(store)
        assert await turn(dispatcher)
        await say(store, "room:large")
        while await turn(dispatcher):
            pass
        assert {job.offset for job in (await jobs_of(store)).values()} == {1}
        while await turn(dispatcher):
            pass
        assert {job.offset for job in (await jobs_of(store)).values()} == {2}


async def test_many_messages_of_a_large_room_do_not_hide_those_of_others(
    small_pages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "ENTRIES_MAX", 4)
    async with opened() as store:
        await make_room(store, "room:large", *[f"u{number:05}" for number in range(WALKED + 1)])
        await make_room(store, "room:small", "bob")
        for place in range(4):
            await say(store, "room:large", at=NOW + place)
        dispatcher = make(store)
        assert await turn(dispatcher)
        await say(store, "room:small", at=NOW + 9)
        await turn(dispatcher)
        assert ("bob", "room:small") in await jobs_of(store)


async def test_what_is_not_this_workers_is_left_to_others_without_looking_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatching, "ENTRIES_MAX", 1)
    monkeypatch.setattr(dispatching, "LOOKS_MAX", 1)
    async with opened() as store:
        await make_room(store, "room:a", "bob")
        await say(store, "room:a")
        assert not await make(store, is_mine=lambda entry: False).round()
        assert await jobs_of(store) == {}
        assert await waiting(store) == [("room:a", 1)]


async def test_what_is_dispatched_once_more_changes_nothing() -> None:
    async with opened() as store:
        await make_room(store, "room:a", "bob")
        await say(store, "room:a")
        failing = Failing(store)
        failing.fail = lambda name, _: AWAY if name == "notified" else None
        with pytest.raises(type(AWAY)):
            await make(failing).round()
        before = await jobs_of(store)
        assert len(before) == 1
        assert await waiting(store) == [("room:a", 1)]
        await make(store).round()
        assert await jobs_of(store) == before
        assert await waiting(store) == []


async def test_a_room_that_the_store_does_not_take_has_its_turn_after_the_others() -> None:
    async with opened() as store:
        for name in ("room:a", "room:b"):
            await make_room(store, name, "bob", "eve", "joe")
            await put(store, CHANNELS, name, members=PAGE)
            await say(store, name)
        failing = Failing(store)
        failing.fail = lambda name, args: (
            AWAY if name == "find" and args[1].equal == ("room:a",) else None
        )
        settings = PushSettings(small_max=PAGE)
        dispatcher = make(failing, settings=settings)
        with pytest.raises(type(AWAY)):
            await turn(dispatcher)
        assert await jobs_of(store) == {}
        with pytest.raises(type(AWAY)):
            await turn(dispatcher)
        assert {channel for _, channel in await jobs_of(store)} == {"room:b"}


async def test_a_walk_that_fails_goes_on_where_it_was(small_pages: None) -> None:
    async with opened() as store:
        await make_room(store, "room:large", *[f"u{number:05}" for number in range(WALKED + 1)])
        await say(store, "room:large")
        failing = Failing(store)
        dispatcher = make(failing)
        assert await turn(dispatcher)
        failing.fail = lambda name, _: AWAY if name == "notified" else None
        with pytest.raises(type(AWAY)):
            await turn(dispatcher)
        failing.fail = lambda *_: None
        raised = dispatcher.raised
        assert not await turn(dispatcher)
        assert dispatcher.raised == raised + 1
        assert await waiting(store) == []


class Broken:
    """Whereabouts that cannot stand somebody."""

    async def states(self, users: Collection[str]) -> Mapping[str, DeviceState]:
        if "mallory" in users:
            raise ZeroDivisionError("a bug")
        return {}


@pytest.mark.parametrize("large", [False, True])
async def test_a_channel_that_cannot_be_dispatched_stops_no_other_and_is_given_up_in_time(
    large: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened() as store:
        clock = ManualClock()
        await make_room(store, "room:bad", "mallory")
        if large:
            await put(store, CHANNELS, "room:bad", members=1_000)
        for number in range(5):
            await make_room(store, f"room:{number}", f"bob{number}")
            await say(store, f"room:{number}")
        await say(store, "room:bad")
        dispatcher = make(store, clock, whereabouts=Broken())
        assert not await turn(dispatcher)
        assert len(await jobs_of(store)) == 5
        assert await waiting(store) == [("room:bad", 1)]
        assert len(caplog.records) == 1
        assert "room:bad" in caplog.text
        clock.now_ms += ASIDE_MS - 1
        assert not await turn(dispatcher)
        assert len(caplog.records) == 1
        clock.now_ms += 1
        await turn(dispatcher)
        assert len(caplog.records) == 2
        clock.now_ms += SETTINGS.ttl.ms
        await turn(dispatcher)
        assert await waiting(store) == []


async def test_an_erased_message_is_marked_no_more_and_tells_nobody() -> None:
    async with opened() as store:
        await make_room(store, "room:a", "bob")
        offset = await say(store, "room:a")
        await store.disown("room:a", [offset])
        await make(store).round()
        assert await jobs_of(store) == {}
        assert await waiting(store) == []
