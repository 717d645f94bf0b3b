"""Workers and the hub are killed at random for a while; nobody loses a notification by it."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
import pytest
import pytest_asyncio

from tests.end_to_end.push_scenes import PATIENCE_S, Scene, scene
from tests.end_to_end.push_shapes import SHAPES, Shape, open_shape
from tests.support.chat_users import HttpAnswer, Refusal
from tests.support.push_town import PROVIDERS
from workers.fakepush.outcomes import What

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(400),
]

LASTS_S: Final = 60.0
ROOMS: Final = 8
LISTENERS: Final = 5
SAID_EVERY_S: Final = (0.5, 2.0)
"""Between two messages of a room, at least and at most."""
KILLED_EVERY_S: Final = (0.5, 3.0)
DOWN_S: Final = (0.0, 2.0)
TRIES_MAX: Final = 200
RETRY_S: Final = 0.1

MISHAPS: Final[tuple[What, ...]] = ("drop", "unavailable", "slow", "hang", "busy_device")
MISHAP: Final = 0.05
"""How likely one of these befalls a device's next request, for each message."""


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=SHAPES)
async def shape(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shape]:
    """Each of the shapes in turn."""
    async with open_shape(request.param, tmp_path_factory.mktemp("shape")) as shape:
        yield shape


class Trouble:
    """What happens meanwhile, by chance."""

    def __init__(self, shape: Shape, luck: random.Random) -> None:
        self.kills = 0
        self._shape = shape
        self._luck = luck
        self._until = time.monotonic() + LASTS_S

    @property
    def is_over(self) -> bool:
        """Whether it has been enough."""
        return time.monotonic() > self._until

    async def kill(self) -> None:
        """Kill one after the other, and start it again a while later."""
        while not self.is_over:
            await asyncio.sleep(self._luck.uniform(*KILLED_EVERY_S))
            process = self._luck.choice(self._shape.processes)
            await asyncio.to_thread(process.kill9)
            self.kills += 1
            await asyncio.sleep(self._luck.uniform(*DOWN_S))
            await self._shape.revive(process)

    async def talk(self, told: Scene) -> None:
        """Say one thing after the other in a room, each until it is known to be stored."""
        while not self.is_over:
            self._befall(told)
            message = told.message()
            told.keep(message, await said(told, message))
            await asyncio.sleep(self._luck.uniform(*SAID_EVERY_S))

    def _befall(self, told: Scene) -> None:
        for person in told.listeners:
            for device in person.devices.values():
                if self._luck.random() < MISHAP:
                    what = self._luck.choice(MISHAPS)
                    told.shape.town.fake.world.script(device, what, times=1, retry_after_s=1)


async def said(told: Scene, message: dict[str, Any]) -> int:
    """Say it until it is stored; its offset."""
    for _ in range(TRIES_MAX):
        try:
            sent = await told.speaker.call("chat.send", **message)
        except (aiohttp.ClientError, TimeoutError, HttpAnswer):
            await asyncio.sleep(RETRY_S)
        except Refusal as refused:
            assert refused.code == 100, refused
            await asyncio.sleep(RETRY_S)
        else:
            return int(sent["offset"])
    raise AssertionError("it was never stored")


@pytest.mark.parametrize("seed", [1])
async def test_nobody_loses_a_notification_while_all_are_killed_at_random(
    shape: Shape, seed: int
) -> None:
    luck = random.Random(seed)  # noqa: S311 - repeatable
    scenes: list[Scene] = []
    for _ in range(ROOMS):
        async with scene(shape, LISTENERS, PROVIDERS) as made:
            scenes.append(made)
    trouble = Trouble(shape, luck)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(trouble.kill(), name="killing")
        for told in scenes:
            tasks.create_task(trouble.talk(told), name="talking")
    await shape.start()
    for told in scenes:
        told.patience_s = PATIENCE_S
        await told.is_told()
        for offset in told.said:
            assert max(told.count(offset)) <= 1 + trouble.kills
    assert trouble.kills >= 10
    assert sum(len(told.said) for told in scenes) >= 200
