"""Erasing a user while somebody is told something by them, or they by somebody."""

import asyncio
from pathlib import Path
from typing import Any, Final

import pytest

import realtime.push.erasing as erasing_module
from realtime.errors import StoreUnavailable
from realtime.push.rows import DEAD, JOBS, TRAIL
from realtime.stores.base import Span, Write
from realtime.stores.sqlite import SQLiteStore
from tests.unit.chat.test_erasure import USER, Dying, Work, now_ms, plant, traces

SHOWING: Final[dict[str, Any]] = {"state": "done", "visible": 1}
"""Of the job of somebody whose phone shows a message."""


async def test_what_a_worker_says_that_was_telling_the_user_meanwhile_is_removed_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the node that erases dies while that is waited for."""
    monkeypatch.setattr(erasing_module, "LATE_MS", 0)
    path = tmp_path / "store.db"
    store = SQLiteStore(str(path))
    await store.open()
    await plant(store)
    until_ms = now_ms() + 1_000
    key = (USER, "chat:one")
    await store.write([Write(JOBS, key, set={"lease": "mine", "due_at": until_ms})])
    work = Work()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout((until_ms - now_ms()) / 2_000):
            await work.go_on(store)
    assert await store.find(JOBS, Span((USER,)), limit=9) == []
    await store.write(
        [
            Write(TRAIL, (*key, 3, "phone"), set={"reason": "sent"}),
            Write(DEAD, ("d9",), set={"user": USER}),
        ]
    )
    erasing = await work.go_on(store)
    assert now_ms() >= until_ms
    assert erasing.report.dead_letters == 2
    assert traces(path) == []
    await store.close()


async def taken_back(store: SQLiteStore) -> list[tuple[str, str]]:
    """Whose phones are to show no more what they do, and of which channel."""
    jobs = await store.find(JOBS, Span(), limit=9)
    return [(job.user, job.channel) for job in jobs if job.state == "due" and job.again]


async def test_what_phones_show_of_the_user_is_taken_away_whatever_it_is_interrupted_by() -> None:
    for after in range(60):
        store = SQLiteStore(":memory:")
        await store.open()
        await plant(store)
        await store.write(
            [
                Write(JOBS, ("bob", "room:plain"), set={**SHOWING, "shown": 1}),
                Write(JOBS, ("eve", "chat:one"), set={**SHOWING, "shown": 3}),
                Write(JOBS, ("joe", "chat:one"), set={**SHOWING, "shown": 2}),
            ]
        )
        work = Work()
        died = False
        try:
            await work.go_on(Dying(store, after))
        except StoreUnavailable:
            died = True
            await work.go_on(store)
        # Eve's shows what somebody else has said.
        assert await taken_back(store) == [("bob", "room:plain"), ("joe", "chat:one")]
        await store.close()
        if not died:
            return
    raise AssertionError("it never came to its end")
