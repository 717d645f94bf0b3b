"""Words between nodes: what a node tells the others over the bus, and what it does when told.

A word may get lost with the bus. So whatever must not is in the store, and the word only says that
it is there; and who asks the others something knows from the store who has to answer.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec

from realtime.brokers.base import BUS_VERSION, Broker, ControlMessage
from realtime.errors import RealtimeError
from realtime.hub.dispatch import Waiting
from realtime.hub.statistics import Statistics

logger = logging.getLogger(__name__)

BODY_MAX_BYTES: Final = 1024 * 1024
"""The longest body that is told or heeded."""

Body = TypeVar("Body", bound=msgspec.Struct)
Handler = Callable[[Any], Awaitable[None]]


class Peers:
    """The other nodes, as far as they can be spoken to. `spawn` hosts a coroutine in a task."""

    def __init__(
        self,
        node: str,
        *,
        epoch: str,
        broker: Broker,
        statistics: Statistics,
        spawn: Callable[[Waiting], object],
    ) -> None:
        self._node = node
        self._epoch = epoch
        self._broker = broker
        self._statistics = statistics
        self._spawn = spawn
        self._handlers: dict[str, tuple[msgspec.json.Decoder[Any], Handler]] = {}
        self._encode = msgspec.json.Encoder().encode

    def on(self, kind: str, body: type[Body], handler: Callable[[Body], Awaitable[None]]) -> None:
        """Have `handler` called for words of this kind; in a task of its own each."""
        self._handlers[kind] = msgspec.json.Decoder(body), handler

    def tell(self, kind: str, body: msgspec.Struct, *, to: str | None = None) -> None:
        """Tell one node, or all others. Never waits; may get lost."""
        encoded = self._encode(body)
        if len(encoded) > BODY_MAX_BYTES:
            self._statistics.words_refused += 1
            return
        self._broker.control(ControlMessage(self._node, kind, encoded, epoch=self._epoch), to=to)

    def received(self, message: ControlMessage) -> None:
        """The bus brought a word; see `realtime.brokers.base.ControlReceiver`."""
        if message.node == self._node or message.version > BUS_VERSION:
            return
        if message.epoch != self._epoch:
            self._statistics.foreign_messages += 1
            return
        known = self._handlers.get(message.kind)
        if known is None:
            return  # a newer node's word
        decoder, handler = known
        try:
            body = decoder.decode(message.body)
        except msgspec.DecodeError:  # ValidationError is one: another program on our topics
            self._statistics.words_refused += 1
            return
        self._spawn(self._heed(message.kind, handler, body))

    async def _heed(self, kind: str, handler: Handler, body: msgspec.Struct) -> None:
        try:
            await handler(body)
        except (RealtimeError, TimeoutError) as error:
            # Nobody waits for an answer: what cannot be done here is left.
            logger.info("a word of kind %s could not be heeded: %s", kind, error)
