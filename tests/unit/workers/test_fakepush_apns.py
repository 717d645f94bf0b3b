"""The fake APNs hosts, seen by a client of `h2` and by curl."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import h2.errors
import pytest

from tests.support.apns_client import ApnsClient
from tests.support.fake_push import alert, apns_headers, provider_token
from tests.support.programs import absent, require
from workers.fakepush import FakePush
from workers.fakepush.credentials import ApnsKey

SILENT = {"aps": {"content-available": 1}}


@pytest.fixture
async def fake() -> AsyncIterator[FakePush]:
    async with FakePush() as fake:
        yield fake


@pytest.fixture
async def client(fake: FakePush) -> AsyncIterator[ApnsClient]:
    async with ApnsClient(fake.apns_production_url, fake.ca_file) as client:
        yield client


async def test_a_notification_arrives_and_its_id_comes_back(
    fake: FakePush, client: ApnsClient
) -> None:
    device = fake.world.make_device("apns")
    id = str(uuid.uuid4())
    headers = apns_headers(fake, apns_id=id, apns_collapse_id="abc", apns_priority="10")
    answer = await client.send(device.address, headers, alert("hello", extra=1))
    assert (answer.status, answer.headers["apns-id"], answer.body) == (200, id, b"")
    [received] = device.phone.received
    assert (received.title, received.body, received.collapse) == ("hello", "there", "abc")
    assert received.payload["extra"] == 1
    assert received.headers["apns-priority"] == "10"
    assert "authorization" not in received.headers


async def test_an_id_is_made_where_none_was_given(fake: FakePush, client: ApnsClient) -> None:
    device = fake.world.make_device("apns")
    answer = await client.send(device.address, apns_headers(fake), alert())
    assert str(uuid.UUID(answer.headers["apns-id"])).upper() == answer.headers["apns-id"]


async def test_one_stream_at_a_time_until_a_push_was_accepted(
    fake: FakePush, client: ApnsClient
) -> None:
    assert client.streams_max == 1
    device = fake.world.make_device("apns")
    fake.world.script(device, "slow", times=1, delay_s=0.05)
    headers, body = apns_headers(fake), json.dumps(alert()).encode()
    first, second = (client.begin(device.address, headers, body) for _ in range(2))
    assert (await client.answer(second)).reset == h2.errors.ErrorCodes.REFUSED_STREAM
    assert (await client.answer(first)).status == 200
    assert client.streams_max == fake.world.rules.apns_streams_max
    many = [client.begin(device.address, headers, body) for _ in range(50)]
    assert {(await client.answer(id)).status for id in many} == {200}
    assert device.phone.count.value == 51


async def test_what_is_refused_opens_no_more_streams(fake: FakePush, client: ApnsClient) -> None:
    await client.send("00ff", apns_headers(fake), alert())
    assert client.streams_max == 1


@pytest.mark.parametrize(
    ("headers", "payload", "status", "reason"),
    [
        ({"apns_topic": ""}, alert(), 400, "MissingTopic"),
        ({"apns_topic": "other.app"}, alert(), 400, "DeviceTokenNotForTopic"),
        ({"apns_push_type": ""}, alert(), 400, "InvalidPushType"),
        ({"apns_push_type": "loud"}, alert(), 400, "InvalidPushType"),
        ({"apns_push_type": "voip"}, alert(), 400, "BadTopic"),
        ({"apns_push_type": "alert"}, SILENT, 400, "InvalidPushType"),
        ({"apns_push_type": "background"}, SILENT, 400, "BadPriority"),
        ({"apns_push_type": "background", "apns_priority": "10"}, SILENT, 400, "BadPriority"),
        ({"apns_push_type": "background", "apns_priority": "5"}, alert(), 400, "InvalidPushType"),
        ({"apns_priority": "7"}, alert(), 400, "BadPriority"),
        ({"apns_expiration": "soon"}, alert(), 400, "BadExpirationDate"),
        ({"apns_collapse_id": "x" * 65}, alert(), 400, "BadCollapseId"),
        ({"apns_id": "4711"}, alert(), 400, "BadMessageId"),
        ({}, b"", 400, "PayloadEmpty"),
        ({}, b"{", 400, "BadPayload"),
        ({}, [], 400, "BadPayload"),
        ({}, {"a": 1}, 400, "BadPayload"),
        ({}, alert("x" * 4_096), 413, "PayloadTooLarge"),
        ({}, alert("x" * 60_000), 413, "PayloadTooLarge"),
    ],
)
async def test_a_wrong_notification_is_refused(
    fake: FakePush,
    client: ApnsClient,
    headers: Mapping[str, str],
    payload: Any,
    status: int,
    reason: str,
) -> None:
    device = fake.world.make_device("apns")
    answer = await client.send(device.address, apns_headers(fake, **headers), payload)
    assert (answer.status, answer.reason) == (status, reason)
    assert device.phone.count.value == 0
    assert fake.world.journal.kept[-1].why == reason


async def test_a_background_push_shows_nothing_and_may_clear(
    fake: FakePush, client: ApnsClient
) -> None:
    device = fake.world.make_device("apns")
    await client.send(device.address, apns_headers(fake, apns_collapse_id="one"), alert())
    await client.send(device.address, apns_headers(fake, apns_collapse_id="two"), alert())
    headers = apns_headers(fake, apns_push_type="background", apns_priority="5")
    clear = {"aps": {"content-available": 1}, "act": "clear", "collapse": "one", "badge": "1"}
    assert (await client.send(device.address, headers, clear)).status == 200
    assert (list(device.phone.visible), device.phone.badge) == (["two"], 1)
    assert (device.phone.count.value, device.phone.cleared) == (3, 1)


async def test_a_payload_of_4096_bytes_is_the_longest(fake: FakePush, client: ApnsClient) -> None:
    device = fake.world.make_device("apns")
    rest = len(json.dumps(alert("")))
    headers = apns_headers(fake)
    answers = [
        (await client.send(device.address, headers, alert("x" * (size - rest)))).status
        for size in (4_096, 4_097)
    ]
    assert answers == [200, 413]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"kid": "OTHERKEY00"}, "InvalidProviderToken"),
        ({"iss": "OTHERTEAM0"}, "InvalidProviderToken"),
        ({"iat": "now"}, "InvalidProviderToken"),
        ({"key": ApnsKey().pem()}, "InvalidProviderToken"),
        ({"age_s": 3_601}, "ExpiredProviderToken"),
        ({"age_s": -120}, "InvalidProviderToken"),
    ],
)
async def test_a_wrong_provider_token_is_refused(
    fake: FakePush, client: ApnsClient, changed: dict[str, Any], reason: str
) -> None:
    device = fake.world.make_device("apns")
    headers = apns_headers(fake, provider_token(fake, **changed))
    answer = await client.send(device.address, headers, alert())
    assert (answer.status, answer.reason) == (403, reason)
    assert device.phone.count.value == 0


@pytest.mark.parametrize("authorization", ["", "basic abc", "bearer "])
async def test_a_request_needs_a_provider_token(
    fake: FakePush, client: ApnsClient, authorization: str
) -> None:
    device = fake.world.make_device("apns")
    headers = apns_headers(fake, authorization=authorization)
    answer = await client.send(device.address, headers, alert())
    assert (answer.status, answer.reason) == (403, "MissingProviderToken")


async def test_a_token_that_was_good_expires_by_the_worlds_clock(
    fake: FakePush, client: ApnsClient
) -> None:
    device = fake.world.make_device("apns")
    headers = apns_headers(fake)
    assert (await client.send(device.address, headers, alert())).status == 200
    fake.world.rule({"skew_s": 3_601})
    assert (await client.send(device.address, headers, alert())).reason == "ExpiredProviderToken"


async def test_a_connection_changes_its_token_every_20_minutes_at_most(
    fake: FakePush, client: ApnsClient
) -> None:
    device = fake.world.make_device("apns")
    old, new = provider_token(fake, age_s=60), provider_token(fake)
    assert (await client.send(device.address, apns_headers(fake, old), alert())).status == 200
    answer = await client.send(device.address, apns_headers(fake, new), alert())
    assert (answer.status, answer.reason) == (429, "TooManyProviderTokenUpdates")
    fake.world.rule({"skew_s": 20 * 60})
    assert (await client.send(device.address, apns_headers(fake, new), alert())).status == 200


async def test_a_key_has_a_few_tokens_in_20_minutes(fake: FakePush) -> None:
    fake.world.rule({"apns_tokens_max": 2})
    device = fake.world.make_device("apns")
    first, second, third = (provider_token(fake, age_s=age_s) for age_s in (3, 2, 1))
    reasons = []
    for token in (first, second, third, first):
        async with ApnsClient(fake.apns_production_url, fake.ca_file) as client:
            headers = apns_headers(fake, token)
            reasons.append((await client.send(device.address, headers, alert())).reason)
    assert reasons == ["", "", "TooManyProviderTokenUpdates", ""]


async def test_a_key_that_was_replaced_is_refused(fake: FakePush, client: ApnsClient) -> None:
    device = fake.world.make_device("apns")
    headers = apns_headers(fake)
    fake.world.new_apns_key()
    assert (await client.send(device.address, headers, alert())).reason == "InvalidProviderToken"


async def test_a_device_belongs_to_one_environment(fake: FakePush, client: ApnsClient) -> None:
    device = fake.world.make_device("apns", environment="sandbox")
    answer = await client.send(device.address, apns_headers(fake), alert())
    assert (answer.status, answer.reason) == (400, "BadDeviceToken")
    async with ApnsClient(fake.apns_sandbox_url, fake.ca_file) as sandbox:
        assert (await sandbox.send(device.address, apns_headers(fake), alert())).status == 200


@pytest.mark.parametrize(
    ("what", "status", "reason"),
    [
        ("expired", 410, "ExpiredToken"),
        ("bad_token", 400, "BadDeviceToken"),
        ("wrong_environment", 400, "BadDeviceToken"),
        ("sender_mismatch", 400, "DeviceTokenNotForTopic"),
        ("busy_device", 429, "TooManyRequests"),
        ("unavailable", 503, "ServiceUnavailable"),
        ("internal_error", 500, "InternalServerError"),
        ("wrong_credentials", 403, "InvalidProviderToken"),
    ],
)
async def test_a_name_asks_for_an_outcome(
    fake: FakePush, client: ApnsClient, what: str, status: int, reason: str
) -> None:
    address = f"{what}-1".encode().hex()
    answer = await client.send(address, apns_headers(fake), alert())
    assert (answer.status, answer.reason) == (status, reason)
    assert (await client.send(b"ok-1".hex(), apns_headers(fake), alert())).status == 200


async def test_a_dead_device_says_since_when(fake: FakePush, client: ApnsClient) -> None:
    device = fake.world.make_device("apns")
    fake.world.script(device, "dead", since_ms=4_711)
    answer = await client.send(device.address, apns_headers(fake), alert())
    assert (answer.status, answer.json()) == (410, {"reason": "Unregistered", "timestamp": 4_711})


async def test_a_burst_of_503_ends(fake: FakePush, client: ApnsClient) -> None:
    device = fake.world.make_device("apns")
    fake.world.script("apns", "unavailable", times=2, retry_after_s=7)
    answers = [await client.send(device.address, apns_headers(fake), alert()) for _ in range(3)]
    assert [answer.status for answer in answers] == [503, 503, 200]
    assert answers[0].headers["retry-after"] == "7"


async def test_goaway_leaves_earlier_streams_and_takes_no_later_ones(
    fake: FakePush, client: ApnsClient
) -> None:
    slow, last, later = (fake.world.make_device("apns") for _ in range(3))
    headers, body = apns_headers(fake), json.dumps(alert()).encode()
    await client.send(slow.address, headers, alert())
    fake.world.script(slow, "slow", delay_s=0.05)
    fake.world.script(last, "goaway", times=1)
    before, at, after = (
        client.begin(device.address, headers, body) for device in (slow, last, later)
    )
    assert (await client.answer(before)).status == 200
    await client.ended()
    assert client.goaway == before
    assert not client.answers[at].done and not client.answers[after].done
    assert [device.phone.count.value for device in (slow, last, later)] == [2, 0, 0]
    async with ApnsClient(fake.apns_production_url, fake.ca_file) as again:
        assert (await again.send(last.address, headers, alert())).status == 200


async def test_every_connection_can_be_told_to_go(fake: FakePush, client: ApnsClient) -> None:
    device = fake.world.make_device("apns")
    await client.send(device.address, apns_headers(fake), alert())
    fake.go_away("production")
    await client.ended()
    assert client.goaway == 1


async def test_a_push_that_is_taken_may_lose_its_answer(fake: FakePush, client: ApnsClient) -> None:
    device = fake.world.make_device("apns")
    fake.world.script(device, "drop", times=1)
    answer = await client.send(device.address, apns_headers(fake), alert())
    assert (answer.status, client.closed, client.goaway) == (0, True, None)
    assert device.phone.count.value == 1


async def test_a_request_that_hangs_is_seen_and_never_answered(
    fake: FakePush, client: ApnsClient
) -> None:
    fake.world.rule({"hang_s": 0.1})
    device = fake.world.make_device("apns")
    fake.world.script(device, "hang")
    id = client.begin(device.address, apns_headers(fake), json.dumps(alert()).encode())
    assert await fake.world.journal.count.wait(1, timeout_s=5)
    assert fake.world.journal.kept[-1].why == "hang"
    assert (await client.answer(id)).status == 0
    assert device.phone.count.value == 0


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/3/device/00", 405, "MethodNotAllowed"),
        ("POST", "/4/device/00", 404, "BadPath"),
        ("POST", "/3/device/", 400, "MissingDeviceToken"),
        ("POST", "/3/device/zz", 400, "BadDeviceToken"),
    ],
)
async def test_a_wrong_path_is_refused(
    fake: FakePush, client: ApnsClient, method: str, path: str, status: int, reason: str
) -> None:
    body = json.dumps(alert()).encode()
    id = client.begin("", apns_headers(fake), body, method=method, path=path)
    answer = await client.answer(id)
    assert (answer.status, answer.reason) == (status, reason)


async def test_what_is_no_http2_is_hung_up_on(fake: FakePush, client: ApnsClient) -> None:
    reader, writer = client._reader, client._writer
    writer.write(b"\0" * 9)
    async with asyncio.timeout(5):
        while await reader.read(65_536):
            pass
    device = fake.world.make_device("apns")
    async with ApnsClient(fake.apns_production_url, fake.ca_file) as other:
        assert (await other.send(device.address, apns_headers(fake), alert())).status == 200


async def test_curl_can_send(fake: FakePush) -> None:
    program = require("curl", "apt install curl")
    device = fake.world.make_device("apns")
    headers = [f"-H{name}: {value}" for name, value in apns_headers(fake).items()]
    process = await asyncio.create_subprocess_exec(
        program,
        *("--http2", "-sS", "--max-time", "20", "--cacert", str(fake.ca_file), *headers),
        *("-w", "%{http_version} %{http_code}", "-d", json.dumps(alert())),
        f"{fake.apns_production_url}/3/device/{device.address}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    if b"unsupported" in err.lower():
        absent("curl has no HTTP/2", "apt install curl")
    assert out == b"2 200"
    assert device.phone.count.value == 1


async def test_the_log_tells_connections_and_times(fake: FakePush, client: ApnsClient) -> None:
    device = fake.world.make_device("apns")
    began = int(time.time() * 1_000)
    await client.send(device.address, apns_headers(fake), alert())
    async with ApnsClient(fake.apns_production_url, fake.ca_file) as other:
        await other.send(device.address, apns_headers(fake), alert())
    first, second = fake.world.journal.kept
    assert (first.connection, second.connection) == (1, 2)
    assert (first.environment, first.status, first.device) == ("production", 200, device.id)
    assert began <= first.at_ms <= second.at_ms
