"""The server API in raw HTTP: what no library would send, and what none would show."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.end_to_end.conftest import MakeHub
from tests.support.configuration import API_KEY
from tests.support.processes import HubProcess
from tests.support.server_api import ApiError, ServerApi, open_api
from tests.support.tokens import connection_token
from tests.support.wire_client import open_wire

KEY = {"X-API-Key": API_KEY}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/info", {"X-API-Key": API_KEY}),
        ("/api/info", {"x-api-key": API_KEY}),
        ("/api/info", {"Authorization": f"apikey {API_KEY}"}),
        (f"/api/info?api_key={API_KEY}", {}),
    ],
)
async def test_the_key_is_taken_from_each_place(
    api: ServerApi, path: str, headers: dict[str, str]
) -> None:
    answer = await api.post(path, "{}", headers)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert "nodes" in json.loads(answer.text)["result"]


async def test_another_command_under_the_same_key_is_a_conflict(
    api: ServerApi, channel: str
) -> None:
    await api.call("publish", channel=channel, data=1, idempotency_key="key")
    with pytest.raises(ApiError) as refused:
        await api.call("publish", channel=channel, data=2, idempotency_key="key")
    assert refused.value.code == 113


async def test_an_idempotent_publish_to_an_ephemeral_channel_is_delivered_once(
    hub: HubProcess, api: ServerApi, room: str
) -> None:
    channel = f"live:{room}"
    async with open_wire(hub.websocket_url) as wire:
        await wire.connect(connection_token("ann"))
        await wire.command("subscribe", channel=channel)
        for _ in range(3):
            await api.call("publish", channel=channel, data=1, idempotency_key="key")
        await api.call("publish", channel=channel, data=2)
        assert (await wire.push("pub", channel))["data"] == 1
        assert (await wire.push("pub", channel))["data"] == 2


async def test_a_batch_is_not_wrapped_in_a_result(api: ServerApi, channel: str) -> None:
    commands = [
        {"publish": {"channel": channel, "data": 1}},
        {"publish": {"channel": "unknown:x", "data": 1}},
        {"presence": {"channel": channel}},
        {"dance": {}},
        {"history_remove": {"channel": channel}},
    ]
    answer = await api.post("/api/batch", json.dumps({"commands": commands}))
    assert answer.status == 200
    published, refused, presence, unknown, removed = json.loads(answer.text)["replies"]
    assert published["publish"]["offset"] == 1
    assert refused["error"]["code"] == 102
    assert presence == {"presence": {"presence": {}}}
    assert unknown["error"]["code"] == 104
    assert removed == {"history_remove": {}}


async def test_the_legacy_endpoint_answers_line_by_line(api: ServerApi, channel: str) -> None:
    lines = [
        {"id": 7, "method": "publish", "params": {"channel": channel, "data": {"a": 1}}},
        {"method": "history", "params": {"channel": channel, "limit": 1}},
        {"id": 9, "method": "presence", "params": {"channel": "unknown:x"}},
    ]
    body = "\n".join(json.dumps(line) for line in lines)
    answer = await api.post("/api", body, {"Authorization": f"apikey {API_KEY}"})
    assert answer.status == 200
    published, history, refused = [json.loads(line) for line in answer.text.strip().split("\n")]
    assert (published["id"], published["result"]["offset"]) == (7, 1)
    assert history["result"]["publications"] == [{"data": {"a": 1}, "offset": 1}]
    assert (refused["id"], refused["error"]["code"]) == (9, 102)


async def test_data_is_kept_byte_for_byte(hub: HubProcess, api: ServerApi, channel: str) -> None:
    data = '{"b":1.0,"a":"\\u00e9\\/","n":1e2,  "c" : [ ]}'
    async with open_wire(hub.websocket_url) as wire:
        await wire.connect(connection_token("ann"))
        await wire.command("subscribe", channel=channel)
        await api.post("/api/publish", f'{{"channel":"{channel}","data":{data}}}')
        assert data in await wire.socket.recv(decode=True)
    answer = await api.post("/api/history", json.dumps({"channel": channel, "limit": 1}))
    assert data in answer.text


@pytest.fixture
async def users(api: ServerApi, room: str) -> AsyncIterator[tuple[str, str]]:
    """Two users of one's own."""
    yield f"ann-{room}", f"bob-{room}"


async def test_revoke_ends_a_users_tokens_and_connections(
    hub: HubProcess, api: ServerApi, users: tuple[str, str]
) -> None:
    ann, bob = users
    revoked, kept = connection_token(ann, iat=1_000_000_000), connection_token(bob)
    async with open_wire(hub.websocket_url) as one, open_wire(hub.websocket_url) as other:
        await one.connect(revoked)
        await other.connect(kept)
        await api.call("revoke", user=ann)
        assert (await one.closed(within_s=2.0))[0] in {3500, 3503, 3507}
        assert "presence_stats" in await other.command("presence_stats", channel="chat:x")
    async with open_wire(hub.websocket_url) as again:
        await again.send("connect", token=revoked)
        assert await again.closed() == (3500, "invalid token")


async def test_revoke_can_name_one_token(
    hub: HubProcess, api: ServerApi, users: tuple[str, str]
) -> None:
    ann, _ = users
    revoked, kept = connection_token(ann, jti=f"{ann}-1"), connection_token(ann, jti=f"{ann}-2")
    async with open_wire(hub.websocket_url) as one, open_wire(hub.websocket_url) as other:
        await one.connect(revoked)
        await other.connect(kept)
        await api.call("revoke", jti=f"{ann}-1")
        assert (await one.closed(within_s=2.0))[0] in {3500, 3503, 3507}
        assert "presence_stats" in await other.command("presence_stats", channel="chat:x")


async def test_health_and_readiness_need_no_key(api: ServerApi) -> None:
    assert (await api.request("GET", "/health")).status == 200
    ready = await api.request("GET", "/ready")
    assert ready.status == 200
    assert "broker" in ready.text


async def test_an_internal_port_takes_the_api_away_from_the_public_one(make_hub: MakeHub) -> None:
    hub = make_hub({"server": {"internal_port": 0}})
    hub.start()
    async with open_api(hub) as api:
        for path in ("/api/info", "/metrics", "/health", "/ready"):
            assert (await api.request("GET", path, headers=KEY)).status == 404
