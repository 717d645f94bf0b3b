"""Planted secrets never appear in logs, in metrics, or in what a stranger is told."""

import asyncio
import base64
import contextlib
import json
import socket
from pathlib import Path
from typing import Final

import pytest
import websockets

from tests.end_to_end.conftest import MakeHub
from tests.support.configuration import API_KEY, HMAC_SECRET, shared_by_nodes
from tests.support.hub_cluster import HubCluster
from tests.support.mongo_servers import mongo_server
from tests.support.processes import HubProcess
from tests.support.raw_socket import open_raw, read_all
from tests.support.redis_servers import redis_server
from tests.support.server_api import ServerApi, open_api
from tests.support.tokens import connection_token, subscription_token
from tests.support.wire_client import open_wire

BODY: Final = "planted-message-body-7b1c"
WRONG_KEY: Final = "planted-wrong-key-4e0a"
WRONG_TOKEN: Final = "planted.wrong.token-93aa"
REDIS_PASSWORD: Final = "planted-redis-password-c65f"
MONGO_PASSWORD: Final = "planted-mongodb-password-0d12"
TOKEN_ID: Final = "planted-token-id-58e3"


class Answers:
    """Everything the hub has said to who is not entitled to know."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, *texts: object) -> None:
        """Keep what was said."""
        self.texts += [str(text) for text in texts]


async def misuse_socket(hub: HubProcess, token: str, answers: Answers) -> None:
    """Get refused in every way that has the secrets in it."""
    broken = [
        f'{{"id":1,"connect":{{"token":"{token}"}}',
        f'{{"id":1,"connect":{{"token":["{token}"]}}}}',
        f'{{"id":1,"publish":{{"channel":"chat:x","data":"{BODY}"}}}}',
        f'{{"id":"{BODY}","connect":{{"token":"{token}"}}}}',
        f'{{"id":1,"connect":{{"token":"{WRONG_TOKEN}"}}}}',
        f'{{"id":1,"connect":{{"token":"{token[:-4]}AAAA"}}}}',
    ]
    for text in broken:
        async with open_wire(hub.websocket_url) as wire:
            await wire.send_text(text)
            answers.add(*await wire.closed())
    async with open_wire(hub.websocket_url) as wire:
        answers.add(await wire.connect(connection_token("ann", ttl_s=-60, info=BODY)))


async def use_socket(hub: HubProcess, token: str, answers: Answers) -> None:
    """Use it well, and be refused single commands."""
    async with open_wire(hub.websocket_url) as wire:
        await wire.connect(token)
        assert "subscribe" in await wire.command("subscribe", channel="chat:x")
        assert "publish" in await wire.command("publish", channel="chat:x", data=BODY)
        for channel in ("unknown:x", "plain:x", "chat:" + "x" * 300):
            answers.add(await wire.command("publish", channel=channel, data=BODY))
        answers.add(await wire.command("subscribe", channel="$chat:x", token=WRONG_TOKEN))
        answers.add(await wire.command("rpc", method="m", data=BODY))
        wrong = subscription_token("another", "$chat:x")
        with contextlib.suppress(websockets.ConnectionClosed):
            await wire.command("subscribe", channel="$chat:x", token=wrong)
        answers.add(*await wire.closed())


async def use_api(api: ServerApi, answers: Answers) -> None:
    """Call it with and without the key, with good and with broken bodies."""
    await api.call("publish", channel="chat:x", data=BODY, idempotency_key="k")
    wrong = {"X-API-Key": WRONG_KEY}
    good = json.dumps({"channel": "chat:x", "data": BODY})
    for answer in (
        await api.post("/api/publish", good, wrong),
        await api.post(f"/api/publish?api_key={WRONG_KEY}", good, {}),
        await api.post(f"/api/nothing?api_key={API_KEY}", good, {}),
        await api.post("/api/publish", f'{{"channel":"chat:x","data":"{BODY}"'),
        await api.post("/api/publish", f'{{"channel":["{BODY}"],"data":1}}'),
        await api.post("/api/publish", f'{{"channel":"chat:x","b64data":"{BODY}!"}}'),
        await api.post("/api/publish", f'{{"channel":"chat:x","data":2,"tags":"{BODY}"}}'),
        # The same key with another command: a conflict.
        await api.post(
            "/api/publish", f'{{"channel":"chat:x","data":"{BODY}2","idempotency_key":"k"}}'
        ),
        await api.post("/api", f'{{"method":"{BODY}","params":{{}}}}'),
        await api.request("GET", f"/connection/websocket?token={WRONG_TOKEN}"),
        await api.request("GET", f"/nothing?token={WRONG_TOKEN}"),
    ):
        answers.add(answer.text, dict(answer.headers))


def send_broken_head(hub: HubProcess, answers: Answers) -> None:
    """A request whose header line with the key is not even HTTP."""
    for line in (f"X-API-Key\x01: {API_KEY}", f"X-API-Key: {API_KEY}\x00", API_KEY):
        with open_raw(hub.port) as connection:
            connection.sendall(f"POST /api/info HTTP/1.1\r\n{line}\r\n\r\n".encode())
            connection.shutdown(socket.SHUT_WR)
            answers.add(read_all(connection))


async def misuse(hub: HubProcess, token: str) -> dict[str, str]:
    """Use and misuse a hub in every way; answers what it has said, and its metrics, by place."""
    answers = Answers()
    await misuse_socket(hub, token, answers)
    await use_socket(hub, token, answers)
    await asyncio.to_thread(send_broken_head, hub, answers)
    async with open_api(hub) as api:
        await use_api(api, answers)
        metrics = (await api.request("GET", "/metrics")).text
    return {"metrics": metrics, "answers": "\n".join(answers.texts)}


def holds(text: str, secret: str) -> bool:
    """Whether the secret is in the text, as it is or anywhere in what is Base64 there."""
    padded = (base64.b64encode(b"x" * shift + secret.encode()).decode() for shift in range(3))
    # Four characters at each end depend on what is beside it.
    return secret in text or any(encoded[4:-4] in text for encoded in padded)


def leaks(said: dict[str, str], token: str, *others: str) -> list[tuple[str, str]]:
    """Which secret is to be found where."""
    signature = token.rsplit(".", 1)[1]
    secrets = (HMAC_SECRET, API_KEY, token, signature, BODY, WRONG_KEY, WRONG_TOKEN, *others)
    return [
        (place, secret) for place, text in said.items() for secret in secrets if holds(text, secret)
    ]


async def test_planted_secrets_stay_secret(make_hub: MakeHub) -> None:
    hub = make_hub({"log": {"level": "debug"}})
    await asyncio.to_thread(hub.start)
    token = connection_token("ann", info={"card": BODY})
    said = await misuse(hub, token)
    assert await asyncio.to_thread(hub.terminate) == 0
    assert leaks({"log": hub.log, **said}, token) == []
    # The log is there, and has the refusals in it.
    assert len(hub.log.splitlines()) > 5


@pytest.mark.timeout(60)
async def test_planted_secrets_stay_secret_between_nodes(tmp_path: Path) -> None:
    """The same over MongoDB and Redis, both of which go away and come back meanwhile."""
    with redis_server() as redis, mongo_server() as mongo:
        redis.require_password(REDIS_PASSWORD)
        url = redis.url.replace("redis://", f"redis://:{REDIS_PASSWORD}@")
        changes = {"log": {"level": "debug"}}
        cluster = HubCluster(tmp_path, redis, mongo, count=1, changes=changes, broker_urls=[url])
        hub = cluster.hubs[0]
        try:
            await asyncio.to_thread(cluster.start)
            token = connection_token("ann", info={"card": BODY}, jti=TOKEN_ID)
            said = await misuse(hub, token)
            async with open_api(hub) as api:
                await api.call("revoke", jti=TOKEN_ID)
                redis.require_password("another")
                redis.kill_pubsub()
                await asyncio.to_thread(mongo.kill9)
                body = json.dumps({"channel": "chat:x", "data": BODY})
                said["without a store"] = (await api.post("/api/publish", body)).text
                await asyncio.to_thread(hub.wait_for_log, "in doubt", 0)
                await asyncio.to_thread(mongo.start)
                said["metrics after"] = (await api.request("GET", "/metrics")).text
            await asyncio.to_thread(hub.terminate)
        finally:
            await asyncio.to_thread(cluster.end)
        assert leaks({"log": hub.log, **said}, token, REDIS_PASSWORD, TOKEN_ID) == []


async def test_the_password_of_a_database_that_refuses_it_stays_secret(tmp_path: Path) -> None:
    with mongo_server() as mongo:
        url = f"mongodb://hub:{MONGO_PASSWORD}@127.0.0.1:{mongo.port}/realtime"
        hub = HubProcess(tmp_path, {"log": {"level": "debug"}, **shared_by_nodes(url)})
        try:
            init = await asyncio.to_thread(hub.command, "store", "init")
            hub.launch()
            assert await asyncio.to_thread(hub.wait) != 0
        finally:
            hub.end()
    assert init.returncode != 0
    said = {"log": hub.log, "init": init.stdout + init.stderr}
    assert all(said.values())
    assert leaks(said, "a.b.c-no-token", MONGO_PASSWORD) == []
