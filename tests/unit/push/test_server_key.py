"""The key with which browsers subscribe, from the one that signs."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from realtime.errors import SettingsError
from realtime.hub.clock import Clock
from realtime.push.server_key import application_server_key
from realtime.server.chat import ChatParts
from realtime.settings.push_schema import WebPushSettings
from realtime.settings.schema import Settings
from realtime.settings.secret import Secret
from realtime.stores.sqlite import SQLiteStore
from workers.providers.vapid import Vapid


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    """The key as a file has it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_it_is_the_one_that_signs_whichever_way_it_is_written() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    raw = key.private_numbers().private_value.to_bytes(32)
    bare = base64.urlsafe_b64encode(raw).decode()
    signs = Vapid(private_key=pem(key), subject="mailto:a@example.com", wall=lambda: 0.0)
    for text in (pem(key), bare, bare.rstrip("="), f" {bare}\n"):
        assert application_server_key(text) == signs.public_key


@pytest.mark.parametrize(
    "text",
    [
        "secret-words",
        "A" * 43,
        "-----BEGIN PRIVATE KEY-----\nsecret-words\n-----END PRIVATE KEY-----",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(ed25519.Ed25519PrivateKey.generate()),
    ],
)
def test_what_is_no_such_key_is_refused_without_being_said(text: str) -> None:
    with pytest.raises(ValueError, match="P-256") as refused:
        application_server_key(text)
    assert "secret-words" not in str(refused.value)
    assert refused.value.__suppress_context__


async def test_a_hub_names_the_setting_whose_key_is_none() -> None:
    store = SQLiteStore(":memory:")
    for key, problems in (("secret-words", 1), ("A" * 42 + "E", 0)):
        webpush = WebPushSettings(vapid_private_key=Secret(key), vapid_subject="mailto:a@b.example")
        try:
            ChatParts(Settings(webpush=webpush), store, Clock())
        except SettingsError as error:
            assert problems == 1
            assert str(error).startswith("webpush.vapid_private_key: expected a key")
            assert "secret-words" not in str(error)
        else:
            assert problems == 0
