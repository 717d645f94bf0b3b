"""The key that we have from Apple, and the tokens that are signed with it."""

from typing import Final

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from realtime.settings.secret import Secret

_ALGORITHM: Final = "ES256"


class ProviderToken(msgspec.Struct, frozen=True):
    """A signed token; `iat` is when it was made, in seconds since 1970. The text is a secret."""

    text: str
    iat: int

    def __repr__(self) -> str:
        return f"<ProviderToken of {self.iat}>"


class ProviderKey:
    """Signs tokens, and knows those that were signed with it.

    `pem` is the text of the .p8 file, `key_id` and `team_id` are Apple's ten characters each.
    Raises ValueError, which says nothing of the key, where it is no private key of P-256 in PEM.
    """

    def __init__(self, pem: Secret, *, key_id: str, team_id: str) -> None:
        try:
            key = load_pem_private_key(pem.reveal().encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not (isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1"):
            # Without the cause: what a parser says may quote what it has read.
            raise ValueError("the APNs key is not a private key of P-256 in PEM")
        self._key = key
        self._key_id = key_id
        self._team_id = team_id

    def __repr__(self) -> str:
        return f"<ProviderKey {self._key_id}>"

    def sign(self, iat: int) -> ProviderToken:
        """A new token, which says that it was made at `iat`."""
        claims = {"iss": self._team_id, "iat": iat}
        headers = {"kid": self._key_id}
        return ProviderToken(jwt.encode(claims, self._key, _ALGORITHM, headers=headers), iat)

    def recognise(self, text: str) -> ProviderToken | None:
        """The token that this text is, if it was signed with this key for this team; else None.

        How old it is, is for the caller to judge.
        """
        try:
            complete = jwt.decode_complete(
                text,
                self._key.public_key(),
                [_ALGORITHM],
                issuer=self._team_id,
                options={"require": ["iss", "iat"], "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            return None
        iat = complete["payload"]["iat"]
        if complete["header"].get("kid") != self._key_id or type(iat) is not int:
            return None
        return ProviderToken(text, iat)
