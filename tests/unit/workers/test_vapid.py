"""Who sends, for Web Push."""

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.chat import ManualClock
from tests.unit.workers.push_house import PRIVATE_KEY, SUBJECT
from workers.providers.aes128gcm import from_base64url
from workers.providers.vapid import LIFE_S, ORIGINS_MAX, RENEWED_AT_S, Vapid

ORIGIN = "https://push.example.com"


def vapid(
    key: str = PRIVATE_KEY, clock: ManualClock | None = None, subject: str = SUBJECT
) -> Vapid:
    clock = clock or ManualClock()
    return Vapid(private_key=key, subject=subject, wall=clock.monotonic)


def pem(key: Any) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return text.decode()


def test_a_word_names_the_service_the_sender_and_its_end() -> None:
    clock = ManualClock()
    signer = vapid(clock=clock)
    scheme, token, key = signer.authorization(ORIGIN).replace(",", "").split(" ")
    assert (scheme, key) == ("vapid", f"k={signer.public_key}")
    point = from_base64url(signer.public_key)
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    options: Any = {"verify_exp": False}
    claims = jwt.decode(
        token.removeprefix("t="), public, algorithms=["ES256"], audience=ORIGIN, options=options
    )
    assert claims == {"aud": ORIGIN, "sub": SUBJECT, "exp": int(clock.monotonic()) + LIFE_S}


def test_a_word_is_signed_once_per_service_and_anew_after_some_hours() -> None:
    clock = ManualClock()
    signer = vapid(clock=clock)
    first = signer.authorization(ORIGIN)
    clock.now_ms += (RENEWED_AT_S - 1) * 1_000
    assert signer.authorization(ORIGIN) == first
    assert signer.authorization("https://other.example.com") != first
    clock.now_ms += 1_000
    assert signer.authorization(ORIGIN) != first


def test_a_clock_that_was_set_back_does_not_keep_a_word_for_ever() -> None:
    clock = ManualClock()
    signer = vapid(clock=clock)
    first = signer.authorization(ORIGIN)
    clock.now_ms -= 7 * 86_400_000
    assert signer.authorization(ORIGIN) != first


def test_words_are_not_kept_without_bound() -> None:
    signer = vapid()
    first = signer.authorization(ORIGIN)
    for number in range(ORIGINS_MAX - 1):
        signer.authorization(f"https://{number}.example.com")
    assert signer.authorization(ORIGIN) == first
    signer.authorization("https://one-more.example.com")
    assert len(signer._words) == ORIGINS_MAX
    assert signer.authorization(ORIGIN) == first


def test_a_key_in_pem_is_read_as_well() -> None:
    secret = int.from_bytes(from_base64url(PRIVATE_KEY))
    text = pem(ec.derive_private_key(secret, ec.SECP256R1()))
    assert vapid(text).public_key == vapid().public_key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "planted",
        f"{PRIVATE_KEY}AA",
        "A" * 43,
        "-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----\n",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(rsa.generate_private_key(public_exponent=65_537, key_size=2048)),
    ],
)
def test_another_key_is_refused_without_its_text(key: str) -> None:
    with pytest.raises(ValueError, match="P-256") as caught:
        vapid(key)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("subject", ["", "push@example.com", "http://example.com"])
def test_a_subject_that_apple_would_refuse_is_refused_at_the_start(subject: str) -> None:
    with pytest.raises(ValueError, match="subject"):
        vapid(subject=subject)


def test_the_private_key_is_not_in_the_repr() -> None:
    assert PRIVATE_KEY not in repr(vapid())
