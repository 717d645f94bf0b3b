"""Verify connection and subscription tokens (protocol 3.1): JSON Web Tokens, RFC 7519.

The order is fixed: size and form, algorithm and key, signature, types of the claims, audience and
issuer, times, sense of the claims. Nothing of a payload is read before its signature is good.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from realtime.auth.claims import ConnectionClaims, SubscriptionClaims, read_claims, read_payload
from realtime.auth.compact import TOKEN_MAX, Compact, base64url_decode, cut, read_object
from realtime.auth.errors import TokenInvalid
from realtime.auth.keys import KeySet, Verify
from realtime.auth.verified import Claims, VerifiedTokens

VERIFIED_MAX: Final = 4_096
"""How many verified tokens are remembered unless told otherwise."""

_REMEMBER_BYTES: Final = 2_048
"""Longer tokens are verified each time, or a few thousand of them would fill the memory."""

_HEADERS_MAX: Final = 64
_HEADER_BYTES: Final = 512


class TokenRules(msgspec.Struct, frozen=True):
    """What is asked of a token beside a good signature.

    `audience` must be in `aud` and `issuer` equal to `iss`; None does not look. `user_claim` holds
    the user's id. `leeway_s` is by how many seconds the clocks of token maker and hub may differ.
    """

    audience: str | None = None
    issuer: str | None = None
    user_claim: str = "sub"
    leeway_s: float = 0.0


class TokenVerifier:
    """Verifies tokens with one key set, and remembers which ones it has verified.

    Not shared between threads. Revocations are the caller's part: check them after each call.
    """

    def __init__(
        self,
        keys: KeySet,
        rules: TokenRules,
        *,
        verified_max: int = VERIFIED_MAX,
    ) -> None:
        """`verified_max` is how many verified tokens are remembered; 0 remembers none."""
        self.keys = keys
        self.rules = rules
        self.verified = VerifiedTokens(verified_max)
        # Nearly all tokens have one of a few headers. They come in here by their raw segment once
        # a signature over them was good, so strangers cannot fill it.
        self._headers: dict[bytes, Sequence[Verify]] = {}

    def use_keys(self, keys: KeySet) -> None:
        """Verify with these keys from now on; what was verified with others is forgotten."""
        if keys is not self.keys:
            self.keys = keys
            self.verified.clear()
            self._headers.clear()

    def verify_connection(self, token: str, now: float) -> ConnectionClaims:
        """Verify a connection token at `now` (seconds since 1970) and return what it says.

        Raises TokenExpired, TokenInvalid or NeedsKey. A subscription token is invalid here.
        """
        claims = self._verify(token, now)
        if not isinstance(claims, ConnectionClaims):
            raise TokenInvalid("use")
        return claims

    def verify_subscription(self, token: str, now: float) -> SubscriptionClaims:
        """Verify a subscription token at `now` (seconds since 1970) and return what it says.

        Raises TokenExpired, TokenInvalid or NeedsKey. A connection token is invalid here. Whether
        it is for this user, channel and connection is another question: `SubscriptionClaims.fits`.
        """
        claims = self._verify(token, now)
        if not isinstance(claims, SubscriptionClaims):
            raise TokenInvalid("use")
        return claims

    def _verify(self, token: str, now: float) -> Claims:
        if len(token) > TOKEN_MAX:
            raise TokenInvalid("size")
        try:
            text = token.encode("ascii")
        except UnicodeEncodeError:
            raise TokenInvalid("format") from None
        digest = hashlib.sha256(text).digest()
        claims = self.verified.get(digest)
        if claims is not None:
            claims.lifetime.check(now, self.rules.leeway_s)
            return claims
        claims = self._open(cut(text), now)
        if len(text) <= _REMEMBER_BYTES:
            self.verified.put(digest, claims)
        return claims

    def _open(self, token: Compact, now: float) -> Claims:
        self._check_signature(token)
        rules = self.rules
        payload = read_payload(read_object(base64url_decode(token.payload)), rules.user_claim)
        if rules.audience is not None:
            audiences = [payload.aud] if isinstance(payload.aud, str) else payload.aud
            if not audiences or rules.audience not in audiences:
                raise TokenInvalid("audience")
        if rules.issuer is not None and payload.iss != rules.issuer:
            raise TokenInvalid("issuer")
        lifetime = payload.lifetime()
        lifetime.check(now, rules.leeway_s)
        return read_claims(payload, lifetime)

    def _check_signature(self, token: Compact) -> None:
        keys = self._headers.get(token.header)
        known = keys is not None
        if keys is None:
            keys = self._find_keys(token.header)
        signature = base64url_decode(token.signature)
        for verify in keys:
            if verify(token.signed, signature):
                break
        else:
            raise TokenInvalid("signature")
        if not known and len(token.header) <= _HEADER_BYTES:
            if len(self._headers) >= _HEADERS_MAX:
                self._headers.clear()
            self._headers[token.header] = keys

    def _find_keys(self, segment: bytes) -> Sequence[Verify]:
        header = read_object(base64url_decode(segment))
        algorithm = header.get("alg")
        kid = header.get("kid")
        # RFC 7515, 4.1.11: whoever does not understand what `crit` names must refuse. We understand
        # no extension, `b64` (RFC 7797) included.
        if not isinstance(algorithm, str) or "crit" in header:
            raise TokenInvalid("header")
        if kid is not None and not isinstance(kid, str):
            raise TokenInvalid("header")
        return self.keys.find(algorithm, kid)
