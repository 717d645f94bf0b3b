"""Planted secrets never appear in logs, in metrics, or in what a stranger is told."""

import asyncio
import contextlib
import json
import socket
from typing import Final

import websockets

from tests.end_to_end.conftest import MakeHub
from tests.support.configuration import API_KEY, HMAC_SECRET
from tests.support.processes import HubProcess
from tests.support.raw_socket import open_raw, read_all
from tests.support.server_api import ServerApi, open_api
from tests.support.tokens import connection_token, subscription_token
from tests.support.wire_client import open_wire

BODY: Final = "planted-message-body-7b1c"
WRONG_KEY: Final = "planted-wrong-key-4e0a"
WRONG_TOKEN: Final = "planted.wrong.token-93aa"


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


async def test_planted_secrets_stay_secret(make_hub: MakeHub) -> None:
    hub = make_hub({"log": {"level": "debug"}})
    await asyncio.to_thread(hub.start)
    token = connection_token("ann", info={"card": BODY})
    answers = Answers()
    await misuse_socket(hub, token, answers)
    await use_socket(hub, token, answers)
    await asyncio.to_thread(send_broken_head, hub, answers)
    async with open_api(hub) as api:
        await use_api(api, answers)
        metrics = (await api.request("GET", "/metrics")).text
    assert await asyncio.to_thread(hub.terminate) == 0

    said = {"log": hub.log, "metrics": metrics, "answers": "\n".join(answers.texts)}
    signature = token.rsplit(".", 1)[1]
    secrets = (HMAC_SECRET, API_KEY, token, signature, BODY, WRONG_KEY, WRONG_TOKEN)
    leaks = [
        (place, secret) for place, text in said.items() for secret in secrets if secret in text
    ]
    assert leaks == []
    # The log is there, and has the refusals in it.
    assert len(hub.log.splitlines()) > 5
