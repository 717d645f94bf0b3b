"""kill -9 of the hub, again and again, while several clients publish: the checker finds nothing.

There are clients of every language, transport and format that this machine has.
"""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, Final

import aiohttp
import pytest

from tests.end_to_end.conftest import MakeHub
from tests.support.checker import Checker
from tests.support.processes import HubProcess
from tests.support.sdk import SdkClient, SdkError
from tests.support.sdks import Sdks, installed
from tests.support.server_api import ApiError, ServerApi, open_api
from tests.support.tokens import connection_token

KILLS: Final = 20
RATE_PER_S: Final = 200
PUBLISHERS: Final = ("python", "python-protobuf", "javascript-http_stream-protobuf", "java")
SUBSCRIBERS: Final = (
    "python",
    "python-protobuf",
    "javascript",
    "javascript-sse",
    "javascript-http_stream",
    "javascript-http_stream-protobuf",
    "java",
)
CHANNELS: Final = ("chat:one", "chat:two")
UP_S: Final = (0.2, 0.9)
"""Between which times the hub lives after it has begun to listen."""
SETTLE_S: Final = 20.0

Send = Callable[[str, str], Coroutine[Any, Any, None]]


class Load:
    """Publishers at a steady rate, each message with a name of its own, each outcome noted."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Send nothing new; what is under way goes on to its end."""
        self._stopped.set()

    async def run(self, name: str, send: Send) -> None:
        """Send from one publisher until `stop`, then wait for what is under way."""
        interval_s = (len(PUBLISHERS) + 1) / RATE_PER_S
        due = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                channel, client_id = CHANNELS[number % len(CHANNELS)], f"{name}-{number}"
                self._checker.sent(channel, client_id)
                group.create_task(send(channel, client_id))
                # By the clock, so that what a turn takes does not lower the rate.
                due += interval_s
                try:
                    async with asyncio.timeout_at(due):
                        await self._stopped.wait()
                except TimeoutError:
                    continue
                return

    def through_sdk(self, sdk: SdkClient) -> Send:
        """Publish once; what comes of it is an ack, or unknown."""

        async def send(channel: str, client_id: str) -> None:
            try:
                await sdk.publish(channel, {"id": client_id})
            except SdkError as error:
                # 100 is temporary, and below are the SDK's own: the fate is unknown.
                if error.code > 100:
                    raise
            else:
                self._checker.acked(channel, client_id)

        return send

    def through_api(self, api: ServerApi) -> Send:
        """Publish until it is acked; every try has the same idempotency key."""

        async def send(channel: str, client_id: str) -> None:
            async with asyncio.timeout(SETTLE_S):
                while True:
                    try:
                        result = await api.call(
                            "publish",
                            channel=channel,
                            data={"id": client_id},
                            idempotency_key=client_id,
                        )
                    except (aiohttp.ClientError, ApiError):
                        await asyncio.sleep(0.05)
                    else:
                        self._checker.acked(channel, client_id, result["offset"])
                        return

        return send


@pytest.fixture
async def clients() -> AsyncIterator[list[SdkClient]]:
    """What is put in is closed at last."""
    clients: list[SdkClient] = []
    yield clients
    for sdk in clients:
        await sdk.close()


async def subscribe(sdk: SdkClient, checker: Checker, name: str) -> None:
    """Connect a subscriber of every channel; the checker expects everything from here on."""
    await sdk.joined()
    for channel in CHANNELS:
        checker.entitled(channel, name, after=(await sdk.subscribed(channel))["offset"])


async def kill_again_and_again(hub: HubProcess) -> None:
    """Let the hub live for a while, kill it, start it; the whiles are the same in every run."""
    whiles = random.Random(3)  # noqa: S311 - nothing secret about them
    for _ in range(KILLS):
        await asyncio.sleep(whiles.uniform(*UP_S))
        await asyncio.to_thread(hub.restart)


async def settle(checker: Checker, api: ServerApi, subscribers: Mapping[str, SdkClient]) -> None:
    """Read the logs, wait until every subscriber is at their ends, and tell the checker."""
    for channel in CHANNELS:
        stored = await api.log(channel)
        checker.stored(channel, stored)
        for name, sdk in subscribers.items():
            async with asyncio.timeout(SETTLE_S):
                while (await sdk.next("publication", channel))["offset"] < stored[-1].offset:
                    pass
            for event in sdk.journal.all("publication", channel):
                client_id = event["data"]["id"]
                checker.received(channel, name, event["offset"], client_id)


@pytest.mark.timeout(150)
async def test_nothing_acked_is_lost_and_nothing_comes_twice(
    make_hub: MakeHub, sdks: Sdks, clients: list[SdkClient]
) -> None:
    checker = Checker()
    load = Load(checker)
    # What was sent while the hub was away comes all at once; the limit has a test of its own.
    hub = make_hub({"client": {"recovery_max": 10_000}})
    await asyncio.to_thread(hub.start)
    names = installed(SUBSCRIBERS)
    for name in names:
        clients.append(await sdks.open(name, hub.websocket_url, connection_token(name)))
        await subscribe(clients[-1], checker, name)
    subscribers = dict(zip(names, clients, strict=True))
    async with open_api(hub) as api:
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run("api", load.through_api(api)))
            for name in installed(PUBLISHERS):
                token = connection_token(f"publisher-{name}")
                sdk = await sdks.open(name, hub.websocket_url, token)
                clients.append(sdk)
                await sdk.joined()
                group.create_task(load.run(name, load.through_sdk(sdk)))
            await kill_again_and_again(hub)
            # Everyone comes back and something is acked after the last kill, too.
            await asyncio.sleep(1.0)
            load.stop()
        await settle(checker, api, subscribers)
    print(checker.counts())  # noqa: T201 - pytest shows it where the test fails
    for sdk in subscribers.values():
        for channel in CHANNELS:
            again = sdk.journal.all("subscribed", channel)[1:]
            assert len(again) >= KILLS // 2
            assert all(event["recovered"] for event in again)
    assert checker.check() == []
