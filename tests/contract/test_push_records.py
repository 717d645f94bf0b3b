"""What push keeps for whoever asks, over every driver: dead letters, the trail, explanations."""

from typing import Any, Final, Protocol

import pytest

from realtime.model import NewEntry
from realtime.push.dead_letters import DeadLetters, place_of
from realtime.push.explaining import Explanation, explain
from realtime.push.jobs import Jobs, Raise, Settled
from realtime.push.rows import DEAD, DEVICES, JOBS, TRAIL, DeadRow, DeviceRow, JobRow, TrailRow
from realtime.push.trail import Trail, told_on, trail_row
from realtime.rows import BLOCKS, CHANNELS, MEMBERS, BlockRow, ChannelRow, MemberRow
from realtime.stores.base import WRITES_MAX, ChangeStore
from tests.support.counted_tables import CountedTables
from tests.support.push_world import next_due
from tests.support.table_store import TabledStore, every, keep, one

ANN: Final = ("ann", "room")


class WholeStore(TabledStore, ChangeStore, Protocol):
    """A store of each driver, with its tables and its logs."""


def letter(at: int = 100, user: str = "ann", offset: int = 5, device: str = "phone") -> DeadRow:
    """A dead letter."""
    place = place_of(at, user, "room", offset, device)
    return DeadRow(place, user, "room", offset, device, "fcm", "INVALID_ARGUMENT", at)


async def settled(store: TabledStore, offset: int = 5) -> Jobs:
    """Ann's job, settled up to there."""
    jobs = Jobs(store)
    await jobs.raise_all([Raise(*ANN, offset, at=1, due_at=1)])
    (job,) = await jobs.claim(10, lease="first", until_ms=50, limit=1)
    await jobs.settle([Settled(job)], 20)
    return jobs


# Dead letters


def test_the_same_letter_has_the_same_place_and_they_sort_by_time() -> None:
    assert letter() == letter()
    assert letter(at=99).place < letter(at=100).place < letter(at=1_000).place
    others = [letter(user="bob"), letter(offset=6), letter(device="tablet")]
    assert len({each.place for each in [letter(), *others]}) == 4


async def test_letters_are_listed_page_by_page(store: TabledStore) -> None:
    dead = DeadLetters(store)
    letters = [letter(at) for at in (10, 20, 30)]
    await dead.bury([letter(25, user="bob"), *reversed(letters)])
    await dead.bury(letters)
    page = await dead.page(limit=2)
    assert list(page) == letters[:2]
    assert [each.user for each in await dead.page(after=page[-1].place, limit=9)] == ["bob", "ann"]
    assert list(await dead.page(user="ann", after=page[0].place, limit=9)) == letters[1:]


async def test_a_letter_that_is_replayed_is_told_again(store: TabledStore) -> None:
    jobs, dead = await settled(store), DeadLetters(store)
    letters = [letter(), letter(device="tablet")]
    await dead.bury(letters)
    assert await dead.replay([each.place for each in letters], 100) == 2
    (job,) = await jobs.claim(100, lease="second", until_ms=150, limit=9)
    assert (job.offset, job.pushed, job.tries) == (5, 4, 1), "so that the trail is looked at"
    assert await dead.page(limit=9) == []
    assert await dead.replay([letters[0].place], 100) == 0


async def test_a_letter_whose_job_is_forgotten_is_told_again(store: TabledStore) -> None:
    dead = DeadLetters(store)
    await dead.bury([letter()])
    assert await dead.replay([letter().place], 100) == 1
    (job,) = await Jobs(store).claim(100, lease="second", until_ms=150, limit=9)
    assert (job.offset, job.pushed, job.tries) == (5, 4, 1)


async def test_what_is_newer_has_taken_a_letters_place(store: TabledStore) -> None:
    jobs, dead = await settled(store, 6), DeadLetters(store)
    await dead.bury([letter()])
    await dead.replay([letter().place], 100)
    assert await next_due(store) is None
    await jobs.raise_all([Raise(*ANN, 7, at=1, due_at=500)])
    await dead.bury([letter(offset=6)])
    await dead.replay([letter(offset=6).place], 100)
    assert await next_due(store) == 500, "the newer one waits, and tells of both"
    assert await every(store, DEAD) == []


async def test_letters_are_thrown_away(store: TabledStore) -> None:
    dead = DeadLetters(store)
    letters = [letter(at) for at in (10, 20, 30, 40)] + [letter(50, user="bob")]
    await dead.bury(letters)
    await dead.purge([letters[1].place])
    assert await dead.purge_before(20) == 1
    assert list(await every(store, DEAD)) == letters[2:]
    assert await every(store, JOBS) == []


# The trail


def row(offset: int, reason: str = "sent", since: int = -1, **fields: Any) -> TrailRow:
    """What was decided of a message of the room."""
    since = offset - 1 if since < 0 else since
    place: dict[str, Any] = {"user": "ann", "channel": "room", "device": "", "at": 100, **fields}
    return TrailRow(offset=offset, reason=reason, since=since, **place)


