"""The contract of a broker: the bus that carries events between nodes.

**A broker is a hint.** Whatever it carries is either stored already (an entry with an offset) or
may be lost (offset 0). It may lose, repeat, delay and reorder; the receiver compares offsets and
reads what is missing from the store. So no method promises delivery, and a failed publish never
fails a send.

**Local and remote are two functions.** A node serves its own subscribers itself and gives the
broker what the other nodes should hear. A driver never sees subscribers.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Literal, Protocol

import msgspec

from realtime.model import Entry

BUS_VERSION: Final = 1
"""Raised when an older node could not make sense of a message. Newer majors are ignored."""


class BusMessage(msgspec.Struct, frozen=True, gc=False):
    """What travels between nodes: the sending node's id and one entry. Unknown fields are ignored.

    An entry with an offset is a copy of a stored one; with offset 0 it is an ephemeral event
    (a publication without history, a join, a leave).
    """

    node: str
    entry: Entry
    version: int = BUS_VERSION


Receiver = Callable[[BusMessage], None]
"""Called on the loop for each message, perhaps the node's own too; must not block or raise."""


BrokerState = Literal["ok", "degraded"]


class Broker(Protocol):
    """One node's end of the bus (the module's docstring is the contract)."""

    @property
    def state(self) -> BrokerState:
        """Degraded: what it carries is late or lost for now; the node still serves."""
        ...

    async def run(self, receive: Receiver) -> None:
        """Receive until `close`; hosted by the process's task group, which notices its death."""
        ...

    def publish(self, message: BusMessage) -> None:
        """Tell the other nodes. Never waits and never raises; may drop, which is counted."""
        ...

    def subscribe(self, channel: str) -> Awaitable[None] | None:
        """Ask for a channel. None: in force at once; else it is when the awaitable ends.

        Idempotent. The caller reads the channel's head only after that, so nothing falls between.
        """
        ...

    def unsubscribe(self, channel: str) -> None:
        """No longer needed. May be delayed by the driver, so that flapping costs nothing."""
        ...

    async def close(self) -> None:
        """Let go of everything; `run` ends. Idempotent."""
        ...
