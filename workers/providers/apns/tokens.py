"""Provider tokens: made once, kept for 50 minutes, and shared with the other workers.

Apple takes a token for an hour and complains of one that changes more often than every 20
minutes, so all workers of a team are to use the same.
"""

import asyncio
import logging
from typing import Final, Protocol

from realtime.cluster.clock import Clock
from workers.providers.apns.key import ProviderKey, ProviderToken

logger = logging.getLogger(__name__)

REUSE_S: Final = 50 * 60
"""How old a token may become here, in seconds: short of the hour by more than clocks differ."""

RENEW_INTERVAL_S: Final = 20 * 60
"""The least time between two tokens that were made because Apple refused one, in seconds."""

CLOCK_DIFFERENCE_S: Final = 60
"""How far ahead of ours another worker's clock may be, in seconds."""

SHARED_TIMEOUT_S: Final = 2.0
"""How long the shared copy is waited for, in seconds. After that it is done without."""


class SharedToken(Protocol):
    """One place where the workers of a team put the token that they use.

    It may be lost, and it may hold something stale or strange: whoever reads checks. So neither
    call raises for a place that is away: `get` answers None then, `put` does nothing. Both are
    cancelled when they take too long, which must be safe at any moment.
    """

    async def get(self) -> tuple[str, int] | None:
        """The token that was last put, and when it was made (seconds since 1970)."""
        ...

    async def put(self, token: str, iat: int, ttl: int) -> None:
        """Keep it for `ttl` seconds, in place of what is there."""
        ...


class MemoryToken:
    """The shared copy where there is but one process. See `SharedToken`."""

    def __init__(self) -> None:
        self._kept: tuple[str, int] | None = None

    async def get(self) -> tuple[str, int] | None:
        """See `SharedToken`."""
        return self._kept

    async def put(self, token: str, iat: int, ttl: int) -> None:
        """See `SharedToken`; it is kept for longer than `ttl`, which who reads it notices."""
        self._kept = (token, iat)


class Tokens:
    """The token in use. Any number of callers at once, of whom only one fetches or makes it."""

    def __init__(self, key: ProviderKey, shared: SharedToken, *, clock: Clock) -> None:
        self._key = key
        self._shared = shared
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token: ProviderToken | None = None
        self._accepted = False
        self._renewed_at: float | None = None

    async def current(self) -> ProviderToken:
        """The token to send with; a new one where neither we nor the others have one."""
        if self._token is not None and self._is_fresh(self._token):
            return self._token
        async with self._lock:
            if self._token is not None and self._is_fresh(self._token):
                return self._token
            return self._use(await self._fetch() or await self._make())

    def accepted(self, token: ProviderToken) -> None:
        """Apple has taken a push with this token."""
        if token == self._token:
            self._accepted = True

    async def renew(self, refused: ProviderToken, *, expired: bool) -> ProviderToken | None:
        """Another token than the one that Apple refused; None where a new one would not help.

        A token is made for this once in `RENEW_INTERVAL_S`, or one that is refused for our key or
        our clock would be followed by ever more of them. One that was taken before and is
        `expired` now has only become old, and is replaced whenever that is.
        """
        async with self._lock:
            if self._token is not None and self._token != refused:
                # Somebody else was refused the same token, and has renewed it meanwhile.
                return self._token
            if other := await self._fetch(but=refused):
                return self._use(other)
            now = self._clock.monotonic()
            aged = expired and self._accepted
            if not aged and self._renewed_at is not None:
                if now - self._renewed_at < RENEW_INTERVAL_S:
                    return None
            self._renewed_at = now
            return self._use(await self._make())

    async def agree(self, overused: ProviderToken) -> None:
        """Apple says that the team's token changes too often: use the others', if there is one."""
        async with self._lock:
            if self._token == overused and (other := await self._fetch(but=overused)):
                self._use(other)

    def _use(self, token: ProviderToken) -> ProviderToken:
        self._token = token
        self._accepted = False
        return token

    def _is_fresh(self, token: ProviderToken) -> bool:
        age_s = self._clock.wall_ms() / 1000 - token.iat
        return -CLOCK_DIFFERENCE_S <= age_s < REUSE_S

    async def _make(self) -> ProviderToken:
        token = self._key.sign(self._clock.wall_ms() // 1000)
        logger.info("apns: made a provider token")
        try:
            async with asyncio.timeout(SHARED_TIMEOUT_S):
                await self._shared.put(token.text, token.iat, REUSE_S)
        except TimeoutError:
            return token
        # Two workers that make one at the same moment mostly end up with the one that was put last.
        return await self._fetch() or token

    async def _fetch(self, but: ProviderToken | None = None) -> ProviderToken | None:
        """The shared copy, if it is good for now and another than `but`."""
        try:
            async with asyncio.timeout(SHARED_TIMEOUT_S):
                kept = await self._shared.get()
        except TimeoutError:
            return None
        # What it says of its own age is not believed: it is in the token, and signed.
        token = None if kept is None else self._key.recognise(kept[0])
        if token is None or token == but or not self._is_fresh(token):
            return None
        return token
