"""Publishers at a steady rate: half through SDKs, half through the server API until acked."""

import asyncio
import contextlib
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, Final

import aiohttp

from tests.faults.clients import Clients
from tests.support.checker import Checker
from tests.support.sdk import SdkClient, SdkError
from tests.support.server_api import ApiError, ServerApi

SDK_PUBLISHERS: Final = 6
API_PUBLISHERS: Final = 3

IN_FLIGHT_MAX: Final = 64
"""Messages of one API publisher that are not acked yet; it then waits, as a backend's queue does.
An SDK publisher has no more under way than it sends in the 5 s after which it gives one up."""

ACKED_WITHIN_S: Final = 60.0
"""How long the server API may refuse one message, with a retry after each refusal."""

_RETRY_S: Final = (0.05, 1.0)
_TEMPORARY: Final = 100
_UNAVAILABLE: Final = 503

Send = Callable[[str, str], Coroutine[Any, Any, None]]


class Load:
    """`rate` messages a second of all publishers together, each with a name of its own.

    SDK publishers are made by `clients` and take `sdk_channels` in turn; API publishers begin each
    with another hub, go to the next where one fails, and take `api_channels` in turn.
    """

    def __init__(
        self,
        checker: Checker,
        clients: Clients,
        apis: Sequence[ServerApi],
        *,
        rate: float,
        sdk_channels: Sequence[str],
        api_channels: Sequence[str],
    ) -> None:
        self.outcomes: Counter[str] = Counter()
        """How often a try ended how: "acked", or by which error."""
        self.failures: list[str] = []
        """What a publisher was told that is neither an ack nor a retry, or was not told at all."""
        self.acked_at: list[float] = []
        """When each ack came, by the monotonic clock."""
        self._checker = checker
        self._clients = clients
        self._apis = apis
        self._interval_s = (SDK_PUBLISHERS + API_PUBLISHERS) / rate
        self._sdk_channels = sdk_channels
        self._api_channels = api_channels
        self._sdks: list[SdkClient] = []
        self._stopped = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Publish while the block runs; then wait for what is under way, which is bounded."""
        try:
            for number in range(SDK_PUBLISHERS):
                sdk = await self._clients.publisher(number, f"publisher{number}")
                self._sdks.append(sdk)
                await sdk.joined()
            async with asyncio.TaskGroup() as group:
                for number, sdk in enumerate(self._sdks):
                    name, late = f"sdk{number}", number / SDK_PUBLISHERS
                    send = self._through_sdk(sdk)
                    group.create_task(self._publish(name, self._sdk_channels, send, late))
                for number in range(API_PUBLISHERS):
                    name, late = f"api{number}", (number + 0.5) / API_PUBLISHERS
                    send = self._through_api(number)
                    group.create_task(self._publish(name, self._api_channels, send, late))
                yield
                self._stopped.set()
        finally:
            for sdk in self._sdks:
                await sdk.close()

    async def publish_one(self, number: int, channel: str, client_id: str) -> int | None:
        """Publish through the hub of that number, or another; the offset, None for a failure."""
        self._checker.sent(channel, client_id)
        return await self._send_to(number, channel, client_id)

    def acked(self, channel: str, client_id: str, offset: int | None = None) -> None:
        """A publisher was told that its message is stored."""
        self.outcomes["acked"] += 1
        self.acked_at.append(time.monotonic())
        self._checker.acked(channel, client_id, offset)

    async def _publish(self, name: str, channels: Sequence[str], send: Send, late: float) -> None:
        slots = asyncio.Semaphore(IN_FLIGHT_MAX if name.startswith("api") else 1_000)

        async def send_one(channel: str, client_id: str) -> None:
            try:
                await send(channel, client_id)
            finally:
                slots.release()

        # Each begins at another moment of the interval, or all would always send at once.
        await asyncio.sleep(late * self._interval_s)
        due = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                await slots.acquire()
                if self._stopped.is_set():
                    return
                channel, client_id = channels[number % len(channels)], f"{name}-{number}"
                self._checker.sent(channel, client_id)
                group.create_task(send_one(channel, client_id))
                # By the clock, so that what a turn takes does not lower the rate; but what was not
                # sent in time is not made up for.
                due = max(due + self._interval_s, asyncio.get_running_loop().time())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await self._stopped.wait()

    def _through_sdk(self, sdk: SdkClient) -> Send:
        """Publish once; what comes of it is an ack, or unknown."""

        async def send(channel: str, client_id: str) -> None:
            try:
                await sdk.publish(channel, {"id": client_id})
            except SdkError as error:
                self.outcomes[f"sdk {error.code}"] += 1
                # 100 is temporary, and below are the SDK's own: the fate is unknown.
                if error.code > _TEMPORARY:
                    self.failures.append(f"{client_id} was refused: {error}")
            else:
                self.acked(channel, client_id)

        return send

    def _through_api(self, number: int) -> Send:
        """Publish until it is acked; every try has the same idempotency key."""
        turns = itertools.count(number)

        async def send(channel: str, client_id: str) -> None:
            await self._send_to(next(turns), channel, client_id)

        return send

    async def _send_to(self, first: int, channel: str, client_id: str) -> int | None:
        """The offset at which it was acked; 0 where the answer has none, None for a failure."""
        deadline = time.monotonic() + ACKED_WITHIN_S
        for tries in itertools.count():
            answer = await self._try(
                self._apis[(first + tries) % len(self._apis)], channel, client_id
            )
            if isinstance(answer, int):
                return answer
            if answer:
                self.failures.append(f"{client_id} was refused: {answer}")
                break
            if time.monotonic() > deadline:
                self.failures.append(f"{client_id} was not acked in {ACKED_WITHIN_S:g} s")
                break
            least, most = _RETRY_S
            pause_s = min(least * 2 ** min(tries, 10), most)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load
        return None

    async def _try(self, api: ServerApi, channel: str, client_id: str) -> str | int:
        """The offset; or "" for "not now"; or what was answered that is neither."""
        try:
            result = await api.call(
                "publish", channel=channel, data={"id": client_id}, idempotency_key=client_id
            )
        except ApiError as error:
            self.outcomes[f"api {error.code}"] += 1
            return "" if error.code == _TEMPORARY else repr(error)
        except aiohttp.ClientResponseError as error:
            self.outcomes[f"http {error.status}"] += 1
            return "" if error.status == _UNAVAILABLE else f"HTTP {error.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            self.outcomes[f"api {type(error).__name__}"] += 1
            return ""
        offset: int = result.get("offset", 0)
        self.acked(channel, client_id, offset or None)
        return offset
