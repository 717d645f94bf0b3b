"""When the collector looks at all objects."""

import logging

import pytest

from realtime.server import garbage
from realtime.server.garbage import CHECK_S, FEW_CLIENTS, RARELY_S, is_due, look


@pytest.mark.parametrize(
    ("clients", "waited_s", "due"),
    [
        (0, CHECK_S, True),
        (FEW_CLIENTS, CHECK_S, True),
        (FEW_CLIENTS + 1, CHECK_S, False),
        (FEW_CLIENTS + 1, RARELY_S - 1, False),
        (FEW_CLIENTS + 1, RARELY_S, True),
        (1_000_000, RARELY_S, True),
    ],
)
def test_many_clients_make_it_rare_but_not_never(clients: int, waited_s: float, due: bool) -> None:
    assert is_due(clients, waited_s) is due


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
    with pytest.raises(Enough):
        await garbage.collect(lambda: FEW_CLIENTS + 1)
    assert looks == [RARELY_S, 2 * RARELY_S]
