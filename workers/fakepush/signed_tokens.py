"""JSON Web Tokens whose signature was checked once: senders use one for thousands of requests."""

from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

KNOWN_MAX: Final = 1_024
"""Tokens that are kept; then all are forgotten."""

TOKEN_MAX_BYTES: Final = 8_192


class WrongToken(Exception):
    """It is no token, or somebody else signed it. The text says which."""


class SignedTokens:
    """Reads tokens that one key has signed by one algorithm."""

    def __init__(self, key: RSAPublicKey | EllipticCurvePublicKey, algorithm: str) -> None:
        self._key = key
        self._algorithm = algorithm
        self._known: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}

    def read(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Its header and its claims, of which nothing is checked yet. Raises WrongToken."""
        known = self._known.get(token)
        if known is not None:
            return known
        if len(token) > TOKEN_MAX_BYTES:
            raise WrongToken("too long")
        try:
            read = jwt.decode_complete(
                token,
                self._key,
                algorithms=[self._algorithm],
                # Claims are checked where they are used, by the clock of the fake world.
                options={
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "verify_iss": False,
                },
            )
        except jwt.InvalidSignatureError:
            raise WrongToken("the signature is not of this key") from None
        except jwt.PyJWTError as error:
            raise WrongToken(f"not a token: {error}") from None
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[token] = found = (read["header"], read["payload"])
        return found


def seconds(claim: object) -> float | None:
    """A claim that is a time, in seconds since 1970; None where it is something else."""
    return float(claim) if isinstance(claim, int | float) and claim is not True else None
