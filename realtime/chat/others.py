"""What chat asks of the other nodes, where there are any. The hub has both."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

import msgspec

from realtime.stores.base import NodeInfo

Body = TypeVar("Body", bound=msgspec.Struct)


class Words(Protocol):
    """Words to the other nodes (`realtime.hub.peers`)."""

    def on(self, kind: str, body: type[Body], handler: Callable[[Body], Awaitable[None]]) -> None:
        """Have `handler` called for words of this kind from others."""
        ...

    def tell(self, kind: str, body: msgspec.Struct) -> None:
        """Tell all others. Never waits; may get lost, or come late."""
        ...


class Leases(Protocol):
    """Which nodes live (`realtime.cluster.lease`)."""

    @property
    def node(self) -> str:
        """The id of this node's lease. Another after others have called the node dead."""
        ...

    @property
    def is_sure(self) -> bool:
        """Whether nobody can have called this node dead: else nothing is written in its name."""
        ...

    @property
    def living(self) -> frozenset[str]:
        """Ids of the living nodes, the own included."""
        ...

    @property
    def infos(self) -> Mapping[str, NodeInfo]:
        """What the living nodes say of themselves, the own included."""
        ...


class Others(msgspec.Struct, frozen=True):
    """The other nodes."""

    words: Words
    leases: Leases
