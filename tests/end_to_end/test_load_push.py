"""`python -m load push` against hubs: a sound one passes, one that is broken on purpose does not.

As in `test_load_scenarios`, no threshold is about speed.
"""

import asyncio
import contextlib
import secrets
import socket
import sqlite3
import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest

from load.push_settings import push_settings
from load.scenarios.push import BESIDE, SILENCE, SMALL
from tests.end_to_end import load_push_broken
from tests.end_to_end.test_load_scenarios import Ended, Loads, failures
from tests.support.configuration import API_KEY, HMAC_SECRET
from tests.support.processes import HubProcess
from tests.support.server_api import open_api

NAMESPACES: Final[Mapping[str, Any]] = {
    "chat": {
        "history_size": -1,
        "chat": "room",
        "push": "all",
        "create": ["user"],
        "subscribe": ["member"],
        "publish": ["member"],
        "read_history": ["member"],
    },
    "quiet": {"history_size": -1, "chat": "room", "create": ["user"], "subscribe": ["member"]},
}

WORDS: Final = (
    *("push", "--clients", "12", "--connected", "6", "--rate", "20", "--members", "2"),
    *("--seconds", "1", "--warm-up-s", "0.2", "--settle-s", "0.3", "--open-rate", "5000"),
    *("--slower-max", "1000", "--threshold", "errors<1%"),
)
SOON: Final = "300ms"
"""How long a hub waits for who is connected, where that matters; else it is five seconds."""

BROKEN: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "lost-jobs": ("everybody who was away was told", ("--drain-s", "1.5")),
    "sent-twice": ("nobody was told twice", ()),
    "told-in-vain": ("nobody was told who was connected", ("--settle-s", "3")),
}
"""By sabotage: what does not hold then, and how long it is waited for it."""
QUICK: Final = ("lost-jobs", "sent-twice")


class PushLoads(Loads):
    """Runs that are the push service of one hub."""

    def __init__(self, hub: HubProcess, folder: Path, service: str) -> None:
        super().__init__(hub, folder)
        self.service = service

    def run(self, *words: str) -> tuple[int, str]:
        """From its beginning to its end."""
        return self.end(self.start(*WORDS, "--service", self.service, *words))


def _free_port() -> int:
    """A port that nobody listens on, below those that the system gives to connections."""
    while True:
        port = 10_000 + secrets.randbelow(10_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def push_loads(folder: Path, sabotage: str = "") -> Iterator[PushLoads]:
    """A hub, sound or not, whose notifications go to the load."""
    service = f"127.0.0.1:{_free_port()}"
    settings = tomllib.loads(push_settings(service, folder / "account.json"))
    changes: dict[str, Any] = {**settings, "namespaces": NAMESPACES}
    if sabotage == "told-in-vain":
        changes["push"] = {"ack_wait": SOON}
    hub = HubProcess(folder, changes)
    if sabotage:
        hub.program = (load_push_broken.MODULE, sabotage)
    hub.start()
    try:
        yield PushLoads(hub, folder, service)
    finally:
        hub.end()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PushLoads]:
    """Loads against a hub that keeps what it promises."""
    with push_loads(tmp_path_factory.mktemp("sound")) as found:
        yield found


async def test_a_sound_hub_tells_everybody_once(sound: PushLoads) -> None:
    code, said = await asyncio.to_thread(sound.run, "--processes", "2", "--format", "protobuf")
    result = sound.result()
    assert failures(result) == set(), said
    # A busy machine makes a run invalid, and the hub no less right.
    assert (result.verdict, code) in {("passed", 0), ("invalid", 3)}, said
    small, beside, silence = result.phases
    assert (small.phase, beside.phase, silence.phase) == (SMALL, BESIDE, SILENCE)
    assert small.counts["notified"] == small.counts["due"] == 40
    assert beside.counts["notified"] == beside.counts["due"] == 40 + 12
    assert small.histograms["told"].count == 40
    assert beside.histograms["crowd"].count == 12
    assert HMAC_SECRET not in said and API_KEY not in said
    # And all that it has put there is gone.
    assert not result.notes
    assert _devices(sound.hub) == 0
    async with open_api(sound.hub) as api:
        channels = (await api.call("channels"))["channels"]
    assert [name for name in channels if "load-" in name] == []


def _devices(hub: HubProcess) -> int:
    """How many are registered."""
    path = f"file:{hub.directory / 'hub.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(path, uri=True)) as database:
        (count,) = database.execute("SELECT count(*) FROM push_devices").fetchone()
    return int(count)


def against_broken(folder: Path, sabotage: str) -> Ended:
    """Run against a hub that breaks a promise."""
    with push_loads(folder, sabotage) as broken:
        code, said = broken.run(*BROKEN[sabotage][1])
        return Ended(code, said, broken.result())


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Future[Ended]]:
    """Those that no test is too long for, at once: most of the time a run waits."""
    with ThreadPoolExecutor(len(QUICK)) as pool:
        return {
            sabotage: pool.submit(against_broken, tmp_path_factory.mktemp(sabotage), sabotage)
            for sabotage in QUICK
        }


@pytest.mark.parametrize("sabotage", QUICK)
def test_a_hub_that_is_broken_on_purpose_is_found_out(
    ended: dict[str, Future[Ended]], sabotage: str
) -> None:
    found_out(ended[sabotage].result(), sabotage)


@pytest.mark.thorough
def test_a_hub_that_tells_who_has_seen_it_is_found_out(tmp_path: Path) -> None:
    found_out(against_broken(tmp_path, "told-in-vain"), "told-in-vain")


def found_out(run: Ended, sabotage: str) -> None:
    """Whether what does not hold is what was broken, and nothing else."""
    assert failures(run.result) == {BROKEN[sabotage][0]}, run.said
    assert (run.result.verdict, run.code) in {("failed", 1), ("invalid", 3)}, run.said


@pytest.mark.thorough
def test_a_hub_whose_notifications_go_elsewhere_is_not_measured(sound: PushLoads) -> None:
    code, said = sound.run("--service", f"127.0.0.1:{_free_port()}")
    assert code == 2, said
    assert "push-settings" in said
    assert _devices(sound.hub) == 0


@pytest.mark.thorough
def test_a_search_finds_how_much_the_hub_can_do(sound: PushLoads) -> None:
    code, said = sound.run("--rate", "150", "--until", "p99<2s", "--clients", "50")
    result = sound.result()
    assert code in {0, 3}, said
    assert len(result.phases) >= 1
    assert all(phase.counts["notified"] <= phase.counts["due"] for phase in result.phases)
    assert _devices(sound.hub) == 0
