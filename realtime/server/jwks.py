"""Fetching published keys over HTTP."""

from typing import Final

import aiohttp

from realtime.auth.jwks import DOCUMENT_MAX_BYTES

TIMEOUT_S: Final = 1.0
"""For one try (protocol 3.1)."""

TRIES: Final = 2


class HttpJwksSource:
    """See `realtime.auth.jwks.JwksSource`. A fetch is rare, so each has its own connection."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def fetch(self) -> bytes:
        """See JwksSource."""
        for _ in range(TRIES - 1):
            try:
                return await self._fetch()
            except (OSError, TimeoutError):
                continue
        return await self._fetch()

    async def _fetch(self) -> bytes:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self.url, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    raise OSError(f"the answer has status {response.status}, expected 200")
                # One byte more than allowed is enough to be refused as too large.
                return await _read(response.content, DOCUMENT_MAX_BYTES + 1)
        except aiohttp.ClientError as error:
            # Its text may name the address with credentials in it.
            raise OSError(type(error).__name__) from None


async def _read(stream: aiohttp.StreamReader, limit: int) -> bytes:
    chunks = []
    size = 0
    async for chunk in stream.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size >= limit:
            break
    return b"".join(chunks)
