"""Opens what was encrypted for a subscription: `aes128gcm` (RFC 8188) with its keys (RFC 8291)."""

import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SALT_BYTES: Final = 16
_SIZE_END: Final = 20
_HEAD_BYTES: Final = 21
_POINT_BYTES: Final = 65
_TAG_BYTES: Final = 16
_RECORD_MIN_BYTES: Final = 18
_LAST_RECORD: Final = 2


class CannotOpen(Exception):
    """It was not encrypted for these keys, or not in this coding; the text says which."""


def open_body(
    body: bytes, private: ec.EllipticCurvePrivateKey, public: bytes, auth: bytes
) -> bytes:
    """The text of a body that is one record. `public` is that of `private`. Raises CannotOpen."""
    if len(body) < _HEAD_BYTES:
        raise CannotOpen("shorter than a header of aes128gcm")
    salt, size = body[:_SALT_BYTES], int.from_bytes(body[_SALT_BYTES:_SIZE_END], "big")
    sealed_at = _HEAD_BYTES + body[_SIZE_END]
    sender = body[_HEAD_BYTES:sealed_at]
    sealed = body[sealed_at:]
    if body[_SIZE_END] != _POINT_BYTES:
        raise CannotOpen("the key id is not a public key of the sender")
    if size < _RECORD_MIN_BYTES or len(sealed) > size:
        raise CannotOpen("not one record of the size that it says")
    if len(sealed) <= _TAG_BYTES:
        raise CannotOpen("the record is empty")
    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
    except ValueError:
        raise CannotOpen("the sender's key is not a point of P-256") from None
    shared = private.exchange(ec.ECDH(), point)
    # HKDF (RFC 5869) of at most one block: extract, then one step of expand.
    key = _expand(_hmac(auth, shared), b"WebPush: info\0" + public + sender)
    pseudorandom = _hmac(salt, key)
    content_key = _expand(pseudorandom, b"Content-Encoding: aes128gcm\0")[:16]
    nonce = _expand(pseudorandom, b"Content-Encoding: nonce\0")[:12]
    try:
        padded = AESGCM(content_key).decrypt(nonce, sealed, None)
    except InvalidTag:
        raise CannotOpen("not encrypted with the keys of this subscription") from None
    text = padded.rstrip(b"\0")
    if not text or text[-1] != _LAST_RECORD:
        raise CannotOpen("the record does not end as the last one does")
    return text[:-1]


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def _expand(key: bytes, info: bytes) -> bytes:
    return _hmac(key, info + b"\x01")
