"""Outcomes of verification (protocol 3.1 to 3.4), row by row."""

import json
from typing import Any

import pytest

from realtime.auth.claims import ConnectionClaims, Lifetime, SubscriptionClaims
from realtime.auth.compact import TOKEN_MAX
from realtime.auth.errors import NeedsKey, TokenError, TokenExpired, TokenInvalid
from realtime.auth.identity import Identity
from realtime.auth.jwks import NO_KEYS, parse_jwks
from realtime.auth.keys import FixedKeys, KeySet
from realtime.auth.tokens import TokenRules, TokenVerifier
from tests.unit.auth.minting import (
    NOW,
    OTHER_SECRET,
    SECRET,
    ec_key,
    ed25519_key,
    hs256,
    jwk,
    mint,
    public_pem,
    rsa_key,
    sign,
)

KEYS = FixedKeys(hmac_secret=SECRET)
INF = float("inf")


def verifier(keys: KeySet = KEYS, **rules: Any) -> TokenVerifier:
    return TokenVerifier(keys, TokenRules(**rules))


def refusal(token: str, *, now: float = NOW, keys: KeySet = KEYS, **rules: Any) -> str:
    """Why a connection token is refused: `expired`, or the reason of TokenInvalid."""
    with pytest.raises(TokenError) as caught:
        verifier(keys, **rules).verify_connection(token, now)
    if isinstance(caught.value, TokenInvalid):
        return caught.value.reason
    assert isinstance(caught.value, TokenExpired)
    return "expired"


def test_a_connection_token_says_who_it_is() -> None:
    token = mint({"sub": "42", "exp": NOW + 60, "iat": NOW - 5, "jti": "t1", "info": {"n": "Ann"}})
    assert verifier().verify_connection(token, NOW) == ConnectionClaims(
        Identity("42", "user", b'{"n":"Ann"}', NOW + 60, "t1", NOW - 5),
        Lifetime(NOW - 65, NOW + 60),
    )


def test_a_subscription_token_says_who_and_where() -> None:
    token = mint({"sub": "42", "channel": "$room", "exp": NOW + 60, "data": 1, "info": "x"})
    assert verifier().verify_subscription(token, NOW) == SubscriptionClaims(
        user="42",
        channel="$room",
        lifetime=Lifetime(0.0, NOW + 60),
        expires_at=NOW + 60,
        info=b'"x"',
        data=b"1",
    )


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "ES256"])
def test_tokens_of_the_configured_keys_are_good(algorithm: str) -> None:
    keys = FixedKeys(
        rsa_public_key=public_pem(rsa_key()), ecdsa_public_key=public_pem(ec_key("P-256"))
    )
    key = rsa_key() if algorithm.startswith("RS") else ec_key("P-256")
    token = sign({"sub": "42"}, key, algorithm)
    assert verifier(keys).verify_connection(token, NOW).identity.user == "42"


def test_tokens_of_a_published_key_are_good() -> None:
    keys = parse_jwks(json.dumps({"keys": [jwk(ed25519_key(), kid="k1")]}).encode())
    token = sign({"sub": "42"}, ed25519_key(), "EdDSA", kid="k1")
    assert verifier(keys).verify_connection(token, NOW).identity.user == "42"


def test_an_unknown_published_key_is_asked_for_and_then_used() -> None:
    subject = verifier(NO_KEYS)
    token = sign({"sub": "42"}, ec_key(), "ES256", kid="k1")
    with pytest.raises(NeedsKey) as caught:
        subject.verify_connection(token, NOW)
    assert caught.value.kid == "k1"
    subject.use_keys(parse_jwks(json.dumps({"keys": [jwk(ec_key(), kid="k1")]}).encode()))
    assert subject.verify_connection(token, NOW).identity.user == "42"


def test_the_previous_secret_still_opens() -> None:
    keys = FixedKeys(hmac_secret=OTHER_SECRET, hmac_previous_secret=SECRET)
    assert verifier(keys).verify_connection(mint({"sub": "1"}), NOW).identity.user == "1"


