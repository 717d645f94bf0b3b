"""Taking away what a run has left in a hub: the history of its channels, by the server API."""

import ssl
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import orjson

BATCH: Final = 100
"""Channels whose history is removed with one request."""

NOTHING_KEPT: Final = {102, 108}
"""Errors that say that a channel has no history to remove."""

REQUEST_S: Final = 30.0
"""How long one request may take, in seconds."""


def api_url(url: str) -> str:
    """Where the hub that clients reach at `url` has its server API, if it has it where hubs do."""
    parts = urlsplit(url)
    scheme = "https" if parts.scheme == "wss" else "http"
    return parts._replace(scheme=scheme, path="/api", query="", fragment="").geturl()


async def remove_history(url: str, key: str, channels: Sequence[str], *, ca_file: str = "") -> str:
    """Remove what the channels keep; what went wrong, in words, or "".

    `url` is one that clients connect to, and `ca_file` holds the authorities to believe in place of
    the system's. Nothing is raised: a run is not undone by its cleaning.
    """
    timeout = aiohttp.ClientTimeout(total=REQUEST_S)
    try:
        trust = ssl.create_default_context(cafile=ca_file or None)
        async with aiohttp.ClientSession(
            timeout=timeout,
            headers={"X-API-Key": key},
            connector=aiohttp.TCPConnector(ssl=trust),
        ) as http:
            for first in range(0, len(channels), BATCH):
                commands = [
                    {"history_remove": {"channel": channel}}
                    for channel in channels[first : first + BATCH]
                ]
                if problem := await _batch(http, f"{api_url(url)}/batch", commands):
                    return problem
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return type(error).__name__
    return ""


async def _batch(http: aiohttp.ClientSession, url: str, commands: list[Any]) -> str:
    async with http.post(url, data=orjson.dumps({"commands": commands})) as response:
        if response.status != 200:
            return f"HTTP {response.status}"
        try:
            replies = orjson.loads(await response.read())["replies"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return "the answer is none of the server API"
    for reply in replies:
        error = reply.get("error")
        if error and error.get("code") not in NOTHING_KEPT:
            return f"{error.get('code')} {error.get('message')}"
    return ""
