"""`python -m load` against hubs: a sound one passes, one that is broken on purpose does not.

The load is small and short, the machine may be busy: no threshold here is about speed, but where
it is the very thing, and then it is far off what a sound hub does.
"""

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from load.measured import Result
from load.report.files import read
from load.scenarios.table import SCENARIOS as SCENARIO_TYPES
from tests.end_to_end import load_sabotage
from tests.support.configuration import API_KEY, HMAC_SECRET
from tests.support.processes import HubProcess
from tests.support.server_api import open_api

NAMESPACES: Final[dict[str, dict[str, Any]]] = {
    "typing": {"subscribe": ["user"], "publish": ["subscriber"]},
    "chat": {
        "history_size": -1,
        "chat": "room",
        "create": ["user"],
        "subscribe": ["member"],
        "publish": ["member"],
        "read_history": ["member"],
    },
    "room": {
        "history_size": 1_000,
        "presence": True,
        "join_leave": True,
        "subscribe": ["user"],
        "publish": ["user"],
        "read_history": ["user"],
        "read_presence": ["user"],
    },
}
SHORT: Final = ("--seconds", "1", "--warm-up-s", "0", "--open-rate", "5000")
SCENARIOS: Final[dict[str, tuple[str, ...]]] = {
    "connect": ("--clients", "60", "--rate", "200", *SHORT),
    "fanout": ("--clients", "30", "--rate", "100", *SHORT),
    "rooms": ("--clients", "30", "--rooms", "5", "--rate", "200", *SHORT),
    "recovery": (
        *("--clients", "30", "--rooms", "3", "--rate", "150", *SHORT),
        *("--cut-every-s", "0.6", "--away-s", "0.3"),
    ),
    "presence": ("--clients", "30", "--rooms", "5", "--rate", "30", *SHORT),
    "chat": ("--clients", "20", "--rooms", "4", "--rate", "40", *SHORT),
    "slow": (
        *("--clients", "5", "--stopped", "2", "--rate", "150", *SHORT),
        # More than the system's buffers and the hub's together; and no word on how fast.
        *("--payload-bytes", "60000", "--slower-max", "1000"),
    ),
}
COULD_BE_SLOW: Final = ("--threshold", "errors<1%")
END_S: Final = 40.0
AT_ONCE: Final = 3


