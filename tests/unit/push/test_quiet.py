"""Quiet hours, by literals and against somebody who looks at the clock every minute."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.push.quiet import Quiet, ends_at, quiet_of

MINUTE: Final = timedelta(minutes=1)
NIGHT: Final = Quiet("Europe/Berlin", 22 * 60, 7 * 60)


def ms(text: str) -> int:
    """A time with its offset, in milliseconds."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def end(quiet: Quiet, text: str) -> int | None:
    """When it is over, seen from a time."""
    return ends_at(quiet, ms(text))


@pytest.mark.parametrize(
    ("now", "over"),
    [
        ("2026-11-26T21:59:59+01:00", None),
        ("2026-11-26T22:00:00+01:00", "2026-11-27T07:00:00+01:00"),
        ("2026-11-27T03:00:00+01:00", "2026-11-27T07:00:00+01:00"),
        ("2026-11-27T06:59:59+01:00", "2026-11-27T07:00:00+01:00"),
        ("2026-11-27T07:00:00+01:00", None),
        # Summer, by the same clock.
        ("2026-07-01T22:30:00+02:00", "2026-07-02T07:00:00+02:00"),
        ("2026-07-01T21:30:00+02:00", None),
    ],
)
def test_a_night_is_quiet_until_the_morning(now: str, over: str | None) -> None:
    assert end(NIGHT, now) == (over and ms(over))


def test_hours_of_one_day_end_on_it() -> None:
    siesta = Quiet("Europe/Madrid", 13 * 60, 15 * 60)
    assert end(siesta, "2026-11-26T14:00:00+01:00") == ms("2026-11-26T15:00:00+01:00")
    assert end(siesta, "2026-11-26T23:00:00+01:00") is None


def test_they_may_begin_on_some_days_only() -> None:
    """A weekend: two whole days that touch. 2026-11-28 is a Saturday."""
    weekend = Quiet("America/New_York", 0, 0, days=(6, 7))
    assert end(weekend, "2026-11-28T12:00:00-05:00") == ms("2026-11-30T00:00:00-05:00")
    assert end(weekend, "2026-11-29T23:59:00-05:00") == ms("2026-11-30T00:00:00-05:00")
    assert end(weekend, "2026-11-30T00:00:00-05:00") is None
    friday = msgspec.structs.replace(NIGHT, days=(5,))
    assert end(friday, "2026-11-28T03:00:00+01:00") == ms("2026-11-28T07:00:00+01:00")
    assert end(friday, "2026-11-28T23:00:00+01:00") is None


def test_who_is_never_to_be_disturbed_is_asked_again_after_some_days() -> None:
    always = Quiet("UTC", 0, 0)
    now = ms("2026-11-26T12:00:00+00:00")
    over = ends_at(always, now)
    assert over is not None
    assert 6 * 86_400_000 < over - now < 10 * 86_400_000


# In Berlin clocks go from 02:00 to 03:00 on 2026-03-29, and from 03:00 to 02:00 on 2026-10-25.


@pytest.mark.parametrize(
    ("start", "stop", "now", "over"),
    [
        # An end, and a start, that no clock shows.
        ((22, 0), (2, 30), "2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"),
        ((2, 30), (5, 0), "2026-03-29T01:59:00+01:00", None),
        ((2, 30), (5, 0), "2026-03-29T03:00:00+02:00", "2026-03-29T05:00:00+02:00"),
        # Hours of which no clock shows any.
        ((2, 10), (2, 50), "2026-03-29T03:00:00+02:00", None),
        # An end, and a start, that clocks show twice.
        ((22, 0), (2, 30), "2026-10-25T02:40:00+02:00", "2026-10-25T02:30:00+01:00"),
        ((22, 0), (2, 30), "2026-10-25T02:30:00+01:00", None),
        ((0, 0), (2, 0), "2026-10-25T01:30:00+02:00", "2026-10-25T02:00:00+02:00"),
        ((0, 0), (2, 1), "2026-10-25T01:30:00+02:00", "2026-10-25T02:01:00+01:00"),
        ((2, 30), (5, 0), "2026-10-25T02:30:00+02:00", "2026-10-25T05:00:00+01:00"),
        ((2, 30), (5, 0), "2026-10-25T02:10:00+01:00", "2026-10-25T05:00:00+01:00"),
    ],
)
def test_clocks_may_be_changed_meanwhile(
    start: tuple[int, int], stop: tuple[int, int], now: str, over: str | None
) -> None:
    quiet = Quiet("Europe/Berlin", start[0] * 60 + start[1], stop[0] * 60 + stop[1])
    assert end(quiet, now) == (over and ms(over))


