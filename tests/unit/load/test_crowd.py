"""Waiting for what is on its way: until all of it has come, and no longer than it is of use."""

from load.scenarios.crowd import drained


async def test_waiting_ends_when_all_have_come_or_nothing_comes() -> None:
    numbers = iter(range(100))
    assert await drained(lambda: next(numbers), 3, 5, quiet_s=5)
    assert not await drained(lambda: 1, 3, 5, quiet_s=0.05)
    numbers = iter(range(100))
    assert not await drained(lambda: next(numbers), 99, 0.1, quiet_s=5)
