"""The contract of a broker: the bus that carries events between nodes.

**A broker is a hint.** Whatever it carries is either stored already (an entry with an offset, an
order in the revocations log) or may be lost (offset 0, a question). It may lose, repeat, delay and
reorder; the receiver compares offsets and reads what is missing from the store. So no method
promises delivery, and a failed publish never fails a send.

**Doubt is told, not hidden.** While a driver cannot be sure that messages arrive, `state` is
"degraded", and whoever listens compares positions with the store every second. When it is sure
again it calls `resumed`: everything until then may be lost, so positions are compared once more.

**Local and remote are two functions.** A node serves its own subscribers itself and gives the
broker what the other nodes should hear. A driver never sees subscribers.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import msgspec

from realtime.model import Entry

BUS_VERSION: Final = 1
"""Raised when an older node could not make sense of a message. Newer majors are ignored."""


class BusMessage(msgspec.Struct, frozen=True, gc=False):
    """What travels between nodes: the sending node's id and one entry. Unknown fields are ignored.

    An entry with an offset is a copy of a stored one; with offset 0 it is an ephemeral event
    (a publication without history, a join, a leave). `epoch` is that of the sender's store: an
    offset means nothing under another. `sent_ms` is the sender's wall clock, for the lag.
    """

    node: str
    entry: Entry
    version: int = BUS_VERSION
    epoch: str = ""
    sent_ms: int = 0


class ControlMessage(msgspec.Struct, frozen=True, gc=False):
    """A word between nodes that belongs to no channel (`realtime.cluster.control` has them all).

    `kind` says how to read `body`, which is JSON; a kind that the receiver does not know is
    ignored. `epoch` as in `BusMessage`.
    """

    node: str
    kind: str
    body: bytes = b"{}"
    version: int = BUS_VERSION
    epoch: str = ""


Receiver = Callable[[BusMessage], None]
"""Called on the loop for each message, perhaps the node's own too; must not block or raise."""

ControlReceiver = Callable[[ControlMessage], None]
"""The same for control messages."""


def ignore(*_: object) -> None:
    """Stands in for a receiver that nobody needs."""


BrokerState = Literal["ok", "degraded"]


@dataclass(slots=True)
class BrokerStatistics:
    """What a broker has counted since it was made; the owner of the broker only reads it."""

    published: int = 0
    """Messages handed to the bus, control messages included."""
    dropped: int = 0
    """Messages that the bus could not take, or that found the buffer full."""
    received: int = 0
    """Messages that came in and could be read, the node's own included."""
    refused: int = 0
    """Messages of a newer major version, or that could not be read."""
    reconnects: int = 0
    """Connections to the bus that were made after the first."""
    canary_s: float = 0.0
    """How long the newest canary took through the bus and back, in seconds; 0.0 before any."""


class Broker(Protocol):
    """One node's end of the bus (the module's docstring is the contract)."""

    @property
    def state(self) -> BrokerState:
        """Degraded: what it carries is late or lost for now; the node still serves."""
        ...

    @property
    def statistics(self) -> BrokerStatistics:
        """What it has counted."""
        ...

    async def run(
        self,
        receive: Receiver,
        *,
        control: ControlReceiver = ignore,
        resumed: Callable[[], None] = ignore,
    ) -> None:
        """Receive until `close`; hosted by the process's task group, which notices its death.

        A bus that is away does not end it: it reconnects for as long as it runs. `resumed` is
        called each time that `state` comes back to "ok", after every channel is in force again.
        """
        ...

    def publish(self, message: BusMessage) -> None:
        """Tell the other nodes. Never waits and never raises; may drop, which is counted."""
        ...

    def control(self, message: ControlMessage, *, to: str | None = None) -> None:
        """Tell one node, by its id, or all. As `publish`; whether the own node hears it is open."""
        ...

    def subscribe(self, channel: str) -> Awaitable[None] | None:
        """Ask for a channel. None: in force at once; else it is when the awaitable ends.

        Idempotent. The caller reads the channel's head only after that, so nothing falls between.
        It ends in bounded time: while the bus is away there is nothing to be in force, `state`
        says so, and `resumed` follows when there is.
        """
        ...

    def unsubscribe(self, channel: str) -> None:
        """No longer needed. May be delayed by the driver, so that flapping costs nothing."""
        ...

    async def close(self) -> None:
        """Let go of everything; `run` ends. What was published before goes out first, if it can
        in bounded time. Idempotent."""
        ...
