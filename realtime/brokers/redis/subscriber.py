"""The subscribed half of a link: what is asked for, what is in force, what arrives."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from redis.asyncio.connection import AbstractConnection
from redis.crc import key_slot

from realtime.brokers.redis.connecting import pack
from realtime.brokers.redis.doubt import Doubt
from realtime.brokers.redis.limits import Limits

_MESSAGE: Final = (b"message", b"smessage")
_SUBSCRIBED: Final = (b"subscribe", b"ssubscribe")
_UNSUBSCRIBED: Final = (b"unsubscribe", b"sunsubscribe")


class Subscriber:
    """One subscribed connection, from its first SUBSCRIBE to its first doubt.

    What is asked for in one tick of the loop goes out together, in commands of bounded length. A
    topic in force is a dictionary's key and no more.
    """

    def __init__(
        self,
        connection: AbstractConnection,
        on_message: Callable[[bytes, bytes], None],
        limits: Limits,
        clock: Callable[[], float],
        *,
        sharded: bool,
    ) -> None:
        """`on_message` is called with topic and payload; it must not block or raise."""
        self._connection = connection
        self._on_message = on_message
        self._limits = limits
        self._clock = clock
        self._sharded = sharded
        # What this connection has been asked for: in force, but for what is in `_asked`.
        # A dictionary, for it takes half the memory of a set.
        self._topics: dict[bytes, None] = {}
        self._to_ask: list[bytes] = []
        self._to_drop: dict[bytes, None] = {}
        # Asked for and not confirmed; who waits for that, if anybody does. Redis confirms in order.
        self._asked: dict[bytes, asyncio.Future[None] | None] = {}
        # Given up by a command that has left, and not confirmed. One confirmation is due for each:
        # a topic that is not confirmed is not given up, so none is given up twice in the meantime.
        self._dropped: dict[bytes, None] = {}
        self._all_in_force: asyncio.Future[None] | None = None
        self._first: set[bytes] = set()
        self._progress = self._heard = clock()
        self._pinged: float | None = None
        self._ping_is_due = False
        self._wake = asyncio.Event()

    def begin(self, topics: Iterable[bytes]) -> "asyncio.Future[None]":
        """Ask for many at once; the awaitable ends when all of these are in force."""
        self._first = set(topics)
        self._all_in_force = asyncio.get_running_loop().create_future()
        for topic in self._first:
            self._ask(topic, None)
        return self._all_in_force

    def ask(self, topic: bytes) -> Awaitable[None] | None:
        """Ask for a topic. None: in force; else it is, or the link is over, when this ends."""
        if topic in self._to_drop:  # the command has not left
            del self._to_drop[topic]
            self._topics[topic] = None
            return None
        is_new = topic not in self._topics
        if not is_new and topic not in self._asked:
            return None
        waiting = self._asked.get(topic)
        if waiting is None:
            waiting = asyncio.get_running_loop().create_future()
            if is_new:
                self._ask(topic, waiting)
            else:  # on the way since the link began, and nobody has waited so far
                self._asked[topic] = waiting
        # Several may wait for it, and one that is cancelled must not take it from the others.
        return asyncio.shield(waiting)

    def __len__(self) -> int:
        """Topics that it has asked for, in force or not yet."""
        return len(self._topics)

    def drop(self, topic: bytes) -> bool:
        """Give a topic up; False if Redis has not confirmed it yet, so that it is too early."""
        if topic in self._asked:
            return False
        if topic in self._topics:
            del self._topics[topic]
            self._to_drop[topic] = None
            self._wake.set()
        return True

    def end(self) -> None:
        """The link is over: nobody waits any longer."""
        for waiting in self._asked.values():
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
        self._asked.clear()
        if self._all_in_force is not None:
            self._all_in_force.cancel()

    def check(self, now: float) -> None:
        """Look at the deadlines, and have a PING sent where one is due. Raises Doubt."""
        limits = self._limits
        if self._asked and now - self._progress > limits.subscribe_s:
            raise Doubt(f"SUBSCRIBE is not answered after {limits.subscribe_s:g} s")
        if self._pinged is not None and self._heard < self._pinged:
            if now - self._pinged > limits.ping_s:
                raise Doubt(f"PING is not answered after {limits.ping_s:g} s")
        elif now - self._heard >= limits.idle_s:
            self._pinged = now
            self._ping_is_due = True
            self._wake.set()

    async def read(self) -> None:
        """Take in what arrives until cancelled. Raises what is in `connecting.FAILURES`."""
        read, clock, on_message = self._connection.read_response, self._clock, self._on_message
        burst_max = self._limits.burst_max
        while True:
            # Reading does not go to the loop while there is something in the buffer: the socket is
            # drained first, up to a bound that leaves the rest of the node its turns.
            for _ in range(burst_max):
                reply = await read(timeout=math.inf, disconnect_on_error=False)
                self._heard = clock()
                if reply[0] in _MESSAGE:
                    on_message(reply[1], reply[2])
                else:
                    self._noted(reply)
            await asyncio.sleep(0)

    async def write(self) -> None:
        """Send what is due until cancelled. Raises what is in `connecting.FAILURES`."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            commands = list(self._commands())
            if commands:
                await self._connection.send_packed_command(
                    b"".join(map(pack, commands)), check_health=False
                )

    def _ask(self, topic: bytes, waiting: "asyncio.Future[None] | None") -> None:
        if not self._asked:
            self._progress = self._clock()
        self._topics[topic] = None
        self._asked[topic] = waiting
        self._to_ask.append(topic)
        self._wake.set()

    def _noted(self, reply: list[bytes]) -> None:
        kind, topic = reply[0], reply[1]
        if kind in _SUBSCRIBED:
            self._confirmed(topic)
        elif kind in _UNSUBSCRIBED:
            self._ended(topic)

    def _ended(self, topic: bytes) -> None:
        if topic in self._dropped:  # as we have asked; it may be asked for anew by now
            del self._dropped[topic]
            if not self._dropped:
                self._dropped.clear()  # lets go of the room that a large batch took
        elif topic in self._topics:
            # We had not asked: the topic's slot has moved to another server of the cluster.
            raise Doubt("Redis has ended a subscription")

    def _confirmed(self, topic: bytes) -> None:
        self._progress = self._heard
        waiting = self._asked.pop(topic, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
        if not self._asked:
            self._asked.clear()  # lets go of the room that a large batch took
        if self._first:
            self._first.discard(topic)
            if not self._first:
                assert self._all_in_force is not None, "made with the first topics"
                self._all_in_force.set_result(None)

    def _commands(self) -> Iterator[tuple[bytes, ...]]:
        # Dropped first: what is dropped and asked for again must end up in force.
        dropped, self._to_drop = self._to_drop, {}
        asked, self._to_ask = self._to_ask, []
        self._dropped |= dropped
        prefix = b"S" if self._sharded else b""
        for batch in self._batches(dropped):
            yield (prefix + b"UNSUBSCRIBE", *batch)
        for batch in self._batches(asked):
            yield (prefix + b"SUBSCRIBE", *batch)
        if self._ping_is_due:
            self._ping_is_due = False
            yield (b"PING",)

    def _batches(self, topics: Iterable[bytes]) -> Iterator[list[bytes]]:
        """Cut into commands; in a cluster all topics of one command must be in one slot."""
        groups: dict[int, list[bytes]] = {}
        if self._sharded:
            for topic in topics:
                groups.setdefault(key_slot(topic), []).append(topic)
        else:
            groups[0] = list(topics)
        for group in groups.values():
            rest = iter(group)
            while batch := list(islice(rest, self._limits.subscribe_batch_max)):
                yield batch
