"""Jobs over every driver, whatever happens one after the other: all are told, and not again.

What happens within each other is `tests/unit/push/test_jobs_interleaved.py`.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.push.removing import remove_all
from realtime.push.rows import JOBS
from realtime.rows import MEMBERS
from realtime.stores.base import Span
from tests.contract.conftest import STORES, StoreFactory
from tests.support.push_world import Ending, Place, World
from tests.support.table_store import TabledStore

PLACES: Final[list[Place]] = [("ann", "x"), ("ann", "y"), ("bob", "x")]
offsets = st.integers(1, 5)
endings: st.SearchStrategy[Ending] = st.sampled_from(["settle", "later", "release"])
acts = st.one_of(
    st.tuples(
        st.just("dispatch"),
        st.lists(st.tuples(st.sampled_from(PLACES), offsets), min_size=1, max_size=4),
    ),
    st.tuples(st.just("send"), st.integers(1, 3), endings),
    st.tuples(st.just("crash"), st.integers(1, 3)),
    st.tuples(st.just("read"), st.sampled_from(PLACES), offsets),
    st.tuples(st.just("delete"), st.sampled_from(["x", "y"]), offsets),
    st.tuples(st.just("tick"), st.integers(1, 12)),
)


async def live(store: TabledStore, steps: Sequence[Any]) -> None:
    """Do all this, from an empty table on."""
    await remove_all(store, JOBS, Span())
    await remove_all(store, MEMBERS, Span())
    world = World(store)
    for what, *arguments in steps:
        match what:
            case "tick":
                world.now += arguments[0]
            case "crash":
                await world.claim_and_die(*arguments)
            case _:
                await getattr(world, what)(*arguments)
    await world.drain()
    await world.check()


@pytest.mark.parametrize("driver", STORES)
def test_everybody_is_told_of_everything_and_not_again(
    request: pytest.FixtureRequest, driver: str
) -> None:
    """Whatever is dispatched again, in whichever order, and whoever dies with a lease."""
    make: StoreFactory = STORES[driver]
    with asyncio.Runner() as runner:
        store: Any = make(request)
        runner.run(store.open())

        @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(st.lists(acts, max_size=20))
        def check(steps: list[Any]) -> None:
            runner.run(live(store, steps))

        check()
        runner.run(store.close())