async def test_what_is_recorded_again_takes_the_place_of_the_attempt(store: TabledStore) -> None:
    trail = Trail(store)
    job = JobRow(*ANN, offset=7, pushed=4)
    attempt = trail_row(job, "waiting", 90, device="phone", tries=1)
    outcome = trail_row(job, "sent", 95, device="phone", detail="id 1", tries=1)
    await trail.record([attempt])
    await trail.record([outcome])
    expected = TrailRow(*ANN, 7, "phone", "sent", "id 1", since=4, tries=1, at=95)
    assert list(await every(store, TRAIL)) == [expected]


async def test_what_says_something_of_an_entry_is_found(store: TabledStore) -> None:
    trail = Trail(store)
    rows = [row(4), row(7, since=4, device="a"), row(7, since=4, device="b"), row(9, since=7)]
    await trail.record([*rows, row(7, since=0, user="bob"), row(7, since=0, channel="other")])
    assert list(await trail.of(*ANN, 4)) == rows[:1]
    for offset in (5, 6, 7):
        assert list(await trail.of(*ANN, offset)) == rows[1:3]
    assert await trail.of(*ANN, 10) == []


async def test_who_tries_again_finds_which_devices_have_it(store: TabledStore) -> None:
    trail = Trail(store)
    await trail.record([row(7, device="a"), row(7, "waiting", device="b"), row(6, device="b")])
    found = await trail.of_jobs([JobRow(*ANN, offset=7), JobRow("bob", "room", offset=7)])
    assert told_on(found, 7) == {"a"}
    assert await trail.of_jobs([]) == []


async def test_the_trail_is_swept(store: TabledStore) -> None:
    trail = Trail(store)
    await trail.record([row(4, at=10), row(5, at=20), row(6, at=30), row(7, user="bob", at=30)])
    await trail.record([row(1, channel="other", user="bob", at=40)])
    assert await trail.sweep(20) == 1
    assert await trail.sweep(31, limit=1) == 1
    left = [(each.user, each.channel) for each in await every(store, TRAIL)]
    assert left == [("ann", "room"), ("bob", "other"), ("bob", "room")]


async def test_what_became_of_an_attempt_is_said_where_that_is_still_known(
    store: TabledStore,
) -> None:
    trail = Trail(store)
    await trail.record([row(4, "waiting", device="a")])
    await trail.record([row(5)])
    await trail.conclude([row(4, device="a"), row(4, device="b")])
    assert list(await every(store, TRAIL)) == [row(4, device="a"), row(5)]


async def test_a_thousand_rows_cost_one_write(store: TabledStore) -> None:
    counted = CountedTables(store)
    await Trail(counted).record([row(number + 1) for number in range(WRITES_MAX)])
    assert counted.calls == {"write": 1}


# Explanations


async def said(store: WholeStore, sender: str = "u:bob") -> None:
    """A room with Ann in it, and one message."""
    await keep(store, CHANNELS, ChannelRow("room", kind="room"))
    await keep(store, MEMBERS, MemberRow("room", "ann", role="member"))
    await store.append([NewEntry("room", sender, "1", b"{}", 50)])


async def asked(store: WholeStore, level: str = "all", **others: Any) -> Explanation:
    """What is answered about Ann and the message at 100, to an admin unless `others` say else."""
    options: dict[str, Any] = {"now_ms": 100, "trail_ttl_ms": 1_000, "to_admin": True, **others}
    return await explain(store, *ANN, 1, level=level, **options)


async def why(store: WholeStore, level: str = "all") -> str:
    """Why Ann was told of the message, or was not."""
    return (await asked(store, level)).reason


async def test_an_explanation_is_made_of_all_that_is_known(store: WholeStore) -> None:
    assert await why(store) == "unknown"
    await said(store)
    assert await why(store, "mentions") == "never_recipient"
    jobs = Jobs(store)
    await jobs.raise_all([Raise(*ANN, 1, at=50, due_at=900)])
    assert await why(store) == "waiting"
    (job,) = await jobs.claim(900, lease="first", until_ms=950, limit=1)
    await Trail(store).record([trail_row(job, "sent", 910, device="phone", tries=1)])
    await jobs.settle([Settled(job, showing=1)], 920)
    answer = await asked(store)
    assert (answer.reason, answer.at, answer.devices[0].device) == ("sent", 910, "phone")
    await Trail(store).sweep(1_000)
    assert await why(store) == "unknown"


@pytest.mark.parametrize("pair", [("ann", "bob"), ("bob", "ann")])
async def test_a_block_is_found_in_either_direction(
    store: WholeStore, pair: tuple[str, str]
) -> None:
    await said(store)
    await keep(store, BLOCKS, BlockRow(*pair))
    assert await why(store) == "blocked"
    is_own = pair[0] == "ann"
    told = await asked(store, to_admin=False)
    assert told.reason == ("blocked" if is_own else "never_recipient")


async def test_what_is_older_than_the_trail_is_not_known(store: WholeStore) -> None:
    await said(store)
    assert (await asked(store, "mentions", now_ms=1_050)).reason == "never_recipient"
    assert (await asked(store, "mentions", now_ms=1_051)).reason == "unknown"


async def test_what_the_user_has_set_is_looked_at(store: WholeStore) -> None:
    await said(store)
    await keep(store, DEVICES, DeviceRow("ann", "", level="none"))
    assert await why(store) == "never_recipient"
    assert await one(store, JOBS, *ANN) is None, "nobody who asks changes anything"
