"""Leases and presence, for stores that several nodes share. See `realtime.stores.base`."""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from realtime.model import ClientInfo


class NodeInfo(msgspec.Struct, frozen=True, gc=False):
    """What a node says of itself with each beat (protocol 5.2, `info`).

    `started_ms`: milliseconds since 1970. `uptime` is in seconds. `version` is the program's.
    `role` is "hub", or "worker" for a process without clients. `address` is what a hub is called on
    the bus; "" is the id of its lease, as where a hub does not say.
    """

    name: str
    version: str
    role: str = "hub"
    started_ms: int = 0
    uptime: int = 0
    num_clients: int = 0
    num_users: int = 0
    num_channels: int = 0
    num_subs: int = 0
    address: str = ""


class NodeLease(msgspec.Struct, frozen=True, gc=False):
    """A node's lease, as `NodeStore.nodes` finds it.

    `beat` rises by one with each beat; when it was raised only the observer's own clock can tell.
    `condemned`: a survivor has called the node dead, and its presence is being swept.
    """

    node: str
    beat: int
    info: NodeInfo
    condemned: bool = False


class NodeStore(Protocol):
    """Who is there, and who does what only one may do (design 5). For stores of several nodes.

    There are no clocks in it: a lease is a number that its node raises, and who else looks at it
    judges by how long it has not changed. Every change is one conditional update, so of several
    callers exactly one succeeds.
    """

    async def register(self, node: str, info: NodeInfo) -> None:
        """Begin the lease of a node, with beat 1. `node` is new: ids are never used twice."""
        ...

    async def beat(self, node: str, info: NodeInfo) -> bool:
        """Raise the beat and renew the info. False: condemned or gone; come back as another id."""
        ...

    async def nodes(self) -> Sequence[NodeLease]:
        """Every lease, condemned ones included, in order of the node's id. At most 1,000."""
        ...

    async def condemn(self, node: str, beat: int) -> bool:
        """Call the node dead if its beat is still `beat`. True also if it was condemned before."""
        ...

    async def depart(self, node: str) -> None:
        """Remove the lease: of the own node at its end, of a condemned one once it is swept.

        Its presence entries must be gone before; tasks that it holds are anybody's then.
        """
        ...

    async def take(self, task: str, holder: str, *, before: str) -> bool:
        """Have `holder` hold `task` if `before` does ("" is nobody). Whether it now does.

        True also where `holder` held it already. The caller has made sure that `before` is dead or
        gone: a task has no time of its own, it lives and dies with the lease of its holder.
        """
        ...

    async def holder(self, task: str) -> str:
        """Who holds the task; "" for nobody."""
        ...

    async def release(self, task: str, holder: str) -> None:
        """Have nobody hold the task, if `holder` does. Nothing of it is kept then."""
        ...


class PresenceEntry(msgspec.Struct, frozen=True, gc=False):
    """One subscription of one client, on one node.

    `hidden`: is not shown to anyone. `announced`: others were told when it came, and are when it
    goes. An entry is known by its channel and its client's id.
    """

    node: str
    channel: str
    info: ClientInfo
    hidden: bool = False
    announced: bool = False


PRESENCE_CHANGES_MAX: Final = 1_000
"""The most entries that one `PresenceStore.change` may put and remove together."""


class PresenceStore(Protocol):
    """Who is subscribed where, for stores of several nodes (design 5).

    It holds the entries of living nodes, and those of dead ones until they are swept: the caller
    leaves out entries of nodes that it knows to be dead. Writes are not awaited by any client.
    """

    async def change_presence(
        self, *, put: Sequence[PresenceEntry], remove: Sequence[PresenceEntry]
    ) -> None:
        """Put entries, in the place of those with the same channel and client, and remove others.

        An entry is removed only where it is the same node's: a client id that came back on another
        node stays. Nothing may be in both. Safe to repeat; when it raises, any part may be done.
        """
        ...

    async def present(self, channel: str, *, limit: int) -> Sequence[PresenceEntry]:
        """Entries of the channel, hidden ones included, at most `limit`, in no order."""
        ...

    async def of_node(self, node: str, *, limit: int) -> Sequence[PresenceEntry]:
        """Some entries of the node, at most `limit`; none: it has no more."""
        ...

    async def take_away(self, entries: Sequence[PresenceEntry]) -> Sequence[PresenceEntry]:
        """Remove entries, and answer those that this very call removed.

        Of several callers exactly one is answered each entry: the one who announces its leave.
        """
        ...
