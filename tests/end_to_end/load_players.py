"""Players for tests of the fleet; its processes import them."""

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from load.pacing import paced
from load.recording import Recorder
from load.share import Share, Unplayable
from load.tokens import Tokens
from load.wire.client import Client, open_client
from load.wire.listener import Deliveries
from load.wire.mark import mark
from load.wire.messages import ConnectRequest, SubscribeRequest
from load.wire.target import Target
from tests.support.polling import eventually


class Crowd:
    """Clients in one channel; process 0 publishes at a rate, and all hear it."""

    def __init__(self, share: Share) -> None:
        self._share = share
        self._deliveries = Deliveries(Recorder("setup"))
        self._target = Target(share.urls[0], share.format)
        self._clients: list[Client] = []

    async def setup(self) -> None:
        """See base."""
        tokens = Tokens(self._share)
        channel = SubscribeRequest(f"chat:{self._share.run}")
        for number in self._share.mine(self._share.parameters["clients"]):
            request = ConnectRequest(token=tokens.of(number))
            opened = await open_client(self._target, self._deliveries, request, [channel])
            self._clients.append(opened.client)

    async def phase(self, name: str, changes: Mapping[str, Any], recorder: Recorder) -> None:
        """See base."""
        self._deliveries.use(recorder)
        parameters = {**self._share.parameters, **changes}
        rate, seconds = parameters["rate"], parameters["seconds"]
        recorder.facts["clients"] = len(self._clients)
        count = int(rate * seconds)
        due = count * len(self._clients)
        if self._share.index == 0:
            async for due_ns in paced(recorder, rate=rate, count=count):
                data = f'{{"t":"{mark(due_ns)}"}}'.encode()
                self._clients[0].send_publish(f"chat:{self._share.run}", data, due_ns)

        async def all_came() -> bool:
            return recorder.total("received") >= due and not any(
                client.unanswered for client in self._clients
            )

        await eventually(all_came, seconds + 5)

    async def cleanup(self) -> None:
        """See base."""
        for client in self._clients:
            client.close()
        self._target.close()


class Failing(Crowd):
    """Cannot set up."""

    async def setup(self) -> None:
        """See base."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fail())

    async def _fail(self) -> None:
        raise ValueError("no such namespace")


class Barred(Crowd):
    """Is not let in when it begins to play; process 1 alone."""

    async def phase(self, name: str, changes: Mapping[str, Any], recorder: Recorder) -> None:
        """See base."""
        if self._share.index == 1:
            raise Unplayable("the hub is closed today")
        await asyncio.sleep(60)


class Dying(Crowd):
    """Dies while it plays; process 1 alone."""

    async def phase(self, name: str, changes: Mapping[str, Any], recorder: Recorder) -> None:
        """See base."""
        print("a word that is none")  # noqa: T201 - what libraries do
        if self._share.index == 1:
            os._exit(7)
        await asyncio.sleep(60)


class Blocked(Crowd):
    """Keeps its loop busy."""

    async def phase(self, name: str, changes: Mapping[str, Any], recorder: Recorder) -> None:
        """See base."""
        async for _ in paced(recorder, rate=100, count=30):
            sum(range(1_500_000))
