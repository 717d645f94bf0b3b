"""Thousands of phones that a carrier's outage cut off come back in the same second."""

import asyncio
import re
import time
from typing import Final

import pytest

from tests.end_to_end.conftest import MakeHub
from tests.support.phone import Phone
from tests.support.polling import eventually
from tests.support.processes import HubProcess
from tests.support.server_api import ServerApi, open_api
from tests.support.tokens import connection_token

PHONES: Final = 2_000
ROOMS: Final = 50
ROUNDS: Final = 3
MISSED: Final = 5
"""Messages in each room while everybody is away."""

BACK_S: Final = 30.0
"""Within how many seconds all are back, on a slow machine that others use too. Two cores take
less than one."""

LAG_MAX_S: Final = 5.0
GROWTH_MAX: Final = 1.15
"""Of the hub's memory from the first outage to the last."""


async def metric(api: ServerApi, name: str) -> float:
    """A metric's value now; 0 where it has none yet."""
    text = (await api.request("GET", "/metrics")).text
    found = re.search(rf"^realtime_{name} (\S+)$", text, re.M)
    return float(found[1]) if found else 0.0


async def everybody_comes(phones: list[Phone], hub: HubProcess) -> float:
    """Have all connect at once; how many seconds that took."""
    began = time.monotonic()
    async with asyncio.timeout(BACK_S), asyncio.TaskGroup() as group:
        for phone in phones:
            group.create_task(phone.come(hub.port))
    return time.monotonic() - began


@pytest.mark.timeout(240)
async def test_thousands_come_back_in_the_same_second_and_have_missed_nothing(
    make_hub: MakeHub,
) -> None:
    """Half speak Protobuf, the others JSON, a tenth of all over HTTP streams; in the same rooms."""
    hub = make_hub({})
    await asyncio.to_thread(hub.start)
    rooms = [f"chat:{number}" for number in range(ROOMS)]
    phones = [
        Phone(
            connection_token(f"user{number}", device_id="phone"),
            rooms[number % ROOMS],
            protobuf=number // ROOMS % 2 == 1,
            streams=number // ROOMS % 10 == 0,
        )
        for number in range(PHONES)
    ]
    said: list[object] = []
    memory_kb: list[int] = []
    async with open_api(hub) as api:
        await everybody_comes(phones, hub)
        for outage in range(ROUNDS):
            for phone in phones:
                phone.drop()
            for number in range(MISSED):
                said.append([outage, number])
                await api.call("broadcast", channels=rooms, data=said[-1])
            await metric(api, "loop_lag_seconds")  # from here on
            took_s = await everybody_comes(phones, hub)
            lag_s = await metric(api, "loop_lag_seconds")
            assert took_s < BACK_S
            assert lag_s < LAG_MAX_S
            said.append([outage, "live"])
            await api.call("broadcast", channels=rooms, data=said[-1])
            await eventually(lambda: all_heard(phones, said), 10.0)
            memory_kb.append(hub.rss_kb())
        assert {phone.recovered for phone in phones} == {ROUNDS}
        assert {phone.offset for phone in phones} == {len(said)}
        assert await metric(api, "recoveries_total") == ROUNDS * PHONES
        assert await metric(api, "recoveries_denied_total") == 0
        assert await metric(api, "slow_closes_total") == 0
        assert await metric(api, "clients") == PHONES
        for phone in phones:
            phone.drop()

        async def is_empty() -> bool:
            return await metric(api, "connections") == 0

        await eventually(is_empty, 10.0)
    assert {phone.close_code for phone in phones} == {None}
    assert memory_kb[-1] < memory_kb[0] * GROWTH_MAX, memory_kb


async def all_heard(phones: list[Phone], said: list[object]) -> bool:
    """Whether everybody has heard everything; raises where it was not once and in order."""
    for phone in phones:
        assert phone.data == said[: len(phone.data)], phone
    return all(len(phone.data) == len(said) for phone in phones)
