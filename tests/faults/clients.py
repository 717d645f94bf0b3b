"""Which SDKs the clients of a run are of: all that the machine has, or what needs no driver."""

from collections.abc import Sequence
from typing import Final

from tests.support.python_sdk import PythonSdk
from tests.support.sdk import Payloads, SdkClient
from tests.support.sdks import Sdks, installed
from tests.support.tokens import connection_token

SUBSCRIBERS: Final[Sequence[str]] = (
    "python",
    "python-protobuf",
    "javascript-sse",
    "javascript-http_stream",
    "javascript-http_stream-protobuf",
    "java",
)

PUBLISHERS: Final[Sequence[str]] = (
    "python",
    "python-protobuf",
    "python",
    "javascript-sse",
    "javascript-http_stream-protobuf",
    "java",
)


class Clients:
    """Makes clients of hubs behind `url`. Without `sdks` they are all Python's, in both formats."""

    def __init__(self, url: str, sdks: Sdks | None = None) -> None:
        self._url = url
        self._sdks = sdks

    async def subscriber(self, number: int, user: str) -> SdkClient:
        """A client to listen with, not connected yet; whoever makes one closes it."""
        return await self._open(SUBSCRIBERS, number, user)

    async def publisher(self, number: int, user: str) -> SdkClient:
        """A client to publish with, not connected yet; whoever makes one closes it."""
        return await self._open(PUBLISHERS, number, user)

    async def _open(self, names: Sequence[str], number: int, user: str) -> SdkClient:
        token = connection_token(user)
        if self._sdks is not None:
            there = installed(names)
            return await self._sdks.open(there[number % len(there)], self._url, token)
        return PythonSdk(
            self._url, token, payloads=Payloads.JSON if number % 2 else Payloads.VALUES
        )
