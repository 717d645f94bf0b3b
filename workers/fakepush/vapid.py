"""Whether a push service takes who is sending: VAPID (RFC 8292)."""

import re
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from workers.fakepush.base64url import decode
from workers.fakepush.refusals import Refusal

LIFE_MAX_S: Final = 24 * 3_600
KNOWN_MAX: Final = 1_024
"""Headers that are kept; then all are forgotten."""

HEADER_MAX_BYTES: Final = 4_096

_HEADER: Final = re.compile(r"vapid\s+(.+)", re.IGNORECASE)
_SUBJECT: Final = re.compile(r"mailto:[^@\s]+@[^@\s]+|https://\S+")

MISSING: Final = Refusal(401, "no VAPID authorization")


class Vapid:
    """Judges authorizations for the push service at one origin."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._known: dict[str, float] = {}

    def check(self, authorization: str, *, now: float) -> Refusal | None:
        """Why it is refused; `now` is in seconds since 1970."""
        expires = self._known.get(authorization)
        if expires is None:
            read = self._read(authorization)
            if isinstance(read, Refusal):
                return read
            expires = read
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[authorization] = expires
        if expires <= now:
            return Refusal(403, "the token has expired")
        if expires > now + LIFE_MAX_S:
            return Refusal(403, "the token is good for more than 24 hours")
        return None

    def _read(self, authorization: str) -> float | Refusal:
        found = _HEADER.fullmatch(authorization)
        if found is None or len(authorization) > HEADER_MAX_BYTES:
            return MISSING
        pairs = (part.strip().partition("=") for part in found[1].split(","))
        given = {name: value for name, _, value in pairs}
        if "t" not in given or "k" not in given:
            return Refusal(401, "VAPID needs t and k")
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decode(given["k"]))
        except ValueError:
            return Refusal(403, "k is not a public key on P-256")
        try:
            claims = jwt.decode(
                given["t"],
                key,
                algorithms=["ES256"],
                options={"verify_aud": False, "verify_exp": False, "verify_iat": False},
            )
        except jwt.PyJWTError:
            return Refusal(403, "the token is not signed by k")
        if claims.get("aud") != self._origin:
            return Refusal(403, "aud is not the origin of the endpoint")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
            return Refusal(403, "sub is neither mailto: nor https:")
        expires = claims.get("exp")
        if isinstance(expires, bool) or not isinstance(expires, int | float):
            return Refusal(403, "exp is not a time")
        return float(expires)
