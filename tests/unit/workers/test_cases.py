"""What is known of a job when it is decided, and how few reads that takes."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import msgspec
import pytest

import workers.blocking as blocking_module
import workers.cases as cases_module
import workers.lookback as lookback_module
from realtime.model import Change, Revocation
from realtime.push.decision import Clear, Decision, Drop, Send, Wait
from realtime.push.jobs import Jobs, Raise, Settled
from realtime.push.rows import DEVICES, TRAIL, JobRow
from realtime.rows import BLOCKS, CHANNELS, MEMBERS, USERS
from realtime.settings.durations import Duration
from realtime.settings.push_schema import PushSettings
from realtime.settings.schema import ChannelOptions
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import ManualClock
from tests.unit.workers.worker_house import (
    NOW,
    ROOM,
    Failing,
    add_device,
    claim,
    make_room,
    opened,
    options,
    put,
    say,
)
from workers.bans import Bans
from workers.cases import SIGNED_OUT, TRYING, Case, Cases

SHORT = ChannelOptions(history_size=-1, history_ttl=Duration(60_000), chat="room", push="all")


@dataclass
class Desk:
    """Cases over a store."""

    store: SQLiteStore
    failing: Failing
    clock: ManualClock
    cases: Cases

    async def jobs(self, offset: int, *users: str, pushed: int = 0) -> Sequence[JobRow]:
        """Claimed jobs of these users for this message; those before `pushed` are settled."""
        if pushed:
            await Jobs(self.store).raise_all(
                [Raise(user, "room:a", pushed, NOW, NOW) for user in users]
            )
            for job in await claim(self.store, NOW):
                await self.settle(job)
        await Jobs(self.store).raise_all(
            [Raise(user, "room:a", offset, NOW, NOW) for user in users]
        )
        return await claim(self.store, NOW)

    async def settle(self, job: JobRow) -> None:
        await Jobs(self.store).settle([Settled(job)], NOW)

    async def decide(self, offset: int, *users: str, pushed: int = 0) -> dict[str, Decision]:
        """What is to be done, by user."""
        jobs = await self.jobs(offset, *users, pushed=pushed)
        self.failing.calls.clear()
        found = await self.cases.of(jobs, self.clock.now_ms)
        assert [case.job for case in found] == list(jobs)
        return {case.job.user: case.decision for case in found}

    async def case(self, offset: int) -> Case:
        """Bob's."""
        (case,) = await self.cases.of(await self.jobs(offset, "bob"), self.clock.now_ms)
        return case

    async def delete(self, offset: int) -> None:
        """Take a message back."""
        event = await say(self.store, "room:a", kind="delete", ref=offset, notify=False)
        await self.store.change([Change("room:a", offset, event, b"", deleted_at=NOW)])


@contextlib.asynccontextmanager
async def desk(*users: str, settings: PushSettings | None = None) -> AsyncIterator[Desk]:
    """A room with these users, each of whom has a phone."""
    async with opened() as store:
        await make_room(store, "room:a", *users)
        for user in users:
            await add_device(store, user, "phone")
        failing, clock = Failing(store), ManualClock()
        cases = Cases(
            failing,
            options=lambda name: SHORT if name == "room:short" else options(name),
            bans=Bans(store, clock),
            settings=settings or PushSettings(),
            clock=clock,
        )
        yield Desk(store, failing, clock, cases)


def told(decision: Decision) -> int:
    """Of which message somebody is told."""
    assert isinstance(decision, Send), decision
    return decision.entry.offset


async def test_many_jobs_are_decided_with_few_reads() -> None:
    users = [f"u{number:03}" for number in range(100)]
    async with desk(*users) as at:
        offset = await say(at.store, "room:a")
        decisions = await at.decide(offset, *users)
        assert {told(decision) for decision in decisions.values()} == {offset}
        assert len(at.failing.calls) <= 7


async def test_the_words_are_those_of_the_sender_and_the_room() -> None:
    async with desk("bob") as at:
        await put(at.store, USERS, "ann", name="Ann Ambler")
        case = await at.case(await say(at.store, "room:a"))
        assert (case.name, case.title, case.options) == ("Ann Ambler", "Lobby", ROOM)
    async with desk("bob") as at:
        await put(at.store, CHANNELS, "room:a", kind="direct")
        case = await at.case(await say(at.store, "room:a", sender="u:nameless"))
        assert (case.name, case.title) == ("nameless", "")


