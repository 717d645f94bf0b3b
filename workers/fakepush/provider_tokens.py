"""Whether APNs takes a provider token: who signed it, how old it is, how often it changes.

https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns
"""

from collections import deque
from typing import Final

from workers.fakepush.credentials import ApnsKey
from workers.fakepush.refusals import Refusal
from workers.fakepush.signed_tokens import SignedTokens, WrongToken, seconds

AGE_MAX_S: Final = 3_600
UPDATE_MIN_S: Final = 20 * 60
"""How long a token is to be used before another takes its place."""

FUTURE_MAX_S: Final = 60
"""How far a sender's clock may be ahead."""

MISSING: Final = Refusal(403, "MissingProviderToken")
INVALID: Final = Refusal(403, "InvalidProviderToken")
EXPIRED: Final = Refusal(403, "ExpiredProviderToken")
TOO_MANY: Final = Refusal(429, "TooManyProviderTokenUpdates")


class ConnectionToken:
    """The token that one connection uses, and since when (seconds since 1970)."""

    __slots__ = ("since", "token")

    def __init__(self) -> None:
        self.token = ""
        self.since = 0.0


class ProviderTokens:
    """Judges the tokens of one key."""

    def __init__(self, key: ApnsKey) -> None:
        self._key = key
        self._signed = SignedTokens(key.public_key, "ES256")
        self._recent: deque[tuple[str, float]] = deque()

    def check(
        self, authorization: str, used: ConnectionToken, *, now: float, tokens_max: int
    ) -> Refusal | None:
        """Why the header `authorization` is refused; `used` is its connection's, and changed.

        `now` is in seconds since 1970; `tokens_max` as `Rules.apns_tokens_max`.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return MISSING
        try:
            header, claims = self._signed.read(token)
        except WrongToken:
            return INVALID
        issued = seconds(claims.get("iat"))
        if (
            issued is None
            or header.get("kid") != self._key.key_id
            or claims.get("iss") != self._key.team_id
            or issued > now + FUTURE_MAX_S
        ):
            return INVALID
        if issued <= now - AGE_MAX_S:
            return EXPIRED
        if token != used.token:
            if used.token and now - used.since < UPDATE_MIN_S:
                return TOO_MANY
            if not self._counted(token, now, tokens_max):
                return TOO_MANY
            used.token, used.since = token, now
        return None

    def _counted(self, token: str, now: float, tokens_max: int) -> bool:
        """Whether it is one of those of the last 20 minutes, or may become one."""
        recent = self._recent
        while recent and now - recent[0][1] >= UPDATE_MIN_S:
            recent.popleft()
        if any(token == known for known, _ in recent):
            return True
        if len(recent) >= tokens_max:
            return False
        recent.append((token, now))
        return True