class Loads:
    """Runs of `python -m load` against one hub."""

    def __init__(self, hub: HubProcess, folder: Path) -> None:
        self.hub = hub
        self.folder = folder
        (folder / "secret").write_text(f"{HMAC_SECRET}\n")
        (folder / "key").write_text(f"{API_KEY}\n")

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin a run."""
        files = ("--secret-file", str(self.folder / "secret"))
        key = ("--api-key-file", str(self.folder / "key"))
        where = ("--url", self.hub.url.replace("http", "ws"), "--out", str(self.folder / "out"))
        return subprocess.Popen(
            [sys.executable, "-m", "load", *words, *files, *key, *where],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, run: subprocess.Popen[str]) -> tuple[int, str]:
        """Wait for its end: the exit code, and what it has said."""
        try:
            out, err = run.communicate(timeout=END_S)
        finally:
            run.kill()
        return run.returncode, out + err

    def result(self) -> Result:
        """What the last run has left."""
        return read(self.folder / "out" / "result.json")


@contextlib.contextmanager
def loads(folder: Path, sabotage: str = "") -> Iterator[Loads]:
    """A hub, sound or not, and loads against it."""
    hub = HubProcess(folder, {"namespaces": NAMESPACES})
    if sabotage:
        hub.program = (load_sabotage.MODULE, sabotage)
    hub.start()
    try:
        yield Loads(hub, folder)
    finally:
        hub.end()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loads]:
    """Loads against a hub that keeps what it promises."""
    with loads(tmp_path_factory.mktemp("sound")) as found:
        yield found


def failures(result: Result) -> set[str]:
    """What did not hold."""
    return {check.name for check in result.checks if not check.passed} | {
        threshold.text for threshold in result.thresholds if not threshold.passed
    }


@dataclass(frozen=True)
class Ended:
    """A run that is over."""

    code: int
    said: str
    result: Result


FORMATS: Final = dict(zip(SCENARIOS, ["json", "protobuf"] * 4, strict=False))


@pytest.fixture(scope="module")
def passed(sound: Loads, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Future[Ended]]:
    """Every scenario against a sound hub, some at once: most of its time a run waits."""

    def run(scenario: str, folder: Path) -> Ended:
        own = Loads(sound.hub, folder)
        words = (scenario, *SCENARIOS[scenario], *COULD_BE_SLOW, "--processes", "2")
        code, said = own.end(own.start(*words, "--format", FORMATS[scenario]))
        assert (folder / "out" / "report.html").exists()
        return Ended(code, said, own.result())

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {
            scenario: pool.submit(run, scenario, tmp_path_factory.mktemp(scenario))
            for scenario in SCENARIOS
        }


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_sound_hub_does_all_that_a_scenario_asks(
    passed: dict[str, Future[Ended]], scenario: str
) -> None:
    run = passed[scenario].result()
    assert failures(run.result) == set(), run.said
    # A busy machine makes a run invalid, and the hub no less right.
    assert (run.result.verdict, run.code) in {("passed", 0), ("invalid", 3)}, run.said
    assert all(measured.errors_total == 0 for measured in run.result.phases)
    # Thresholds may name these, and no others.
    subject = SCENARIO_TYPES[scenario].subject
    for measured in run.result.phases:
        assert set(measured.counts) <= {*subject.counters}
        assert set(measured.histograms) <= {*subject.waits}
    assert run.result.hub is not None and run.result.hub.samples
    assert run.result.hub_versions and run.result.hub_versions[0]
    began = [measured.began_at for measured in run.result.phases]
    assert all(began) and began == sorted(began)
    assert HMAC_SECRET not in run.said and API_KEY not in run.said


BROKEN: Final = {
    "lost-deliveries": ("fanout", "everything arrived once"),
    "other-deliveries": ("fanout", "everything arrived once"),
    "late-rooms": ("rooms", "p99<450ms"),
    "wrong-rooms": ("rooms", "everything arrived once"),
    "forgetful-recovery": ("recovery", "nothing was lost"),
    "refused-connects": ("connect", "every client got in"),
    "untold-leaves": ("presence", "all were told who came and went"),
    "short-markers": ("chat", "markers reach what was sent"),
    "endless-patience": ("slow", "the hub let go of those who stopped"),
}
"""By sabotage: the scenario that finds it out, and what does not hold then."""


def against_broken(folder: Path, sabotage: str) -> Ended:
    """Run the scenario that is to find it out."""
    scenario, _ = BROKEN[sabotage]
    words = (scenario, *SCENARIOS[scenario], "--drain-s", "1", "--threshold", "p99<450ms")
    with loads(folder, sabotage) as broken:
        code, said = broken.end(broken.start(*words))
        return Ended(code, said, broken.result())


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Future[Ended]]:
    """All of them, some at once: most of the time a run waits for what does not come."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {
            sabotage: pool.submit(against_broken, tmp_path_factory.mktemp(sabotage), sabotage)
            for sabotage in BROKEN
        }


@pytest.mark.parametrize("sabotage", BROKEN)
def test_a_hub_that_is_broken_on_purpose_is_found_out(
    ended: dict[str, Future[Ended]], sabotage: str
) -> None:
    run = ended[sabotage].result()
    assert BROKEN[sabotage][1] in failures(run.result), run.said
    assert (run.result.verdict, run.code) in {("failed", 1), ("invalid", 3)}, run.said


async def test_what_a_run_has_left_in_the_hub_is_taken_away(sound: Loads) -> None:
    words = ("fanout", *SCENARIOS["fanout"], "--namespace", "room", *COULD_BE_SLOW)
    code, said = await asyncio.to_thread(lambda: sound.end(sound.start(*words)))
    assert code in {0, 3}, said
    async with open_api(sound.hub) as api:
        channels = (await api.call("channels"))["channels"]
    assert [name for name in channels if "load-" in name] == []
    assert not sound.result().notes


