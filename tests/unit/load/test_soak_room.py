"""Rooms of a soak: data that tells what it is, and logs that are read on, page by page."""

import time
from typing import Any

import msgspec
import pytest

from load.scenarios import soak_room
from load.scenarios.soak_room import Room, data_of, number_of
from load.wire.client import Refused
from load.wire.mark import sent_ns
from load.wire.messages import Error, HistoryRequest, HistoryResult, Publication


@pytest.mark.parametrize("length", [32, 100, 1_000])
def test_data_tells_its_number_and_when_it_was_due(length: int) -> None:
    data = data_of(123, 45_678, length)
    assert len(data) >= length
    assert msgspec.json.decode(data)["n"] == 123
    assert sent_ns(data) == 45_678
    assert number_of(data, length) == 123


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'{"n":"1"}',
        b'{"n":1}',
        data_of(1, 1, 100)[:-1],
        data_of(1, 1, 100).replace(b"x", b"y", 1),
        data_of(1, 1, 101),
        data_of(1, 1, 100).replace(b'"n":1', b'"n": 1'),
    ],
)
def test_data_that_was_changed_on_its_way_is_no_message(data: bytes) -> None:
    assert number_of(data, 100) == 0


class Log:
    """A hub's history, in pages of two; a client of the load as far as a room needs one."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = [*numbers]
        self.epoch = "e"
        self.head: int | None = None
        self.asked: list[HistoryRequest] = []
        self.refusal: Error | None = None
        self.oldest = 1
        self.lost: set[int] = set()

    async def history(self, request: HistoryRequest) -> HistoryResult:
        """See `load.wire.client.Client`."""
        self.asked.append(request)
        if self.refusal is not None:
            raise Refused(self.refusal)
        after = request.since.offset if request.since is not None else 0
        found = [
            Publication(data=msgspec.Raw(data_of(number, 1, 100)), offset=offset)
            for offset, number in enumerate(self.numbers, 1)
            if offset > after and offset >= self.oldest and offset not in self.lost
        ]
        head = len(self.numbers) if self.head is None else self.head
        return HistoryResult(found[:2], self.epoch, head)


class Reading:
    """A room whose log is read, and what was told of it."""

    def __init__(self) -> None:
        self.breaches: list[str] = []
        self.room = Room("room", length=100, report=lambda _, text: self.breaches.append(text))

    async def read(self, log: Log) -> int:
        """Read on."""
        client: Any = log
        return await self.room.read(client)


async def test_a_log_is_read_to_its_end_and_then_on() -> None:
    reading, log = Reading(), Log(1, 2, 3, 4, 5)
    for _ in range(6):
        reading.room.checker.send(time.monotonic())
    assert await reading.read(log) == 5
    assert reading.room.checker.head == 5
    assert [ask.since and (ask.since.offset, ask.since.epoch) for ask in log.asked] == [
        (0, ""),
        (2, "e"),
        (4, "e"),
    ]
    log.numbers.append(6)
    assert await reading.read(log) == 1
    assert reading.breaches == []


async def test_a_log_that_forgets_too_soon_is_no_breach_and_cannot_be_checked() -> None:
    reading, log = Reading(), Log(1, 2, 3, 4, 5)
    now = time.monotonic()
    for _ in range(5):
        reading.room.checker.acked(reading.room.checker.send(now), now)
    log.oldest = 4
    assert await reading.read(log) == 2
    assert reading.room.checker.head == 5
    assert reading.room.checker.given_up == 3
    reading.room.checker.end()
    assert reading.breaches == []


async def test_a_hole_in_a_log_is_told_wherever_a_page_begins() -> None:
    reading, log = Reading(), Log(1, 2, 3, 4, 5)
    for _ in range(5):
        reading.room.checker.send(time.monotonic())
    log.lost = {3}
    assert await reading.read(log) == 4
    assert reading.breaches == ["A: the log has 4 where 3 belongs (room)"]


async def test_a_log_that_has_begun_anew_is_told() -> None:
    reading, log = Reading(), Log()
    await reading.read(log)
    log.epoch = "f"
    await reading.read(log)
    assert reading.breaches == ["A: the log of room has begun anew (epoch f)"]
    log.refusal = Error(112, "unrecoverable position")
    with pytest.raises(Refused):
        await reading.read(log)
    assert reading.breaches[1:] == ["A: the log of room has begun anew (another epoch)"]


async def test_a_log_that_gives_nothing_although_there_is_more_is_told_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, log = Reading(), Log(1)
    reading.room.checker.send(time.monotonic())
    log.head = 3
    await reading.read(log)
    assert reading.breaches == []
    monkeypatch.setattr(soak_room, "LATE_S", -1.0)
    await reading.read(log)
    assert reading.breaches == ["A: room gives nothing above 1, and is at 3"]
