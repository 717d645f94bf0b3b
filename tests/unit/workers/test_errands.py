"""What is sent to whom, and what follows from what providers say of it."""

import asyncio
import uuid
from typing import Any

import pytest

from realtime.model import Entry
from realtime.push.decision import Clear, Decision, Drop, Facts, Nothing, Send, Wait
from realtime.push.jobs import LARGE, SMALL, Postponed, Settled
from realtime.push.rows import DeviceRow, JobRow
from realtime.rows import MemberRow
from realtime.settings.durations import Duration
from realtime.settings.push_schema import PushSettings
from tests.unit.workers.sending_house import Desk, desk
from tests.unit.workers.worker_house import AWAY, NOW, ROOM, make_room, say, trail_of
from workers.cases import TRYING, Case
from workers.errands import FAULT, NO_BADGE, NO_PROVIDER, SETTLE_MS, TOO_LONG, Errand, collapse_id
from workers.providers.base import (
    Delivered,
    Failed,
    Later,
    Misconfigured,
    Notice,
    Outcome,
    Rejected,
)
from workers.results import Result

LEASE_MS = 30_000
PHONE = DeviceRow(
    "bob", "phone", "fcm", "token", "phone-address", locale="de", registered_at=NOW - 5_000
)
TABLET = DeviceRow("bob", "tablet", "fcm", "token", "tablet-address", registered_at=NOW - 5_000)
TTL_MS = 3_600_000
"""Of a room that keeps its log for less than what push would allow."""

MESSAGE = Entry("room:a", 7, b'{"text":"Hello"}', NOW - 1_000, sender="u:ann", n=5)


def case(decision: Decision, *, doubtful: frozenset[str] = frozenset(), **fields: Any) -> Case:
    """Of Bob and message 7."""
    known = {"offset": 7, "pushed": 6, "due_at": NOW + LEASE_MS, "lease": "mine", **fields}
    job = JobRow("bob", "room:a", "due", **known)
    facts = Facts(
        job=job,
        entries=(MESSAGE,),
        since=6,
        kind="room",
        level="all",
        ttl_ms=TTL_MS,
        max_wait_ms=30_000,
        member=MemberRow("room:a", "bob", role="member", read_n=2),
    )
    return Case(job, facts, decision, ROOM, title="Lobby", name="Ann", doubtful=doubtful)


def show(*devices: DeviceRow, **fields: Any) -> Case:
    return case(Send(MESSAGE, devices), **fields)


async def outcome_of(
    *answers: Outcome | BaseException, at: Desk, errand: Errand | None = None, **fields: Any
) -> Result:
    """What is written when the phone, and the tablet if there are two, answer this."""
    devices = (PHONE, TABLET)[: len(answers)]
    for device, answer in zip(devices, answers, strict=True):
        at.phones.answers[device.address] = answer
    return await at.errands.run(errand or Errand(show(*devices, **fields), devices))


def said(result: Result) -> list[tuple[str, str, str]]:
    return [(row.device, row.reason, row.detail) for row in result.trail]


# Beginning.


async def test_an_attempt_is_written_down_before_it_is_made_and_a_clear_is_not() -> None:
    async with desk() as at:
        cases = [show(PHONE, TABLET), case(Clear((PHONE,)))]
        errands = await at.errands.begin(cases, SMALL)
        assert [errand.devices for errand in errands] == [(PHONE, TABLET), (PHONE,)]
        rows = await trail_of(at.store)
        assert [(row.device, row.reason, row.detail, row.tries) for row in rows] == [
            ("phone", "waiting", TRYING, 1),
            ("tablet", "waiting", TRYING, 1),
        ]
        assert len(at.results) == 0


@pytest.mark.parametrize(
    ("decision", "end", "trail"),
    [
        (Drop("read"), ("settled", None), [("", "read", "")]),
        (Drop("seen", "tablet"), ("settled", None), [("", "seen", "tablet")]),
        (
            Wait("quiet_hours", NOW + 9),
            ("later", NOW + 9),
            [("", "quiet_hours", f"until {NOW + 9}")],
        ),
        (Clear(()), ("settled", 0), []),
        (Clear((), Drop("read")), ("settled", 0), [("", "read", "")]),
        (
            Clear((), Wait("quiet_hours", NOW + 9)),
            ("later", NOW + 9),
            [("", "quiet_hours", f"until {NOW + 9}")],
        ),
        (Nothing(), ("settled", None), []),
        (Send(MESSAGE, ()), ("settled", 7), []),
    ],
)
async def test_what_nobody_is_called_for_is_over_at_once(
    decision: Decision, end: tuple[str, int | None], trail: list[tuple[str, str, str]]
) -> None:
    async with desk() as at:
        assert await at.errands.begin([case(decision)], SMALL) == []
        (result,) = at.results._waiting
        assert said(result) == trail
        if isinstance(result.end, Settled):
            assert ("settled", result.end.showing) == end
        else:
            assert ("later", result.end.due_at) == end
            assert not result.end.tried


