"""The table of the targets: what is read of the programs that measure, and how it is judged."""

import gc
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.measure.rows import __main__ as rows
from tests.measure.rows import pauses
from tests.measure.rows.bench import Bench, BenchFailed, Cores, build, played, with_tokens
from tests.measure.rows.command import Start
from tests.measure.rows.room import member, members
from tests.measure.rows.single import Effort, Found
from tests.measure.rows.table import Reading, Row, Target, line, markdown, number, said_shortly
from tests.measure.rows.workloads import IN_ROOMS, ONE_TO_100, YARDSTICK, Workload, wire

AT_LEAST = Row("4", "rooms", Target(0.30, "× limit"))
AT_MOST = Row("9 p99", "two nodes", Target(25, "ms", at_least=False))
RESULT = (
    '{"conns": 3, "ready": 3, "dead": 0, "connect_s": 0.100, "connects_per_s": 30, "published": 9,'
    ' "delivered": 27, "lost": 0, "seconds": 1.000, "deliveries_per_s": 27, "p50_ms": 0.500,'
    ' "p99_ms": 1.500, "client_cpu_s": 0.01}\n'
)
WSLOAD = """#include <stdio.h>
static void frame(Conn *c, Tpl *t) {  // %i = index
    if (t->b[i] == '%' && i + 1 < t->n && t->b[i + 1] == 'i') { i++; }
    else if (t->b[i] == '%' && i + 1 < t->n && t->b[i + 1] == 'T') { i++; }
}
"""


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.50"), (9.994, "9.99"), (12.34, "12.3"), (123.4, "123"), (1_261_000, "1,261,000")],
)
def test_figures_have_three_digits_or_all_before_the_point(value: float, text: str) -> None:
    assert number(value) == text


def test_what_reaches_its_bound_is_met() -> None:
    assert AT_LEAST.target.is_met(0.30) and not AT_LEAST.target.is_met(0.29)
    assert AT_MOST.target.is_met(25) and not AT_MOST.target.is_met(25.1)
    assert (AT_LEAST.target.text, AT_MOST.target.text) == ("≥ 0.3 × limit", "≤ 25 ms")


def test_a_line_has_the_median_each_round_and_a_verdict() -> None:
    readings = [
        Reading(0.34, {"{} deliveries/s": 53_000, "p99 {} ms": 30}),
        Reading(0.25, {"{} deliveries/s": 41_000, "p99 {} ms": 20}),
        Reading(0.33, {"{} deliveries/s": 52_000, "p99 {} ms": 40}),
    ]
    assert line(AT_LEAST, readings) == (
        "| 4 | rooms | ≥ 0.3 × limit | **0.33** (0.34, 0.25, 0.33)"
        " | 52,000 deliveries/s, p99 30.0 ms | met |"
    )
    assert line(AT_LEAST, readings[1:2]).endswith("| **missed** |")


def test_a_row_that_was_not_measured_says_why_and_has_no_verdict() -> None:
    table = markdown([AT_LEAST, AT_MOST], {}, {"9 p99": "redis-server is not installed"})
    assert "not measured: redis-server is not installed" in table
    assert "met" not in table.replace("not measured", "")


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_the_last_line_names_the_machine(scale: float) -> None:
    *before, last = Start.now().ending(3, scale).splitlines()
    for said in (f"{os.cpu_count()} cores", platform.python_version(), platform.release()):
        assert said in last
    assert len(before) == (scale != 1)


def test_a_row_belongs_to_the_number_that_its_key_begins_with() -> None:
    assert (AT_LEAST.number, AT_MOST.number) == (4, 9)


def test_every_row_is_measured_by_one_part() -> None:
    covered = [covers for part in rows.parts(rows.NUMBERS) for covers in part.numbers]
    assert covered == list(rows.NUMBERS) == list(range(1, 12))
    assert [part.numbers for part in rows.parts([5, 7])] == [(5,), (6, 7)]


def test_a_long_error_is_said_by_its_first_and_last_line() -> None:
    error = BenchFailed("exit 1 at start:\nTraceback\n  in f\nNameError: a | b\n")
    assert said_shortly(error) == "exit 1 at start: … NameError: a / b"
    assert said_shortly(AssertionError()) == "AssertionError"


