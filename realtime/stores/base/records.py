"""What must outlive a process beside the logs. See `realtime.stores.base`."""

from collections.abc import Sequence
from typing import Protocol

from realtime.model import Revocation


class RevocationStore(Protocol):
    """The log of what no longer counts; every node applies it in order of `seq`.

    Rows get seq 1, 2, 3 … without a hole, and the highest is never removed, so whoever has applied
    all up to N asks for those after N and misses none.
    """

    async def revoke(self, revocation: Revocation) -> int:
        """Store it durably and answer its seq."""
        ...

    async def revocations(self, *, after: int, limit: int, now_ms: int) -> Sequence[Revocation]:
        """Those with seq > after whose `until` has not passed, in order of seq.

        Fewer than `limit` only where the log ends. A row that a later version has made and this
        one cannot read has its seq and the act "unknown".
        """
        ...


class IdempotencyStore(Protocol):
    """Remembers server API calls on channels without a log, where no entry can tell a retry."""

    async def claim(self, scope: str, key: str, digest: bytes, *, until_ms: int) -> bytes | None:
        """Claim (scope, key) until `until_ms`. None: it is yours, act.

        Otherwise the digest under which it was claimed before, to compare with yours. A claim
        whose time has passed counts as absent; old ones are swept by later claims.
        """
        ...


class BackupStore(Protocol):
    """Stores that can copy themselves while they run."""

    async def backup(self, path: str) -> None:
        """Write a consistent copy to `path`, which must not exist. Appends go on meanwhile."""
        ...
