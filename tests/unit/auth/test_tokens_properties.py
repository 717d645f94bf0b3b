"""Whatever a stranger sends, and however a good token is changed: a verdict, never a crash."""

import json
from typing import Any

import jwt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realtime.auth.errors import TokenError
from realtime.auth.jwks import parse_jwks
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

ALL_KINDS = FixedKeys(
    hmac_secret=SECRET, rsa_public_key=public_pem(rsa_key()), ecdsa_public_key=public_pem(ec_key())
)
PUBLISHED = parse_jwks(json.dumps({"keys": [jwk(ed25519_key(), kid="k1")]}).encode())
ALGORITHMS = ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256"]

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\0é"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner),
    max_leaves=6,
)
claim_names = st.sampled_from(
    "sub exp nbf iat jti aud iss role info b64info meta channels subs override expire_at channel"
    " client data b64data".split()
)
likely_values = st.sampled_from(
    [
        "42",
        "",
        "admin",
        "user",
        0,
        NOW,
        NOW + 60,
        -1,
        True,
        ["a"],
        {"a": {}},
        {"value": True},
        "e30=",
    ]
)


def judge(token: str, keys: KeySet = ALL_KINDS) -> str:
    """The verdict of a fresh verifier, both ways; raises whatever is not a verdict."""
    subject = TokenVerifier(keys, TokenRules())
    verdicts = []
    for verify in (subject.verify_connection, subject.verify_subscription):
        try:
            verify(token, NOW)
        except TokenError as error:
            assert str(error) in ("invalid token", "token expired", "unknown token key")
            verdicts.append(type(error).__name__)
        else:
            verdicts.append("good")
    assert verdicts.count("good") <= 1
    return "good" if "good" in verdicts else verdicts[0]


@given(st.text(max_size=80) | st.text("abAB01-_.=", max_size=80))
@example("..")
@example("\ud800.a.b")
def test_any_text_gets_a_verdict(text: str) -> None:
    assert judge(text) != "good"
    assert judge(text, PUBLISHED) != "good"


GOOD_TOKENS = [
    (mint({"sub": "42", "info": {"name": "Ann"}}), ALL_KINDS),
    (sign({"sub": "42"}, rsa_key(), "RS256"), ALL_KINDS),
    (sign({"sub": "42"}, ec_key(), "ES256"), ALL_KINDS),
    (sign({"sub": "42"}, ed25519_key(), "EdDSA", kid="k1"), PUBLISHED),
]


@pytest.mark.parametrize(("good", "keys"), GOOD_TOKENS)
def test_the_tokens_that_are_mutated_are_good(good: str, keys: KeySet) -> None:
    assert judge(good, keys) == "good"


@given(st.sampled_from(GOOD_TOKENS), st.data())
def test_no_changed_token_is_good(case: tuple[str, KeySet], data: st.DataObject) -> None:
    good, keys = case
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 6)))
    token = good[:start] + data.draw(st.text(ALPHABET, max_size=6)) + good[end:]
    if token != good:
        assert judge(token, keys) != "good"


@given(st.dictionaries(claim_names | st.text(max_size=4), likely_values | json_values, max_size=6))
def test_any_signed_claims_get_a_verdict(claims: dict[str, Any]) -> None:
    judge(mint(claims))


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_signed_texts_get_a_verdict(payload: str, header: str) -> None:
    judge(hs256(payload))
    assert judge(hs256("{}", header=header)) != "good"


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"]), json_values))
def test_any_header_gets_a_verdict(header: dict[str, Any]) -> None:
    token = hs256("{}", header=json.dumps(header))
    judge(token)
    judge(token, PUBLISHED)


@given(
    st.sampled_from(ALGORITHMS),
    st.sampled_from([SECRET, OTHER_SECRET]),
    st.sampled_from(["", "P-256", "P-384"]),
    st.integers(-1, 400),
)
def test_the_verdict_on_a_signature_is_that_of_pyjwt(
    algorithm: str, secret: str, curve: str, flipped: int
) -> None:
    """The same token and key go through the reference library, which knows no leniency here."""
    key: Any = secret
    public: Any = SECRET
    if algorithm.startswith("RS"):
        key, public = rsa_key(), rsa_key().public_key()
    if algorithm.startswith("ES"):
        key, public = ec_key("P-256"), ec_key("P-256").public_key()
        if curve == "P-384":
            key, algorithm = ec_key("P-384"), "ES384"
    token = jwt.encode({"sub": "42"}, key, algorithm=algorithm)
    if 0 <= flipped < len(token) - 1 and token[flipped] != ".":
        other = "A" if token[flipped] != "A" else "B"
        token = token[:flipped] + other + token[flipped + 1 :]
    try:
        jwt.decode(token, public, algorithms=[algorithm], options={"verify_sub": False})
        expected = algorithm != "ES384"
    except (jwt.PyJWTError, ValueError):
        expected = False
    assert (judge(token) == "good") == expected


@given(texts, json_values)
def test_what_a_backend_says_arrives(user: str, info: Any) -> None:
    token = mint({"sub": user, "info": info})
    claims = TokenVerifier(ALL_KINDS, TokenRules()).verify_connection(token, NOW)
    assert claims.identity.user == user
    assert json.loads(claims.identity.info or b"null") == info
