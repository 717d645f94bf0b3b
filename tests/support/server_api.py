"""The hub's server API, called as a backend would call it by hand (protocol 5)."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, NamedTuple

import aiohttp

from tests.support.checker import Stored
from tests.support.configuration import API_KEY
from tests.support.processes import HubProcess

_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
_PAGE: Final = 1000


class ApiError(Exception):
    """The answer was an error object; `code` is in protocol 1.7."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code


class Answer(NamedTuple):
    """An HTTP answer as it came."""

    status: int
    text: str
    headers: Mapping[str, str]


class ServerApi:
    """Calls methods of one hub; `open_api` makes one. Follows the hub to where it listens."""

    def __init__(self, hub: HubProcess, session: aiohttp.ClientSession) -> None:
        self._hub = hub
        self._session = session

    async def call(self, method: str, /, **parameters: Any) -> dict[str, Any]:
        """Call a method; its result. Raises ApiError, or aiohttp.ClientError where it fails."""
        async with self._session.post(
            f"{self._hub.api_url}/{method}", json=parameters, headers={"X-API-Key": API_KEY}
        ) as response:
            response.raise_for_status()
            document = await response.json()
        if "error" in document:
            raise ApiError(**document["error"])
        result: dict[str, Any] = document["result"]
        return result

    async def post(
        self, path: str, body: bytes | str, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a body as it is to a path of the hub, with the key unless there are headers."""
        return await self.request(
            "POST", path, data=body, headers={"X-API-Key": API_KEY} if headers is None else headers
        )

    async def request(self, verb: str, path: str, **options: Any) -> Answer:
        """Make any request of the hub."""
        async with self._session.request(verb, f"{self._hub.url}{path}", **options) as response:
            return Answer(response.status, await response.text(), response.headers)

    async def log(self, channel: str) -> list[Stored]:
        """The whole log of a channel whose messages have their client id as `id`."""
        entries: list[Stored] = []
        epoch = ""
        while True:
            since = {"offset": entries[-1].offset if entries else 0, "epoch": epoch}
            page = await self.call("history", channel=channel, limit=_PAGE, since=since)
            entries += [
                Stored(entry["offset"], entry["data"]["id"]) for entry in page["publications"]
            ]
            epoch = page["epoch"]
            if len(page["publications"]) < _PAGE:
                return entries


@contextlib.asynccontextmanager
async def open_api(hub: HubProcess) -> AsyncIterator[ServerApi]:
    """The server API of `hub`, for as long as the block lasts."""
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        yield ServerApi(hub, session)