@pytest.mark.parametrize(
    ("claims", "now", "leeway_s", "outcome"),
    [
        ({"exp": NOW}, NOW - 0.001, 0, "good"),
        ({"exp": NOW}, NOW, 0, "expired"),
        ({"exp": NOW}, NOW + 4.9, 5, "good"),
        ({"exp": NOW}, NOW + 5, 5, "expired"),
        ({"exp": int(NOW)}, NOW, 0, "expired"),
        ({"exp": NOW + 0.5}, NOW, 0, "good"),
        ({"exp": 0}, NOW, 0, "expired"),
        ({"exp": -1}, NOW, 0, "expired"),
        ({"exp": 253_402_300_799}, NOW, 0, "good"),
        ({"exp": NOW * 1000}, NOW, 0, "claims"),
        ({"nbf": NOW}, NOW, 0, "good"),
        ({"nbf": NOW}, NOW - 0.001, 0, "not yet"),
        ({"nbf": NOW}, NOW - 5, 5, "good"),
        ({"nbf": NOW}, NOW - 5.001, 5, "not yet"),
        ({"iat": NOW}, NOW - 60, 0, "good"),
        ({"iat": NOW}, NOW - 60.001, 0, "not yet"),
        ({"iat": NOW}, NOW - 65, 5, "good"),
        ({"iat": NOW - 60, "nbf": NOW}, NOW - 1, 0, "not yet"),
        ({"iat": NOW + 61, "nbf": NOW - 5}, NOW, 0, "not yet"),
        ({"exp": NOW, "nbf": NOW + 5}, NOW, 0, "expired"),
        ({"expire_at": NOW}, NOW, 0, "expired"),
        ({"expire_at": NOW}, NOW + 4, 5, "good"),
        ({"expire_at": NOW, "exp": NOW + 60}, NOW, 0, "expired"),
        ({"expire_at": NOW + 60, "exp": NOW}, NOW, 0, "expired"),
        ({"expire_at": 0, "exp": NOW}, NOW, 0, "expired"),
    ],
)
def test_times_at_their_edges(
    claims: dict[str, Any], now: float, leeway_s: float, outcome: str
) -> None:
    subject = verifier(leeway_s=leeway_s)
    token = mint({"sub": "42", **claims})
    for _ in range(2):  # verified, and, if it was good, remembered
        if outcome == "good":
            assert subject.verify_connection(token, now).identity.user == "42"
        else:
            assert refusal(token, now=now, leeway_s=leeway_s) == outcome


@pytest.mark.parametrize(
    ("claims", "expires_at"),
    [
        ({}, 0),
        ({"exp": NOW + 60}, NOW + 60),
        ({"exp": NOW + 60, "expire_at": NOW + 90}, NOW + 90),
        ({"exp": NOW + 60, "expire_at": 0}, 0),
        ({"expire_at": NOW + 90}, NOW + 90),
    ],
)
def test_expire_at_goes_before_exp(claims: dict[str, Any], expires_at: float) -> None:
    connection = verifier().verify_connection(mint({"sub": "42", **claims}), NOW)
    assert connection.identity.expires_at == expires_at
    token = mint({"sub": "42", "channel": "c", **claims})
    assert verifier().verify_subscription(token, NOW).expires_at == expires_at


@pytest.mark.parametrize(
    ("aud", "good"),
    [
        ("hub", True),
        (["hub"], True),
        (["other", "hub"], True),
        ("other", False),
        ("hubs", False),
        ("", False),
        ([], False),
        (["other", "hubs"], False),
        (None, False),
    ],
)
def test_the_audience_must_be_among_those_of_the_token(aud: Any, good: bool) -> None:
    token = mint({"sub": "42"} if aud is None else {"sub": "42", "aud": aud})
    if good:
        assert verifier(audience="hub").verify_connection(token, NOW)
    else:
        assert refusal(token, audience="hub") == "audience"
    assert verifier().verify_connection(token, NOW), "not configured: any"


@pytest.mark.parametrize(
    ("iss", "good"), [("us", True), ("them", False), ("usa", False), ("", False), (None, False)]
)
def test_the_issuer_must_be_that_of_the_token(iss: str | None, good: bool) -> None:
    token = mint({"sub": "42"} if iss is None else {"sub": "42", "iss": iss})
    if good:
        assert verifier(issuer="us").verify_connection(token, NOW)
    else:
        assert refusal(token, issuer="us") == "issuer"
    assert verifier().verify_connection(token, NOW), "not configured: any"


def test_checks_are_made_in_their_order() -> None:
    """Protocol 3.1: an earlier check decides, so nobody learns about later ones by a bad token."""
    rules: dict[str, Any] = {"audience": "hub", "issuer": "us"}
    claims: dict[str, Any] = {"sub": "42", "exp": NOW, "role": "king"}
    assert refusal("x", **rules) == "format"
    assert refusal(mint(claims, alg="none"), **rules) == "key"
    assert refusal(mint(claims, OTHER_SECRET), **rules) == "signature"
    assert refusal(mint({**claims, "exp": True}), **rules) == "claims"
    assert refusal(mint(claims), **rules) == "audience"
    assert refusal(mint({**claims, "aud": "hub"}), **rules) == "issuer"
    claims.update(aud="hub", iss="us")
    assert refusal(mint(claims), **rules) == "expired"
    assert refusal(mint({**claims, "exp": NOW + 1}), **rules) == "claims"
    assert verifier(**rules).verify_connection(
        mint({**claims, "exp": NOW + 1, "role": "user"}), NOW
    )