async def test_who_cannot_write_attempts_down_has_ended_nothing() -> None:
    async with desk() as at:
        at.failing.fail = lambda name, _: AWAY if name == "write" else None
        with pytest.raises(type(AWAY)):
            await at.errands.begin([case(Drop("read")), show(PHONE)], SMALL)
        assert len(at.results) == 0


@pytest.mark.parametrize(("lane", "badge"), [(SMALL, 1), (LARGE, NO_BADGE)])
async def test_badges_are_counted_for_channels_that_are_not_large(lane: int, badge: int) -> None:
    async with desk() as at:
        await make_room(at.store, "room:a", "bob")
        await say(at.store, "room:a")
        (errand,) = await at.errands.begin([show(PHONE)], lane)
        assert errand.badge == badge


# What is sent.


async def test_a_notification_says_what_was_said_and_by_whom_where() -> None:
    async with desk() as at:
        await at.errands.run(Errand(show(PHONE), (PHONE,), badge=3))
        ((address, notice),) = at.phones.sent
        assert address == "phone-address"
        assert notice == Notice(
            "show",
            notice.id,
            collapse_id("bob", "room:a"),
            "Ann in Lobby",
            "Hello",
            3,
            {"type": "message", "channel": "room:a", "offset": "7"},
            (MESSAGE.at + TTL_MS) // 1_000,
        )
        assert str(uuid.UUID(notice.id)) == notice.id


async def test_a_second_try_has_the_same_id_and_another_message_or_device_another() -> None:
    async with desk() as at:
        other = Entry("room:a", 8, b"{}", NOW, sender="u:ann")
        for errand in (
            Errand(show(PHONE), (PHONE,)),
            Errand(show(PHONE, tries=3, lease="another"), (PHONE,)),
            Errand(show(TABLET), (TABLET,)),
            Errand(case(Send(other, (PHONE,)), offset=8), (PHONE,)),
            Errand(case(Clear((PHONE,)), shown=7), (PHONE,)),
        ):
            await at.errands.run(errand)
        ids = [notice.id for _, notice in at.phones.sent]
        assert ids[0] == ids[1]
        assert len(set(ids)) == 4


def test_what_replaces_one_another_is_of_one_user_and_channel() -> None:
    ids = {
        collapse_id(user, channel)
        for user, channel in (("bob", "room:a"), ("bob", "room:b"), ("b", "ob room:a"), ("é", ""))
    }
    assert len(ids) == 4
    assert {len(id) for id in ids} == {32}
    assert collapse_id("bob", "\ud800")


async def test_what_is_taken_away_says_up_to_where_it_was_read() -> None:
    async with desk() as at:
        errand = Errand(case(Clear((PHONE,), Drop("read")), shown=6), (PHONE,), badge=2)
        result = await at.errands.run(errand)
        ((_, notice),) = at.phones.sent
        assert (notice.act, notice.title, notice.body, notice.badge, notice.urgent) == (
            "clear",
            "",
            "",
            2,
            False,
        )
        assert notice.data == {"type": "read", "channel": "room:a", "offset": "6"}
        assert result.end == Settled(errand.case.job, 0)
        assert said(result) == [("", "read", "")]


async def test_what_is_new_waits_on_when_the_old_one_was_taken_away() -> None:
    async with desk() as at:
        wait = Wait("waiting", NOW + 9, settled=6)
        errand = Errand(case(Clear((PHONE,), wait), shown=6), (PHONE,))
        result = await at.errands.run(errand)
        ((_, notice),) = at.phones.sent
        assert notice.act == "clear"
        job = errand.case.job
        assert result.end == Postponed(job, NOW + 9, tried=False, showing=0, settled=6)
        assert said(result) == [("", "waiting", f"until {NOW + 9}")]


# What follows.


async def test_what_all_have_taken_is_over() -> None:
    async with desk() as at:
        result = await outcome_of(Delivered("1"), Delivered("2", "sandbox"), at=at)
        assert isinstance(result.end, Settled)
        assert result.end.showing == 7
        assert said(result) == [("phone", "sent", "1"), ("tablet", "sent", "2")]
        assert result.found == {("bob", "tablet"): (TABLET, "sandbox")}


