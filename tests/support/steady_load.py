"""Publishers that go on through restarts, and subscribers that tell a checker what they got.

The channels are of the namespace `private` in `config/production.toml`: who has a subscription
token may subscribe, and subscribers may publish. Everything goes through one front: a hub or a
proxy.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from tests.support.checker import Checker
from tests.support.python_sdk import PythonSdk
from tests.support.sdk import SdkError, SubscribeOptions
from tests.support.server_api import ApiError, ServerApi
from tests.support.tokens import connection_token, subscription_token

SETTLE_S: Final = 60.0
"""How long the last message may take to whoever must get it, and an API publish to be acked."""

_RETRY_S: Final = 0.05
_TEMPORARY: Final = 100
"""The highest code by which a publish's fate is unknown, or of which it may be tried again."""

Send = Callable[[str, str], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class SteadyLoad:
    """`rate_per_s` is that of all publishers together, each of which has a share of it.

    Whoever opens clients closes them by `close`.
    """

    url: str
    checker: Checker
    channels: Sequence[str]
    sdk_publishers: int
    api_publishers: int
    rate_per_s: float
    subscribers: list[PythonSdk] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    """How many publishes ended how: "acked", or the code of an error."""
    _publishers: list[PythonSdk] = field(default_factory=list)
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self, subscribers: int) -> None:
        """Connect all clients; the checker expects everything from here on."""
        for number in range(subscribers):
            name = f"subscriber{number}"
            sdk, offsets = await self._client(name, self.channels)
            self.subscribers.append(sdk)
            for channel, offset in offsets.items():
                self.checker.entitled(channel, name, after=offset)
        for number in range(self.sdk_publishers):
            # It gets what is published there, too, which costs this process more than publishing.
            sdk, _ = await self._client(f"publisher{number}", self._channels_of(number))
            self._publishers.append(sdk)

    async def close(self) -> None:
        """Close all clients."""
        for sdk in (*self.subscribers, *self._publishers):
            await sdk.close()

    def stop(self) -> None:
        """Send nothing new; what is under way goes on to its end."""
        self._stopped.set()

    async def run(self, api: ServerApi) -> None:
        """Publish until `stop`, and until what is under way then has ended."""
        async with asyncio.TaskGroup() as group:
            for number, sdk in enumerate(self._publishers):
                send = self._through_sdk(sdk)
                group.create_task(self._publish(f"sdk{number}", self._channels_of(number), send))
            for number in range(self.api_publishers):
                send = self._through_api(api)
                group.create_task(self._publish(f"api{number}", self.channels, send))

    async def settle(self, api: ServerApi) -> None:
        """Read the logs, wait until every subscriber is at their ends, and tell the checker."""
        for channel in self.channels:
            stored = await api.log(channel)
            self.checker.stored(channel, stored)
            for number, sdk in enumerate(self.subscribers):
                async with asyncio.timeout(SETTLE_S):
                    while (await sdk.next("publication", channel))["offset"] < stored[-1].offset:
                        pass
                for event in sdk.journal.all("publication", channel):
                    name, client_id = f"subscriber{number}", event["data"]["id"]
                    self.checker.received(channel, name, event["offset"], client_id)

    def _channels_of(self, publisher: int) -> Sequence[str]:
        """An SDK's publisher has one channel; all channels have publishers if there are enough."""
        return [self.channels[publisher % len(self.channels)]]

    async def _client(self, name: str, channels: Sequence[str]) -> tuple[PythonSdk, dict[str, int]]:
        """A client that is subscribed to these channels, and where each was then."""
        sdk = PythonSdk(self.url, connection_token(name))
        await sdk.joined()
        offsets = {}
        for channel in channels:
            options = SubscribeOptions(token=subscription_token(name, channel))
            offsets[channel] = (await sdk.subscribed(channel, options))["offset"]
        return sdk, offsets

    async def _publish(self, name: str, channels: Sequence[str], send: Send) -> None:
        interval_s = (self.sdk_publishers + self.api_publishers) / self.rate_per_s
        due = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                channel = channels[number % len(channels)]
                client_id = f"{name}-{number}"
                self.checker.sent(channel, client_id)
                group.create_task(send(channel, client_id))
                # By the clock, so that what a turn takes does not lower the rate.
                due += interval_s
                try:
                    async with asyncio.timeout_at(due):
                        await self._stopped.wait()
                except TimeoutError:
                    continue
                return

    def _through_sdk(self, sdk: PythonSdk) -> Send:
        """Publish once; what comes of it is an ack, or unknown."""

        async def send(channel: str, client_id: str) -> None:
            try:
                await sdk.publish(channel, {"id": client_id})
            except SdkError as error:
                if error.code > _TEMPORARY:
                    raise
                self.outcomes[str(error.code)] += 1
            else:
                self._acked(channel, client_id)

        return send

    def _through_api(self, api: ServerApi) -> Send:
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
                    except (aiohttp.ClientError, TimeoutError, ApiError) as error:
                        self.outcomes[type(error).__name__] += 1
                        await asyncio.sleep(_RETRY_S)
                    else:
                        self._acked(channel, client_id, result["offset"])
                        return

        return send

    def _acked(self, channel: str, client_id: str, offset: int | None = None) -> None:
        self.outcomes["acked"] += 1
        self.checker.acked(channel, client_id, offset)