def test_a_subscription_token_opens_no_connection() -> None:
    token = mint({"sub": "42", "channel": "c"})
    subject = verifier()
    for _ in range(2):
        with pytest.raises(TokenInvalid) as caught:
            subject.verify_connection(token, NOW)
        assert caught.value.reason == "use"
        assert subject.verify_subscription(token, NOW).channel == "c"


def test_a_connection_token_subscribes_to_nothing() -> None:
    token = mint({"sub": "42"})
    subject = verifier()
    for _ in range(2):
        with pytest.raises(TokenInvalid) as caught:
            subject.verify_subscription(token, NOW)
        assert caught.value.reason == "use"
        assert subject.verify_connection(token, NOW).identity.user == "42"


def test_the_user_may_be_in_another_claim() -> None:
    subject = verifier(user_claim="uid")
    claims = subject.verify_connection(mint({"sub": "subject", "uid": "42"}), NOW)
    assert claims.identity.user == "42"
    anonymous = subject.verify_connection(mint({"sub": "subject"}), NOW)
    assert (anonymous.identity.user, anonymous.identity.role) == ("", "guest")


@pytest.mark.parametrize("user", [42, None, True, ["42"], {"id": "42"}])
def test_a_user_in_another_claim_is_a_text_too(user: Any) -> None:
    assert refusal(mint({"sub": "subject", "uid": user}), user_claim="uid") == "claims"


def test_a_token_of_the_greatest_length_is_read_and_a_longer_one_is_not() -> None:
    def of_length(length: int) -> str:
        # Four characters of base64 hold three of the filling.
        token = mint({"sub": "42", "x": ""})
        for filling in range((length - len(token)) * 3 // 4 - 3, length):
            token = mint({"sub": "42", "x": "y" * filling})
            if len(token) >= length:
                return token
        raise AssertionError("no such token")

    assert verifier().verify_connection(of_length(TOKEN_MAX - 1), NOW)
    assert refusal(of_length(TOKEN_MAX + 1)) == "size"
    assert refusal("x" * 100_000) == "size"


def test_a_verified_token_is_remembered_until_the_keys_change() -> None:
    subject = verifier()
    token = mint({"sub": "42", "exp": NOW + 60})
    first = subject.verify_connection(token, NOW)
    assert subject.verify_connection(token, NOW + 1) is first
    subject.use_keys(KEYS)
    assert subject.verify_connection(token, NOW + 2) is first, "the same keys"
    subject.use_keys(FixedKeys(hmac_secret=OTHER_SECRET))
    with pytest.raises(TokenInvalid) as caught:
        subject.verify_connection(token, NOW + 3)
    assert caught.value.reason == "signature"


def test_a_remembered_token_expires() -> None:
    subject = verifier()
    token = mint({"sub": "42", "exp": NOW + 60})
    assert subject.verify_connection(token, NOW)
    assert len(subject.verified) == 1
    with pytest.raises(TokenExpired):
        subject.verify_connection(token, NOW + 60)


def test_refused_and_very_long_tokens_are_not_remembered() -> None:
    subject = verifier()
    for token in (mint({"sub": 42}), mint({"sub": "42", "exp": NOW}), mint({"sub": "42"}, "no")):
        with pytest.raises(TokenError):
            subject.verify_connection(token, NOW)
    assert subject.verify_connection(mint({"sub": "42", "x": "y" * 2_000}), NOW)
    assert len(subject.verified) == 0


def test_the_headers_that_are_kept_are_bounded() -> None:
    subject = verifier()
    for number in range(200):
        assert subject.verify_connection(mint({"sub": "42"}, typ=f"type {number}"), NOW)
    assert subject.verify_connection(mint({"sub": "42"}, typ="x" * 1_000), NOW)
    assert 0 < len(subject._headers) <= 64
    assert all(len(header) <= 512 for header in subject._headers)


def test_a_header_of_a_bad_token_is_not_kept() -> None:
    subject = verifier()
    with pytest.raises(TokenInvalid):
        subject.verify_connection(mint({"sub": "42"}, OTHER_SECRET), NOW)
    assert not subject._headers


@pytest.mark.parametrize("payload", ["", "null", "[]", '"sub"', "{", '{"sub":"1","sub":"2"}'])
def test_a_payload_that_is_no_object_is_invalid(payload: str) -> None:
    assert refusal(hs256(payload)) == "format"


def test_an_empty_payload_is_an_anonymous_token() -> None:
    claims = verifier().verify_connection(hs256("{}"), NOW)
    assert claims == ConnectionClaims(Identity("", "guest"), Lifetime(0.0, INF))
