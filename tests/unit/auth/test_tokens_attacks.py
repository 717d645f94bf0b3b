"""Tokens made to get in (targets.md): refused, with constant text, and with no other exception."""

import base64
import hmac
import json
import warnings
from typing import Any

import jwt
import pytest

from realtime.auth.errors import NeedsKey, TokenError, TokenInvalid
from realtime.auth.jwks import parse_jwks
from realtime.auth.keys import FixedKeys, KeySet
from realtime.auth.tokens import TokenRules, TokenVerifier
from tests.unit.auth.minting import (
    NOW,
    OTHER_SECRET,
    SECRET,
    b64,
    ec_key,
    hs256,
    hs256_bytes,
    jwk,
    mint,
    private_pem,
    public_pem,
    rsa_key,
    sign,
)

CLAIMS = {"sub": "42"}
ALL_KINDS = FixedKeys(
    hmac_secret=SECRET, rsa_public_key=public_pem(rsa_key()), ecdsa_public_key=public_pem(ec_key())
)
PUBLISHED = parse_jwks(
    json.dumps({"keys": [jwk(rsa_key(), kid="rsa"), jwk(ec_key(), kid="ec")]}).encode()
)


def refused(token: str, keys: KeySet = ALL_KINDS) -> str:
    subject = TokenVerifier(keys, TokenRules())
    with pytest.raises(TokenInvalid) as caught:
        subject.verify_connection(token, NOW)
    assert str(caught.value) == "invalid token"
    assert caught.value.__cause__ is None
    return caught.value.reason


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "HS1"]
)
@pytest.mark.parametrize("signature", ["", "AA", "none"])
def test_no_algorithm_is_no_signature(algorithm: str, signature: str) -> None:
    header = b64(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()).decode()
    payload = b64(json.dumps(CLAIMS).encode()).decode()
    assert refused(f"{header}.{payload}.{signature}") == ("key" if signature else "format")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("kid", [None, "rsa", "ec"])
@pytest.mark.parametrize("keys", [ALL_KINDS, PUBLISHED])
def test_a_public_key_is_no_secret(algorithm: str, kid: str | None, keys: KeySet) -> None:
    """RS to HS confusion: everyone knows the public key, in each of its forms."""
    for key in (rsa_key(), ec_key()):
        pem = public_pem(key)
        for secret in (pem, pem.strip(), json.dumps(jwk(key)), ""):
            header = {"alg": algorithm} if kid is None else {"alg": algorithm, "kid": kid}
            signed = b64(json.dumps(header).encode()) + b"." + b64(json.dumps(CLAIMS).encode())
            digest = "sha" + algorithm[2:]
            token = signed + b"." + b64(hmac.digest(secret.encode(), signed, digest))
            assert refused(token.decode(), keys) in ("key", "signature")


def test_a_key_of_one_kind_does_not_sign_for_another() -> None:
    only_rsa = FixedKeys(rsa_public_key=public_pem(rsa_key()))
    only_hmac = FixedKeys(hmac_secret=SECRET)
    assert refused(mint(CLAIMS), only_rsa) == "key"
    assert refused(sign(CLAIMS, rsa_key(), "RS256"), only_hmac) == "key"
    assert refused(sign(CLAIMS, rsa_key(), "PS256"), only_rsa) == "key"
    assert refused(sign(CLAIMS, ec_key("P-384"), "ES384")) == "key"
    assert refused(sign(CLAIMS, ec_key(), "ES256", kid="rsa"), PUBLISHED) == "key"


def test_a_key_that_the_token_brings_along_is_not_used() -> None:
    mine = jwk(ec_key("P-256"))
    theirs = ec_key("P-384")
    for header in (
        {"jwk": jwk(theirs)},
        {"jku": "https://attacker.example/keys"},
        {"x5u": "https://attacker.example/chain.pem"},
        {"x5c": [base64.b64encode(b"certificate").decode()]},
        {"kid": "rsa", "jwk": mine, "jku": "file:///etc/passwd"},
    ):
        assert refused(mint(CLAIMS, OTHER_SECRET, **header)) == "signature"
        assert refused(sign(CLAIMS, theirs, "ES384", **header)) == "key"


def test_a_key_in_the_header_of_a_good_token_does_no_harm() -> None:
    token = mint(CLAIMS, jku="https://attacker.example/keys", x5c=["x"])
    subject = TokenVerifier(ALL_KINDS, TokenRules())
    assert subject.verify_connection(token, NOW).identity.user == "42"


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/proc/self/environ",
        "' UNION SELECT 'secret' --",
        "rsa\0",
        "RSA",
        "$(id)",
        "http://attacker.example/",
        "",
        "{}",
        "*",
    ],
)
def test_a_kid_is_looked_up_and_nothing_else(kid: str) -> None:
    for secret in ("", "\0", OTHER_SECRET):
        assert refused(mint(CLAIMS, secret, kid=kid)) == "signature"
    with pytest.raises(NeedsKey) as caught:
        TokenVerifier(PUBLISHED, TokenRules()).verify_connection(mint(CLAIMS, kid=kid), NOW)
    assert str(caught.value) == "unknown token key"


