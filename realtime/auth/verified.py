"""Tokens whose signature was good, so that a reconnect storm does not verify them all again."""

from collections import OrderedDict

from realtime.auth.claims import ConnectionClaims, SubscriptionClaims

Claims = ConnectionClaims | SubscriptionClaims


class VerifiedTokens:
    """Claims by a hash of their token; the least recently used go first.

    Only what can never change is remembered: times and revocations are checked on every use. Only
    verified tokens come in, so strangers cannot push others' out.
    """

    def __init__(self, size: int) -> None:
        """`size` is how many are remembered at most; 0 remembers none."""
        self.size = size
        self._claims: OrderedDict[bytes, Claims] = OrderedDict()

    def get(self, digest: bytes) -> Claims | None:
        """Return the claims of the token with this hash, None if it is not remembered."""
        claims = self._claims.get(digest)
        if claims is not None:
            self._claims.move_to_end(digest)
        return claims

    def put(self, digest: bytes, claims: Claims) -> None:
        """Remember a token that was just verified."""
        self._claims[digest] = claims
        if len(self._claims) > self.size:
            self._claims.popitem(last=False)

    def clear(self) -> None:
        """Forget all of them, since the keys changed."""
        self._claims.clear()

    def __len__(self) -> int:
        return len(self._claims)