def test_ctrl_c_gives_the_report_of_what_ran(sound: Loads) -> None:
    run = sound.start("fanout", "--seconds", "60", "--warm-up-s", "0", "--clients", "10")
    assert run.stderr is not None
    for line in run.stderr:
        # The first second of the phase has been measured.
        if line.startswith("steady: "):
            break
    run.send_signal(signal.SIGINT)
    code, said = sound.end(run)
    assert code == 130, said
    result = sound.result()
    assert result.verdict == "interrupted"
    (measured,) = result.phases
    assert measured.counts["received"] > 0
    assert 0.5 < measured.seconds < 30


DIED: Final = {
    "recovery": "nothing was lost",
    "presence": "in the end the hub knew who was there",
    "chat": "markers reach what was sent",
}
"""By scenario that asks the hub something at the end: what does not hold without an answer."""


def test_a_hub_that_dies_under_the_load_has_failed_and_there_is_a_report(tmp_path: Path) -> None:
    with loads(tmp_path) as found:
        runs = {}
        for scenario in DIED:
            (tmp_path / scenario).mkdir()
            own = Loads(found.hub, tmp_path / scenario)
            words = (scenario, *SCENARIOS[scenario], "--seconds", "5", "--drain-s", "0.5")
            # One cut is enough: who is away tries for long to come back.
            once = ("--cut-every-s", "5") if scenario == "recovery" else ()
            runs[scenario] = own, own.start(*words, *once, *COULD_BE_SLOW)
        for _, run in runs.values():
            assert run.stderr is not None
            # The line of the first second of the phase.
            next(line for line in run.stderr if "/s, " in line)
        found.hub.kill9()
        for scenario, (own, run) in runs.items():
            code, said = own.end(run)
            assert code in {1, 3} and "Traceback" not in said, said
            assert DIED[scenario] in failures(own.result()), said


@pytest.mark.thorough
def test_what_was_measured_before_the_hub_died_is_told(tmp_path: Path) -> None:
    with loads(tmp_path) as found:
        words = ("slow", *SCENARIOS["slow"], "--processes", "2", *COULD_BE_SLOW)
        run = found.start(*words)
        assert run.stderr is not None
        next(line for line in run.stderr if line.startswith("all read: ") and "in all" in line)
        found.hub.kill9()
        code, said = found.end(run)
        assert code in {1, 3} and "Traceback" not in said, said
        result = found.result()
    assert result.phases[0].phase == "all read"
    assert result.verdict in {"failed", "invalid"}


def test_a_load_that_is_too_slow_itself_says_nothing_of_the_hub(sound: Loads) -> None:
    """Ten thousand messages are to leave within ten milliseconds, from one process."""
    words = ("rooms", *SHORT, "--clients", "10", "--rate", "1000000", "--seconds", "0.01")
    code, said = sound.end(sound.start(*words, "--drain-s", "0.5", "--threshold", "rate>1"))
    assert code == 3, said
    result = sound.result()
    assert result.verdict == "invalid" and result.phases[0].saturation.sends == 10_000
    assert "10,000 messages left more than 10 ms late" in said


@pytest.mark.thorough
def test_a_search_finds_the_knee(tmp_path: Path) -> None:
    with loads(tmp_path, "overwhelmed") as broken:
        words = ("rooms", *SHORT, "--clients", "10", "--rooms", "2", "--rate", "160")
        code, said = broken.end(broken.start(*words, "--seconds", "0.5", "--until", "max<400ms"))
        result = broken.result()
    if result.verdict == "invalid":
        pytest.skip(f"the machine is too busy to tell: {result.notes}")
    assert code == 0, said
    (note,) = [note for note in result.notes if note.startswith("the knee: ")]
    held = float(note.split()[note.split().index("rate") + 1])
    assert 60 < held <= load_sabotage.ENOUGH


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("fanout", "--clients", "x"), "clients"),
        (("fanout", "--secret-file", "/nowhere"), "/nowhere"),
        (("fanout", "--url", "ws://127.0.0.1:1", *SHORT), "cannot connect"),
    ],
)
def test_what_cannot_run_says_why(tmp_path: Path, words: Sequence[str], problem: str) -> None:
    ends = [] if "--url" in words else ["--url", "ws://127.0.0.1:1"]
    run = subprocess.run(
        [sys.executable, "-m", "load", *words, *ends],
        capture_output=True,
        text=True,
        timeout=END_S,
        check=False,
    )
    assert run.returncode == 2
    assert problem in run.stderr
    assert run.stderr.count("Traceback") == 0
