"""Encrypting for one browser: RFC 8291 on RFC 8188's `aes128gcm`, as a single record. Pure.

On `cryptography` itself: of the packages that do this none is typed and kept up.
"""

import base64
import os
import re
import struct
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

BODY_MAX_BYTES: Final = 4_096
"""What every push service takes (RFC 8030, 7.2)."""

TEXT_MAX_BYTES: Final = 3_993
"""What that leaves for the text: 86 bytes are the header, 16 the seal, 1 ends the record."""

_RECORD_BYTES: Final = 4_096
_SALT_BYTES: Final = 16
_POINT_BYTES: Final = 65
_AUTH_BYTES: Final = 16
_LAST_RECORD: Final = b"\x02"
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*")


class SubscriptionKeys(msgspec.Struct, frozen=True):
    """What a browser gave with its subscription: its public key, and a secret shared with it."""

    point: bytes
    public: EllipticCurvePublicKey
    auth: bytes

    def __repr__(self) -> str:
        return "<SubscriptionKeys>"


def subscription_keys(p256dh: str, auth: str) -> SubscriptionKeys:
    """Read both from base64url, with or without padding. Raises ValueError, without their text."""
    point, secret = from_base64url(p256dh), from_base64url(auth)
    if len(point) != _POINT_BYTES or len(secret) != _AUTH_BYTES:
        raise ValueError("the keys of the subscription have another length")
    try:
        public = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point)
    except ValueError:
        raise ValueError("the key of the subscription is not a point of the curve") from None
    return SubscriptionKeys(point, public, secret)


def encrypt(
    text: bytes,
    keys: SubscriptionKeys,
    *,
    salt: bytes | None = None,
    private_key: EllipticCurvePrivateKey | None = None,
) -> bytes:
    """The body of a request; only the browser can read it. `text`: at most `TEXT_MAX_BYTES`.

    `salt` and `private_key` are new for each message; only a test that compares with a published
    example gives them.
    """
    if len(text) > TEXT_MAX_BYTES:
        raise ValueError("the text is longer than a record")
    salt = salt or os.urandom(_SALT_BYTES)
    private_key = private_key or generate_private_key(SECP256R1())
    own = private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    secret = private_key.exchange(ECDH(), keys.public)
    material = _hkdf(secret, keys.auth, b"WebPush: info\x00" + keys.point + own, 32)
    key = _hkdf(material, salt, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = _hkdf(material, salt, b"Content-Encoding: nonce\x00", 12)
    header = salt + struct.pack("!IB", _RECORD_BYTES, len(own)) + own
    return header + AESGCM(key).encrypt(nonce, text + _LAST_RECORD, None)


def from_base64url(text: str) -> bytes:
    """Decode, with or without padding. Raises ValueError, without the text."""
    bare = text.rstrip("=")
    if not _BASE64URL.fullmatch(bare) or len(bare) % 4 == 1:
        raise ValueError("not base64url")
    return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))


def to_base64url(raw: bytes) -> str:
    """Encode, without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)
