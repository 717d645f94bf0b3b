"""What a sender needs: a service account for FCM, a key for APNs, and one for Web Push."""

import secrets
from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from workers.fakepush.base64url import encode

PROJECT: Final = "fakepush"
TOPIC: Final = "dev.fakepush.app"
"""The bundle id of the app that all devices have unless one says another."""

_RSA_BITS: Final = 2_048
_VAPID_BYTES: Final = 32


class ServiceAccount:
    """A Google service account of the project, with an RSA key of its own."""

    def __init__(self, token_uri: str) -> None:
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=_RSA_BITS)
        self.public_key = self._key.public_key()
        self.key_id = secrets.token_hex(20)
        self.email = f"sender-{secrets.token_hex(3)}@{PROJECT}.iam.gserviceaccount.com"
        self.token_uri = token_uri

    def __repr__(self) -> str:
        return f"<ServiceAccount {self.email}>"

    def told(self) -> Mapping[str, str]:
        """The JSON file as Google's console gives it."""
        return {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": self.key_id,
            "private_key": _pem(self._key),
            "client_email": self.email,
            "client_id": str(secrets.randbelow(10**21)),
            "token_uri": self.token_uri,
        }


class ApnsKey:
    """A token signing key of the team."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.public_key = self._key.public_key()
        self.key_id = secrets.token_hex(5).upper()
        self.team_id = secrets.token_hex(5).upper()

    def __repr__(self) -> str:
        return f"<ApnsKey {self.key_id}>"

    def pem(self) -> str:
        """The .p8 file."""
        return _pem(self._key)

    def told(self) -> Mapping[str, str]:
        """The file, and what belongs to it."""
        return {
            "key": self.pem(),
            "key_id": self.key_id,
            "team_id": self.team_id,
            "topic": TOPIC,
        }


def make_vapid_key() -> str:
    """A private key for Web Push, in base64url. Any is good: a subscription belongs to none."""
    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return encode(number.to_bytes(_VAPID_BYTES, "big"))


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode("ascii")
