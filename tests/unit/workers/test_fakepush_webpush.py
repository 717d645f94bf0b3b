"""The fake Web Push service, seen by an HTTP client that encrypts by itself."""

import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.fake_push import b64decode, seal, vapid
from workers.fakepush import Device, FakePush
from workers.fakepush.message_encryption import CannotOpen, open_body

KEY = ec.generate_private_key(ec.SECP256R1())

# RFC 8291, 5.
RFC_PRIVATE = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
RFC_PUBLIC = (
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
)
RFC_AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
RFC_BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml"
    "mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT"
    "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


@pytest.fixture
async def fake() -> AsyncIterator[FakePush]:
    async with FakePush() as fake:
        yield fake


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as client:
        yield client


async def push(
    client: aiohttp.ClientSession,
    fake: FakePush,
    device: Device,
    body: bytes | dict[str, Any],
    authorization: str | None = None,
    **changed: str,
) -> tuple[int, Mapping[str, str], str]:
    """Send one, a dict encrypted; `changed` are headers, "" for none."""
    told = device.told()
    if isinstance(body, dict):
        body = seal(json.dumps(body).encode(), told["p256dh"], told["auth"])
    headers = {
        "TTL": "60",
        "Urgency": "high",
        "Topic": "a" * 32,
        "Content-Encoding": "aes128gcm",
        "Authorization": authorization or vapid(KEY, fake.webpush_origin),
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    headers = {name: value for name, value in headers.items() if value}
    async with client.post(told["address"], data=body, headers=headers) as answer:
        return answer.status, answer.headers, await answer.text()


async def test_a_message_is_opened_and_shown(fake: FakePush, client: aiohttp.ClientSession) -> None:
    device = fake.world.make_device("webpush")
    body = {"title": "hello", "body": "there", "badge": 3, "data": {"a": "b"}}
    status, headers, _ = await push(client, fake, device, body)
    assert (status, headers["TTL"]) == (201, "60")
    [received] = device.phone.received
    assert headers["Location"] == f"{fake.webpush_origin}/message/{received.id}"
    assert (received.title, received.body, received.payload) == ("hello", "there", body)
    assert received.headers["urgency"] == "high"
    assert "authorization" not in received.headers
    assert list(device.phone.visible) == ["a" * 32]
    assert device.phone.badge == 3


async def test_a_topic_replaces(fake: FakePush, client: aiohttp.ClientSession) -> None:
    device = fake.world.make_device("webpush")
    for title, topic in [("1", "x"), ("2", "y"), ("3", "x"), ("4", "")]:
        await push(client, fake, device, {"title": title}, Topic=topic)
    assert [seen.title for seen in device.phone.visible.values()] == ["2", "3", "4"]


async def test_a_message_without_a_body_is_shown_by_the_browser(
    fake: FakePush, client: aiohttp.ClientSession
) -> None:
    device = fake.world.make_device("webpush")
    assert (await push(client, fake, device, b"", Content_Encoding=""))[0] == 201
    assert len(device.phone.visible) == 1


async def test_what_was_encrypted_for_another_is_refused(
    fake: FakePush, client: aiohttp.ClientSession
) -> None:
    device, other = (fake.world.make_device("webpush") for _ in range(2))
    body = seal(b"{}", other.told()["p256dh"], other.told()["auth"])
    status, _, why = await push(client, fake, device, body)
    assert (status, why) == (
        400,
        "cannot be opened: not encrypted with the keys of this subscription\n",
    )
    assert device.phone.count.value == 0


@pytest.mark.parametrize(
    ("changed", "status", "why"),
    [
        ({"TTL": ""}, 400, "TTL"),
        ({"TTL": "soon"}, 400, "TTL"),
        ({"TTL": "-1"}, 400, "TTL"),
        ({"Urgency": "asap"}, 400, "Urgency"),
        ({"Topic": "a" * 33}, 400, "Topic"),
        ({"Topic": "a b"}, 400, "Topic"),
        ({"Content_Encoding": "aesgcm"}, 415, "Content-Encoding"),
        ({"Content_Encoding": ""}, 415, "Content-Encoding"),
    ],
)
async def test_wrong_headers_are_refused(
    fake: FakePush,
    client: aiohttp.ClientSession,
    changed: dict[str, str],
    status: int,
    why: str,
) -> None:
    device = fake.world.make_device("webpush")
    got, _, said = await push(client, fake, device, {"title": "x"}, **changed)
    assert (got, said.partition(" ")[0]) == (status, why)
    assert device.phone.count.value == 0


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"aud": "https://push.example.com"}, "aud"),
        ({"exp": int(time.time()) - 1}, "expired"),
        ({"exp": int(time.time()) + 25 * 3_600}, "24 hours"),
        ({"exp": None}, "exp"),
        ({"sub": "me"}, "sub"),
        ({"sub": "mailto:me"}, "sub"),
        ({"k": "AAAA"}, "P-256"),
        ({"k": RFC_PUBLIC}, "signed"),
    ],
)
async def test_a_wrong_vapid_token_is_refused(
    fake: FakePush, client: aiohttp.ClientSession, changed: dict[str, Any], why: str
) -> None:
    device = fake.world.make_device("webpush")
    authorization = vapid(KEY, fake.webpush_origin, **changed)
    status, _, said = await push(client, fake, device, {"title": "x"}, authorization)
    assert status == 403
    assert why in said
    assert device.phone.count.value == 0


@pytest.mark.parametrize("authorization", ["none", "bearer x", "vapid t=x", "vapid k=x"])
async def test_a_message_needs_an_authorization(
    fake: FakePush, client: aiohttp.ClientSession, authorization: str
) -> None:
    device = fake.world.make_device("webpush")
    status, headers, _ = await push(client, fake, device, {"title": "x"}, authorization)
    assert (status, headers["WWW-Authenticate"]) == (401, "vapid")


