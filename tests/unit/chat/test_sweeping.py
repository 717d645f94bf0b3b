"""A sweep folds what was left behind, whatever it cannot fold."""

import itertools
import logging
from collections.abc import AsyncIterator

import pytest

from realtime.chat import ledger as ledgers
from realtime.chat import setbacks
from realtime.chat.ledger import Ledger
from realtime.chat.setbacks import AGAIN_MAX_S, AGAIN_S, Setbacks
from realtime.errors import StoreError, StoreUnavailable
from realtime.model import Entry, NewEntry
from tests.support.chat import ChatParts, ManualClock, chat_parts

GOOD, BAD, LOST = b"good", b"bad", b"lost"


@pytest.fixture
async def parts() -> AsyncIterator[ChatParts]:
    async with chat_parts() as made:
        yield made


@pytest.fixture
def folded(parts: ChatParts) -> list[tuple[str, int]]:
    """What was folded. What is bad raises, and with what is lost the store fails."""
    found: list[tuple[str, int]] = []

    async def fold(entry: Entry) -> None:
        if entry.data == BAD:
            raise ValueError("nobody has thought of this")
        if entry.data == LOST:
            raise StoreUnavailable("it is away")
        found.append((entry.channel, entry.offset))

    parts.around.ledger.on("edit", fold)
    return found


async def leave(parts: ChatParts, channel: str, *data: bytes) -> None:
    """Entries of which nothing has followed when their node died."""
    at = parts.clock.now_ms
    await parts.store.append(
        [
            NewEntry(channel, "u:ann", f"{channel}-{at}-{number}", item, at, "edit", pending=True)
            for number, item in enumerate(data)
        ]
    )
    parts.clock.now_ms += 2_000


async def test_entries_that_cannot_be_folded_are_not_in_the_way_of_others(
    parts: ChatParts,
    folded: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(ledgers, "SWEPT_MAX", 3)
    ledger: Ledger = parts.around.ledger
    await leave(parts, "room:a", *[BAD] * 5)
    await leave(parts, "room:b", GOOD)
    with caplog.at_level(logging.ERROR):
        for _ in range(10):
            await ledger.sweep()
    assert folded == [("room:b", 1)]
    # Each is told of once, in the log and in the number.
    assert len(caplog.records) == ledger.unfolded == 5
    assert await ledger.sweep() == 0


async def test_what_could_not_be_folded_is_tried_again_later(
    parts: ChatParts, folded: list[tuple[str, int]]
) -> None:
    ledger = parts.around.ledger
    await leave(parts, "room:a", BAD)
    tries = []
    for _ in range(40):
        if await ledger.sweep():
            tries.append(parts.clock.now_ms // 1_000)
        parts.clock.now_ms += 5_000
    waits = [after - before for before, after in itertools.pairwise(tries)]
    assert waits == [10, 20, 40, 80]
    assert ledger.unfolded == 1


async def test_a_store_that_fails_with_some_is_tried_with_others(
    parts: ChatParts, folded: list[tuple[str, int]]
) -> None:
    ledger = parts.around.ledger
    await leave(parts, "room:a", *[LOST] * 4)
    await leave(parts, "room:b", GOOD)
    for _ in range(2):
        with pytest.raises(StoreError):
            await ledger.sweep()
    assert folded == [("room:b", 1)]
    assert await ledger.sweep() == 0
    # It is the store that fails: the entries are not to blame.
    assert ledger.unfolded == 0


async def test_what_nobody_here_knows_how_to_fold_is_not_in_the_way(
    parts: ChatParts, folded: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "SWEPT_MAX", 1)
    at = parts.clock.now_ms
    await parts.store.append([NewEntry("room:a", "u:ann", "1", b"", at, "pin", pending=True)])
    await leave(parts, "room:b", GOOD)
    for _ in range(2):
        await parts.around.ledger.sweep()
    assert folded == [("room:b", 1)]
    assert parts.around.ledger.unfolded == 0


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setbacks, "REMEMBERED_MAX", 2)
    clock = ManualClock()
    waiting = Setbacks(clock)
    entries = [Entry("room:a", offset, b"", 1) for offset in (1, 2, 3)]
    assert [waiting.put_aside(entry) for entry in entries] == [True, True, False]
    assert [waiting.is_due(entry) for entry in entries] == [False, False, True]
    clock.now_ms += int(AGAIN_S * 1_000)
    assert waiting.is_due(entries[0])
    for _ in range(10):
        assert not waiting.put_aside(entries[0])
    clock.now_ms += int(AGAIN_MAX_S * 1_000)
    assert waiting.is_due(entries[0])
    waiting.keep_only(entries[:1])
    assert len(waiting) == 1
    waiting.done(entries[0])
    assert len(waiting) == 0
