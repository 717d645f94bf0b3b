"""Requests to a service over kept connections: bounded in number, in time and in answer.

What both providers on HTTP/1.1 share. No redirects, no cookies, no proxy of the environment.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal

import aiohttp
import msgspec
from yarl import URL

from workers.providers.base import Later, Outcome

CLOSE_TIMEOUT_S: Final = 3.0
"""How long the connections may take to say goodbye, in seconds."""

KEEP_ALIVE_S: Final = 30.0
"""How long an idle connection is kept: less than services keep theirs, so that a request rarely
meets one that the other side is just closing."""

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading an answer as JSON may raise, whoever wrote it."""


class Answer(msgspec.Struct, frozen=True):
    """What a service said. `body` is cut at the poster's limit; `headers` ignore case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<Answer {self.status}>"


class Unanswered(Exception):
    """No answer came. `why` is a word or two that names no address and no secret."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class AddressRefused(OSError):
    """Raised by a resolver for a name that must not be connected to. `why` as in `Unanswered`."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Poster:
    """One client session, made by the first request and kept until `close`.

    `concurrency` is how many works of `within` go on at once, `timeout_s` how long each may take,
    `answer_max_bytes` how much of an answer is read. `connector` makes what opens connections.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        timeout_s: float,
        answer_max_bytes: int,
        connector: Callable[[], aiohttp.BaseConnector],
    ) -> None:
        self._places = asyncio.Semaphore(concurrency)
        self._timeout_s = timeout_s
        self._answer_max_bytes = answer_max_bytes
        self._connector = connector
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def within(
        self, work: Callable[[], Awaitable[Outcome]], *, scope: Literal["device", "provider"]
    ) -> Outcome:
        """What `work` comes to in time, else `Later` of this `scope`.

        Waits for a place first, no longer than `timeout_s`: that it was busy here is not the
        service's fault, so it concerns the device only.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._places.acquire()
        except TimeoutError:
            return Later("busy", scope="device")
        try:
            async with asyncio.timeout(self._timeout_s):
                return await work()
        except TimeoutError:
            return Later("timeout", scope=scope)
        except Unanswered as error:
            return Later(error.why, scope=scope)
        finally:
            self._places.release()

    async def post(
        self,
        url: str | URL,
        *,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float | None = None,
    ) -> Answer:
        """One POST. Raises `Unanswered`. Cancelling closes the connection.

        `timeout_s` is for a request that may take less than the works of `within`.
        """
        if self._closed:
            raise Unanswered("closed")
        try:
            async with self._opened().post(
                url,
                headers=headers,
                data=body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s or self._timeout_s),
            ) as response:
                return Answer(response.status, response.headers, await self._read(response))
        except TimeoutError:
            raise Unanswered("timeout") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # The error's own text, and that of its cause, may name the address.
            raise Unanswered(_word_of(error)) from None

    async def close(self) -> None:
        """Let go of the connections; nothing is sent any more. Idempotent."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await session.close()
            except TimeoutError:
                pass  # The transports are closed; only the other sides' goodbyes were awaited.

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                headers={"User-Agent": "realtime", "Accept-Encoding": "identity"},
            )
        return self._session

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        answer = bytearray()
        async for chunk in response.content.iter_any():
            answer += chunk
            if len(answer) > self._answer_max_bytes:
                # Not worth the rest, nor a connection that would have to be read to its end.
                response.close()
                break
        return bytes(answer[: self._answer_max_bytes])


def _word_of(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else None
    return cause.why if isinstance(cause, AddressRefused) else type(error).__name__
