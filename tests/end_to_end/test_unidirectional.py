"""Channels are followed without an SDK: with `curl`, and with a bare websocket (protocol 7)."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import urlencode

import pytest
import websockets

from tests.support.processes import HubProcess
from tests.support.programs import require
from tests.support.server_api import ServerApi
from tests.support.tokens import connection_token

WAIT_S: Final = 10.0
PATHS: Final = ("uni_sse", "uni_http_stream")


class Curl:
    """A running `curl -N`, whose documents are read as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def next(self) -> dict[str, Any]:
        """The next document but pings, and what tells an EventSource when to come back."""
        assert self.process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            while True:
                line = await self.process.stdout.readline()
                assert line, "curl has ended"
                text = line.decode().removeprefix("data: ").strip()
                if text and text != "{}" and not text.startswith("retry: "):
                    document: dict[str, Any] = json.loads(text)
                    return document


@contextlib.asynccontextmanager
async def curl(url: str, *arguments: str) -> AsyncIterator[Curl]:
    """Run it for as long as the block lasts."""
    program = require("curl", "apt-get install curl")
    process = await asyncio.create_subprocess_exec(
        program, "--silent", "--no-buffer", "--max-time", "30", url, *arguments, stdout=-1
    )
    try:
        yield Curl(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("way", ["post", "get"])
async def test_curl_follows_a_channel(
    hub: HubProcess, api: ServerApi, channel: str, path: str, way: str
) -> None:
    said = json.dumps({"token": connection_token("ann"), "subs": {channel: {}}})
    url = f"{hub.url}/connection/{path}"
    sent = (
        ("--data", said) if way == "post" else ("--get", "--data-urlencode", f"cf_connect={said}")
    )
    async with curl(url, *sent) as following:
        connected = (await following.next())["connect"]
        assert list(connected["subs"]) == [channel]
        for number in range(3):
            await api.call("publish", channel=channel, data={"n": number})
        for number in range(3):
            assert await following.next() == {
                "channel": channel,
                "pub": {"data": {"n": number}, "offset": number + 1},
            }
        await api.call("disconnect", user="ann", session=connected["session"])
        assert await following.next() == {
            "disconnect": {"code": 3503, "reason": "force disconnect"}
        }
        assert await following.process.wait() == 0


@pytest.mark.parametrize("path", PATHS)
async def test_curl_goes_on_where_it_was(
    hub: HubProcess, api: ServerApi, channel: str, path: str
) -> None:
    url = f"{hub.url}/connection/{path}"
    token = connection_token("ann")
    async with curl(url, "--data", json.dumps({"token": token, "subs": {channel: {}}})) as before:
        sub = (await before.next())["connect"]["subs"][channel]
        await api.call("publish", channel=channel, data=1)
        offset = (await before.next())["pub"]["offset"]
    for number in (2, 3):
        await api.call("publish", channel=channel, data=number)
    position = {"recover": True, "epoch": sub["epoch"], "offset": offset}
    said = json.dumps({"token": token, "subs": {channel: position}})
    async with curl(url, "--data", said) as after:
        found = (await after.next())["connect"]["subs"][channel]
        assert found["recovered"] is True
        assert [each["data"] for each in found["publications"]] == [2, 3]
        await api.call("publish", channel=channel, data=4)
        assert (await after.next())["pub"] == {"data": 4, "offset": 4}
    position["epoch"] = "another"
    async with curl(
        url, "--data", json.dumps({"token": token, "subs": {channel: position}})
    ) as lost:
        found = (await lost.next())["connect"]["subs"][channel]
        assert "recovered" not in found
        assert found["was_recovering"] is True


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("token", "code"),
    [(connection_token("ann", ttl_s=-60), 3005), ("x.y.z", 3500), ("", 3501)],
    ids=["expired", "invalid", "none"],
)
async def test_a_bad_token_ends_the_stream_with_a_code(
    hub: HubProcess, path: str, token: str, code: int
) -> None:
    said = json.dumps({"token": token})
    async with curl(f"{hub.url}/connection/{path}", "--data", said) as refused:
        assert (await refused.next())["disconnect"]["code"] == code
        assert await refused.process.wait() == 0


async def test_what_it_may_not_subscribe_to_is_left_out(hub: HubProcess, channel: str) -> None:
    subs: dict[str, object] = {channel: {}, "closed:x": {}, "nowhere:x": {}, "bad name\u0000": {}}
    said = json.dumps({"token": connection_token("ann"), "subs": subs})
    async with curl(f"{hub.url}/connection/uni_sse", "--data", said) as following:
        assert list((await following.next())["connect"]["subs"]) == [channel]


async def test_the_readable_answer_of_a_refused_curl(hub: HubProcess) -> None:
    program = require("curl", "apt-get install curl")
    process = await asyncio.create_subprocess_exec(
        program, "--silent", "--include", f"{hub.url}/connection/uni_sse", stdout=-1
    )
    answer = (await process.communicate())[0].decode()
    assert re.match(r"HTTP/1.1 400 ", answer)
    assert answer.endswith("the body of a POST, or the parameter cf_connect of a GET.\n")


async def test_a_bare_websocket_follows_a_channel(
    hub: HubProcess, api: ServerApi, channel: str
) -> None:
    url = hub.websocket_url.replace("/websocket", "/uni_websocket")
    said = json.dumps({"token": connection_token("ann"), "subs": {channel: {}}})
    async with (
        websockets.connect(url, proxy=None) as by_message,
        websockets.connect(f"{url}?{urlencode({'cf_connect': said})}", proxy=None) as by_query,
    ):
        await by_message.send(said)
        for socket in (by_message, by_query):
            assert channel in json.loads(await socket.recv())["connect"]["subs"]
        await by_message.send("whatever")
        await api.call("publish", channel=channel, data="é")
        for socket in (by_message, by_query):
            assert json.loads(await socket.recv())["pub"] == {"data": "é", "offset": 1}
        await api.call("disconnect", user="ann")
        for socket in (by_message, by_query):
            assert json.loads(await socket.recv()) == {
                "disconnect": {"code": 3503, "reason": "force disconnect"}
            }
            await socket.wait_closed()
            assert socket.close_code == 3503
