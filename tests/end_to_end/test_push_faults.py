"""Nobody loses a notification, or sees it twice, whoever dies at whatever moment of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterable, Mapping
from typing import Final

import pytest
import pytest_asyncio

from realtime.push.jobs import SMALL
from tests.end_to_end import push_deaths as deaths
from tests.end_to_end.push_scenes import Scene, crowd, scene
from tests.end_to_end.push_shapes import NODES, ONE_PROCESS, SHAPES, Shape, open_shape
from tests.support.redis_servers import RedisFailed
from workers.fakepush.outcomes import What

pytestmark = pytest.mark.asyncio(loop_scope="module")

GetShape = Callable[[str], Awaitable[Shape]]

PLACES: Final[Mapping[str, tuple[int, str]]] = {
    deaths.HALF_RAISED: (1, "sent"),
    deaths.JOBS_MADE: (1, "sent"),
    deaths.CLAIMED: (1, "sent"),
    # Nobody can know whether the provider was called.
    deaths.ATTEMPTED: (1, "sent_again"),
    deaths.ANSWERED: (2, "sent_again"),
    deaths.RECORDED: (1, "sent"),
    deaths.HALF_SETTLED: (1, "sent"),
}
"""Where to die; how often each device is sent the message then, and what is said of it."""

SELDOM: Final[Mapping[str, Container[str]]] = {
    ONE_PROCESS: {deaths.CLAIMED, "slow"},
    NODES: {*PLACES, "slow"} - {deaths.HALF_RAISED, deaths.ANSWERED},
}
"""What differs little from what is always tried; in nodes, most of what one process shows, too."""

TAKEN: Final[Mapping[What, int]] = {"hang": 1, "slow": 2}
"""How the request ends that a provider has; how often each device is sent the message then."""

CROWD: Final = 250
"""Members of a room that is dispatched page by page, of which it has three."""


BOTH: Final = pytest.mark.parametrize("shape", SHAPES, indirect=True)
ONLY_NODES: Final = pytest.mark.parametrize("shape", [NODES], indirect=True)

SLOW_S: Final = 0.4
"""How long a provider takes that is slow, and has answered long before a lease ends."""

LOOKS_S: Final = 5 * deaths.POLL_S
"""Long enough for both workers to find a job that is due by mistake."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shapes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GetShape]:
    """Gives each of the shapes, opened when it is first asked for, and the same from then on."""
    opened: dict[str, Shape] = {}
    async with contextlib.AsyncExitStack() as stack:

        async def get(name: str) -> Shape:
            if name not in opened:
                opening = open_shape(name, tmp_path_factory.mktemp("shape"))
                opened[name] = await stack.enter_async_context(opening)
            return opened[name]

        yield get


@pytest_asyncio.fixture(loop_scope="module")
async def shape(shapes: GetShape, request: pytest.FixtureRequest) -> Shape:
    """One of the shapes."""
    return await shapes(request.param)


def in_shapes(name: str, values: Iterable[str]) -> pytest.MarkDecorator:
    """Each of the values in each of the shapes; some of them seldom."""
    return pytest.mark.parametrize(
        ("shape", name),
        [
            pytest.param(
                shape, value, marks=[pytest.mark.thorough] if value in SELDOM[shape] else []
            )
            for shape in SHAPES
            for value in values
        ],
        indirect=["shape"],
    )


async def died(shape: Shape) -> None:
    """Wait until somebody has died; whoever is left does the rest, if there is anybody."""
    dead = await shape.died()
    if shape.is_one:
        await shape.revive(dead)


def script(told: Scene, what: What) -> None:
    """Have each device's next request end like that."""
    for person in told.listeners:
        for device in person.devices.values():
            told.shape.town.fake.world.script(device, what, times=1, delay_s=10.0)


@in_shapes("place", PLACES)
async def test_who_dies_while_people_are_told_loses_nothing_and_tells_nobody_twice(
    shape: Shape, place: str
) -> None:
    count, reason = PLACES[place]
    async with scene(shape) as told:
        shape.plant(place)
        offset = await told.say()
        await died(shape)
        await told.is_told({reason})
        if place != deaths.HALF_SETTLED:  # then it is over, and nobody could say so
            await told.is_listed(deaths.SETTLED, offset)
        assert told.count(offset) == {count}


@in_shapes("what", TAKEN)
async def test_who_is_killed_while_a_provider_has_the_request_has_another_one_do_it(
    shape: Shape, what: What
) -> None:
    """The provider has taken it, and its answer is to come, or it has not."""
    async with scene(shape) as told:
        script(told, what)
        offset = await told.say()
        sender = await shape.told_by(deaths.SENDER)
        await told.is_asked(what)
        await asyncio.to_thread(sender.kill9)
        await died(shape)
        await told.is_told()
        await told.is_listed(deaths.SETTLED, offset)
        assert told.count(offset) == {TAKEN[what]}
        # On a slow machine the lease may have ended before, and then nobody was killed for it.
        for device in (await told.explained(told.listeners[0], offset))["devices"]:
            assert device["reason"] == "sent_again" or device["tries"] == 2, device


@BOTH
async def test_what_is_said_while_a_notification_is_under_way_is_told_as_well(
    shape: Shape,
) -> None:
    async with scene(shape, 2) as told:
        shape.plant(deaths.SETTLING)
        first = await told.say()
        await shape.told_by(deaths.HELD)
        second = await told.say()
        await told.is_listed(deaths.RAISED, second)
        shape.goes_on()
        await told.is_told({"sent"})
        await told.is_listed(deaths.SETTLED, second)
        assert (told.count(first), told.count(second)) == ({1}, {1})


