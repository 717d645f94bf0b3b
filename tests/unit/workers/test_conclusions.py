"""What is written of jobs that were no try, and of those that leave nothing behind."""

import pytest

from realtime.push.jobs import Postponed
from realtime.push.rows import DeviceRow
from realtime.rows import MEMBERS
from realtime.stores.base import Removal
from tests.unit.workers.sending_house import desk, until
from tests.unit.workers.worker_house import trail_of
from workers.conclusions import concluded
from workers.providers.base import Delivered, Later, Outcome

HELD = Later("rate", 5.0, asked=False)


@pytest.mark.parametrize(
    ("outcomes", "tries"),
    [((HELD,), 0), ((Later("503"),), 1), ((HELD, Delivered()), 1), ((HELD, Later("503")), 1)],
)
async def test_what_we_hold_back_ourselves_is_no_try(
    outcomes: tuple[Outcome, ...], tries: int
) -> None:
    async with desk() as at:
        await at.room("room:a", "bob")
        await at.due("room:a", "bob")
        (case,) = await at.cases.of(await at.claim(), at.clock.now_ms)
        told = [(DeviceRow("bob", str(place)), each) for place, each in enumerate(outcomes)]
        result = concluded(case, told, at.clock.now_ms, at.clock.now_ms + 1)
        assert isinstance(result.end, Postponed)
        assert result.end.tried == bool(tries)
        asked = [not isinstance(each, Later) or each.asked for each in outcomes]
        assert [row.tries for row in result.trail] == [int(each) for each in asked]


async def test_however_often_a_provider_has_no_turn_for_it_a_job_does_not_wait_longer() -> None:
    async with desk() as at:
        await at.room("room:a", "bob")
        await at.due("room:a", "bob")
        at.gate.rest(10_000, "429")
        at.gate._breaker.wait_s = lambda now: 1.0  # type: ignore[method-assign]
        at.gate._breaker.is_resting = lambda now: True  # type: ignore[method-assign]
        for _ in range(6):
            (job,) = await at.claim()
            (case,) = await at.cases.of([job], at.clock.now_ms)
            (errand,) = await at.errands.begin([case], 0)
            at.results.add(await at.errands.run(errand))
            await at.results.write()
            (job,) = (await at.jobs()).values()
            assert (job.tries, job.retrying) == (0, 0)
            assert 0 < job.due_at - at.clock.now_ms <= at.settings.retry_min.ms
            at.clock.now_ms = job.due_at


async def test_of_who_was_erased_when_their_job_is_due_nothing_is_kept() -> None:
    async with desk() as at:
        await at.room("room:a", "bob", "eve")
        await at.due("room:a", "bob", "eve")
        await at.store.write([Removal(MEMBERS, ("room:a", "bob"))])
        async with at.working():
            at.sender.wake()

            async def is_done() -> bool:
                return await at.states() == {"eve": "done"}

            await until(is_done)
        assert {row.user for row in await trail_of(at.store)} == {"eve"}
        assert at.phones.addresses() == ["eve-phone"]
