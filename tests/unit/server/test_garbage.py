"""When the collector looks at all objects."""

import itertools
import logging
import resource
import sys
from pathlib import Path

import pytest

from realtime.server import garbage
from realtime.server.garbage import (
    CHECK_S,
    CLIENT_BYTES,
    FEW_CLIENTS,
    GROWN_MAX_BYTES,
    RARELY_S,
    Seen,
    is_due,
    look,
)

MB = 1024 * 1024
MANY = FEW_CLIENTS + 1


@pytest.mark.parametrize(
    ("clients", "waited_s", "grown_bytes", "due"),
    [
        (0, CHECK_S, 0, True),
        (FEW_CLIENTS, CHECK_S, 0, True),
        (MANY, CHECK_S, 0, False),
        (MANY, 1_000 * RARELY_S, 0, False),
        (MANY, 1_000 * RARELY_S, GROWN_MAX_BYTES, False),
        (MANY, RARELY_S - 1, GROWN_MAX_BYTES + 1, False),
        (MANY, RARELY_S, GROWN_MAX_BYTES + 1, True),
        (MANY, RARELY_S, -GROWN_MAX_BYTES, False),
    ],
)
def test_with_many_clients_nothing_but_a_leak_makes_it_due(
    clients: int, waited_s: float, grown_bytes: int, due: bool
) -> None:
    before = Seen(clients, 300 * MB)
    assert is_due(waited_s, before, Seen(clients, 300 * MB + grown_bytes)) is due


def test_what_more_clients_take_is_no_leak() -> None:
    before = Seen(MANY, 300 * MB)
    more_bytes = GROWN_MAX_BYTES + 1_000 * CLIENT_BYTES
    assert not is_due(RARELY_S, before, Seen(MANY + 1_000, 300 * MB + more_bytes))
    assert is_due(RARELY_S, before, Seen(MANY + 999, 300 * MB + more_bytes))


def test_the_memory_of_the_process_is_told_in_bytes() -> None:
    before = garbage.resident_bytes()
    held = b"x" * (64 * MB)
    after = garbage.resident_bytes()
    assert 32 * MB < after - before < 128 * MB
    assert len(held) == 64 * MB


@pytest.mark.parametrize(("clients", "level"), [(1, logging.DEBUG), (5_000, logging.INFO)])
def test_the_log_says_how_long_a_look_took(
    clients: int, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    look(clients)
    (record,) = caplog.records
    assert record.levelno == level
    assert record.getMessage().endswith(" ms")


async def test_the_time_between_looks_is_counted_from_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    looks: list[float] = []

    class Enough(Exception):
        """So many rounds will do."""

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if sum(slept) > 2 * RARELY_S:
            raise Enough

    monkeypatch.setattr("realtime.server.garbage.asyncio.sleep", sleep)
    monkeypatch.setattr(garbage, "look", lambda clients: looks.append(sum(slept)))
    sizes = itertools.count(0, GROWN_MAX_BYTES + 1)
    monkeypatch.setattr(garbage, "resident_bytes", lambda: next(sizes))
    with pytest.raises(Enough):
        await garbage.collect(lambda: MANY)
    assert looks == [RARELY_S, 2 * RARELY_S]


@pytest.mark.parametrize(("platform", "unit_bytes"), [("darwin", 1), ("freebsd14", 1024)])
def test_without_proc_the_most_there_was_is_told(
    monkeypatch: pytest.MonkeyPatch, platform: str, unit_bytes: int
) -> None:
    def absent(path: Path) -> bytes:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_bytes", absent)
    monkeypatch.setattr(sys, "platform", platform)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert garbage.resident_bytes() == pytest.approx(peak * unit_bytes, rel=0.1)