def test_what_the_load_printed_is_read() -> None:
    found = played(RESULT, messages=9)
    assert (found.connects_per_s, found.deliveries_per_s, found.p99_ms) == (30, 27, 1.5)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"dead": 0', '"dead": 1', "connections"),
        ('"ready": 3', '"ready": 2', "2 of 3 connections"),
        ('"lost": 0', '"lost": 2', "2 lost"),
        ('"published": 9', '"published": 8', "8 of 9 published"),
        (RESULT, "", "no result"),
        (', "client_cpu_s": 0.01}', "", "no result"),
    ],
)
def test_a_rate_without_all_connections_and_deliveries_is_none(
    old: str, new: str, said: str
) -> None:
    with pytest.raises(BenchFailed, match=said):
        played(RESULT.replace(old, new), messages=9)


def test_the_load_is_taught_a_token_for_each_connection_once() -> None:
    taught = with_tokens(WSLOAD)
    assert taught.index("read_toks(void)") < taught.index("static void frame")
    assert taught.index("== 'i'") < taught.index("== 'K'") < taught.index("== 'T'")
    assert with_tokens(taught) == taught
    with pytest.raises(BenchFailed, match="has changed"):
        with_tokens(WSLOAD.replace("'T'", "'t'"))


def test_on_one_core_both_sides_share_it() -> None:
    assert (Cores([3, 1]).server, Cores([3, 1]).load) == (1, 3)
    assert (Cores([2]).server, Cores([2]).load) == (2, 2)


def test_a_load_is_given_as_arguments() -> None:
    words = " ".join(wire("live", "TOKEN").words(ONE_TO_100))
    assert '--init {"id":1,"connect":{"token":"TOKEN"}}' in words
    assert '{"id":3,"publish":{"channel":"live:feed","data":{"t":"%T"}}}' in words
    assert words.endswith("--conns 100 --msgs 30000 --window 20")


def test_in_rooms_everybody_publishes_into_its_own() -> None:
    words = " ".join(wire("live", "TOKEN").words(IN_ROOMS))
    assert '"subscribe":{"channel":"live:r%g"}' in words and '"channel":"live:r%g","data"' in words
    assert "--groups 100 --per 10 --pubconns 1000" in words


def test_who_only_connects_publishes_nothing() -> None:
    words = YARDSTICK.words(Workload(7))
    assert "--pub" not in words and "--msgs" not in words and words[-2:] == ["--conns", "7"]


def test_trying_out_takes_fewer_messages_or_connections() -> None:
    assert ONE_TO_100.scaled(0.001) == ONE_TO_100._replace(messages=30)
    assert Workload(10_000).scaled(0.5) == Workload(5_000)


def test_a_member_is_in_the_room_that_its_connection_publishes_to() -> None:
    rooms = [members(room, IN_ROOMS) for room in range(IN_ROOMS.rooms)]
    assert all(member(number) in rooms[number % 100] for number in range(1_000))
    assert sum(map(len, rooms)) == 1_000


def test_the_longest_pause_is_found_with_its_cpu_time() -> None:
    noted = "2 90.000 80.000\n0 1.500 1.400\n1 7.250 3.000\n0 2"
    assert pauses.longest(noted) == (3, 90.0, 80.0)
    assert pauses.longest(noted, noted.index("\n") + 1) == (2, 7.25, 3.0)
    assert pauses.longest("") == (0, 0.0, 0.0)


def test_the_hub_that_notes_pauses_is_started_by_its_module_s_name() -> None:
    assert pauses.MODULE == pauses.__name__


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Path]:
    """Where it is noted when the collector of this process runs."""
    path = tmp_path / "pauses"
    noting = pauses.Noting(str(path))
    gc.callbacks.append(noting)
    yield path
    gc.callbacks.remove(noting)
    noting.close()


def test_each_run_of_the_collector_is_noted(notes: Path) -> None:
    before = len(notes.read_text())
    gc.collect()
    said = notes.read_text()[before:].splitlines()
    assert any(line.startswith("2 ") for line in said)
    assert pauses.longest("\n".join(said) + "\n").longest_ms > 0


def test_a_bench_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BenchFailed, match=r"wsload\.c is not there|apt install gcc"):
        build(tmp_path, tmp_path)


def test_what_was_measured_stays_when_the_time_is_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ended = []

    def measure(*_: object) -> Found:
        try:
            for _round in range(3):
                yield "5", Reading(0.25, {})
        finally:
            ended.append(True)

    monkeypatch.setattr(rows, "parts", lambda _: [rows.Part((5,), measure)])
    times = iter([0.0, 0.0, rows.RUN_MAX_S, rows.RUN_MAX_S + 1])
    bench, effort = Bench(tmp_path), Effort(3)
    found, reasons = rows.measured(bench, effort, [5], clock=lambda: next(times))
    assert len(found["5"]) == 2 and "time is up" in reasons["5"] and ended
