"""The tests of push under faults notice what they are there for: each against a broken build."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.end_to_end import push_broken as broken
from tests.end_to_end import push_deaths as deaths
from tests.end_to_end import test_push_faults as faults
from tests.end_to_end.push_shapes import ONE_PROCESS, Shape, open_shape

pytestmark = pytest.mark.thorough

Scenario = Callable[[Shape], Awaitable[None]]

dying = faults.test_who_dies_while_people_are_told_loses_nothing_and_tells_nobody_twice
killed = faults.test_who_is_killed_while_a_provider_has_the_request_has_another_one_do_it
under_way = faults.test_what_is_said_while_a_notification_is_under_way_is_told_as_well

SCENARIOS: Final[Mapping[str, Scenario]] = {
    "settle-first": partial(killed, what="hang"),
    "claim-without-lease": under_way,
    "unmark-first": partial(dying, place=deaths.HALF_RAISED),
    "believe-attempts": partial(dying, place=deaths.ATTEMPTED),
    "settle-what-was-raised": under_way,
}
"""What each build does not live through."""


@contextlib.asynccontextmanager
async def one_process(directory: Path, how: str) -> AsyncIterator[Shape]:
    """Everything in one process of this build."""
    program = (broken.MODULE, how) if how else ()
    async with open_shape(ONE_PROCESS, directory, program=program) as shape:
        yield shape


def test_there_is_a_scenario_for_every_broken_build() -> None:
    assert SCENARIOS.keys() == broken.HOW.keys()


@pytest.mark.parametrize("how", SCENARIOS)
async def test_a_broken_build_fails(tmp_path: Path, how: str) -> None:
    async with one_process(tmp_path, how) as shape:
        with pytest.raises((AssertionError, TimeoutError)) as failed:
            await SCENARIOS[how](shape)
        # Not because it does not work at all.
        assert shape.listed(deaths.SETTLED), failed.value
