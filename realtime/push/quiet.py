"""Quiet hours: when a user wants to be left alone, by the clock on their wall. Pure.

A quiet period lasts from when that clock first shows its start until it shows no time before its
end any more. So where clocks are put back it does not begin again an hour after it was over, and
where they are put forward over its start or end, that is the moment at which they are.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

DAY_MINUTES: Final = 24 * 60

AHEAD_MAX_DAYS: Final = 8
"""How far is looked for an end: who is never to be disturbed is asked again after that."""

Minute = Annotated[int, Meta(ge=0, lt=DAY_MINUTES)]
"""Minutes since midnight."""

Weekday = Annotated[int, Meta(ge=1, le=7)]
"""1 is Monday."""


class Quiet(msgspec.Struct, frozen=True, omit_defaults=True):
    """From `start_minute` to `end_minute` in `zone` (IANA); equal: a whole day.

    An end that is not later than the start is on the next day. `days` are those on which it begins;
    none are all.
    """

    zone: Annotated[str, Meta(max_length=64)]
    start_minute: Minute
    end_minute: Minute
    days: Annotated[tuple[Weekday, ...], Meta(max_length=7)] = ()


_decode: Final = msgspec.json.Decoder(Quiet).decode


def quiet_of(text: bytes) -> Quiet | None:
    """What a row says (`DeviceRow.quiet`); None for nothing, and for what cannot be read."""
    if not text:
        return None
    try:
        return _decode(text)
    except msgspec.DecodeError:
        return None


def ends_at(quiet: Quiet, now_ms: int) -> int | None:
    """When the quiet that reigns now is over; None where none does.

    Periods that touch are one. A zone that is not known is UTC.
    """
    zone = _zone(quiet.zone)
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    # A period may begin a day before its end, and clocks may differ by a day from UTC's.
    first = now.date() - timedelta(days=2)
    end_ms = now_ms
    for ahead in range(AHEAD_MAX_DAYS + 2):
        day = first + timedelta(days=ahead)
        if quiet.days and day.isoweekday() not in quiet.days:
            continue
        days = quiet.end_minute <= quiet.start_minute
        start = _instant_ms(zone, day, quiet.start_minute, last=False)
        end = _instant_ms(zone, day + timedelta(days=days), quiet.end_minute, last=True)
        if start <= end_ms < end:
            end_ms = end
    return end_ms if end_ms > now_ms else None


@lru_cache(maxsize=1_000)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _instant_ms(zone: ZoneInfo, day: date, minute: int, *, last: bool) -> int:
    """When the clocks of a zone first show this, or, `last`, show nothing earlier any more.

    Where they go past it, that is when they do.
    """
    wall = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone)
    early, late = _both(wall)
    if late < early:
        # It is left out: before the change its name is a time after it, and the other way round.
        return _change_ms(zone, late, early)
    if last and late > early:
        # Clocks that are put back just to here show nothing earlier again.
        before_early, before_late = _both(wall - timedelta(minutes=1))
        return _ms(late if before_late > before_early else early)
    return _ms(early)


def _both(wall: datetime) -> tuple[datetime, datetime]:
    """The instants that a time may be, by the clocks before a change and after it."""
    return wall.astimezone(UTC), wall.replace(fold=1).astimezone(UTC)


def _change_ms(zone: ZoneInfo, before: datetime, after: datetime) -> int:
    """When the clocks are changed, to the second: once between these two."""
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return _ms(after)


def _ms(instant: datetime) -> int:
    return int(instant.timestamp()) * 1000
