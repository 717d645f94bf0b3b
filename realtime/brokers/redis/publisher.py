"""The publishing half of a link: one pipeline at a time, while the next one fills."""

import asyncio
import math

from redis.asyncio.connection import AbstractConnection

from realtime.brokers.redis.connecting import pack
from realtime.brokers.redis.limits import Limits
from realtime.brokers.redis.outbox import Outbox, nobody_waits


class Publisher:
    """Publishes what is in the outbox over one connection, and canaries ahead of it.

    All that is offered in one tick of the loop goes out in one pipeline: the publisher is woken
    by the first message and has its turn in the next tick. `open` lets messages through; until
    then only canaries go out.
    """

    def __init__(
        self, connection: AbstractConnection, outbox: Outbox, limits: Limits, *, sharded: bool
    ) -> None:
        self._connection = connection
        self._outbox = outbox
        self._limits = limits
        self._verb = b"SPUBLISH" if sharded else b"PUBLISH"
        self._wake = asyncio.Event()
        self._canaries: list[tuple[bytes, bytes]] = []
        self._is_open = False

    def open(self) -> None:
        """The link is well: publish what waits, and what comes."""
        self._is_open = True
        self._outbox.on_news = self._wake.set
        self._wake.set()

    def end(self) -> None:
        """The link is over: what comes now waits for the next one."""
        self._outbox.on_news = nobody_waits

    def send_canary(self, topic: bytes, payload: bytes) -> None:
        """Goes out with the next pipeline, ahead of all that waits."""
        self._canaries.append((topic, payload))
        self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled. Raises what is in `connecting.FAILURES`."""
        limits = self._limits
        while True:
            await self._wake.wait()
            self._wake.clear()
            while True:
                canaries, self._canaries = self._canaries, []
                messages = [(self._verb, *canary) for canary in canaries]
                if self._is_open:
                    batch = self._outbox.take(
                        limits.pipeline_messages_max, limits.pipeline_bytes_max
                    )
                    messages += [(self._verb, item.topic, item.payload) for item in batch]
                if not messages:
                    break
                await self._publish(messages)

    async def _publish(self, messages: list[tuple[bytes, bytes, bytes]]) -> None:
        connection = self._connection
        try:
            async with asyncio.timeout(self._limits.publish_s):
                packed = b"".join(map(pack, messages))
                await connection.send_packed_command(packed, check_health=False)
                for _ in messages:
                    # Replies that have arrived together are read without going to the loop.
                    await connection.read_response(timeout=math.inf, disconnect_on_error=False)
        except BaseException:
            self._outbox.failed()
            raise
        self._outbox.sent()
