import json
from typing import Any

import jwt
import pytest

from realtime.auth.errors import NeedsKey, TokenInvalid
from realtime.auth.jwks import (
    DOCUMENT_MAX_BYTES,
    FRESH_S,
    KEEP_S,
    KEYS_MAX,
    KID_MAX,
    RETRY_S,
    JwksCache,
    JwksUnusable,
    parse_jwks,
)
from tests.unit.auth.minting import NOW, SECRET, PrivateKey, b64, ec_key, ed25519_key, jwk, rsa_key


def document(*keys: Any) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


GOOD = jwk(ec_key(), kid="good")


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa_key(), "RS256"),
        (rsa_key(), "RS384"),
        (rsa_key(), "RS512"),
        (ec_key("P-256"), "ES256"),
        (ec_key("P-384"), "ES384"),
        (ec_key("P-521"), "ES512"),
        (ed25519_key(), "EdDSA"),
    ],
)
def test_a_published_key_verifies_by_its_id(key: PrivateKey, algorithm: str) -> None:
    keys = parse_jwks(document(GOOD, jwk(key, kid="k1", use="sig", key_ops=["verify"])))
    (verify,) = keys.find(algorithm, "k1")
    signature = jwt.algorithms.get_default_algorithms()[algorithm].sign(b"message", key)
    assert verify(b"message", signature)
    assert not verify(b"other", signature)
    assert "k1" in keys and "k2" not in keys
    assert len(keys) == 2


def test_an_unknown_id_may_be_in_a_newer_set() -> None:
    with pytest.raises(NeedsKey) as caught:
        parse_jwks(document(GOOD)).find("ES256", "new")
    assert caught.value.kid == "new"


@pytest.mark.parametrize(
    ("algorithm", "kid"),
    [
        ("ES384", "good"),
        ("HS256", "good"),
        ("none", "good"),
        ("ES256", None),
        ("ES256", "x" * (KID_MAX + 1)),
    ],
)
def test_no_newer_set_is_asked_for_where_it_could_not_help(algorithm: str, kid: str | None) -> None:
    with pytest.raises(TokenInvalid) as caught:
        parse_jwks(document(GOOD)).find(algorithm, kid)
    assert caught.value.reason == "key"


def test_a_key_with_an_algorithm_serves_only_that() -> None:
    keys = parse_jwks(document(jwk(rsa_key(), kid="k1", alg="RS384")))
    assert keys.find("RS384", "k1")
    with pytest.raises(TokenInvalid):
        keys.find("RS256", "k1")


def test_keys_that_share_an_id_are_all_found() -> None:
    shared = [jwk(ec_key(), kid="k"), jwk(rsa_key(), kid="k"), jwk(ec_key(), kid="k")]
    keys = parse_jwks(document(*shared))
    assert len(keys.find("ES256", "k")) == 2
    assert len(keys.find("RS256", "k")) == 1


@pytest.mark.parametrize(
    "bad",
    [
        None,
        5,
        "a key",
        {},
        {"kty": "oct", "kid": "bad", "k": b64(SECRET.encode()).decode()},
        {"kty": "AKP", "kid": "bad"},
        jwk(ec_key()),
        jwk(ec_key(), kid=None),
        jwk(ec_key(), kid=7),
        jwk(ec_key(), kid="x" * (KID_MAX + 1)),
        jwk(ec_key(), kid="bad", use="enc"),
        jwk(ec_key(), kid="bad", key_ops=["sign"]),
        jwk(ec_key(), kid="bad", alg="HS256"),
        jwk(ec_key(), kid="bad", alg="none"),
        jwk(ec_key(), kid="bad", crv="P-384"),
        jwk(ec_key(), kid="bad", x="AAAA"),
        jwk(ec_key(), kid="bad", x=GOOD["y"]),
        jwk(ec_key(), kid="bad", x=5),
        jwk(ec_key("secp256k1"), kid="bad"),
        jwk(rsa_key(1024), kid="bad"),
        jwk(rsa_key(), kid="bad", n="é"),
        jwk(rsa_key(), kid="bad", e="AA"),
        jwk(rsa_key(), kid="bad", n=""),
        jwk(ed25519_key(), kid="bad", crv="Ed448"),
        jwk(ed25519_key(), kid="bad", crv="X25519"),
        jwk(ed25519_key(), kid="bad", x="AAAA"),
    ],
)
def test_a_key_that_is_not_understood_is_passed_over(bad: Any) -> None:
    keys = parse_jwks(document(bad, GOOD))
    assert len(keys) == 1
    assert "good" in keys
    with pytest.raises(JwksUnusable):
        parse_jwks(document(bad))