@pytest.mark.parametrize(("user", "other"), [("bob", "ann"), ("ann", "bob")])
async def test_who_blocks_the_other_tells_and_is_told_nothing(user: str, other: str) -> None:
    async with desk("bob", "eve") as at:
        await put(at.store, BLOCKS, user, other)
        decisions = await at.decide(await say(at.store, "room:a"), "bob", "eve")
        assert decisions["bob"] == Drop("blocked")
        assert isinstance(decisions["eve"], Send)


async def test_very_many_blocks_are_asked_for_by_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking_module, "BLOCKS_MAX", 2)
    async with desk("bob", "eve", "joe") as at:
        await put(at.store, BLOCKS, "eve", "ann")
        for number in range(3):
            await put(at.store, BLOCKS, "ann", f"a{number}")
        await put(at.store, BLOCKS, "ann", "joe")
        decisions = await at.decide(await say(at.store, "room:a"), "bob", "eve", "joe")
        assert isinstance(decisions["bob"], Send)
        assert decisions["eve"] == decisions["joe"] == Drop("blocked")


async def test_who_is_banned_or_has_left_is_told_nothing() -> None:
    async with desk("bob", "eve", "joe") as at:
        await at.store.revoke(Revocation("bob", act="ban", channel="room:a", at=NOW))
        await put(at.store, MEMBERS, "room:a", "eve", role="")
        decisions = await at.decide(await say(at.store, "room:a"), "bob", "eve", "joe")
        assert decisions["bob"] == decisions["eve"] == Drop("not_a_member")
        assert isinstance(decisions["joe"], Send)


async def test_a_device_of_who_was_signed_out_is_told_nothing_until_it_registers_again() -> None:
    async with desk("bob") as at:
        await put(at.store, DEVICES, "bob", "phone", registered_at=NOW - 1)
        await at.store.revoke(Revocation("bob", before=NOW, at=NOW))
        (job,) = await at.jobs(await say(at.store, "room:a"), "bob")
        (case,) = await at.cases.of([job], NOW)
        assert case.decision == Drop("address_dead", SIGNED_OUT)
        (row,) = await at.store.get(DEVICES, [("bob", "phone")])
        assert row.parked == SIGNED_OUT, "also when the log says it no more"
        await put(at.store, DEVICES, "bob", "phone", registered_at=NOW, parked="")
        (case,) = await at.cases.of([job], NOW)
        assert isinstance(case.decision, Send)


async def test_a_message_of_a_namespace_that_is_configured_no_more_tells_nobody() -> None:
    async with desk("bob") as at:
        await make_room(at.store, "gone:a", "bob")
        offset = await say(at.store, "gone:a")
        await Jobs(at.store).raise_all([Raise("bob", "gone:a", offset, NOW, NOW)])
        (case,) = await at.cases.of(await claim(at.store, NOW), NOW)
        assert case.decision == Drop("never_recipient")


async def test_all_devices_are_found_however_many_some_users_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cases_module, "DEVICES_EACH", 1)
    monkeypatch.setattr(cases_module, "DEVICES_MORE", 1)
    async with desk("bob", "eve", "joe") as at:
        for user in ("bob", "joe"):
            for number in range(9):
                await add_device(at.store, user, f"tablet{number}")
        decisions = await at.decide(await say(at.store, "room:a"), "bob", "eve", "joe")
        found = {
            user: len(decision.devices)
            for user, decision in decisions.items()
            if isinstance(decision, Send)
        }
        assert found == {"bob": 10, "eve": 1, "joe": 10}


async def test_what_a_namespace_hides_by_now_is_not_told_of() -> None:
    async with desk("bob") as at:
        await make_room(at.store, "room:short", "bob")
        offset = await say(at.store, "room:short")
        await Jobs(at.store).raise_all([Raise("bob", "room:short", offset, NOW, NOW)])
        jobs = await claim(at.store, NOW)
        (case,) = await at.cases.of(jobs, NOW + 59_999)
        assert told(case.decision) == offset
        assert case.facts.ttl_ms == 60_000, "nor is a service to keep it for longer"
        (case,) = await at.cases.of(jobs, NOW + 60_000)
        assert case.decision == Drop("expired", "not kept any more")


