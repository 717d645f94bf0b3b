"""Encrypting for one browser."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key

from tests.unit.workers.push_house import Browser
from workers.providers.aes128gcm import (
    BODY_MAX_BYTES,
    TEXT_MAX_BYTES,
    encrypt,
    from_base64url,
    subscription_keys,
    to_base64url,
)

PUBLIC = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"


def test_the_example_of_rfc_8291_comes_out_bit_by_bit() -> None:
    """Appendix A."""
    secret = from_base64url("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
    body = encrypt(
        b"When I grow up, I want to be a watermelon",
        subscription_keys(PUBLIC, AUTH),
        salt=from_base64url("DGv6ra1nlYgDCS1FRnbzlw"),
        private_key=derive_private_key(int.from_bytes(secret), SECP256R1()),
    )
    assert to_base64url(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmY"
        "WAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexS"
        "gSxsj_Qulcy4a-fN"
    )


@pytest.mark.parametrize("length", [0, 1, 1_000, TEXT_MAX_BYTES])
def test_the_browser_reads_what_was_said_and_the_body_is_not_too_long(length: int) -> None:
    browser = Browser()
    text = b"x" * length
    body = encrypt(text, subscription_keys(browser.p256dh, browser.auth))
    assert browser.opened(body) == text
    assert len(body) == length + (BODY_MAX_BYTES - TEXT_MAX_BYTES)


def test_a_text_longer_than_a_record_is_refused() -> None:
    with pytest.raises(ValueError, match="longer"):
        encrypt(b"x" * (TEXT_MAX_BYTES + 1), subscription_keys(PUBLIC, AUTH))


def test_no_two_bodies_are_alike() -> None:
    keys = subscription_keys(PUBLIC, AUTH)
    bodies = {encrypt(b"x", keys) for _ in range(20)}
    assert len({body[:16] for body in bodies}) == 20
    assert len({body[21:86] for body in bodies}) == 20


def test_padding_of_base64_does_not_matter() -> None:
    assert (
        subscription_keys(f"{PUBLIC}=", f"{AUTH}==").point == subscription_keys(PUBLIC, AUTH).point
    )


@pytest.mark.parametrize(
    ("public", "auth"),
    [
        ("", AUTH),
        (PUBLIC, ""),
        (PUBLIC[:-4], AUTH),
        (PUBLIC, AUTH[:-4]),
        (f"{PUBLIC[:-2]}!!", AUTH),
        (to_base64url(b"\x04" + b"\x01" * 64), AUTH),
        (to_base64url(b"\x00" * 65), AUTH),
        (PUBLIC, f"{AUTH[:-1]}é"),
    ],
)
def test_keys_that_are_none_are_refused_without_their_text(public: str, auth: str) -> None:
    with pytest.raises(ValueError, match=r"subscription|base64url") as caught:
        subscription_keys(public, auth)
    assert caught.value.__cause__ is None
    for secret in filter(None, (public, auth)):
        assert secret not in str(caught.value)


def test_the_keys_of_a_subscription_are_not_in_their_repr() -> None:
    keys = subscription_keys(PUBLIC, AUTH)
    assert repr(keys) == "<SubscriptionKeys>"
