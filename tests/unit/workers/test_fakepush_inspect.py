"""The inspect API of the fake push services, and what is behind it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from realtime.settings.load import from_process
from tests.support.apns_client import ApnsClient
from tests.support.fake_push import access_token, alert, apns_headers, send_fcm
from workers.fakepush import FakePush, Ports
from workers.fakepush.phones import Phone, Phones, Push


class Inspector:
    """Calls the inspect API."""

    def __init__(self, client: aiohttp.ClientSession, url: str) -> None:
        self._client = client
        self._url = url

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with self._client.request(method, self._url + path, json=body) as answer:
            text = await answer.text()
            is_json = answer.content_type == "application/json"
            return answer.status, json.loads(text) if is_json else text

    async def good(self, method: str, path: str, body: Any = None) -> Any:
        status, told = await self.call(method, path, body)
        assert status == 200, told
        return told

    async def device(self, **asked: Any) -> Any:
        return (await self.good("POST", "/devices", asked))["devices"][0]


@pytest.fixture
async def fake() -> AsyncIterator[FakePush]:
    async with FakePush() as fake:
        yield fake


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as client:
        yield client


@pytest.fixture
def inspector(client: aiohttp.ClientSession, fake: FakePush) -> Inspector:
    return Inspector(client, fake.inspect_url)


async def test_devices_are_made_with_what_an_app_registers(
    fake: FakePush, inspector: Inspector
) -> None:
    apns = await inspector.device(provider="apns", environment="sandbox")
    assert (len(bytes.fromhex(apns["address"])), apns["environment"]) == (32, "sandbox")
    assert apns["app"] == "dev.fakepush.app"
    fcm = await inspector.device(provider="fcm")
    assert (fcm["kind"], ":APA91b" in fcm["address"]) == ("token", True)
    fid = await inspector.device(provider="fcm", kind="fid")
    assert (fid["kind"], len(fid["address"])) == ("fid", 22)
    web = await inspector.device(provider="webpush")
    assert web["kind"] == "subscription"
    assert web["address"].startswith(fake.webpush_origin)
    assert (len(web["p256dh"]), len(web["auth"])) == (87, 22)


async def test_many_devices_are_made_at_once(inspector: Inspector) -> None:
    made = (await inspector.good("POST", "/devices", {"provider": "fcm", "count": 50}))["devices"]
    assert len({device["address"] for device in made}) == 50


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"provider": "sms"},
        {"provider": "fcm", "count": 0},
        {"provider": "fcm", "count": 10_001},
        {"provider": "fcm", "name": "a b"},
        {"provider": "fcm", "name": "a", "count": 2},
        {"provider": "fcm", "nmae": "a"},
        {"provider": "fcm", "name": "taken"},
    ],
)
async def test_a_device_that_cannot_be_is_refused(
    inspector: Inspector, asked: dict[str, Any]
) -> None:
    await inspector.device(provider="fcm", name="taken")
    status, told = await inspector.call("POST", "/devices", asked)
    assert (status, list(told)) == (400, ["error"])


async def test_a_phone_tells_what_it_got_and_shows(
    fake: FakePush, client: aiohttp.ClientSession, inspector: Inspector
) -> None:
    device = await inspector.device(provider="fcm")
    token = await access_token(client, fake)
    android = {"notification": {"tag": "a", "notification_count": 4}}
    for title in ("1", "2"):
        message = {
            "token": device["address"],
            "notification": {"title": title},
            "android": android,
        }
        await send_fcm(client, fake, token, {"message": message})
    phone = await inspector.good("GET", f"/phones/{device['id']}")
    assert (phone["count"], phone["badge"]) == (2, 4)
    assert [push["title"] for push in phone["received"]] == ["1", "2"]
    assert [push["title"] for push in phone["visible"]] == ["2"]
    [summary] = (await inspector.good("GET", "/phones"))["phones"]
    assert (summary["id"], summary["count"]) == (device["id"], 2)
    swiped = await inspector.good("POST", f"/phones/{device['id']}/swipe", {})
    assert (swiped["visible"], swiped["count"]) == ([], 2)


async def test_one_waits_for_a_push_and_not_for_ever(
    fake: FakePush, client: aiohttp.ClientSession, inspector: Inspector
) -> None:
    device = await inspector.device(provider="fcm", name="bob")
    token = await access_token(client, fake)
    began = time.monotonic()
    waited = await inspector.good("GET", "/phones/bob/wait?count=1&timeout_s=0.2")
    assert (waited["reached"], waited["count"]) == (False, 0)
    assert time.monotonic() - began >= 0.2
    async with asyncio.TaskGroup() as group:
        phone = group.create_task(inspector.good("GET", "/phones/bob/wait?count=2"))
        pushes = group.create_task(inspector.good("GET", "/pushes/wait?count=2"))
        requests = group.create_task(inspector.good("GET", "/requests/wait?count=3"))
        for _ in range(2):
            await send_fcm(client, fake, token, {"message": {"token": device["address"]}})
    assert (phone.result()["reached"], phone.result()["count"]) == (True, 2)
    assert pushes.result() == {"reached": True, "count": 2}
    doors = [logged["door"] for logged in requests.result()["requests"]]
    assert doors == ["oauth", "fcm", "fcm"]


@pytest.mark.parametrize(
    "query", ["count=0", "count=x", "timeout_s=61", "timeout_s=nan", "timeout_s=0", "limit=20001"]
)
async def test_a_wait_is_bounded(inspector: Inspector, query: str) -> None:
    await inspector.device(provider="fcm", name="bob")
    assert (await inspector.call("GET", f"/phones/bob/wait?{query}"))[0] == 400


async def test_outcomes_are_scripted_one_after_the_other(
    fake: FakePush, client: aiohttp.ClientSession, inspector: Inspector
) -> None:
    device = await inspector.device(provider="fcm")
    token = await access_token(client, fake)
    script = [
        {"service": "fcm", "what": "unavailable", "times": 2},
        {"device": device["id"], "what": "busy_device", "times": 1, "retry_after_s": 3},
        {"device": device["address"], "what": "ok", "times": 1},
        {"device": device["id"], "what": "dead"},
    ]
    for step in script:
        await inspector.good("POST", "/outcomes", step)
    body = {"message": {"token": device["address"]}}
    statuses = [(await send_fcm(client, fake, token, body))[0] for _ in range(6)]
    assert statuses == [503, 503, 429, 200, 404, 404]
    await inspector.good("DELETE", "/outcomes")
    assert (await send_fcm(client, fake, token, body))[0] == 200
    logged = (await inspector.good("GET", "/requests?limit=2"))["requests"]
    assert [(request["status"], request["why"]) for request in logged] == [
        (404, "UNREGISTERED"),
        (200, ""),
    ]


@pytest.mark.parametrize(
    "asked",
    [
        {"what": "dead"},
        {"what": "dead", "device": "bob", "service": "fcm"},
        {"what": "late", "device": "bob"},
        {"what": "dead", "device": "bob", "times": -1},
        {"what": "slow", "device": "bob", "delay_s": 61},
        {"what": "dead", "service": "sms"},
    ],
)
async def test_an_outcome_that_makes_no_sense_is_refused(
    inspector: Inspector, asked: dict[str, Any]
) -> None:
    await inspector.device(provider="fcm", name="bob")
    assert (await inspector.call("POST", "/outcomes", asked))[0] == 400


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/phones/nobody"), ("GET", "/phones/nobody/wait"), ("GET", "/x")]
)
async def test_what_is_not_there_is_404(inspector: Inspector, method: str, path: str) -> None:
    assert (await inspector.call(method, path))[0] == 404


async def test_credentials_are_told_and_made_anew(
    fake: FakePush, client: aiohttp.ClientSession, inspector: Inspector
) -> None:
    first = await inspector.good("GET", "/credentials")
    assert first["fcm"]["token_uri"] == fake.token_url
    assert (
        json.loads(fake.credentials_file.read_text())["private_key"]
        == (first["fcm"]["private_key"])
    )
    assert fake.key_file.read_text() == first["apns"]["key"]
    second = await inspector.good("POST", "/credentials", {"provider": "apns"})
    assert second["apns"]["key_id"] != first["apns"]["key_id"]
    assert second["fcm"]["private_key_id"] == first["fcm"]["private_key_id"]
    third = await inspector.good("POST", "/credentials", {"provider": "fcm"})
    assert third["fcm"]["private_key_id"] != first["fcm"]["private_key_id"]
    assert fake.key_file.read_text() == third["apns"]["key"]
    assert fake.key_file.stat().st_mode & 0o777 == 0o600


async def test_rules_are_changed_and_checked(fake: FakePush, inspector: Inspector) -> None:
    changed = await inspector.good("PATCH", "/rules", {"skew_s": 120, "apns_streams_max": 5})
    assert (changed["skew_s"], changed["apns_streams_max"]) == (120, 5)
    assert fake.world.clock.now() > time.time() + 60
    assert await inspector.good("GET", "/rules") == changed
    for wrong in ({"skew": 1}, {"apns_streams_max": 0}, {"hang_s": 601}):
        assert (await inspector.call("PATCH", "/rules", wrong))[0] == 400


async def test_access_tokens_are_revoked(
    fake: FakePush, client: aiohttp.ClientSession, inspector: Inspector
) -> None:
    token = await access_token(client, fake)
    await inspector.good("DELETE", "/access_tokens")
    assert (await send_fcm(client, fake, token, {"message": {"token": "ok-1"}}))[0] == 401


async def test_connections_are_told_to_go(fake: FakePush, inspector: Inspector) -> None:
    device = await inspector.device(provider="apns", environment="sandbox")
    async with ApnsClient(fake.apns_sandbox_url, fake.ca_file) as apns:
        await apns.send(device["address"], apns_headers(fake), alert())
        await inspector.good("POST", "/go_away", {"environment": "sandbox"})
        await apns.ended()
        assert apns.goaway == 1


async def test_a_reset_forgets_all_but_the_credentials(
    fake: FakePush, client: aiohttp.ClientSession, inspector: Inspector
) -> None:
    device = await inspector.device(provider="fcm", name="bob")
    token = await access_token(client, fake)
    await send_fcm(client, fake, token, {"message": {"token": device["address"]}})
    await inspector.good("POST", "/outcomes", {"service": "fcm", "what": "busy"})
    await inspector.good("PATCH", "/rules", {"skew_s": -5})
    await inspector.good("POST", "/reset")
    assert (await inspector.good("GET", "/phones"))["phones"] == []
    assert (await inspector.good("GET", "/requests"))["count"] == 0
    assert (await inspector.good("GET", "/rules"))["skew_s"] == 0
    await inspector.device(provider="fcm", name="bob")
    status, _, _ = await send_fcm(client, fake, token, {"message": {"token": "bob"}})
    assert status == 200


async def test_its_settings_are_good_for_a_hub(
    fake: FakePush, inspector: Inspector, tmp_path: Path
) -> None:
    file = tmp_path / "realtime.toml"
    file.write_text(await inspector.good("GET", "/settings.toml"))
    settings = from_process(str(file), {}).settings
    assert settings.fcm.base_url == fake.fcm_url
    assert settings.fcm.token_url == fake.token_url
    assert settings.apns.sandbox_url == fake.apns_sandbox_url
    assert settings.apns.key_id == fake.world.apns_key.key_id
    assert settings.webpush.origins == (fake.webpush_origin,)
    told = await inspector.good("GET", "/")
    assert told["settings"]["fcm"]["credentials_file"] == settings.fcm.credentials_file


async def test_it_explains_itself(inspector: Inspector) -> None:
    told = await inspector.good("GET", "/help")
    assert "POST   /outcomes" in told


async def test_its_temporary_folder_is_gone_at_the_end() -> None:
    async with FakePush() as fake:
        folder = fake.directory
        assert fake.ca_file.is_file()
    assert not folder.exists()
    await fake.close()


async def test_a_port_that_is_taken_leaves_nothing_open(fake: FakePush) -> None:
    second = FakePush(ports=Ports(apns_sandbox=fake.ports.inspect))
    with pytest.raises(OSError, match="in use"):
        await second.start()


async def test_what_is_kept_is_bounded() -> None:
    phones, first, second = Phones(3), Phone(), Phone()
    for number in range(4):
        phones.deliver(first, Push(id=str(number)), 0)
    phones.deliver(second, Push(id="x"), 0)
    assert [push.id for push in first.received] == ["2", "3"]
    assert (first.count.value, phones.count.value) == (4, 5)


async def test_a_push_that_shows_again_is_the_newest_on_the_screen() -> None:
    phones, phone = Phones(10), Phone()
    for collapse in ("a", "b", "a"):
        phones.deliver(phone, Push(id="", collapse=collapse), 0)
    assert list(phone.visible) == ["b", "a"]
    phones.deliver(phone, Push(id="", shows=False, clears="b", badge=0), 0)
    phones.deliver(phone, Push(id="", shows=False, clears="b"), 0)
    assert (list(phone.visible), phone.cleared, phone.badge) == (["a"], 1, 0)
