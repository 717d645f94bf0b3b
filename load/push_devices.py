"""Devices of users who are not connected, registered and forgotten over HTTP.

Not over the users' sockets: hubs take who has just left for present, for a while.
"""

import ssl
from types import TracebackType
from typing import Final, Self

import aiohttp
import orjson

from load.cleaning import api_url
from load.push_ledger import address_of
from load.scenarios.crowd import words_of
from load.share import Share, Unplayable
from load.tokens import Tokens

DEVICE: Final = "load"
"""What users call their device; each has one."""

AT_ONCE_MAX: Final = 50
"""Requests that a process has under way, each on a connection of its own."""

REQUEST_S: Final = 30.0
"""How long one may take, in seconds."""


class Devices:
    """Those of a run's users, by their numbers; a context manager. User `i` asks the `i`-th hub.

    Methods raise Unplayable for what a hub refuses or does not answer.
    """

    def __init__(self, share: Share) -> None:
        self._run = share.run
        self._tokens = Tokens(share)
        self._urls = [f"{api_url(url)}/v1/push/devices/{DEVICE}" for url in share.urls]
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=REQUEST_S),
            connector=aiohttp.TCPConnector(
                limit=AT_ONCE_MAX, ssl=ssl.create_default_context(cafile=share.ca_file or None)
            ),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.close()

    async def register(self, user: int) -> None:
        """Give a user a device."""
        device = {"provider": "fcm", "address": address_of(self._run, user)}
        await self._ask("PUT", user, orjson.dumps(device))

    async def forget(self, user: int) -> None:
        """Take it away."""
        await self._ask("DELETE", user, None)

    async def _ask(self, method: str, user: int, body: bytes | None) -> None:
        headers = {"Authorization": f"Bearer {self._tokens.of(user)}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        url = self._urls[user % len(self._urls)]
        try:
            async with self._http.request(method, url, data=body, headers=headers) as response:
                if response.status != 200:
                    raise Unplayable(f"{method} {url}: HTTP {response.status}")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unplayable(f"{method} {url}: {words_of(error)}") from error
