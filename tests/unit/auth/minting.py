"""Tokens as backends make them, and as nobody should."""

import base64
import hmac
import json
from functools import cache
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

SECRET: Final = "the secret of the tests, which is long enough even for HS512, we think"
OTHER_SECRET: Final = "a secret of somebody else, who was just as careful about its length"
NOW: Final = 1_700_000_000.0

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def b64(octets: bytes) -> bytes:
    """base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def hs256(text: str, *, header: str = '{"alg":"HS256","typ":"JWT"}', secret: str = SECRET) -> str:
    """Sign any text as a payload, and any text as a header, valid JSON or not."""
    return hs256_bytes(text.encode(), header=header.encode(), secret=secret.encode())


def hs256_bytes(payload: bytes, *, header: bytes, secret: bytes) -> str:
    """Sign any bytes."""
    signed = b64(header) + b"." + b64(payload)
    signature = b64(hmac.digest(secret, signed, "sha256"))
    return (signed + b"." + signature).decode()


def mint(claims: dict[str, Any], secret: str = SECRET, **header: Any) -> str:
    """Make an HS256 token with these claims and no others."""
    return hs256(json.dumps(claims), header=json.dumps({"alg": "HS256", **header}), secret=secret)


def sign(claims: dict[str, Any], key: PrivateKey, algorithm: str, **header: Any) -> str:
    """Make a token with an asymmetric key, by PyJWT."""
    return jwt.encode(claims, key, algorithm=algorithm, headers=header)


def public_pem(key: PrivateKey) -> str:
    """The public key as settings have it."""
    octets = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return octets.decode()


def private_pem(key: PrivateKey) -> str:
    """The private key, which has no business in settings."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def jwk(key: PrivateKey, **members: Any) -> dict[str, Any]:
    """The public key as a key set has it."""
    algorithms = jwt.algorithms
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        found = algorithms.RSAAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        found = algorithms.ECAlgorithm.to_jwk(public, as_dict=True)
    else:
        found = algorithms.OKPAlgorithm.to_jwk(public, as_dict=True)
    found.pop("key_ops", None)
    return {**found, **members}


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key that all tests share; making one takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def ec_key(curve: str = "P-256") -> ec.EllipticCurvePrivateKey:
    """A key on one of the curves that tokens may use, or on secp256k1, which they may not."""
    return _ec_key(curve)


@cache
def _ec_key(curve: str) -> ec.EllipticCurvePrivateKey:
    curves: dict[str, ec.EllipticCurve] = {
        "P-256": ec.SECP256R1(),
        "P-384": ec.SECP384R1(),
        "P-521": ec.SECP521R1(),
        "secp256k1": ec.SECP256K1(),
    }
    return ec.generate_private_key(curves[curve])


@cache
def ed25519_key() -> ed25519.Ed25519PrivateKey:
    """An Ed25519 key."""
    return ed25519.Ed25519PrivateKey.generate()
