"""Quiet hours, and what is too old to be told of."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from tests.support.push_town import PROVIDERS, ROOM, Person, Room, Town, open_town

pytestmark = pytest.mark.asyncio(loop_scope="module")

END_S: Final = 8
"""A minute of the hub's clock ends so many seconds after the town is begun."""

TTL_S: Final = 9
"""As `push.ttl`."""

KATHMANDU: Final = "Asia/Kathmandu"
"""Five hours and three quarters ahead, all the year."""

SENT: Final = "The service has taken it."


@dataclass(frozen=True, slots=True)
class Evening:
    """A town, and when its quiet hours end (ms, of its own clock)."""

    town: Town
    end_ms: int

    def until(self, zone: str, minutes: int = 0) -> dict[str, Any]:
        """Quiet hours that have begun an hour ago and end then, or so much later."""
        end = datetime.fromtimestamp(self.end_ms / 1_000, UTC).astimezone(ZoneInfo(zone))
        minute = end.hour * 60 + end.minute
        return {
            "zone": zone,
            "start_minute": (minute - 60) % 1_440,
            "end_minute": (minute + minutes) % 1_440,
        }


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def evening(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Evening]:
    """A town in which nothing is worth telling of for long."""
    ahead_ms = int((-END_S - time.time()) % 60 * 1_000)
    end_ms = round((time.time() + END_S + ahead_ms / 1_000) / 60) * 60_000
    async with open_town(
        tmp_path_factory.mktemp("town"),
        {"namespaces": {"room": ROOM}, "push": {"ttl": f"{TTL_S}s", "retry_max": "2s"}},
        program=("tests.end_to_end.early_hub", str(ahead_ms)),
        ahead_s=ahead_ms / 1_000,
    ) as town:
        yield Evening(town, end_ms)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def in_vain(evening: Evening) -> tuple[Room, Person, int]:
    """A message to a phone of which its service says, again and again, that it must wait."""
    town = evening.town
    alice, bob = await town.people(2, "fcm")
    town.fake.world.script(bob.devices["fcm"], "busy_device", retry_after_s=1)
    room = await town.room(alice, bob)
    return room, bob, await room.say(alice, "in vain")


@pytest.mark.usefixtures("in_vain")
async def test_what_is_said_in_quiet_hours_is_told_when_they_are_over(evening: Evening) -> None:
    town, end_ms = evening.town, evening.end_ms
    alice = await town.person()
    here, there, awake = people = [await town.person(*PROVIDERS) for _ in range(3)]
    room = await town.room(alice, *people)
    await here.call("push.change", quiet=evening.until("UTC"))
    await there.call("push.change", quiet=evening.until(KATHMANDU))
    weekday = datetime.fromtimestamp(end_ms / 1_000, UTC).isoweekday()
    other_days = [day for day in range(1, 8) if (day - weekday) % 7 in (2, 3, 4)]
    await awake.call("push.change", quiet=evening.until("UTC") | {"days": other_days})
    first = await room.say(alice, "one")
    await awake.hears()
    waiting = f"The user's quiet hours: it waits until they are over. (until {end_ms})"
    for who in (here, there):
        assert await room.why(who, first, "quiet_hours") == waiting
    second = await room.say(alice, "two")
    await room.act(alice, "chat.edit", offset=second, data={"text": "two, and three"})
    await awake.hears(2)
    for who in (here, there):
        assert who.visible("fcm") == []
    for who in (here, there):
        await who.hears()
        for provider in PROVIDERS:
            (shown,) = who.visible(provider)
            assert shown.body == "two, and three"
            assert shown.at_ms >= end_ms
        assert await room.why(who, first, "merged") == (
            f"One notification told of it and of later messages. (by {second})"
        )
        assert (await room.why(who, second, "sent")).startswith(SENT)
    town.stays_silent(here, there)


async def test_what_is_too_old_when_quiet_hours_are_over_is_not_told(evening: Evening) -> None:
    town = evening.town
    alice, bob = await town.people(2, "fcm")
    room = await town.room(alice, bob)
    await bob.call("push.change", quiet=evening.until("UTC", minutes=60))
    offset = await room.say(alice)
    end_ms = evening.end_ms + 3_600_000
    assert await room.why(bob, offset, "expired") == (
        "It was too old by the time at which the user could be told."
        f" (in quiet hours until {end_ms})"
    )
    town.stays_silent(bob)


async def test_what_no_service_takes_in_time_is_given_up(
    evening: Evening, in_vain: tuple[Room, Person, int]
) -> None:
    room, bob, offset = in_vain
    assert await room.why(bob, offset, "expired") == (
        "It was too old by the time at which the user could be told."
    )
    (device,) = (await room.explained(bob, offset))["devices"]
    assert device["tries"] > 2
    assert device["reason"] == "waiting"
    evening.town.stays_silent(bob)
