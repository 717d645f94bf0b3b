"""Complaints in logs: found, told in a line each, and not found in the logs of healthy hubs."""

from pathlib import Path

from load.complaints import COMPLAINTS_MAX, complaints

HEALTHY = """\
realtime: listening on http://127.0.0.1:8000
2026-11-27 05:55:48 INFO client 1 connected
2026-11-27 05:55:49 WARNING the store does not answer: error=StoreError
"""
TRACE = """\
ERROR Exception in callback Hub._tick()
Traceback (most recent call last):
  File "hub.py", line 3, in _tick
    raise KeyError(1)
KeyError: 1
"""


def log_of(tmp_path: Path, text: str) -> Path:
    """A log."""
    path = tmp_path / "hub.log"
    path.write_text(text)
    return path


def test_a_healthy_log_has_none(tmp_path: Path) -> None:
    assert complaints(log_of(tmp_path, HEALTHY * 100)) == []


def test_a_trace_is_one_complaint_and_told_with_the_error_at_its_end(tmp_path: Path) -> None:
    log = log_of(tmp_path, HEALTHY + TRACE + HEALTHY + TRACE)
    assert complaints(log) == ["ERROR Exception in callback Hub._tick() … KeyError: 1"] * 2


def test_every_kind_is_found(tmp_path: Path) -> None:
    for line in (
        "Task exception was never retrieved",
        "RuntimeWarning: coroutine 'f' was never awaited",
        "Task was destroyed but it is pending!",
        "ResourceWarning: unclosed socket",
        "Fatal Python error: Segmentation fault",
        "panic: runtime error: index out of range",
    ):
        assert complaints(log_of(tmp_path, f"{HEALTHY}{line}\n{HEALTHY}")) == [
            f"{line} … realtime: listening on http://127.0.0.1:8000"
        ]
        assert complaints(log_of(tmp_path, f"{HEALTHY}{line}")) == [line]


def test_of_many_the_first_are_told(tmp_path: Path) -> None:
    log = log_of(tmp_path, (TRACE + HEALTHY) * (COMPLAINTS_MAX + 50))
    assert len(complaints(log)) == COMPLAINTS_MAX
