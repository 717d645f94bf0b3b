"""What a soak's figures amount to, promise by promise, and the list of faults as it is printed."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from load.__main__ import main
from load.histogram import Histogram
from load.measured import Measured
from load.scenarios.soak import PROMISES, Soak, SoakParameters, counter_of
from load.watching import GROWTH, LONGEST_GROWTH, LONGEST_S

SOUND = Measured(
    phase="soak",
    seconds=60.0,
    counts={"sent": 100, "stored": 100, "hubs_watched": 3, "logs_read": 3, "faults": 2},
    histograms={"ack": Histogram([1] * 100), "delivery": Histogram([1] * 900)},
)


def outcome(**changes: Any) -> dict[str, str]:
    """What does not hold, and why."""
    counts = {**SOUND.counts, **changes.pop("counts", {})}
    measured = msgspec.structs.replace(SOUND, counts=counts, **changes)
    checks = Soak(SoakParameters()).checks([measured])
    return {check.name: check.detail for check in checks if not check.passed}


def test_a_sound_run_has_nothing_to_tell_and_says_how_much_was_checked() -> None:
    assert outcome() == {}
    checks = {check.name: check for check in Soak(SoakParameters()).checks([SOUND])}
    assert {name[0] for name in checks if name[1] == ":"} == set("ABCDEFG")
    checked = checks["all of it was checked"].detail
    assert checked == "100 sent, 100 acked, 100 stored, 900 delivered"


@pytest.mark.parametrize("letter", "ABCDEFG")
def test_each_promise_fails_by_itself_with_its_own_examples(letter: str) -> None:
    notes = ["A: one", "B: two", "C: three", "D: four", "E: five", "F: six", "G: seven", "N: x"]
    found = outcome(counts={counter_of(letter): 12}, notes=notes)
    ((name, detail),) = found.items()
    assert name.startswith(f"{letter}: ")
    assert detail == f"12 times: {notes['ABCDEFG'.index(letter)][3:]}"
    assert set(PROMISES) == set("ABCDE")


@pytest.mark.parametrize(
    ("changes", "name", "detail"),
    [
        ({"counts": {"sent": 0}}, "all of it was checked", "0 sent, 100 acked"),
        ({"histograms": {}}, "all of it was checked", "100 sent, 0 acked, 100 stored, 0 delivered"),
        ({"counts": {"given_up": 7}}, "all of it was checked", "; 7 were too many at once"),
        ({"counts": {"away": 2}}, "everyone was back at the end", "2 members away"),
        ({"counts": {"thrown_out": 1}}, "everyone was back at the end", "1 thrown out for good"),
        ({"counts": {"absent": 1}}, "in the end the hub knew who was there", "1 members not"),
        ({"counts": {"broken_n": 1}}, "hubs and what they share did what they were told", "1 time"),
    ],
)
def test_what_else_is_wrong_is_told(changes: dict[str, Any], name: str, detail: str) -> None:
    found = outcome(**changes)
    assert list(found) == [name]
    assert detail in found[name]


def test_hubs_that_nobody_looked_at_are_not_said_to_be_sound() -> None:
    counts = {"sent": 1, "stored": 1}
    measured = msgspec.structs.replace(SOUND, counts=counts)
    names = {check.name[0] for check in Soak(SoakParameters()).checks([measured])}
    assert not names & {"F", "G"}


def test_a_short_run_does_not_seem_to_tell_of_memory() -> None:
    def told(**facts: float) -> str:
        measured = msgspec.structs.replace(SOUND, facts=facts)
        checks = Soak(SoakParameters()).checks([measured])
        return next(check.detail for check in checks if check.name.startswith("F: "))

    assert told() == "no hub lived for 240 s, which it takes to tell of memory"
    assert told(**{GROWTH: 60.4, LONGEST_GROWTH: -1.2, LONGEST_S: 3_540.0}) == (
        "-1 KiB/min of the hub that lived longest, 3,540 s; +60 of the one that grew fastest"
    )


def test_minutes_take_the_place_of_seconds() -> None:
    assert SoakParameters(seconds=7.0).duration_s == 7.0
    assert SoakParameters(seconds=7.0, minutes=1.5).duration_s == 90.0


def test_the_list_of_faults_is_printed_and_is_the_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nodes.toml"
    path.write_text('[nodes.one]\ncommand = ["hub"]\nurl = "ws://127.0.0.1:1"\n')

    def listed(seed: str) -> str:
        words = ["soak", "--nodes", str(path), "--minutes", "10", "--seed", seed, "--faults-list"]
        assert main(words) == 0
        return capsys.readouterr().out

    lines = listed("3").splitlines()
    assert listed("3").splitlines() == lines != listed("4").splitlines()
    assert all(
        re.fullmatch(r" +[\d.]+ s  (kill one|drain one|freeze one|cut clients) +[\d.]+ s", line)
        for line in lines
    )
    times = [float(line.split()[0]) for line in lines]
    assert times == sorted(times) and len(times) > 30


def test_a_file_of_nodes_that_is_wrong_cannot_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nodes.toml"
    path.write_text('[nodes.one]\ncommand = ["hub"]\nurl = "ws://127.0.0.1:1"\nfault = 1\n')
    assert main(["soak", "--nodes", str(path)]) == 2
    assert f"--nodes {path}: " in capsys.readouterr().err
