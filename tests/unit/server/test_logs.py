"""Log lines for people and for machines."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from realtime.server.logs import JsonFormatter, configure_logging
from realtime.settings.schema import LogSettings


@pytest.fixture(autouse=True)
def _root() -> Iterator[None]:
    """Put the process's logging back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    libraries = [logging.getLogger(name) for name in ("pymongo", "redis", "asyncio")]
    levels = [library.level for library in libraries]
    yield
    for library, before in zip(libraries, levels, strict=True):
        library.setLevel(before)
    root.handlers[:] = handlers
    root.setLevel(level)


def record(message: str, *args: object, exc_info: bool = False) -> logging.LogRecord:
    """A record as a logger makes it."""
    found = logging.LogRecord("a.logger", logging.WARNING, "file", 1, message, args, None)
    found.created = 1_700_000_000.5
    if exc_info:
        found.exc_info = sys.exc_info()
    return found


def test_a_record_is_one_json_object_on_one_line() -> None:
    line = JsonFormatter().format(record('two\nlines and a "%s"', "value"))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.500+00:00",
        "level": "warning",
        "logger": "a.logger",
        "message": 'two\nlines and a "value"',
    }


def test_a_traceback_is_a_field() -> None:
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        line = JsonFormatter().format(record("oh", exc_info=True))
    assert "\n" not in line
    assert "ZeroDivisionError" in json.loads(line)["traceback"]


def test_a_name_that_is_no_utf_8_is_logged_all_the_same() -> None:
    """Paths of files may hold any bytes, which Python shows as lone surrogates."""
    line = JsonFormatter().format(record("database /tmp/\udcff"))
    assert "database /tmp/" in json.loads(line)["message"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_logging_goes_to_standard_error_from_its_level_on(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(LogSettings(level="warning", format=form))  # type: ignore[arg-type]  # one of the two
    logging.getLogger("a.logger").info("quiet")
    logging.getLogger("a.logger").warning("loud")
    seen = capsys.readouterr()
    assert seen.out == ""
    (line,) = seen.err.splitlines()
    assert "loud" in line
    assert (line.startswith("{")) is (form == "json")


def test_configuring_twice_logs_once(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        configure_logging(LogSettings(format="json"))
    logging.getLogger("a.logger").warning("once")
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("library", ["pymongo.command", "redis.asyncio", "asyncio"])
def test_what_libraries_print_for_their_makers_is_not_logged(
    library: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """PyMongo prints whole documents there."""
    configure_logging(LogSettings(level="debug"))
    logging.getLogger("realtime.hub").debug("ours")
    logging.getLogger(library).info("a secret")
    logging.getLogger(library).warning("a warning")
    logged = capsys.readouterr().err
    assert "ours" in logged and "a warning" in logged
    assert "a secret" not in logged


def test_a_level_above_warnings_holds_for_libraries_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings(level="error"))
    logging.getLogger("pymongo").warning("a warning")
    assert "a warning" not in capsys.readouterr().err