@pytest.mark.parametrize(
    "header",
    [
        "null",
        "[]",
        '"HS256"',
        "{}",
        '{"typ":"JWT"}',
        '{"alg":null}',
        '{"alg":256}',
        '{"alg":["HS256"]}',
        '{"alg":{"HS256":1}}',
        '{"alg":"HS256","alg":"HS256"}',
        '{"alg":"HS256","kid":7}',
        '{"alg":"HS256","kid":["rsa"]}',
        '{"alg":"HS256","crit":["exp"]}',
        '{"alg":"HS256","crit":[]}',
        '{"alg":"HS256","b64":false,"crit":["b64"]}',
        '{"alg":"HS256",',
        "\ufeff" + '{"alg":"HS256"}',
        '{"alg":"HS256","x":' + "[" * 5_000 + "]" * 5_000 + "}",
    ],
)
def test_an_odd_header_is_invalid_though_the_signature_is_good(header: str) -> None:
    assert refused(hs256('{"sub":"42"}', header=header)) in ("format", "header")


@pytest.mark.parametrize(
    "token",
    [
        "x" * 100_000,
        "." * 100_000,
        mint({"sub": "42", "x": "y" * 100_000}),
        hs256('{"sub":' + "[" * 5_500 + "]" * 5_500 + "}"),
        hs256('{"x":' * 1_200 + "1" + "}" * 1_200),
        hs256('{"x":' * 1_020 + "1" + "}" * 1_020),
        hs256('{"info":' + "[" * 500 + "]" * 500 + "}"),
        hs256('{"exp":' + "9" * 10_000 + "}"),
        hs256('{"exp":' + "9" * 400 + "}"),
        hs256('{"info":' + "9" * 30 + "}"),
        hs256('{"exp":1e999}'),
        hs256('{"exp":-1e308}'),
        hs256('{"exp":NaN}'),
        hs256('{"sub":"\\ud800"}'),
        hs256_bytes(b'{"sub":"\xff"}', header=b'{"alg":"HS256"}', secret=SECRET.encode()),
    ],
)
def test_large_and_deep_tokens_are_invalid(token: str) -> None:
    assert refused(token) in ("size", "format", "claims")


def test_other_forms_of_tokens_are_invalid() -> None:
    good = mint(CLAIMS)
    header, payload, signature = good.split(".")
    for token in (
        "",
        " ",
        "null",
        f" {good}",
        f"{good}\n",
        f"Bearer {good}",
        f"{good}=",
        f"{good}.",
        f"{good}.{signature}",
        f"{header}.{payload}",
        f"{header}..{signature}",
        f"{header}.{payload}.",
        f"{payload}.{header}.{signature}",
        f"{header}.{payload}.{signature[:-1]}",
        f"{header}.{payload}.{signature}A",
        f"{header}.{payload}.{signature[:10]}%{signature[10:]}",
        f"{good}\N{GREEK SMALL LETTER ALPHA}",
        good.replace(".", "\N{FULLWIDTH FULL STOP}"),
        json.dumps({"protected": header, "payload": payload, "signature": signature}),
    ):
        assert refused(token) in ("format", "header", "signature")


def test_the_last_character_of_a_signature_cannot_be_changed() -> None:
    """Of its six bits two mean nothing; a lax decoder takes four texts for one signature."""
    good = mint(CLAIMS)
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        if last != good[-1]:
            assert refused(good[:-1] + last) in ("format", "signature")


def test_an_ecdsa_signature_of_zeros_is_no_signature() -> None:
    signed = b64(b'{"alg":"ES256"}') + b"." + b64(b'{"sub":"42"}')
    for signature in (bytes(64), bytes(63) + b"\x01", b"\xff" * 64, bytes(70)):
        assert refused((signed + b"." + b64(signature)).decode()) == "signature"


def test_private_keys_are_never_loaded_as_secrets() -> None:
    for key in (rsa_key(), ec_key()):
        token = mint(CLAIMS, private_pem(key))
        assert refused(token) == "signature"


@pytest.mark.parametrize("member", ["sub", "channel", "jti", "role", "iss", "client"])
@pytest.mark.parametrize("value", [None, 0, 42, True, 1.5, [], ["42"], {}, {"$ne": ""}])
def test_objects_in_place_of_strings_are_invalid(member: str, value: Any) -> None:
    token = mint({"sub": "42", "role": "user", member: value})
    subject = TokenVerifier(ALL_KINDS, TokenRules())
    for verify in (subject.verify_connection, subject.verify_subscription):
        with pytest.raises(TokenError) as caught:
            verify(token, NOW)
        assert str(caught.value) == "invalid token"


def test_what_pyjwt_makes_without_care_is_judged_by_us() -> None:
    """The reference library signs with anything it is given, warnings aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weak = jwt.encode(CLAIMS, "x", algorithm="HS256")
        unsigned = jwt.encode(CLAIMS, "", algorithm="none")
    assert refused(weak) == "signature"
    assert refused(unsigned) == "format"
