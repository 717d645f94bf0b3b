"""What of the fake world may be turned, while it runs, by a test: its clock and its limits."""

import time
from typing import Annotated

import msgspec

Positive = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of the services. The defaults are those of the real ones, where they are known.

    `skew_s`: how many seconds the world's clock is ahead of this machine's (behind: negative).
    `access_token_life_s`: of what the token endpoint issues. `apns_streams_max`: concurrent streams
    of a connection once it has had a push accepted; 1 before that. `apns_tokens_max`: different
    provider tokens of one key that are taken in 20 minutes, over all connections; on one connection
    the second is one too many. `hang_s`: after that a request that hangs loses its connection.
    """

    skew_s: float = 0.0
    access_token_life_s: Positive = 3_599
    apns_streams_max: Positive = 1_000
    apns_tokens_max: Positive = 8
    hang_s: Annotated[float, msgspec.Meta(gt=0, le=600)] = 300.0


class WorldClock:
    """The time in the fake world: this machine's, and the skew of its rules."""

    def __init__(self) -> None:
        self.skew_s = 0.0

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self.skew_s

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return int(self.now() * 1_000)
