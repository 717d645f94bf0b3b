"""The life of a process without listeners."""

import asyncio
import signal

import pytest

from realtime.server.stopping import run_until_stopped


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_after_its_farewell(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    working = asyncio.Event()

    async def work() -> None:
        working.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            said.append("farewell")

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(run_until_stopped(work(), began="worker runs"))
        await working.wait()
        signal.raise_signal(number)
    assert said == ["farewell"]
    assert capsys.readouterr().err == "realtime: worker runs\n"


async def test_what_it_dies_of_is_raised() -> None:
    async def work() -> None:
        raise ConnectionError("gone")

    with pytest.raises(ExceptionGroup) as raised:
        await run_until_stopped(work(), began="")
    assert raised.group_contains(ConnectionError, match="gone")