async def test_a_token_that_was_good_expires_by_the_worlds_clock(
    fake: FakePush, client: aiohttp.ClientSession
) -> None:
    device = fake.world.make_device("webpush")
    authorization = vapid(KEY, fake.webpush_origin)
    assert (await push(client, fake, device, {}, authorization))[0] == 201
    fake.world.rule({"skew_s": 3_601})
    assert (await push(client, fake, device, {}, authorization))[0] == 403


async def test_a_body_of_4096_bytes_is_the_longest(
    fake: FakePush, client: aiohttp.ClientSession
) -> None:
    device = fake.world.make_device("webpush")
    told = device.told()
    # 86 bytes of header, 16 of tag, 1 of delimiter.
    longest = seal(b"x" * (4_096 - 103), told["p256dh"], told["auth"])
    assert len(longest) == 4_096
    assert (await push(client, fake, device, longest))[0] == 201
    longer = seal(b"x" * (4_097 - 103), told["p256dh"], told["auth"], size=5_000)
    assert (await push(client, fake, device, longer))[0] == 413


@pytest.mark.parametrize(
    ("what", "status"),
    [
        ("dead", 410),
        ("bad_token", 404),
        ("sender_mismatch", 403),
        ("too_large", 413),
        ("busy_device", 429),
        ("unavailable", 503),
        ("internal_error", 500),
        ("wrong_credentials", 403),
    ],
)
async def test_a_name_asks_for_an_outcome(
    fake: FakePush, client: aiohttp.ClientSession, what: str, status: int
) -> None:
    device = fake.world.make_device("webpush", name=f"{what}-1")
    assert device.address == f"{fake.webpush_origin}/push/{what}-1"
    assert (await push(client, fake, device, {"title": "x"}))[0] == status
    assert device.phone.count.value == 0


async def test_a_subscription_that_does_not_exist_is_404(
    fake: FakePush, client: aiohttp.ClientSession
) -> None:
    device = fake.world.make_device("webpush")
    fake.world.devices.clear()
    assert (await push(client, fake, device, {"title": "x"}))[0] == 404


async def test_busy_says_when_to_come_back(fake: FakePush, client: aiohttp.ClientSession) -> None:
    device = fake.world.make_device("webpush")
    fake.world.script(device, "busy_device", times=1, retry_after_s=5)
    status, headers, _ = await push(client, fake, device, {"title": "x"})
    assert (status, headers["Retry-After"]) == (429, "5")
    assert (await push(client, fake, device, {"title": "x"}))[0] == 201


async def test_a_message_that_is_taken_may_lose_its_answer(
    fake: FakePush, client: aiohttp.ClientSession
) -> None:
    device = fake.world.make_device("webpush")
    fake.world.script(device, "drop", times=1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await push(client, fake, device, {"title": "x"})
    assert device.phone.count.value == 1


async def test_it_may_be_https(client: aiohttp.ClientSession) -> None:
    async with FakePush(webpush_tls=True) as fake:
        trusting = ssl.create_default_context(cafile=str(fake.ca_file))
        device = fake.world.make_device("webpush")
        assert device.address.startswith("https://127.0.0.1:")
        connector = aiohttp.TCPConnector(ssl=trusting)
        async with aiohttp.ClientSession(connector=connector) as client:
            assert (await push(client, fake, device, {"title": "x"}))[0] == 201


# Opening what was encrypted.


def rfc_private() -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(b64decode(RFC_PRIVATE), "big"), ec.SECP256R1())


def test_the_example_of_the_rfc_is_opened() -> None:
    text = open_body(b64decode(RFC_BODY), rfc_private(), b64decode(RFC_PUBLIC), b64decode(RFC_AUTH))
    assert text == b"When I grow up, I want to be a watermelon"


@pytest.mark.parametrize("place", [0, 18, 20, 21, 40, 90, -1])
def test_a_byte_that_differs_makes_it_unreadable(place: int) -> None:
    body = bytearray(b64decode(RFC_BODY))
    body[place] ^= 1 if place != 18 else 0x10
    with pytest.raises(CannotOpen):
        open_body(bytes(body), rfc_private(), b64decode(RFC_PUBLIC), b64decode(RFC_AUTH))


@pytest.mark.parametrize("length", [0, 20, 21, 85, 86, 100, 102])
def test_what_is_cut_short_is_refused(length: int) -> None:
    body = b64decode(RFC_BODY)[:length]
    with pytest.raises(CannotOpen):
        open_body(body, rfc_private(), b64decode(RFC_PUBLIC), b64decode(RFC_AUTH))


@pytest.mark.parametrize(
    ("size", "padding", "opened"),
    [
        (4_096, b"\2\0\0\0", True),
        # 6 bytes of text, 1 of padding and 16 of tag.
        (23, b"\2", True),
        (22, b"\2", False),
        (17, b"\2", False),
        # A record that is not the last one, and none at all.
        (4_096, b"\1", False),
        (4_096, b"", False),
    ],
)
def test_it_is_one_record_that_ends_as_it_should(size: int, padding: bytes, opened: bool) -> None:
    body = seal(b"secret", RFC_PUBLIC, RFC_AUTH, size=size, padding=padding)
    keys = rfc_private(), b64decode(RFC_PUBLIC), b64decode(RFC_AUTH)
    if opened:
        assert open_body(body, *keys) == b"secret"
    else:
        with pytest.raises(CannotOpen, match="record"):
            open_body(body, *keys)


def test_another_auth_secret_does_not_open_it() -> None:
    with pytest.raises(CannotOpen):
        open_body(b64decode(RFC_BODY), rfc_private(), b64decode(RFC_PUBLIC), os.urandom(16))
