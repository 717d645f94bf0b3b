"""Bans of the app, as a worker knows them: read anew each second, and no oftener."""

import pytest

import workers.bans as bans_module
from realtime.errors import StoreError
from realtime.model import Revocation
from realtime.stores.base import RevocationStore
from tests.support.chat import ManualClock
from tests.unit.workers.worker_house import AWAY, NOW, opened
from workers.bans import Bans


class Counted:
    """The store's log, with the number of looks; `fails` of them fail."""

    def __init__(self, store: RevocationStore) -> None:
        self._store = store
        self.looks = 0
        self.fails = 0

    async def revocations(self, *, after: int, limit: int, now_ms: int) -> object:
        self.looks += 1
        if self.fails:
            self.fails -= 1
            raise AWAY
        return await self._store.revocations(after=after, limit=limit, now_ms=now_ms)


async def test_a_ban_counts_within_a_second_and_for_as_long_as_it_lasts() -> None:
    async with opened() as store:
        clock, counted = ManualClock(), Counted(store)
        bans = Bans(counted, clock)  # type: ignore[arg-type]  # what is read of it
        await bans.refresh()
        await store.revoke(
            Revocation("bob", act="ban", channel="room:a", at=NOW, until=NOW + 60_000)
        )
        clock.now_ms += 999
        await bans.refresh()
        assert not bans.banned("bob", "room:a")
        assert counted.looks == 1
        clock.now_ms += 1
        await bans.refresh()
        assert bans.banned("bob", "room:a")
        assert not bans.banned("bob", "room:b")
        assert not bans.banned("eve", "room:a")
        clock.now_ms = NOW + 60_000
        assert not bans.banned("bob", "room:a")


async def test_a_look_that_fails_is_made_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bans_module, "PAGE", 1)
    async with opened() as store:
        counted = Counted(store)
        bans = Bans(counted, ManualClock())  # type: ignore[arg-type]  # what is read of it
        for user in ("bob", "eve", "joe"):
            await store.revoke(Revocation(user, act="ban", at=NOW))
        counted.fails = 1
        with pytest.raises(StoreError):
            await bans.refresh()
        await bans.refresh()
        assert all(bans.banned(user, "room:a") for user in ("bob", "eve", "joe"))
