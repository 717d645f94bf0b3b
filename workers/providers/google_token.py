"""Access tokens for a Google service account: an assertion is signed, and exchanged for one.

RFC 7523 with Google's names. The token lives about an hour and is renewed by the first caller that
needs one after `REFRESH_AT` of its life, while the others go on with the old one.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from workers.providers.base import Later, Misconfigured
from workers.providers.posting import UNREADABLE, Answer, Poster, Unanswered
from workers.providers.retry_after import retry_after_s

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"

ASSERTION_LIFE_S: Final = 3_600
"""As long as Google allows."""

REFRESH_AT: Final = 0.8
"""The part of its life after which a token is renewed."""

REFUSAL_KEPT_S: Final = 1.0
"""For so long nobody asks again after a failure: those who waited for it share it."""

RENEWAL_REST_S: Final = 30.0
"""The same while the old token is still good, in seconds."""

TOKEN_TIMEOUT_S: Final = 5.0
"""For one exchange: less than a send may take, so that who waits for it learns how it went."""

CLOCK_WRONG: Final = Misconfigured(
    "Google refuses the times (iat, exp) of our assertion: set this machine's clock"
)
ACCOUNT_REFUSED: Final = Misconfigured(
    "Google refuses the service account: check client_email, the key and its id"
)
TOKEN_URL_WRONG: Final = Misconfigured("the token URL does not answer like Google's")

_PASSING: Final = {"server_error", "temporarily_unavailable", "internal_failure"}
_TIMES: Final = re.compile(r"\b(iat|exp)\b|timeframe", re.IGNORECASE)
_HEADER_SAFE: Final = re.compile(r"[\x21-\x7e]+")


class _Grant(msgspec.Struct):
    access_token: str
    expires_in: float


class _Refusal(msgspec.Struct):
    error: str = ""
    error_description: str = ""


class NoToken(Exception):
    """There is no token now. `outcome` is what that means for a notice."""

    def __init__(self, outcome: Later | Misconfigured) -> None:
        super().__init__(outcome.why)
        self.outcome = outcome


class GoogleToken:
    """The token of one account, held in memory and shared by everything that sends.

    `private_key` is PEM; a ValueError says that it is none. `token_uri` is the assertion's audience
    and `token_url` where it is posted to. `wall` and `monotonic` tell the time in seconds.
    """

    def __init__(
        self,
        poster: Poster,
        *,
        client_email: str,
        private_key: str,
        key_id: str,
        token_uri: str,
        token_url: str,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._poster = poster
        self._client_email = client_email
        self._key = _rsa_key(private_key)
        self._key_id = key_id
        self._token_uri = token_uri
        self._token_url = token_url
        self._wall = wall
        self._monotonic = monotonic
        # One exchange at a time, by who holds it.
        self._lock = asyncio.Lock()
        self._token = ""
        self._refresh_at = 0.0
        self._expires_at = 0.0
        self._failure: Later | Misconfigured = ACCOUNT_REFUSED
        self._asks_at = 0.0

    def __repr__(self) -> str:
        return f"<GoogleToken {'held' if self._token else 'none'}>"

    async def get(self, *, refused: str = "") -> str:
        """A token to send with. Raises `NoToken`.

        `refused`: one that the service no longer takes, in place of which a new one is wanted; of
        any number of callers only the first asks for it. Cancelling loses nothing: the next caller
        asks.
        """
        if self._is_fresh(refused) or (self._lock.locked() and self._is_good(refused)):
            return self._token
        async with self._lock:
            if self._is_fresh(refused):
                return self._token
            if self._monotonic() >= self._asks_at:
                failure = await self._renew()
                if failure is None:
                    return self._token
                self._failure = failure
                rest_s = RENEWAL_REST_S if self._is_good(refused) else REFUSAL_KEPT_S
                self._asks_at = self._monotonic() + rest_s
            if self._is_good(refused):
                return self._token
            raise NoToken(self._failure)

    def _is_good(self, refused: str) -> bool:
        return self._token not in ("", refused) and self._monotonic() < self._expires_at

    def _is_fresh(self, refused: str) -> bool:
        return self._is_good(refused) and self._monotonic() < self._refresh_at

    async def _renew(self) -> Later | Misconfigured | None:
        body = urlencode({"grant_type": GRANT_TYPE, "assertion": self._assertion()}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        asked_at = self._monotonic()
        try:
            answer = await self._poster.post(
                self._token_url, headers=headers, body=body, timeout_s=TOKEN_TIMEOUT_S
            )
        except Unanswered as error:
            return Later(f"access token: {error.why}")
        if answer.status != 200:
            return _failure_of(answer, now=self._wall())
        try:
            grant = msgspec.json.decode(answer.body, type=_Grant)
        except UNREADABLE:
            return TOKEN_URL_WRONG
        if not _HEADER_SAFE.fullmatch(grant.access_token) or not grant.expires_in > 0:
            return TOKEN_URL_WRONG
        self._token = grant.access_token
        self._refresh_at = asked_at + REFRESH_AT * grant.expires_in
        self._expires_at = asked_at + grant.expires_in
        return None

    def _assertion(self) -> str:
        issued = int(self._wall())
        claims = {
            "iss": self._client_email,
            "scope": SCOPE,
            "aud": self._token_uri,
            "iat": issued,
            "exp": issued + ASSERTION_LIFE_S,
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._key_id})


def _failure_of(answer: Answer, *, now: float) -> Later | Misconfigured:
    if answer.status == 429 or answer.status >= 500:
        after_s = retry_after_s(answer.headers.get("Retry-After"), now=now)
        return Later(f"access token: {answer.status}", after_s)
    try:
        refusal = msgspec.json.decode(answer.body, type=_Refusal)
    except UNREADABLE:
        return TOKEN_URL_WRONG
    if refusal.error in _PASSING:
        return Later(f"access token: {refusal.error}")
    if refusal.error == "invalid_grant" and _TIMES.search(refusal.error_description):
        return CLOCK_WRONG
    return ACCOUNT_REFUSED if refusal.error else TOKEN_URL_WRONG


def _rsa_key(pem: str) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        # Without the library's own words, which may quote what it was given.
        raise ValueError("the service account's private key is not in PEM") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("the service account's private key is not an RSA key")
    return key
