"""Whether the load itself is slow: its loop that is late, and the core that it takes."""

import asyncio
import time

from load.recording import Recorder
from load.watch import Watch


async def test_a_loop_that_is_held_up_is_found_late() -> None:
    watch = Watch()
    watch.start()
    await asyncio.sleep(0)
    time.sleep(0.2)  # noqa: ASYNC251 - it is what a load must not do
    await asyncio.sleep(0.01)
    watch.stop()
    facts = watch.facts(Recorder("steady"))
    assert facts.lag_ms > 150
    assert any("loop" in reason for reason in facts.reasons)


async def test_what_was_before_the_measuring_is_left_out() -> None:
    watch = Watch()
    watch.start()
    await asyncio.sleep(0)
    time.sleep(0.2)  # noqa: ASYNC251 - as above
    watch.start()
    watch.stop()
    assert watch.facts(Recorder("steady")).lag_ms == 0


async def test_all_of_the_cpu_time_is_counted() -> None:
    watch = Watch()
    watch.start()
    began, used = time.monotonic(), time.process_time()
    while time.process_time() < used + 0.1:
        pass
    facts = watch.facts(Recorder("steady"))
    watch.stop()
    # However little of the core a busy machine had for this.
    assert facts.cpu_share * (time.monotonic() - began) > 0.09
