"""The fake token endpoint and the fake FCM, seen by an HTTP client."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest

from tests.support.fake_push import (
    GRANT,
    SEND_PATH,
    access_token,
    assertion,
    exchange,
    send_fcm,
)
from workers.fakepush import Device, FakePush
from workers.fakepush.credentials import ServiceAccount

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


@pytest.fixture
async def fake() -> AsyncIterator[FakePush]:
    async with FakePush() as fake:
        yield fake


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as client:
        yield client


@pytest.fixture
async def token(fake: FakePush, client: aiohttp.ClientSession) -> str:
    return await access_token(client, fake)


def shown(device: Device, title: str = "hello", tag: str = "") -> dict[str, Any]:
    notification = {"title": title, "body": "there"}
    android = {"ttl": "3600s", "priority": "high", "notification": {"tag": tag}}
    return {"message": {"token": device.address, "notification": notification, "android": android}}


def error_codes(told: Mapping[str, Any]) -> list[str]:
    details = told["error"]["details"]
    return [detail["errorCode"] for detail in details if detail["@type"] == FCM_ERROR]


# The token endpoint.


async def test_an_assertion_is_exchanged_for_a_token(
    fake: FakePush, client: aiohttp.ClientSession
) -> None:
    status, told = await exchange(client, fake, assertion(fake))
    assert (status, told["token_type"], told["expires_in"]) == (200, "Bearer", 3_599)
    assert told["access_token"].startswith("ya29.")


@pytest.mark.parametrize(
    ("changed", "code", "description"),
    [
        ({"iss": "other@example.com"}, "invalid_grant", "account not found"),
        ({"aud": "https://oauth2.googleapis.com/token"}, "invalid_grant", "audience"),
        ({"scope": "https://www.googleapis.com/auth/drive"}, "invalid_scope", "scope"),
        ({"scope": None}, "invalid_scope", "scope"),
        ({"iat": None}, "invalid_grant", "short-lived"),
        ({"exp": None}, "invalid_grant", "short-lived"),
        ({"exp": +3_700}, "invalid_grant", "short-lived"),
        ({"iat": +300}, "invalid_grant", "short-lived"),
        ({"iat": -3_700, "exp": -100}, "invalid_grant", "short-lived"),
        ({"kid": "other"}, "invalid_grant", "Signature"),
        ({"key": ServiceAccount("").told()["private_key"]}, "invalid_grant", "Signature"),
    ],
)
async def test_a_wrong_assertion_is_refused(
    fake: FakePush,
    client: aiohttp.ClientSession,
    changed: dict[str, Any],
    code: str,
    description: str,
) -> None:
    # Times are from when the test runs, which may be long after it was collected.
    now = int(time.time())
    changed = {key: now + at if isinstance(at, int) else at for key, at in changed.items()}
    status, told = await exchange(client, fake, assertion(fake, **changed))
    assert (status, told["error"]) == (400, code)
    assert description in told["error_description"]
    assert fake.world.access_tokens.issued == 0


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"grant_type": "password", "assertion": "x"}, "unsupported_grant_type"),
        ({"grant_type": GRANT}, "invalid_request"),
        ({"grant_type": GRANT, "assertion": "x.y.z"}, "invalid_grant"),
        ({"grant_type": GRANT, "assertion": "x" * 10_000}, "invalid_grant"),
    ],
)
async def test_what_is_no_exchange_is_refused(
    fake: FakePush, client: aiohttp.ClientSession, form: dict[str, str], code: str
) -> None:
    async with client.post(fake.token_url, data=form) as answer:
        assert (answer.status, (await answer.json())["error"]) == (400, code)


async def test_a_clock_that_is_wrong_makes_assertions_wrong(
    fake: FakePush, client: aiohttp.ClientSession
) -> None:
    fake.world.rule({"skew_s": -600})
    assert (await exchange(client, fake, assertion(fake)))[0] == 400
    fake.world.rule({"skew_s": 7_200})
    assert (await exchange(client, fake, assertion(fake)))[0] == 400


async def test_an_account_that_was_replaced_gets_no_token(
    fake: FakePush, client: aiohttp.ClientSession
) -> None:
    signed = assertion(fake)
    fake.world.new_service_account()
    assert (await exchange(client, fake, signed))[0] == 400
    assert (await exchange(client, fake, assertion(fake)))[0] == 200


@pytest.mark.parametrize(
    ("what", "status", "code"),
    [
        ("wrong_credentials", 400, "invalid_grant"),
        ("busy", 429, "rate_limit_exceeded"),
        ("unavailable", 503, "temporarily_unavailable"),
        ("internal_error", 500, "internal_failure"),
    ],
)
async def test_the_token_endpoint_has_a_script_of_its_own(
    fake: FakePush, client: aiohttp.ClientSession, what: Any, status: int, code: str
) -> None:
    fake.world.script("oauth", what, times=1)
    got, told = await exchange(client, fake, assertion(fake))
    assert (got, told["error"]) == (status, code)
    assert (await exchange(client, fake, assertion(fake)))[0] == 200


async def test_a_token_may_be_given_and_not_arrive(
    fake: FakePush, client: aiohttp.ClientSession
) -> None:
    fake.world.script("oauth", "drop", times=1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await exchange(client, fake, assertion(fake))
    assert fake.world.access_tokens.issued == 1


# Sending.


async def test_a_notification_arrives(
    fake: FakePush, client: aiohttp.ClientSession, token: str
) -> None:
    device = fake.world.make_device("fcm")
    status, _, told = await send_fcm(client, fake, token, shown(device))
    assert status == 200
    [received] = device.phone.received
    assert told == {"name": received.id}
    assert received.id.startswith("projects/fakepush/messages/")
    assert (received.title, received.body, received.shows) == ("hello", "there", True)


async def test_a_tag_replaces_and_none_stacks(
    fake: FakePush, client: aiohttp.ClientSession, token: str
) -> None:
    device = fake.world.make_device("fcm")
    for title, tag in [("1", "a"), ("2", "b"), ("3", "a"), ("4", ""), ("5", "")]:
        await send_fcm(client, fake, token, shown(device, title, tag))
    assert [seen.title for seen in device.phone.visible.values()] == ["2", "3", "4", "5"]
    assert device.phone.count.value == 5


async def test_a_message_of_data_shows_nothing_and_may_clear(
    fake: FakePush, client: aiohttp.ClientSession, token: str
) -> None:
    device = fake.world.make_device("fcm")
    await send_fcm(client, fake, token, shown(device, "1", "a"))
    data = {"act": "clear", "collapse": "a"}
    await send_fcm(client, fake, token, {"message": {"token": device.address, "data": data}})
    assert device.phone.visible == {}
    assert (device.phone.count.value, device.phone.cleared) == (2, 1)


async def test_a_dry_run_is_answered_and_not_sent(
    fake: FakePush, client: aiohttp.ClientSession, token: str
) -> None:
    device = fake.world.make_device("fcm")
    dry = {**shown(device), "validate_only": True}
    assert (await send_fcm(client, fake, token, dry))[0] == 200
    assert device.phone.count.value == 0


async def test_an_installation_id_is_a_target_of_its_own(
    fake: FakePush, client: aiohttp.ClientSession, token: str
) -> None:
    device = fake.world.make_device("fcm", kind="fid")
    good = await send_fcm(client, fake, token, {"message": {"fid": device.address}})
    bad = await send_fcm(client, fake, token, {"message": {"token": device.address}})
    assert (good[0], bad[0]) == (200, 400)
    assert device.phone.count.value == 1


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"topic": "news"}, "message"),
        ({"token": ""}, "message"),
        ({"fid": "x"}, "message"),
        ({"data": {"n": 1}}, "message.data"),
        ({"data": {"from": "x"}}, "message.data"),
        ({"data": {"google.x": "x"}}, "message.data"),
        ({"collapse_key": "x"}, "message"),
        ({"android": {"ttl": 3_600}}, "message.android.ttl"),
        ({"android": {"ttl": "1h"}}, "message.android.ttl"),
        ({"android": {"ttl": "2419201s"}}, "message.android.ttl"),
        ({"android": {"priority": "loud"}}, "message.android.priority"),
        ({"android": {"notification": {"tga": "x"}}}, "message.android.notification"),
        ({"notification": {"title": "x", "text": "y"}}, "message.notification"),
        ({"data": {"x": "y" * 4_096}}, "message"),
        ({"notification": {"body": "y" * 4_096}}, "message"),
    ],
)
async def test_a_wrong_message_is_our_fault(
    fake: FakePush,
    client: aiohttp.ClientSession,
    token: str,
    changed: dict[str, Any],
    field: str,
) -> None:
    device = fake.world.make_device("fcm")
    message = {"token": device.address, **changed}
    status, _, told = await send_fcm(client, fake, token, {"message": message})
    assert (status, told["error"]["status"]) == (400, "INVALID_ARGUMENT")
    [violation] = [
        violation
        for detail in told["error"]["details"]
        if detail["@type"] == BAD_REQUEST
        for violation in detail["fieldViolations"]
    ]
    assert violation["field"].partition("[")[0] == field
    assert device.phone.count.value == 0


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b'{"message":{}}', b"{}"])
async def test_what_is_no_message_is_refused(
    fake: FakePush, client: aiohttp.ClientSession, token: str, raw: bytes
) -> None:
    status, _, told = await send_fcm(client, fake, token, raw)
    assert (status, error_codes(told)) == (400, ["INVALID_ARGUMENT"])


async def test_a_message_just_below_4096_bytes_is_taken(
    fake: FakePush, client: aiohttp.ClientSession, token: str
) -> None:
    device = fake.world.make_device("fcm")
    message = {"token": device.address, "data": {"x": "y" * 4_095}}
    assert (await send_fcm(client, fake, token, {"message": message}))[0] == 200


async def test_a_request_needs_a_token_that_was_given_and_is_not_old(
    fake: FakePush, client: aiohttp.ClientSession, token: str
) -> None:
    body = shown(fake.world.make_device("fcm"))
    status, _, told = await send_fcm(client, fake, "made-up", body)
    assert (status, told["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert (await send_fcm(client, fake, token, body))[0] == 200
    fake.world.rule({"skew_s": 3_600})
    assert (await send_fcm(client, fake, token, body))[0] == 401


async def test_tokens_can_be_made_worthless(
    fake: FakePush, client: aiohttp.ClientSession, token: str
) -> None:
    body = shown(fake.world.make_device("fcm"))
    fake.world.access_tokens.revoke()
    assert (await send_fcm(client, fake, token, body))[0] == 401
    assert (await send_fcm(client, fake, await access_token(client, fake), body))[0] == 200


async def test_another_project_is_refused(
    fake: FakePush, client: aiohttp.ClientSession, token: str
) -> None:
    body = shown(fake.world.make_device("fcm"))
    path = SEND_PATH.replace("fakepush", "other")
    status, _, told = await send_fcm(client, fake, token, body, path=path)
    assert (status, told["error"]["status"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("what", "status", "code"),
    [
        ("dead", 404, "UNREGISTERED"),
        ("bad_token", 400, "INVALID_ARGUMENT"),
        ("sender_mismatch", 403, "SENDER_ID_MISMATCH"),
        ("bad_payload", 400, "INVALID_ARGUMENT"),
        ("busy_device", 429, "QUOTA_EXCEEDED"),
        ("busy", 429, "QUOTA_EXCEEDED"),
        ("unavailable", 503, "UNAVAILABLE"),
        ("internal_error", 500, "INTERNAL"),
        ("third_party", 401, "THIRD_PARTY_AUTH_ERROR"),
    ],
)
async def test_a_name_asks_for_an_outcome(
    fake: FakePush, client: aiohttp.ClientSession, token: str, what: str, status: int, code: str
) -> None:
    body = {"message": {"token": f"{what}-1", "data": {"a": "b"}}}
    got, _, told = await send_fcm(client, fake, token, body)
    assert (got, error_codes(told)) == (status, [code])


async def test_a_bad_address_and_a_bad_payload_differ_in_their_details(
    fake: FakePush, client: aiohttp.ClientSession, token: str
) -> None:
    _, _, told = await send_fcm(client, fake, token, {"message": {"token": "nobody"}})
    assert [detail["@type"] for detail in told["error"]["details"]] == [FCM_ERROR]
    assert "registration token" in told["error"]["message"]


async def test_wrong_credentials_last_until_it_is_said_otherwise(
    fake: FakePush, client: aiohttp.ClientSession, token: str
) -> None:
    body = shown(fake.world.make_device("fcm"))
    fake.world.script("fcm", "wrong_credentials")
    assert [(await send_fcm(client, fake, token, body))[0] for _ in range(3)] == [401] * 3
    fake.world.script("fcm", "ok")
    assert (await send_fcm(client, fake, token, body))[0] == 200


async def test_a_project_that_is_too_fast_is_told_when(
    fake: FakePush, client: aiohttp.ClientSession, token: str
) -> None:
    body = shown(fake.world.make_device("fcm"))
    fake.world.script("fcm", "busy", times=1, retry_after_s=30)
    status, headers, _ = await send_fcm(client, fake, token, body)
    assert (status, headers["Retry-After"]) == (429, "30")
    assert (await send_fcm(client, fake, token, body))[0] == 200


@pytest.mark.parametrize(("what", "arrived"), [("drop", 1), ("goaway", 0)])
async def test_a_connection_may_end_in_place_of_an_answer(
    fake: FakePush, client: aiohttp.ClientSession, token: str, what: Any, arrived: int
) -> None:
    device = fake.world.make_device("fcm")
    fake.world.script(device, what, times=1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await send_fcm(client, fake, token, shown(device))
    assert device.phone.count.value == arrived
    assert (await send_fcm(client, fake, token, shown(device)))[0] == 200


async def test_a_request_may_hang(
    fake: FakePush, client: aiohttp.ClientSession, token: str
) -> None:
    device = fake.world.make_device("fcm")
    fake.world.script(device, "hang")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await send_fcm(client, fake, token, shown(device))
    assert [logged.why for logged in fake.world.journal.kept] == ["", "hang"]
    assert device.phone.count.value == 0


async def test_a_slow_answer_comes_later_than_the_push(
    fake: FakePush, client: aiohttp.ClientSession, token: str
) -> None:
    device = fake.world.make_device("fcm")
    fake.world.script(device, "slow", times=1, delay_s=0.3)
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(send_fcm(client, fake, token, shown(device)))
        assert await device.phone.count.wait(1, timeout_s=5)
        assert not sending.done()
    assert sending.result()[0] == 200
    assert time.monotonic() - began >= 0.3
