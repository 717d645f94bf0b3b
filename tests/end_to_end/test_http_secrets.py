"""Planted secrets of clients over HTTP never appear in logs, metrics or answers to others."""

import asyncio
import json
from typing import Final

import aiohttp

from tests.end_to_end.conftest import MakeHub
from tests.support.processes import HubProcess
from tests.support.raw_socket import open_raw, read_all
from tests.support.server_api import open_api
from tests.support.stream_client import KINDS, ask, open_stream
from tests.support.tokens import connection_token

BODY: Final = "planted-message-body-51c8"
WRONG_TOKEN: Final = "planted.wrong.token-51c8"
GUESSED: Final = "planted-guessed-secret-51c8"

STREAMS: Final = ("http_stream", "sse", "sse-get", "uni_http_stream", "uni_sse", "uni_sse-get")


async def misuse_streams(hub: HubProcess, token: str) -> list[str]:
    """Begin streams in every way that is refused, with the secrets in it; the answers."""
    said = []
    async with aiohttp.ClientSession() as session:
        for kind in STREAMS:
            for text in (
                json.dumps({"id": 1, "connect": {"token": WRONG_TOKEN}}),
                json.dumps({"token": WRONG_TOKEN}),
                f'{{"token":"{token}"',
                f'{{"id":1,"connect":{{"token":"{token}"}}',
                json.dumps({"id": 1, "connect": {"token": [token]}}),
                token,
            ):
                async with ask(session, hub.url, kind, text) as answer:
                    said.append((await answer.read()).decode())
        for path in (
            f"/connection/sse?cf_connect={token}&x={BODY}",
            f"/connection/nothing?cf_connect={token}",
            f"/emulation?session={token}",
        ):
            async with session.get(hub.url + path) as answer:
                said.append(await answer.text())
    return said


async def misuse_emulation(hub: HubProcess, session_id: str, node: str) -> list[str]:
    """Make requests for the session that are refused; the answers."""
    said = []
    wrong = f"{session_id.partition('.')[0]}.{GUESSED}"
    async with aiohttp.ClientSession() as session:
        for body in (
            {"session": wrong, "node": node, "data": BODY},
            {"session": session_id, "node": "elsewhere", "data": BODY},
            {"session": [session_id], "node": node, "data": BODY},
            {"session": session_id, "node": node, "data": BODY + "x" * 70_000},
            f'{{"session":"{session_id}","data":"{BODY}"',
        ):
            text = body if isinstance(body, str) else json.dumps(body)
            async with session.post(
                f"{hub.url}/emulation", data=text, headers={"Content-Type": "application/json"}
            ) as answer:
                said.append(await answer.text())
    return said


def send_behind(hub: HubProcess, token: str) -> None:
    """Requests on a kept connection, of which the second is none: the rest of a body, say."""
    with open_raw(hub.port) as connection:
        connection.sendall(b"GET /connection/init HTTP/1.1\r\nHost: hub\r\n\r\n")
        connection.recv(4096)
        connection.sendall(f'"connect":{{"token":"{token}"}}}}\r\n\r\n'.encode())
        read_all(connection)


async def test_planted_secrets_stay_secret(make_hub: MakeHub) -> None:
    hub = make_hub({"log": {"level": "debug"}})
    await asyncio.to_thread(hub.start)
    token = connection_token("ann", info={"card": BODY})
    said = await misuse_streams(hub, token)
    sessions = []
    for kind in KINDS:
        async with open_stream(hub.url, kind, token) as ann:
            sessions.append(ann.told["session"].partition(".")[2])
            await ann.command("subscribe", channel="chat:x")
            await ann.command("publish", channel="chat:x", data=BODY)
            said += await misuse_emulation(hub, ann.told["session"], ann.told["node"])
            async with open_api(hub) as api:
                await api.call("disconnect", user="ann", session=ann.told["session"])
            await ann.ended()
    await asyncio.to_thread(send_behind, hub, token)
    async with open_api(hub) as api:
        said.append((await api.request("GET", "/metrics")).text)
    assert await asyncio.to_thread(hub.terminate) == 0
    secrets = (token, token.rsplit(".", 1)[1], BODY, WRONG_TOKEN, GUESSED, *sessions)
    found = [secret for secret in secrets for text in (hub.log, *said) if secret in text]
    assert found == []
    # The log is there, and has the closes in it.
    assert "closing with 3500" in hub.log
