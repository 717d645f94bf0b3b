"""One node's end of the bus over Redis."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from realtime.brokers.base import (
    BrokerState,
    BrokerStatistics,
    BusMessage,
    ControlMessage,
    ControlReceiver,
    Receiver,
    ignore,
)
from realtime.brokers.redis.address import parse
from realtime.brokers.redis.codec import (
    Refused,
    decode_control,
    decode_message,
    encode_control,
    encode_message,
    own_starts,
)
from realtime.brokers.redis.connecting import Connector
from realtime.brokers.redis.limits import Limits
from realtime.brokers.redis.outbox import Worth
from realtime.brokers.redis.routes import Routes
from realtime.brokers.redis.subscriptions import Subscriptions
from realtime.brokers.redis.topics import topics

logger = logging.getLogger(__name__)

DEFAULTS: Final = Limits()
"""The limits of a broker that was given none."""

_LAPSE_MIN_S: Final = 0.01


class RedisBroker:
    """The bus over Redis. See base.

    `state` is "degraded" until the first connection is complete. One warning tells of the beginning
    of an outage, with its reason, and one message of its end.
    """

    def __init__(
        self,
        url: str,
        *,
        node: str,
        prefix: str = "realtime",
        on_lag: Callable[[float], None] | None = None,
        limits: Limits = DEFAULTS,
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """`url` is as `address.parse` says. Raises ValueError for it and for braces in `prefix`.

        `node` is this node's id, unique among those that share `prefix`. `on_lag` is called with
        each message of another node, with the seconds since it was published as far as the two
        nodes' clocks agree, never less than 0. `clock` is monotonic, in seconds; `now_ms` is the
        wall clock.
        """
        self.node = node
        self._limits = limits
        self._clock = clock
        self._now_ms = now_ms
        self._on_lag = on_lag
        self._topics = topics(prefix, node)
        self._own_entry, self._own_control = own_starts(node)
        self._statistics = BrokerStatistics()
        self._subscriptions = Subscriptions(limits.unsubscribe_s)
        self._lapse_timer: asyncio.TimerHandle | None = None
        self._routes = Routes(
            Connector(parse(url), limits.connect_s),
            limits,
            self._topics,
            self._subscriptions,
            self._statistics,
            clock,
            self._received,
        )
        self._has_told_of_newer = False
        self._receive: Receiver = ignore
        self._control: ControlReceiver = ignore
        self._is_closing = False
        self._closed = asyncio.Event()
        self._idle = asyncio.Event()  # set while nobody runs it
        self._idle.set()

    def __repr__(self) -> str:
        return f"<RedisBroker {self._routes}>"

    @property
    def state(self) -> BrokerState:
        """See base."""
        return self._routes.state

    @property
    def statistics(self) -> BrokerStatistics:
        """See base."""
        return self._statistics

    # Running.

    async def run(
        self,
        receive: Receiver,
        *,
        control: ControlReceiver = ignore,
        resumed: Callable[[], None] = ignore,
    ) -> None:
        """See base. Cancelling it is safe: what waits to be published is dropped by `close`."""
        if self._is_closing:
            return
        self._receive, self._control = receive, control
        self._idle.clear()
        try:
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(self._routes.run(resumed), name="redis")
                await self._closed.wait()
                serving.cancel()
        finally:
            self._idle.set()

    def _received(self, topic: bytes, payload: bytes) -> None:
        """A message came, on a topic that this node asked for at some time."""
        try:
            if topic.startswith(self._topics.channels):
                self._received_entry(topic, payload)
            else:
                self._received_control(payload)
        except Refused:
            self._refused(payload)
        except Exception:
            logger.exception("a message from the bus could not be handled")

    def _received_entry(self, topic: bytes, payload: bytes) -> None:
        statistics = self._statistics
        if payload.startswith(self._own_entry):
            statistics.received += 1
        elif self._subscriptions.wants(topic):
            message = decode_message(payload)
            statistics.received += 1
            if self._on_lag is not None:
                self._on_lag(max(0.0, (self._now_ms() - message.sent_ms) / 1000))
            self._receive(message)

    def _received_control(self, payload: bytes) -> None:
        is_own = payload.startswith(self._own_control)
        message = None if is_own else decode_control(payload)
        self._statistics.received += 1
        if message is not None:
            self._control(message)

    def _refused(self, payload: bytes) -> None:
        self._statistics.refused += 1
        if not self._has_told_of_newer:
            self._has_told_of_newer = True
            logger.warning(
                "a message from the bus cannot be read: of a newer version of this program, or of "
                "another one that uses the same prefix (format %d); such messages are ignored",
                payload[0] if payload else 0,
            )

    # Publishing.

    def publish(self, message: BusMessage) -> None:
        """See base. The message's time is now, unless it says when it was sent."""
        entry = message.entry
        self._offer(
            self._topics.channel(entry.channel),
            lambda: encode_message(message, message.sent_ms or self._now_ms()),
            Worth.STORED if entry.offset else Worth.EPHEMERAL,
        )

    def control(self, message: ControlMessage, *, to: str | None = None) -> None:
        """See base. The own node does not hear it."""
        topic = self._topics.everyone if to is None else self._topics.node(to)
        self._offer(topic, lambda: encode_control(message), Worth.EPHEMERAL)

    def _offer(self, topic: bytes, encode: Callable[[], bytes], worth: Worth) -> None:
        if self._is_closing:
            return
        self._statistics.published += 1
        try:
            payload = encode()
        except (ValueError, OverflowError, TypeError):
            # No client can make such a value, but nothing may fail a send.
            self._statistics.dropped += 1
        else:
            self._routes.outbox(topic).offer(topic, payload, worth)

    # Subscribing.

    def subscribe(self, channel: str) -> Awaitable[None] | None:
        """See base. None also while there is no connection: `resumed` follows."""
        if self._is_closing:
            return None
        topic = self._topics.channel(channel)
        self._subscriptions.want(topic)
        subscriber = self._routes.subscriber(topic)
        return None if subscriber is None else subscriber.ask(topic)

    def unsubscribe(self, channel: str) -> None:
        """See base. Redis is told after a while, if nobody has come back."""
        if not self._is_closing:
            self._subscriptions.release(self._topics.channel(channel), self._clock())
            self._arm()

    def _arm(self) -> None:
        at = self._subscriptions.next_lapse()
        if at is not None and self._lapse_timer is None:
            delay_s = max(at - self._clock(), _LAPSE_MIN_S)
            self._lapse_timer = asyncio.get_running_loop().call_later(delay_s, self._lapse)

    def _lapse(self) -> None:
        self._lapse_timer = None
        now = self._clock()
        for topic in self._subscriptions.lapse(now):
            subscriber = self._routes.subscriber(topic)
            if subscriber is not None and not subscriber.drop(topic):
                # Not even in force yet: look again later, so that the answers stay in order.
                self._subscriptions.want(topic)
                self._subscriptions.release(topic, now)
        self._arm()

    # Closing.

    async def close(self) -> None:
        """See base. Waits for what was published at most `Limits.close_s`, and then for `run`."""
        is_first = not self._is_closing
        self._is_closing = True
        try:
            if is_first and not self._idle.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._limits.close_s):
                        await self._routes.settled()
        finally:
            self._closed.set()
            if self._lapse_timer is not None:
                self._lapse_timer.cancel()
        with contextlib.suppress(TimeoutError):  # who waits for `run` itself sees what keeps it
            async with asyncio.timeout(self._limits.close_s):
                await self._idle.wait()
        self._routes.clear()
