"""`python -m load soak`: sound hubs pass though they are killed, broken ones are found out.

The load starts the hubs itself, by a file of nodes. It is short, and no threshold is about speed.
"""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pytest

from load.measured import Result
from load.report.files import read
from load.scenarios.soak import PROMISES
from tests.end_to_end import load_soak_broken
from tests.end_to_end.test_load_scenarios import NAMESPACES, Ended, failures
from tests.support.configuration import to_toml
from tests.support.mongo_servers import find_program as find_mongo
from tests.support.redis_servers import find_program as find_redis

A, B, C, D, E = (f"{letter}: {promise}" for letter, promise in PROMISES.items())
F: Final = "F: memory is flat, and descriptors are given back"
G: Final = "G: no log complains"

SMALL: Final = ("--clients", "24", "--rooms", "4", "--rate", "60", "--open-rate", "5000")
LIVELY: Final = ("--move-rate", "20", "--query-rate", "10", "--threshold", "rate>1")
KILLED: Final = ("--seed", "34", "--seconds", "5", "--cut-every-s", "2", "--fault-every-s", "1")
"""The hub is killed once, early, and away for less than a second."""

BROKEN: Final = {
    "acked-unstored": A,
    "lost-deliveries": A,
    "forgetful-recovery": A,
    "delivered-twice": B,
    "out-of-order": C,
    "cannot-leave": D,
    "stored-twice": E,
    "hoards": F,
    "careless": G,
}
"""By sabotage: the promise that does not hold."""
QUICK: Final = "lost-deliveries"

END_S: Final = 240.0


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now; hubs take them a moment later."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports: list[int] = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def one_hub(folder: Path, *, sabotage: str = "", faults: tuple[str, ...] = ()) -> Path:
    """A file of one hub with SQLite."""
    (port,) = free_ports(1)
    settings: dict[str, dict[str, Any]] = {
        "server": {"host": "127.0.0.1", "drain_s": 1.0},
        "store": {"url": f"sqlite:///{folder / 'hub.db'}"},
        "namespaces": {"room": NAMESPACES["room"]},
    }
    (folder / "hub.toml").write_text(to_toml(settings))
    program = [load_soak_broken.MODULE, sabotage] if sabotage else ["realtime"]
    serve = ["serve", "--config", str(folder / "hub.toml"), "--port", str(port)]
    path = folder / "nodes.toml"
    path.write_text(
        f"""
[env]
REALTIME_AUTH__HMAC_SECRET_FILE = "{{folder}}/secret"
REALTIME_API__KEYS_FILE = "{{folder}}/api_key"

[nodes.one]
command = {json.dumps(["{python}", "-m", *program, *serve])}
url = "ws://127.0.0.1:{port}"
faults = {json.dumps(faults)}
"""
    )
    return path


def soak(folder: Path, nodes: Path, *words: str) -> Ended:
    """Run one to its end."""
    run = subprocess.run(
        [sys.executable, "-m", "load", "soak", "--nodes", nodes, "--out", folder / "out", *words],
        env={name: value for name, value in os.environ.items() if not name.startswith("REALTIME_")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=END_S,
        check=False,
    )
    said = run.stdout + run.stderr
    assert (folder / "out" / "result.json").exists(), said
    return Ended(run.returncode, said, read(folder / "out" / "result.json"))


def done(result: Result) -> list[str]:
    """What was done to the hubs."""
    return [mark.what for phase in result.phases for mark in phase.marks]


def killed(folder: Path) -> Ended:
    """A soak of a sound hub, which is killed."""
    nodes = one_hub(folder, faults=("kill",))
    return soak(folder, nodes, *SMALL, *LIVELY, *KILLED, "--processes", "2")


def against_broken(folder: Path, sabotage: str) -> Ended:
    """A short soak against a hub that is broken in this way."""
    nodes = one_hub(folder, sabotage=sabotage)
    lasts = ("--seconds", "3", "--drain-s", "2", "--cut-every-s", "1")
    return soak(folder, nodes, *SMALL, *LIVELY, *lasts)


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Ended]]]:
    """Those that always run, at the same time: most of its time a soak waits."""
    pool = ThreadPoolExecutor()
    yield {
        "": pool.submit(killed, tmp_path_factory.mktemp("sound")),
        QUICK: pool.submit(against_broken, tmp_path_factory.mktemp("broken"), QUICK),
    }
    pool.shutdown()


def test_a_sound_hub_that_is_killed_keeps_what_it_promises(
    at_once: dict[str, Future[Ended]],
) -> None:
    run = at_once[""].result()
    assert failures(run.result) == set(), run.said
    assert (run.result.verdict, run.code) == ("passed", 0), run.said
    assert done(run.result) == ["kill one", "cut clients", "cut clients"]
    (phase,) = run.result.phases
    assert phase.counts["sent"] + phase.counts.get("nobody_to_send", 0) == 300
    assert 0 < phase.counts["stored"] <= phase.counts["sent"]
    assert {check.name for check in run.result.checks} >= {A, B, C, D, E, F, G}
    assert run.result.hub is not None and run.result.hub.samples
    assert re.search(r"^ +[\d.]+ s: kill one, [\d.]+ s$", run.said, re.M), run.said
    assert not run.result.notes


def found_out(run: Ended, sabotage: str) -> None:
    """Check that the right promise is told to be broken."""
    assert BROKEN[sabotage] in failures(run.result), run.said
    assert (run.result.verdict, run.code) == ("failed", 1), run.said
    # No other promise is blamed, but for what falls with it.
    blamed = {name[0] for name in failures(run.result) if name[1] == ":"}
    assert blamed <= {BROKEN[sabotage][0], "A"}, run.said


def test_a_hub_that_loses_messages_is_found_out(at_once: dict[str, Future[Ended]]) -> None:
    found_out(at_once[QUICK].result(), QUICK)


@pytest.mark.thorough
@pytest.mark.parametrize("sabotage", sorted(BROKEN.keys() - {QUICK}))
def test_a_hub_that_is_broken_on_purpose_is_found_out(tmp_path: Path, sabotage: str) -> None:
    found_out(against_broken(tmp_path, sabotage), sabotage)


@pytest.mark.timeout(300)
@pytest.mark.thorough
def test_three_hubs_that_are_broken_one_after_another_keep_what_they_promise(
    tmp_path: Path,
) -> None:
    text = files("load").joinpath("examples", "three-hubs.toml").read_text("utf-8")
    ports = ("8101", "8102", "8103", "6479", "27117")
    for port, free in zip(ports, free_ports(len(ports)), strict=True):
        text = text.replace(port, str(free))
    text = text.replace('"redis-server"', json.dumps(find_redis()))
    text = text.replace('"nx-27017"', json.dumps(find_mongo()))
    nodes = tmp_path / "nodes.toml"
    nodes.write_text(text)
    words = ("--seconds", "60", "--fault-every-s", "5", "--rate", "20", "--threshold", "rate>1")
    run = soak(tmp_path, nodes, *words, "--seed", "60")
    assert failures(run.result) == set(), run.said
    assert {"kill redis", "kill two", "kill one"} <= set(done(run.result)), run.said
