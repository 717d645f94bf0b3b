"""Keys that an identity provider publishes (RFC 7517), and when to ask for them again.

Nothing here fetches: the hub does, through a `JwksSource`, when `JwksCache` says so.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import msgspec
from jwt import InvalidKeyError
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from realtime.auth.errors import NeedsKey, TokenInvalid
from realtime.auth.keys import UnusableKey, Verify, public_key_algorithms

DOCUMENT_MAX_BYTES: Final = 262_144
KEYS_MAX: Final = 100
KID_MAX: Final = 256
"""The longest key id that is looked up, in characters."""

FRESH_S: Final = 3_600.0
"""How long a key set is used before it is asked for again (protocol 3.1)."""

RETRY_S: Final = 10.0
"""The least time between two fetches. Any stranger can send a token with an unknown key id, so this
is what protects the provider. In between nobody can tell such a token from one of a new key: both
are told to come back."""

KEEP_S: Final = 86_400.0
"""How long a key set is used at most while the provider does not answer: its outage should not lock
everyone out, but a key that it took back must end some time."""


class JwksSource(Protocol):
    """How the hub gets the document."""

    @property
    def url(self) -> str:
        """Where it is: sources of one address have the same keys. May hold a secret: not shown."""
        ...

    async def fetch(self) -> bytes:
        """Fetch the key set: at most DOCUMENT_MAX_BYTES, in 1 s, with one retry (protocol 3.1).

        Raises OSError or TimeoutError and nothing else on purpose.
        """
        ...


class JwksUnusable(ValueError):
    """The document is not a key set that could be used; the text says why and shows none of it."""


class PublishedKeys:
    """A published key set, by key id; keys without one are never found. Immutable."""

    def __init__(self, by_kid: Mapping[str, Mapping[str, Sequence[Verify]]]) -> None:
        self._by_kid = by_kid

    def find(self, algorithm: str, kid: str | None) -> Sequence[Verify]:
        """See KeySet."""
        if kid is None or len(kid) > KID_MAX:
            raise TokenInvalid("key")
        key = self._by_kid.get(kid)
        if key is None:
            raise NeedsKey(kid)
        found = key.get(algorithm)
        if found is None:
            raise TokenInvalid("key")
        return found

    def __contains__(self, kid: object) -> bool:
        return kid in self._by_kid

    def __len__(self) -> int:
        return len(self._by_kid)


NO_KEYS: Final = PublishedKeys({})
"""Before the first fetch: every token with a key id raises NeedsKey."""


class JwksCache:
    """The present key set and when the next fetch is due.

    `now` is in seconds of one clock that does not go back.

    The caller makes at most one fetch at a time and tells how it ended. After a NeedsKey: if
    `needs_fetch(kid, now)`, fetch (or join the fetch under way) and verify once more. The token is
    invalid only if its key is missing from a document whose fetch began after the token came. In
    all other cases its key may be published by now, and the client should be told to come back.
    """

    def __init__(self) -> None:
        self._keys = NO_KEYS
        self._loaded_at = float("-inf")
        self._tried_at = float("-inf")

    def needs_fetch(self, kid: str | None, now: float) -> bool:
        """Whether to fetch now: for the unknown key `kid`, or (None) because of age."""
        if now - self._tried_at < RETRY_S:
            return False
        if now - self._loaded_at >= FRESH_S:
            return True
        return kid is not None and kid not in self._keys

    def loaded(self, document: bytes, now: float) -> PublishedKeys:
        """Use a fetched document from now on and return its keys.

        Raises JwksUnusable, which counts as a failed fetch: the keys from before stay.
        """
        self._tried_at = now
        self._keys = parse_jwks(document)
        self._loaded_at = now
        return self._keys

    def failed(self, now: float) -> None:
        """Note that a fetch did not bring a document."""
        self._tried_at = now

    def keys(self, now: float) -> PublishedKeys:
        """Return the keys to verify with: the same object until they change, empty if too old."""
        if now - self._loaded_at >= KEEP_S:
            self._keys = NO_KEYS
        return self._keys


class _Document(msgspec.Struct):
    keys: list[Any]


class _Jwk(msgspec.Struct):
    kty: Literal["RSA", "EC", "OKP"]
    kid: str
    use: str = "sig"
    key_ops: tuple[str, ...] = ("verify",)
    alg: str | None = None
    crv: str = ""
    n: str = ""
    e: str = ""
    x: str = ""
    y: str = ""


def parse_jwks(document: bytes) -> PublishedKeys:
    """Read a key set. Keys that are not for verifying, or not understood, are passed over.

    RFC 7517, 5: such keys "SHOULD" be ignored, so that a provider may publish new kinds.
    Raises JwksUnusable for what is no key set, is too large or has no key left.
    """
    if len(document) > DOCUMENT_MAX_BYTES:
        raise JwksUnusable(f"expected at most {DOCUMENT_MAX_BYTES} bytes, found {len(document)}")
    try:
        found = msgspec.json.decode(document, type=_Document).keys
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise JwksUnusable('expected a JSON object with a list "keys"') from None
    if len(found) > KEYS_MAX:
        raise JwksUnusable(f"expected at most {KEYS_MAX} keys, found {len(found)}")
    by_kid: dict[str, dict[str, tuple[Verify, ...]]] = {}
    for value in found:
        try:
            jwk = msgspec.convert(value, _Jwk)
            algorithms = _algorithms(jwk)
        except (msgspec.ValidationError, InvalidKeyError, ValueError):
            continue
        # RFC 7517, 4.5: keys of different kinds may share an id.
        known = by_kid.setdefault(jwk.kid, {})
        for name, verify in algorithms.items():
            known[name] = (*known.get(name, ()), verify)
    if not by_kid:
        raise JwksUnusable(f"none of the {len(found)} keys is an RSA, EC or Ed25519 key with an id")
    return PublishedKeys(by_kid)


def _algorithms(jwk: _Jwk) -> Mapping[str, Verify]:
    if jwk.use != "sig" or "verify" not in jwk.key_ops or len(jwk.kid) > KID_MAX:
        raise UnusableKey("the key is not for verifying")
    algorithms = public_key_algorithms(_public_key(jwk))
    if jwk.alg is None:
        return algorithms
    if jwk.alg not in algorithms:
        raise UnusableKey("the key's algorithm is not one of its kind")
    return {jwk.alg: algorithms[jwk.alg]}


def _public_key(jwk: _Jwk) -> object:
    # Only the public members go on, so a set that shows a private key by mistake still works.
    if jwk.kty == "RSA":
        return RSAAlgorithm.from_jwk({"kty": "RSA", "n": jwk.n, "e": jwk.e})
    if jwk.kty == "EC":
        return ECAlgorithm.from_jwk({"kty": "EC", "crv": jwk.crv, "x": jwk.x, "y": jwk.y})
    return OKPAlgorithm.from_jwk({"kty": "OKP", "crv": jwk.crv, "x": jwk.x})