async def test_what_may_have_been_sent_before_is_said_to_be_sent_again() -> None:
    async with desk() as at:
        doubtful = frozenset({"phone"})
        result = await outcome_of(Delivered(), Delivered(), at=at, doubtful=doubtful)
        assert said(result) == [("phone", "sent_again", ""), ("tablet", "sent", "")]


async def test_where_one_has_it_and_one_must_wait_it_shows_and_is_tried_again() -> None:
    async with desk() as at:
        result = await outcome_of(Delivered("1"), Later("503"), at=at, tries=1)
        job = show().job
        assert isinstance(result.end, Postponed)
        # The second wait of ten seconds, doubled, half of it by chance.
        assert (result.end.due_at, result.end.showing, result.end.tried) == (NOW + 15_000, 7, True)
        assert result.end.job.offset == job.offset
        assert said(result) == [("phone", "sent", "1"), ("tablet", "waiting", "503")]
        assert [row.tries for row in result.trail] == [2, 2]


@pytest.mark.parametrize(
    ("answer", "wait_ms"),
    [
        (Later("429", 120.0), 126_000),
        (Later("503", 1.0), 7_500),
        (Misconfigured("InvalidProviderToken"), 63_000),
    ],
)
async def test_it_is_waited_as_long_as_is_asked_for_and_a_little_longer(
    answer: Outcome, wait_ms: int
) -> None:
    async with desk() as at:
        result = await outcome_of(answer, at=at)
        assert isinstance(result.end, Postponed)
        assert (result.end.due_at - NOW, result.end.showing) == (wait_ms, None)
        assert not (result.gone or result.parked or result.dead)


@pytest.mark.parametrize(
    ("answer", "is_gone"),
    [
        (Rejected("UNREGISTERED"), True),
        (Rejected("410", since=PHONE.registered_at), True),
        (Rejected("410", since=PHONE.registered_at - 1), False),
    ],
)
@pytest.mark.parametrize("act", ["show", "clear"])
async def test_a_dead_device_is_forgotten_unless_it_has_come_back(
    answer: Rejected, is_gone: bool, act: str
) -> None:
    async with desk() as at:
        errand = Errand(show(PHONE) if act == "show" else case(Clear((PHONE,))), (PHONE,))
        result = await outcome_of(answer, at=at, errand=errand)
        assert result.gone == ((PHONE,) if is_gone else ())
        assert isinstance(result.end, Settled)
        if act == "show":
            assert said(result) == [("phone", "address_dead", answer.why)]


async def test_a_device_of_another_app_is_parked() -> None:
    async with desk() as at:
        errand = Errand(case(Clear((PHONE,))), (PHONE,))
        cleared = await outcome_of(Rejected("x", parked=True), at=at, errand=errand)
        assert cleared.gone == ()
        result = await outcome_of(Rejected("SENDER_ID_MISMATCH", parked=True), at=at)
        assert (result.gone, result.parked) == (
            (),
            {("bob", "phone"): (PHONE, "SENDER_ID_MISMATCH")},
        )


async def test_what_is_refused_for_good_is_a_dead_letter_and_holds_nothing_up() -> None:
    async with desk() as at:
        result = await outcome_of(Failed("x" * 999), Delivered(), at=at)
        assert isinstance(result.end, Settled)
        (letter,) = result.dead
        assert (letter.user, letter.channel, letter.offset) == ("bob", "room:a", 7)
        assert (letter.device, letter.provider, letter.why) == ("phone", "fcm", "x" * 200)
        again = await outcome_of(Failed("x"), Delivered(), at=at)
        assert again.dead[0].place == letter.place


async def test_a_device_whose_provider_is_not_configured_is_a_dead_letter() -> None:
    async with desk(gates=lambda gate: {}) as at:
        result = await outcome_of(Delivered(), at=at)
        assert [(letter.device, letter.why) for letter in result.dead] == [("phone", NO_PROVIDER)]
        assert at.phones.sent == []


async def test_who_has_no_answer_in_time_to_write_so_before_the_lease_ends_is_cut_off() -> None:
    async with desk(settings=PushSettings(lease=Duration(60_000))) as at:
        at.phones.hold = asyncio.Event()
        async with asyncio.timeout(2):
            result = await outcome_of(Delivered(), at=at, due_at=NOW + SETTLE_MS)
        assert said(result) == [("phone", "waiting", TOO_LONG)]
        assert isinstance(result.end, Postponed)


async def test_a_row_that_is_not_as_it_should_be_stops_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with desk() as at:
        broken = DeviceRow("bob", "old", "fcm", "pigeon", "secret-address")
        errand = Errand(show(broken, PHONE), (broken, PHONE))
        result = await at.errands.run(errand)
        assert said(result) == [("old", "waiting", FAULT), ("phone", "sent", "id")]
        assert "secret-address" not in caplog.text
