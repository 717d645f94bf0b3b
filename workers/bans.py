"""Whom the app has banned or signed out: nobody is told of what they may not read."""

from typing import Final

from realtime.auth.revocations import Revocations
from realtime.chat.ports import Clock
from realtime.push.rows import DeviceRow
from realtime.stores.base import RevocationStore

FRESH_S: Final = 1.0
"""How old what is known may be, in seconds: as on every node."""

PAGE: Final = 1_000
"""Rows of one read."""


class Bans:
    """The store's revocations log, as far as a worker needs it."""

    def __init__(self, store: RevocationStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known = Revocations()
        self._read_at: float | None = None

    async def refresh(self) -> None:
        """Read what is new, unless that was done a moment ago. Raises StoreError."""
        now = self._clock.monotonic()
        if self._read_at is not None and now - self._read_at < FRESH_S:
            return
        now_ms = self._clock.wall_ms()
        while page := await self._store.revocations(
            after=self._known.seq, limit=PAGE, now_ms=now_ms
        ):
            for revocation in page:
                self._known.add(revocation)
            if len(page) < PAGE:
                break
        self._known.sweep(now_ms)
        self._read_at = now

    def banned(self, user: str, channel: str) -> bool:
        """Whether the user may not use the channel, as it was at the last look."""
        return self._known.banned(user, channel, self._clock.wall_ms())

    def signed_out(self, device: DeviceRow) -> bool:
        """Whether the user's tokens were revoked after the device registered."""
        return self._known.revoked(device.user, device.registered_at / 1_000, "")
