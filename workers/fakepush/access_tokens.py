"""Access tokens: an assertion of the service account is checked, and one is given for it.

https://developers.google.com/identity/protocols/oauth2/service-account
"""

import secrets
from typing import Any, Final

from workers.fakepush.credentials import ServiceAccount
from workers.fakepush.signed_tokens import SignedTokens, WrongToken, seconds

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
_WIDE_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"

LIFE_MAX_S: Final = 3_600
SKEW_MAX_S: Final = 60
"""How far a sender's clock may be ahead, or behind at the end of the assertion's life."""

ISSUED_MAX: Final = 10_000
"""Tokens that are good at once; the oldest makes room."""

_TIMES: Final = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
    "Check your iat and exp values in the JWT claim."
)


class OAuthError(Exception):
    """Why there is no token: the code of RFC 6749 (5.2), and Google's description."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(code)
        self.code = code
        self.description = description


class AccessTokens:
    """Those of one service account. Times are in seconds since 1970."""

    def __init__(self, account: ServiceAccount) -> None:
        self._account = account
        self._signed = SignedTokens(account.public_key, "RS256")
        self._good_until: dict[str, float] = {}
        self.issued = 0
        """How many there ever were."""

    def __repr__(self) -> str:
        return f"<AccessTokens {self.issued} issued>"

    def exchange(self, assertion: str, *, now: float, life_s: int) -> str:
        """Give a token that is good for `life_s`. Raises OAuthError."""
        try:
            header, claims = self._signed.read(assertion)
        except WrongToken as error:
            signature = str(error).startswith("the signature")
            said = "Invalid JWT Signature." if signature else "Bad Request"
            raise OAuthError("invalid_grant", said) from None
        self._check(header, claims, now)
        token = f"ya29.{secrets.token_urlsafe(48)}"
        if len(self._good_until) >= ISSUED_MAX:
            del self._good_until[next(iter(self._good_until))]
        self._good_until[token] = now + life_s
        self.issued += 1
        return token

    def good(self, token: str, *, now: float) -> bool:
        """Whether a request with this token is its account's."""
        return self._good_until.get(token, 0.0) > now

    def revoke(self) -> None:
        """Let all that were given be worth nothing; the next exchange works."""
        self._good_until.clear()

    def _check(self, header: dict[str, Any], claims: dict[str, Any], now: float) -> None:
        account = self._account
        if claims.get("iss") != account.email:
            raise OAuthError("invalid_grant", "Invalid grant: account not found")
        if header.get("kid") != account.key_id:
            raise OAuthError("invalid_grant", "Invalid JWT Signature.")
        if claims.get("aud") != account.token_uri:
            raise OAuthError("invalid_grant", "Invalid JWT: Failed audience check.")
        issued, expires = seconds(claims.get("iat")), seconds(claims.get("exp"))
        if (
            issued is None
            or expires is None
            or issued > now + SKEW_MAX_S
            or expires <= now - SKEW_MAX_S
            or not 0 < expires - issued <= LIFE_MAX_S
        ):
            raise OAuthError("invalid_grant", _TIMES)
        scope = claims.get("scope")
        if not isinstance(scope, str) or not {SCOPE, _WIDE_SCOPE} & set(scope.split()):
            raise OAuthError("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