async def test_of_devices_that_somebody_has_tried_it_is_known_which_have_it() -> None:
    async with desk("bob") as at:
        for name in ("browser", "tablet"):
            await add_device(at.store, "bob", name)
        offset = await say(at.store, "room:a")
        jobs = await at.jobs(offset, "bob")
        await put(at.store, TRAIL, "bob", "room:a", offset, "phone", reason="sent")
        doubt = {"reason": "waiting", "detail": TRYING}
        await put(at.store, TRAIL, "bob", "room:a", offset, "tablet", **doubt)
        later = [*await claim(at.store, NOW + 30_000)]
        assert [job.tries for job in (*jobs, *later)] == [0, 1]
        (case,) = await at.cases.of(later, NOW + 30_000)
        assert isinstance(case.decision, Send)
        assert [device.device for device in case.decision.devices] == ["browser", "tablet"]
        assert case.doubtful == {"tablet"}


# Looking back.


async def test_a_message_before_one_that_was_deleted_is_found_for_all_with_few_reads() -> None:
    users = [f"u{number:03}" for number in range(100)]
    async with desk(*users) as at:
        first = await say(at.store, "room:a")
        second = await say(at.store, "room:a")
        await at.delete(second)
        decisions = await at.decide(second, *users)
        assert {told(decision) for decision in decisions.values()} == {first}
        assert len(at.failing.calls) <= 9


async def test_it_is_looked_back_over_many_pages_and_those_of_who_is_blocked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lookback_module, "PAGE", 3)
    async with desk("bob", "eve") as at:
        await put(at.store, BLOCKS, "bob", "mallory")
        first = await say(at.store, "room:a")
        others = [await say(at.store, "room:a", sender="u:mallory") for _ in range(10)]
        newest = await say(at.store, "room:a")
        await at.delete(newest)
        decisions = await at.decide(newest, "bob", "eve")
        assert told(decisions["bob"]) == first
        assert told(decisions["eve"]) == others[-1]


async def test_of_several_who_are_blocked_none_is_told_of() -> None:
    async with desk("bob") as at:
        first = await say(at.store, "room:a")
        for sender in ("trudy", "mallory", "trudy", "mallory"):
            await put(at.store, BLOCKS, "bob", sender)
            newest = await say(at.store, "room:a", sender=f"u:{sender}")
        decisions = await at.decide(newest, "bob")
        assert told(decisions["bob"]) == first


async def test_it_is_not_looked_back_beyond_what_is_settled() -> None:
    async with desk("bob") as at:
        first = await say(at.store, "room:a")
        second = await say(at.store, "room:a")
        await at.delete(second)
        assert await at.decide(second, "bob", pushed=first) == {"bob": Drop("deleted")}


async def test_jobs_of_one_channel_may_have_come_to_different_places(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lookback_module, "PAGE", 2)
    async with desk("bob", "eve") as at:
        offsets = [await say(at.store, "room:a") for _ in range(8)]
        for offset in (offsets[7], offsets[6], offsets[2]):
            await at.delete(offset)
        await Jobs(at.store).raise_all(
            [
                Raise("bob", "room:a", offsets[7], NOW, NOW),
                Raise("eve", "room:a", offsets[2], NOW, NOW),
            ]
        )
        found = await at.cases.of(await claim(at.store, NOW), NOW)
        decided = {case.job.user: told(case.decision) for case in found}
        assert decided == {"bob": offsets[5], "eve": offsets[1]}


async def test_where_too_much_must_be_read_the_rest_is_decided_a_moment_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lookback_module, "READS_MAX", 1)
    async with desk("bob") as at:
        for name in ("room:a", "room:b"):
            await make_room(at.store, name, "bob")
            await say(at.store, name)
            offset = await say(at.store, name)
            event = await say(at.store, name, kind="delete", ref=offset, notify=False)
            await at.store.change([Change(name, offset, event, b"", deleted_at=NOW)])
            await Jobs(at.store).raise_all([Raise("bob", name, offset, NOW, NOW)])
        found = await at.cases.of(await claim(at.store, NOW), NOW)
        kinds = sorted(type(case.decision).__name__ for case in found)
        assert kinds == ["Send", "Wait"]
        waits = [case.decision for case in found if isinstance(case.decision, Wait)]
        assert waits == [Wait("waiting", NOW + 1_000)]


async def test_what_was_shown_and_is_gone_is_taken_away() -> None:
    async with desk("bob") as at:
        offset = await say(at.store, "room:a")
        (job,) = await at.jobs(offset, "bob")
        job = msgspec.structs.replace(job, pushed=offset, shown=offset)
        (case,) = await at.cases.of([job], NOW)
        assert not isinstance(case.decision, Clear)
        await at.delete(offset)
        (case,) = await at.cases.of([job], NOW)
        assert isinstance(case.decision, Clear)