@BOTH
async def test_what_is_said_while_somebody_dies_of_a_notification_takes_its_place(
    shape: Shape,
) -> None:
    async with scene(shape) as told:
        script(told, "hang")
        first = await told.say()
        sender = await shape.told_by(deaths.SENDER)
        await told.is_asked("hang")
        second = await told.say()
        await told.is_listed(deaths.RAISED, second)
        await asyncio.to_thread(sender.kill9)
        await died(shape)
        await told.is_told({"sent"})
        (listener,) = told.listeners
        assert (await told.explained(listener, first))["reason"] == "superseded"
        assert (told.count(first), told.count(second)) == ({0}, {1})


@BOTH
async def test_a_room_whose_members_are_found_half_way_is_told_as_a_whole(shape: Shape) -> None:
    async with scene(shape) as told:
        await crowd(told, CROWD)
        shape.plant(deaths.PAGE_RAISED)
        offset = await told.say()
        await died(shape)
        await told.is_told({"sent"})
        await told.is_listed(deaths.SETTLED, offset)
        assert told.count(offset) == {1}


@BOTH
async def test_a_message_is_told_of_whose_hub_dies_before_it_can_say_that_it_is_stored(
    shape: Shape,
) -> None:
    async with scene(shape) as told:
        shape.plant(deaths.STORED)
        offset = await told.say_and_die()
        await told.is_told({"sent"})
        assert told.count(offset) == {1}


@BOTH
async def test_a_message_is_told_of_whose_hub_dies_as_soon_as_it_has_said_so(
    shape: Shape,
) -> None:
    async with scene(shape) as told:
        await told.say()
        await asyncio.to_thread(shape.town.hub.kill9)
        await shape.revive(await shape.died())
        await told.is_told()


@BOTH
async def test_who_is_told_to_stop_ends_what_it_has_begun_and_leaves_the_rest_to_others(
    shape: Shape,
) -> None:
    """Nobody has to wait for the end of a lease, which would count as a try."""
    few = deaths.IN_FLIGHT_MAX[SMALL]
    async with scene(shape, 2 * few, ["fcm"]) as told:
        fake = shape.town.fake
        fake.world.script("fcm", "slow", times=few, delay_s=SLOW_S)
        before = fake.world.phones.count.value
        offset = await told.say()
        assert await fake.world.phones.count.wait(before + few, timeout_s=10.0)
        sender = await shape.told_by(deaths.SENDER)
        assert await asyncio.to_thread(sender.terminate) == 0
        if shape.is_one:
            await shape.revive(sender)
        await told.is_told({"sent"})
        assert told.count(offset) == {1}
        for listener in told.listeners:
            (device,) = (await told.explained(listener, offset))["devices"]
            assert device["tries"] == 1, device


# Nodes.


@contextlib.asynccontextmanager
async def redis_back(shape: Shape) -> AsyncIterator[None]:
    """Whatever happens to Redis, it is there again afterwards."""
    try:
        yield
    finally:
        with contextlib.suppress(RedisFailed):  # it was killed
            shape.redis.kill9()
        await asyncio.to_thread(shape.redis.start)


@ONLY_NODES
async def test_a_worker_that_makes_jobs_of_what_another_one_has_told_of_tells_nobody_again(
    shape: Shape,
) -> None:
    async with scene(shape, 2) as told:
        shape.plant(deaths.ANYBODY)
        shape.plant(deaths.RAISING)
        offset = await told.say()
        await shape.told_by(deaths.HELD)
        await told.is_listed(deaths.SETTLED, offset)
        shape.goes_on()
        await told.is_listed(deaths.RAISED, offset, times=2)
        await asyncio.sleep(LOOKS_S)
        await told.is_told({"sent"})
        assert told.count(offset) == {1}


@ONLY_NODES
async def test_two_workers_that_make_jobs_of_the_same_messages_tell_of_each_once(
    shape: Shape,
) -> None:
    async with scene(shape, 2) as told:
        shape.plant(deaths.ANYBODY)
        for _ in range(20):
            await told.say()
        await told.is_listed(deaths.SETTLED, told.newest)
        await told.is_told({"sent"})
        for offset in told.said:
            assert told.count(offset) <= {0, 1}
        assert told.count(told.newest) == {1}


@ONLY_NODES
async def test_a_redis_that_is_emptied_loses_no_notification(shape: Shape) -> None:
    async with scene(shape) as told:
        shape.plant(deaths.RAISING)
        first = await told.say()
        await shape.told_by(deaths.HELD)
        await asyncio.to_thread(shape.redis.command, "FLUSHALL")
        shape.goes_on()
        await told.is_told({"sent"})
        second = await told.say()
        await told.is_told({"sent"})
        assert (told.count(first), told.count(second)) == ({1}, {1})


@ONLY_NODES
@pytest.mark.parametrize("how", ["pause", "kill9"])
async def test_without_redis_people_are_told_all_the_same(shape: Shape, how: str) -> None:
    async with scene(shape) as told, redis_back(shape):
        shape.plant(deaths.RAISING)
        first = await told.say()
        await shape.told_by(deaths.HELD)
        await asyncio.to_thread(getattr(shape.redis, how))
        shape.goes_on()
        await told.is_told({"sent"})
        second = await told.say()
        await told.is_told({"sent"})
        assert (told.count(first), told.count(second)) == ({1}, {1})
