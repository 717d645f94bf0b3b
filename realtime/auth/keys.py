"""Keys that verify tokens, each with the algorithms that it, and nothing in a token, decides.

A token's header only selects among the keys that are configured: `alg` must be one of the fixed
list of the key's own kind, `kid` is looked up in a published key set. So there is no `none`, an RSA
key never serves as an HMAC secret, and what a header carries to verify itself (`jwk`, `jku`, `x5u`,
`x5c`) is not looked at (RFC 8725, 3.1 and 3.10).
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import get_default_algorithms

from realtime.auth.errors import TokenInvalid
from realtime.errors import SettingsError

Verify = Callable[[bytes, bytes], bool]
"""Whether the second argument is a signature of the first. Never raises."""

HMAC_ALGORITHMS: Final = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
RSA_ALGORITHMS: Final = ("RS256", "RS384", "RS512")
EC_ALGORITHMS: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
"""RFC 7518, 3.4: each curve has its one algorithm."""
OKP_ALGORITHM: Final = "EdDSA"

RSA_BITS_MIN: Final = 2048
"""RFC 7518, 3.3: "A key of size 2048 bits or larger MUST be used"."""

_PYJWT: Final = get_default_algorithms()


class KeySet(Protocol):
    """Where the verifier finds keys."""

    def find(self, algorithm: str, kid: str | None) -> Sequence[Verify]:
        """Give every key that may have signed with `algorithm`; at least one.

        Raises TokenInvalid if there is none, NeedsKey if `kid` may be in a newer key set.
        """
        ...


class UnusableKey(ValueError):
    """The key cannot verify tokens; the text says what was expected and never shows the key."""


class FixedKeys:
    """The keys of the settings: HMAC secrets, an RSA and an EC public key, together or alone.

    A token's `kid` means nothing here. Several secrets are all good: the present one and the one
    before. Raises SettingsError, with every problem and the name of its setting.
    """

    def __init__(
        self,
        *,
        hmac_secret: str | None = None,
        hmac_previous_secret: str | None = None,
        rsa_public_key: str | None = None,
        ecdsa_public_key: str | None = None,
    ) -> None:
        problems: list[str] = []
        found: dict[str, list[Verify]] = {}
        for setting, load, text in (
            ("auth.hmac_secret", _hmac_keys, hmac_secret),
            ("auth.hmac_previous_secret", _hmac_keys, hmac_previous_secret),
            ("auth.rsa_public_key", _rsa_keys, rsa_public_key),
            ("auth.ecdsa_public_key", _ec_keys, ecdsa_public_key),
        ):
            if text is None:
                continue
            try:
                for algorithm, verify in load(text).items():
                    found.setdefault(algorithm, []).append(verify)
            except UnusableKey as problem:
                problems.append(f"{setting}: {problem}")
        if problems:
            raise SettingsError(problems)
        self._by_algorithm = {name: tuple(keys) for name, keys in found.items()}

    def find(self, algorithm: str, kid: str | None) -> Sequence[Verify]:
        """See KeySet; never asks for a newer key set."""
        keys = self._by_algorithm.get(algorithm)
        if keys is None:
            raise TokenInvalid("key")
        return keys

    def __repr__(self) -> str:
        return f"<FixedKeys {' '.join(sorted(self._by_algorithm)) or 'without a key'}>"


def public_key_algorithms(key: object) -> Mapping[str, Verify]:
    """What a public key of the `cryptography` package verifies, by algorithm.

    Raises UnusableKey if it is of a kind, a size or on a curve that is not for tokens.
    """
    match key:
        case RSAPublicKey():
            if key.key_size < RSA_BITS_MIN:
                raise UnusableKey(
                    f"the RSA key has {key.key_size} bits; expected {RSA_BITS_MIN} or more"
                )
            names: Sequence[str] = RSA_ALGORITHMS
        case EllipticCurvePublicKey():
            name = EC_ALGORITHMS.get(key.curve.name)
            if name is None:
                raise UnusableKey(f"the curve is {key.curve.name}; expected P-256, P-384 or P-521")
            names = (name,)
        case Ed25519PublicKey():
            names = (OKP_ALGORITHM,)
        case _:
            raise UnusableKey("expected an RSA, EC or Ed25519 key")
    return {name: _public_key(name, key) for name in names}


def _public_key(algorithm: str, key: object) -> Verify:
    verify = _PYJWT[algorithm].verify
    return lambda signed, signature: verify(signed, key, signature)


def _hmac_keys(text: str) -> Mapping[str, Verify]:
    if not text:
        raise UnusableKey("expected a secret, found an empty text")
    if "-----BEGIN " in text:
        # Everyone may know a public key: as a secret it would let everyone sign tokens.
        raise UnusableKey("expected a secret, found a key in PEM form")
    # Not every environment variable is UTF-8; this gives back the bytes that were set.
    secret = text.encode(errors="surrogateescape")
    return {name: _hmac_key(secret, digest) for name, digest in HMAC_ALGORITHMS.items()}


def _hmac_key(secret: bytes, digest: str) -> Verify:
    def verify(signed: bytes, signature: bytes) -> bool:
        return hmac.compare_digest(hmac.digest(secret, signed, digest), signature)

    return verify


def _rsa_keys(text: str) -> Mapping[str, Verify]:
    key = _load_pem(text)
    if not isinstance(key, RSAPublicKey):
        raise UnusableKey("expected the PEM text of an RSA public key, found another kind of key")
    return public_key_algorithms(key)


def _ec_keys(text: str) -> Mapping[str, Verify]:
    key = _load_pem(text)
    if not isinstance(key, EllipticCurvePublicKey):
        raise UnusableKey("expected the PEM text of an EC public key, found another kind of key")
    return public_key_algorithms(key)


def _load_pem(text: str) -> object:
    try:
        return load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        if "PRIVATE KEY-----" in text:
            found = "a private key, which has no business here"
        elif "-----BEGIN CERTIFICATE-----" in text:
            found = "a certificate"
        else:
            found = f"{len(text)} characters that are not one"
    raise UnusableKey(f"expected the PEM text of a public key, found {found}")