def test_a_zone_that_nobody_knows_is_utc() -> None:
    for zone in ("Mars/Olympus", "", "../etc/passwd", "\x00"):
        quiet = Quiet(zone, 0, 60)
        assert end(quiet, "2026-11-26T00:30:00+00:00") == ms("2026-11-26T01:00:00+00:00")


def test_a_row_says_what_it_is() -> None:
    assert quiet_of(msgspec.json.encode(NIGHT)) == NIGHT
    for text in (b"", b"{}", b"no", b'{"zone":"UTC","start_minute":1440,"end_minute":0}'):
        assert quiet_of(text) is None


# Against a walk from minute to minute

ZONES: Final = {
    "Europe/Berlin": ["2026-03-29T00:00:00+00:00", "2026-10-25T00:00:00+00:00"],
    "America/New_York": ["2026-03-08T06:00:00+00:00", "2026-11-01T06:00:00+00:00"],
    # Half an hour, and changes at midnight.
    "Australia/Lord_Howe": ["2026-04-04T15:00:00+00:00", "2026-10-03T15:00:00+00:00"],
    "America/Santiago": ["2026-04-05T03:00:00+00:00", "2026-09-06T04:00:00+00:00"],
    # A day that was left out.
    "Pacific/Apia": ["2011-12-30T10:00:00+00:00"],
    "UTC": ["2026-06-01T00:00:00+00:00"],
}


def walk(zone: ZoneInfo, first: datetime, minutes: int) -> Iterator[tuple[datetime, datetime]]:
    """Every minute, and what a clock shows then."""
    for number in range(minutes):
        instant = first + number * MINUTE
        yield instant, instant.astimezone(zone).replace(tzinfo=None)


def naive(quiet: Quiet, now: datetime) -> datetime | None:
    """From the first minute in which the clock shows the start or more, to the last one in which it
    shows less than the end."""
    zone = ZoneInfo(quiet.zone)
    # The days below by any zone's clock, and one more on either side.
    minutes = list(walk(zone, now - timedelta(days=5), 11 * 1440))
    end = now
    first = (now - timedelta(days=3)).date()
    for ahead in range(7):
        day = first + timedelta(days=ahead)
        if quiet.days and day.isoweekday() not in quiet.days:
            continue
        midnight = datetime(day.year, day.month, day.day)
        start = midnight + quiet.start_minute * MINUTE
        stop = midnight + quiet.end_minute * MINUTE
        if stop <= start:
            stop += timedelta(days=1)
        begins = next(instant for instant, shown in minutes if shown >= start)
        over = max(instant for instant, shown in minutes if shown < stop) + MINUTE
        if begins <= end < over:
            end = over
    return end if end > now else None


@settings(max_examples=40)
@given(st.data())
def test_it_is_quiet_when_the_clocks_on_the_wall_say_so(data: st.DataObject) -> None:
    zone = data.draw(st.sampled_from(sorted(ZONES)))
    change = datetime.fromisoformat(data.draw(st.sampled_from(ZONES[zone])))
    minute = st.one_of(st.integers(0, 1439), st.sampled_from([0, 60, 90, 120, 150, 180, 1439]))
    days = data.draw(st.sampled_from([(), (), (6, 7), (5,), (1, 3, 7)]))
    quiet = Quiet(zone, data.draw(minute), data.draw(minute), days=days)
    for offset in data.draw(st.lists(st.integers(-1500, 1500), min_size=1, max_size=4)):
        now = change.astimezone(UTC) + offset * MINUTE
        over = naive(quiet, now)
        found = ends_at(quiet, int(now.timestamp() * 1000))
        if over is None or over < now + timedelta(days=2):
            assert found == (over and int(over.timestamp() * 1000)), (quiet, now)
        else:
            # Longer than the walk: as long as anybody can be left alone.
            assert found is not None
            assert found >= int(over.timestamp() * 1000) - 86_400_000
