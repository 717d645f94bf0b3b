"""Which tokens no longer count, as an index over the rows of the store's `revocations` log."""

import heapq
from typing import Final

from realtime.model import Revocation

_NEVER: Final = 0


class Revocations:
    """Answers whether a token was revoked. Not shared between threads.

    A revocation must not be forgotten early, so this has no size limit of its own: it holds one
    entry a user and one a token id for as long as the store's rows are valid (`sweep`).
    """

    def __init__(self) -> None:
        # user -> (before, until), token id -> until; milliseconds since 1970, until 0 is never.
        self._users: dict[str, tuple[int, int]] = {}
        self._jtis: dict[str, int] = {}
        # What to look at when: (until, user, jti). An entry whose time was moved on is here twice.
        self._due: list[tuple[int, str, str]] = []

    def add(self, revocation: Revocation) -> None:
        """Apply a row. In any order and repeatedly: what is revoked stays revoked."""
        user, jti = revocation.user, revocation.jti
        if jti:
            known = self._jtis.get(jti)
            until = _later(known, revocation.until)
            self._jtis[jti] = until
            if until not in (known, _NEVER):
                heapq.heappush(self._due, (until, "", jti))
        if user:
            before, known = self._users.get(user, (0, None))
            until = _later(known, revocation.until)
            self._users[user] = max(before, revocation.before), until
            if until not in (known, _NEVER):
                heapq.heappush(self._due, (until, user, ""))

    def revoked(self, user: str, iat: float | None, jti: str) -> bool:
        """Whether a token of `user`, issued at `iat` (s since 1970), with the id `jti`, is revoked.

        A user's revocation is of tokens issued before `before`, which is in milliseconds. Most
        token makers cut `iat` to whole seconds, so such a token may be older than the revocation
        if it names the same second, and it counts as revoked. Who makes a new token right after
        revoking the others gives it an `iat` with a fraction (RFC 7519, 2, "NumericDate") or waits
        for the next second. A token without `iat` may be of any age, and is revoked.
        """
        if jti and jti in self._jtis:
            return True
        found = self._users.get(user)
        return found is not None and (iat is None or iat * 1000 < found[0])

    def sweep(self, now_ms: int) -> int:
        """Forget entries whose `until` has passed, and return how many. Costs what it forgets."""
        swept = 0
        due = self._due
        while due and due[0][0] <= now_ms:
            until, user, jti = heapq.heappop(due)
            if jti:
                if self._jtis.get(jti) == until:
                    del self._jtis[jti]
                    swept += 1
            elif self._users.get(user, (0, _NEVER))[1] == until:
                del self._users[user]
                swept += 1
        return swept

    def __len__(self) -> int:
        return len(self._users) + len(self._jtis)


def _later(known: int | None, until: int) -> int:
    if known is None:
        return until
    return _NEVER if _NEVER in (known, until) else max(known, until)
