"""The key by which push services know this server, and its public half: RFC 8292. Pure.

Browsers subscribe with it, and a subscription is good for this key alone: whoever changes the key
has every browser subscribe anew.
"""

import base64
import binascii
import re
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

_RAW_KEY: Final = re.compile(r"[A-Za-z0-9_-]{43}=?")
"""32 bytes in base64url."""


def application_server_key(private_key: str) -> str:
    """What an app subscribes with, in base64url, from `webpush.vapid_private_key`.

    Raises ValueError, without the key's text.
    """
    return public_half(signing_key(private_key))


def signing_key(text: str) -> EllipticCurvePrivateKey:
    """The key that signs: PEM, or the 32 bytes in base64url that tools for Web Push print.

    Raises ValueError, without the key's text.
    """
    try:
        key = _read(text)
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
            raise ValueError
    except (ValueError, TypeError, binascii.Error):
        # Without the library's own words, which may quote what it was given.
        raise ValueError("expected a key of the curve P-256, as PEM or in base64url") from None
    return key


def public_half(key: EllipticCurvePrivateKey) -> str:
    """What goes with each request, and what browsers subscribe with, in base64url."""
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()


def _read(text: str) -> object:
    if "-----BEGIN" in text:
        return load_pem_private_key(text.encode(), password=None)
    bare = text.strip()
    if not _RAW_KEY.fullmatch(bare):
        raise ValueError
    raw = base64.urlsafe_b64decode(bare.rstrip("=") + "=")
    return derive_private_key(int.from_bytes(raw), SECP256R1())
