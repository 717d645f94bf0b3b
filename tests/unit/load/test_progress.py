"""The live line: rewritten on a terminal, few plain lines in a log."""

import io

import pytest

from load.__main__ import main
from load.histogram import Histogram
from load.measured import Measured, Sample
from load.progress import PLAIN_EVERY, Progress
from load.scenarios.base import Subject

SUBJECT = Subject("delivery", "received", "deliveries", tried=("published",), raised="rate")


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def sample(second: int) -> Sample:
    """A second with two errors and three deliveries."""
    waits = Histogram([1_000, 1_000, 8_000])
    return Sample(
        at=second, seconds=1.0, counts={"received": 3}, errors=2, histograms={"delivery": waits}
    )


def test_a_terminal_has_one_line_that_is_rewritten() -> None:
    stream = Terminal()
    progress = Progress(stream, SUBJECT)
    for second in range(3):
        progress.show("steady", sample(second))
    assert stream.getvalue().count("\n") == 0
    assert stream.getvalue().split("\r\x1b[K")[-1] == (
        "steady: 3 s, 3 deliveries/s, 2 errors, delivery p50 1.0 ms, p99 8.0 ms"
    )


def test_a_phase_that_waits_for_something_else_tells_of_that() -> None:
    stream = io.StringIO()
    waits = {"ack": Histogram(), "back": Histogram([28_000])}
    Progress(stream, SUBJECT).done(Measured(phase="storm", seconds=1.0, histograms=waits))
    assert stream.getvalue().endswith("0 errors, back p50 28.0 ms, p99 28.0 ms\n")


def test_what_a_hub_says_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    errors = {"connection: 3000 \x1b[2Jgone\r\n": 1}
    Progress(stream, SUBJECT).done(Measured(phase="steady", seconds=1.0, errors=errors))
    assert "\x1b" not in stream.getvalue() and "\r" not in stream.getvalue()
    assert main(["merge", "no\x1b[2J such file"]) == 2
    assert capsys.readouterr().err == "load: no\ufffd[2J such file: No such file or directory\n"


def test_a_log_has_few_lines_and_nothing_that_rewrites() -> None:
    stream = io.StringIO()
    progress = Progress(stream, SUBJECT)
    for second in range(PLAIN_EVERY * 2):
        progress.show("steady", sample(second))
    assert stream.getvalue().count("\n") == 2
    assert "\r" not in stream.getvalue() and "\x1b" not in stream.getvalue()


def test_the_end_of_a_phase_tells_of_the_errors_by_kind() -> None:
    stream = io.StringIO()
    measured = Measured(
        phase="steady", seconds=2.0, counts={"received": 3_000}, errors={"publish: 103": 4, "x": 5}
    )
    Progress(stream, SUBJECT).done(measured)
    assert stream.getvalue().splitlines() == [
        "steady: 2.0 s in all, 1,500 deliveries/s, 9 errors",
        "  5 × x",
        "  4 × publish: 103",
    ]
