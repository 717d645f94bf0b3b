"""A fleet of load processes: in step, measured as one, and ended whatever happens."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from load.fleet import Fleet, FleetFailed, Interrupted
from load.measured import Sample
from load.share import Share
from tests.support.configuration import HMAC_SECRET
from tests.support.polling import eventually
from tests.support.processes import HubProcess

CLIENTS = 10


class Steady(NamedTuple):
    """A phase."""

    name: str = "steady"
    changes: dict[str, float] = {}  # noqa: RUF012 - nobody changes it


def shares(url: str, channel: str, player: str = "Crowd", processes: int = 2) -> list[Share]:
    return [
        Share(
            player=f"tests.end_to_end.load_players:{player}",
            parameters={"clients": CLIENTS, "rate": 100, "seconds": 1.2},
            urls=(url,),
            format="protobuf",
            seed=1,
            run=channel.partition(":")[2],
            index=index,
            processes=processes,
            secret=HMAC_SECRET,
        )
        for index in range(processes)
    ]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_processes_play_in_step_and_are_measured_as_one(
    hub: HubProcess, channel: str
) -> None:
    samples: list[tuple[str, Sample]] = []
    fleet = Fleet(
        shares(hub.websocket_url, channel),
        clients=CLIENTS,
        report=lambda phase, sample: samples.append((phase, sample)),
    )
    async with fleet:
        pids = fleet.pids()
        await fleet.setup()
        first = await fleet.phase(Steady())
        second = await fleet.phase(Steady("twice", {"rate": 200, "seconds": 0.5}))
        await fleet.cleanup()
    assert [first.phase, second.phase] == ["steady", "twice"]
    assert (first.processes, first.facts) == (2, {"clients": CLIENTS / 2})
    assert first.errors == {}
    assert first.counts["published"] == 120 and second.counts["published"] == 100
    assert first.histograms["ack"].count == 120
    assert first.histograms["delivery"].count == first.counts["received"] == 120 * CLIENTS
    assert first.saturation.sends == 120
    assert 0 < first.saturation.cpu_share < 1
    assert samples[0][0] == "steady"
    assert 0 < samples[0][1].counts["received"] <= first.counts["received"]
    assert not any(is_alive(pid) for pid in pids)


async def test_an_interrupted_phase_gives_what_was_measured(hub: HubProcess, channel: str) -> None:
    loop = asyncio.get_running_loop()
    async with Fleet(shares(hub.websocket_url, channel)) as fleet:
        await fleet.setup()
        loop.call_later(0.6, fleet.interrupt)
        measured = await fleet.phase(Steady("long", {"seconds": 60}))
        assert 0 < measured.counts["published"] < 100
        assert 0.2 < measured.seconds < 2
        with pytest.raises(Interrupted):
            await fleet.phase(Steady())
        await fleet.cleanup()


async def test_a_scenario_that_fails_is_told_in_words(
    hub: HubProcess, channel: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with Fleet(shares(hub.websocket_url, channel, "Failing")) as fleet:
        with pytest.raises(FleetFailed, match=r"process \d: ValueError: no such namespace"):
            await fleet.setup()
    assert HMAC_SECRET not in capfd.readouterr().err


async def test_what_is_no_fault_of_the_code_is_told_without_a_traceback(
    hub: HubProcess, channel: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with Fleet(shares(hub.websocket_url, channel, "Barred")) as fleet:
        await fleet.setup()
        with pytest.raises(FleetFailed, match=r"process 1: the hub is closed today"):
            await fleet.phase(Steady())
        # The other was stopped, and both can still do something else.
        await fleet.cleanup()
        assert not fleet.interrupted
    assert "Traceback" not in capfd.readouterr().err


async def test_a_process_that_dies_ends_the_run(hub: HubProcess, channel: str) -> None:
    async with Fleet(shares(hub.websocket_url, channel, "Dying")) as fleet:
        pids = fleet.pids()
        await fleet.setup()
        with pytest.raises(FleetFailed, match="process 1 has died with status 7"):
            await fleet.phase(Steady())
    assert not any(is_alive(pid) for pid in pids)


async def test_a_load_that_cannot_keep_up_says_so(hub: HubProcess, channel: str) -> None:
    async with Fleet(shares(hub.websocket_url, channel, "Blocked", processes=1)) as fleet:
        await fleet.setup()
        measured = await fleet.phase(Steady())
        await fleet.cleanup()
    assert measured.saturation.late > 1
    assert measured.saturation.saturated


async def test_no_process_outlives_a_fleet_that_is_killed(hub: HubProcess, channel: str) -> None:
    program = f"""
import asyncio
from load.fleet import Fleet
from tests.end_to_end.test_load_fleet import Steady, shares

async def main():
    async with Fleet(shares({hub.websocket_url!r}, {channel!r})) as fleet:
        await fleet.setup()
        print(*fleet.pids(), flush=True)
        await fleet.phase(Steady("long", {{"seconds": 60}}))

asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert parent.stdout is not None
        pids = [int(word) for word in (await parent.stdout.readline()).split()]
        assert len(pids) == 2 and all(is_alive(pid) for pid in pids)
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        await parent.wait()

    async def all_ended() -> bool:
        return not any(is_alive(pid) for pid in pids)

    await eventually(all_ended)