def test_private_members_are_ignored() -> None:
    shown = jwt.algorithms.ECAlgorithm.to_jwk(ec_key(), as_dict=True)
    assert "d" in shown
    shown = {**shown, "kid": "k1", "key_ops": ["sign", "verify"]}
    assert parse_jwks(document(shown)).find("ES256", "k1")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":null}',
        b'{"keys":[]}',
        b'\xff{"keys":[]}',
        b'{"keys":["\xff"]}',
        b'{"keys":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        document(*[GOOD] * (KEYS_MAX + 1)),
        document(GOOD) + b" " * DOCUMENT_MAX_BYTES,
    ],
)
def test_what_is_no_key_set_is_refused(text: bytes) -> None:
    with pytest.raises(JwksUnusable):
        parse_jwks(text)


def test_a_key_set_at_the_limits_is_read() -> None:
    most = document(*[{**GOOD, "kid": f"k{n}"} for n in range(KEYS_MAX)])
    assert len(parse_jwks(most)) == KEYS_MAX
    padded = document(GOOD)
    assert len(parse_jwks(padded + b" " * (DOCUMENT_MAX_BYTES - len(padded)))) == 1


def test_an_unused_cache_needs_a_fetch() -> None:
    cache = JwksCache()
    assert cache.needs_fetch(None, NOW)
    assert cache.needs_fetch("good", NOW)
    assert len(cache.keys(NOW)) == 0


def test_keys_are_used_for_an_hour() -> None:
    cache = JwksCache()
    keys = cache.loaded(document(GOOD), NOW)
    assert cache.keys(NOW) is keys
    assert not cache.needs_fetch("good", NOW + FRESH_S - 1)
    assert not cache.needs_fetch(None, NOW + FRESH_S - 1)
    assert cache.needs_fetch("good", NOW + FRESH_S)
    assert cache.needs_fetch(None, NOW + FRESH_S)
    assert cache.keys(NOW + FRESH_S) is keys


def test_unknown_ids_cause_a_fetch_every_ten_seconds_at_most() -> None:
    cache = JwksCache()
    cache.loaded(document(GOOD), NOW)
    assert not cache.needs_fetch("new", NOW + RETRY_S - 0.1)
    assert cache.needs_fetch("new", NOW + RETRY_S)
    cache.loaded(document(GOOD, {**GOOD, "kid": "new"}), NOW + RETRY_S)
    assert not cache.needs_fetch("new", NOW + 2 * RETRY_S)
    assert cache.needs_fetch("newer", NOW + 2 * RETRY_S)


def test_a_failed_fetch_is_repeated_after_ten_seconds() -> None:
    cache = JwksCache()
    cache.failed(NOW)
    assert not cache.needs_fetch("good", NOW + RETRY_S - 0.1)
    assert cache.needs_fetch("good", NOW + RETRY_S)


def test_an_unusable_document_counts_as_a_failed_fetch_and_changes_no_keys() -> None:
    cache = JwksCache()
    keys = cache.loaded(document(GOOD), NOW)
    later = NOW + FRESH_S
    with pytest.raises(JwksUnusable):
        cache.loaded(b"<html>", later)
    assert cache.keys(later) is keys
    assert not cache.needs_fetch(None, later + RETRY_S - 0.1)
    assert cache.needs_fetch(None, later + RETRY_S)


def test_keys_that_cannot_be_renewed_end_after_a_day() -> None:
    cache = JwksCache()
    keys = cache.loaded(document(GOOD), NOW)
    cache.failed(NOW + KEEP_S - 1)
    assert cache.keys(NOW + KEEP_S - 1) is keys
    assert len(cache.keys(NOW + KEEP_S)) == 0
    assert cache.keys(NOW + KEEP_S) is cache.keys(NOW + KEEP_S + 1)
