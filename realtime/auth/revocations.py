"""Which tokens no longer count and who is banned: an index over the store's `revocations` log."""

import heapq
from typing import Final

from realtime.model import FORGOTTEN, Revocation, forgotten_name

_NEVER: Final = 0


class Revocations:
    """Answers whether a token was revoked. Not shared between threads.

    A revocation must not be forgotten early, so this has no size limit of its own: it holds one
    entry a user, one a token id and one a ban for as long as the store's rows are valid (`sweep`).
    One-time orders leave nothing here.
    """

    def __init__(self) -> None:
        self.seq = 0
        """The highest seq that was added: rows after it are news."""
        # Whether any user was erased to whom a row still applies, under another name.
        self._has_forgotten = False
        # user -> (before, until), token id -> until; milliseconds since 1970, until 0 is never.
        self._users: dict[str, tuple[int, int]] = {}
        self._jtis: dict[str, int] = {}
        # user -> channel -> until; the channel "" is the hub itself.
        self._bans: dict[str, dict[str, int]] = {}
        # What to look at when: (until, user, jti). An entry whose time was moved on is here twice.
        self._due: list[tuple[int, str, str]] = []
        # The same for bans: (until, user, channel).
        self._bans_due: list[tuple[int, str, str]] = []

    def add(self, revocation: Revocation) -> None:
        """Apply a row. Repeatedly does no harm, and for tokens in any order: revoked is revoked.

        Bans and what lifts them must come in the order of the log. Of an order, and of a row that
        is "unknown", only the seq is taken.
        """
        self.seq = max(self.seq, revocation.seq)
        if revocation.user.startswith(FORGOTTEN):
            self._has_forgotten = True
        if revocation.act == "tokens":
            self._add_tokens(revocation)
        elif revocation.act == "ban":
            self._ban(revocation.user, revocation.channel, revocation.until)
        elif revocation.act == "unban":
            for name in self._names(revocation.user):
                self._lift(name, revocation.channel)

    def _add_tokens(self, revocation: Revocation) -> None:
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
        for name in self._names(user):
            found = self._users.get(name)
            if found is not None and (iat is None or iat * 1000 < found[0]):
                return True
        return False

    def bans(self, user: str) -> bool:
        """Whether any ban of `user` is known, over or not: most users have none."""
        bans = self._bans
        if not bans:  # asked for each message
            return False
        return user in bans or (self._has_forgotten and forgotten_name(user) in bans)

    def banned(self, user: str, channel: str, now_ms: int) -> bool:
        """Whether `user` may not use `channel` now; "" asks about the hub itself.

        Who is banned from the hub is banned from every channel. Guests ("") are never banned.
        """
        if not user:
            return False
        for name in self._names(user):
            bans = self._bans.get(name, {})
            for place in {channel, ""}:
                until = bans.get(place)
                if until is not None and (until == _NEVER or now_ms < until):
                    return True
        return False

    def _names(self, user: str) -> tuple[str, ...]:
        """Under which names rows about a user are: one who was erased is known by another."""
        return (user, forgotten_name(user)) if self._has_forgotten else (user,)

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
        bans_due = self._bans_due
        while bans_due and bans_due[0][0] <= now_ms:
            until, user, channel = heapq.heappop(bans_due)
            if self._bans.get(user, {}).get(channel, _NEVER) == until:
                self._lift(user, channel)
                swept += 1
        return swept

    def __len__(self) -> int:
        return len(self._users) + len(self._jtis) + sum(map(len, self._bans.values()))

    def _ban(self, user: str, channel: str, until: int) -> None:
        bans = self._bans.setdefault(user, {})
        if until not in (bans.get(channel), _NEVER):
            heapq.heappush(self._bans_due, (until, user, channel))
        bans[channel] = until

    def _lift(self, user: str, channel: str) -> None:
        bans = self._bans.get(user)
        if bans is not None:
            bans.pop(channel, None)
            if not bans:
                del self._bans[user]


def _later(known: int | None, until: int) -> int:
    if known is None:
        return until
    return _NEVER if _NEVER in (known, until) else max(known, until)
