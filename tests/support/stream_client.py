"""A client over an answer that never ends: HTTP streams and server-sent events, by hand."""

import asyncio
import contextlib
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, Literal

import aiohttp

WAIT_S: Final = 10.0
"""Longest wait for anything a hub was asked."""

Document = dict[str, Any]
Kind = Literal["http_stream", "sse", "sse-get"]

KINDS: Final[tuple[Kind, ...]] = ("http_stream", "sse", "sse-get")
"""An HTTP stream, and server-sent events asked for with a POST or with a GET."""

_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=WAIT_S)


class StreamClient:
    """One JSON stream, and the requests of its client. `emulation_url` is where those go.

    Reads only while a method waits. Documents that nobody has asked for yet are kept in the order
    they came. `told` is the connect's result.
    """

    def __init__(
        self, session: aiohttp.ClientSession, answer: aiohttp.ClientResponse, emulation_url: str
    ) -> None:
        self.answer = answer
        self.emulation_url = emulation_url
        self.told: Document = {}
        self.answers_pings = True
        self._session = session
        self._kept: deque[Document] = deque()
        self._last_id = 1000

    async def say(self, *commands: Document, session: str = "") -> int:
        """Send commands in one request; its status."""
        body = {
            "session": session or self.told["session"],
            "node": self.told["node"],
            "data": "\n".join(map(json.dumps, commands)),
        }
        async with self._session.post(self.emulation_url, json=body) as answer:
            return answer.status

    async def command(self, method: str, /, **fields: Any) -> Document:
        """Send one command, and wait for its reply."""
        self._last_id += 1
        number = self._last_id
        status = await self.say({"id": number, method: fields})
        assert status == 204, status
        return await self.reply(number)

    async def reply(self, number: int) -> Document:
        """Wait for the reply to the command with that id."""
        return await self.take(lambda document: document.get("id") == number)

    async def push(self, kind: str, channel: str = "") -> Document:
        """Wait for the next push of that kind; what is under its name."""
        found = await self.take(
            lambda document: (
                kind in document.get("push", ()) and document["push"].get("channel", "") == channel
            )
        )
        body: Document = found["push"][kind]
        return body

    async def ping(self) -> None:
        """Wait for a ping, which is then answered if `answers_pings`."""
        await self.take(lambda document: document == {})

    async def ended(self, within_s: float = WAIT_S) -> list[Document]:
        """Read to the end of the answer; what has come and was not asked for."""
        async with asyncio.timeout(within_s):
            with contextlib.suppress(aiohttp.ClientError):
                while (document := await self._read()) is not None:
                    self._kept.append(document)
        return list(self._kept)

    async def take(self, wanted: Callable[[Document], bool], within_s: float = WAIT_S) -> Document:
        """Wait for the next document that is wanted."""
        for document in self._kept:
            if wanted(document):
                self._kept.remove(document)
                return document
        async with asyncio.timeout(within_s):
            while True:
                found = await self._read()
                assert found is not None, f"the stream has ended: {list(self._kept)}"
                if wanted(found):
                    return found
                self._kept.append(found)

    async def _read(self) -> Document | None:
        while line := await self.answer.content.readline():
            text = line.decode().removeprefix("data: ").strip()
            if not text:
                continue
            document: Document = json.loads(text)
            if document == {} and self.answers_pings and self.told:
                await self.say({})
            return document
        return None


@contextlib.asynccontextmanager
async def open_stream(
    url: str,
    kind: Kind,
    token: str,
    *,
    emulation_url: str = "",
    headers: Mapping[str, str] | None = None,
    trust: ssl.SSLContext | None = None,
    **connect: Any,
) -> AsyncIterator[StreamClient]:
    """A stream of the hub at `url` whose connect has succeeded; other arguments are its fields."""
    said = json.dumps({"id": 1, "connect": {"token": token, **connect}})
    # Each client has connections of its own: others' are not reused when a test counts them.
    async with (
        aiohttp.ClientSession(
            timeout=_TIMEOUT,
            headers=headers,
            connector=aiohttp.TCPConnector(ssl=trust if trust is not None else True),
        ) as session,
        ask(session, url, kind, said) as answer,
    ):
        assert answer.status == 200, await answer.text()
        client = StreamClient(session, answer, emulation_url or f"{url}/emulation")
        client.told = (await client.reply(1))["connect"]
        yield client


@contextlib.asynccontextmanager
async def ask(
    session: aiohttp.ClientSession, url: str, kind: str, said: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Ask for a stream; `kind` is the path's name, with "-get" behind it for a GET."""
    name, _, is_get = kind.partition("-")
    target = f"{url}/connection/{name}"
    if is_get:
        async with session.get(target, params={"cf_connect": said}) as answer:
            yield answer
    else:
        async with session.post(target, data=said) as answer:
            yield answer
