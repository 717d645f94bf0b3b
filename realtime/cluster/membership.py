"""Who is alive, by what one observer makes of the leases that it reads.

No clock of another machine is looked at: a lease is a number that its node raises, and a node is
dead when the number has not changed for `LEASE_S` of the observer's own time. Only time in which
the store has been answering counts. After a failed read, or a gap between two answers in which
others may have been unable to beat as well (also if it was this process that was stopped), nobody
is called dead until the store has answered for a full lease again.

Why this never kills a node that beats: while no gap is seen, no pause of the store is longer than
`ANSWER_GAP_S`. A beat may have been taken at once and answered a pause later, and the next may be
taken at the end of the next pause, so two beats are at most two such gaps apart, which is less
than a lease. And what a read has seen is at least as new as the moment at which it was asked, so
silence is counted from the answer that brought a new beat to the asking of the last one.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from realtime.stores.base import NodeInfo, NodeLease

BEAT_S: Final = 3.0
"""How often a node raises its beat and reads everybody's, in seconds."""

LEASE_S: Final = 10.0
"""How long a beat may stay the same before its node is dead, in seconds."""

ANSWER_GAP_S: Final = 4.5
"""The longest time between two answers of the store over which silence counts, in seconds.

Less than half a lease (the module's docstring says why), more than a beat.
"""


class _Seen:
    __slots__ = ("beat", "changed_at", "condemned", "info", "silent")

    def __init__(self, lease: NodeLease, now: float) -> None:
        self.beat = lease.beat
        self.info = lease.info
        self.condemned = lease.condemned
        self.changed_at = now
        self.silent = False


class Membership:
    """The leases as last read, and since when each beat has been the same. Time is an argument."""

    __slots__ = ("_answered_at", "_answering_since", "_seen")

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._answered_at: float | None = None
        self._answering_since = 0.0

    def __repr__(self) -> str:
        dead = len(self._seen) - len(self.living)
        return f"<Membership {len(self._seen)} leases, {dead} of them dead>"

    # What the observer learns.

    def answered(self, leases: Sequence[NodeLease], *, asked_at: float, now: float) -> None:
        """Every lease, as a read has found them that was begun at `asked_at` and ended `now`.

        To be called only if the observer's own last write was taken as well: where a store answers
        but takes nothing, everybody's beat stays the same.
        """
        if self._answered_at is None or now - self._answered_at > ANSWER_GAP_S:
            self._answering_since = now
        self._answered_at = now
        before, self._seen = self._seen, {}
        for lease in leases:
            seen = before.get(lease.node)
            if seen is None or seen.beat != lease.beat:
                seen = _Seen(lease, now)
            seen.info = lease.info
            seen.condemned = lease.condemned
            seen.silent = asked_at >= self._deadline(seen)
            self._seen[lease.node] = seen

    def failed(self) -> None:
        """A read or a write failed or was given up: from here on nobody is called dead."""
        self._answered_at = None
        for seen in self._seen.values():
            seen.silent = False

    def was_condemned(self, node: str) -> None:
        """The store has taken the observer's word that the node is dead."""
        if node in self._seen:
            self._seen[node].condemned = True

    def departed(self, node: str) -> None:
        """The node's lease is gone."""
        self._seen.pop(node, None)

    # What the observer makes of it.

    @property
    def known(self) -> frozenset[str]:
        """Every node that has a lease, dead or alive."""
        return frozenset(self._seen)

    @property
    def living(self) -> frozenset[str]:
        """Nodes that are neither condemned nor dead."""
        return frozenset(self.infos)

    @property
    def infos(self) -> Mapping[str, NodeInfo]:
        """What the living nodes say of themselves."""
        return {
            node: seen.info
            for node, seen in self._seen.items()
            if not seen.condemned and not seen.silent
        }

    @property
    def condemned(self) -> Sequence[str]:
        """Nodes that somebody has called dead and whose lease is still there: to be swept."""
        return [node for node, seen in self._seen.items() if seen.condemned]

    def dead(self, *, but: str) -> Sequence[tuple[str, int]]:
        """Nodes to condemn, with the beat at which they stopped; never `but`, the observer."""
        return [
            (node, seen.beat)
            for node, seen in self._seen.items()
            if seen.silent and not seen.condemned and node != but
        ]

    def next_deadline(self, *, but: str) -> float | None:
        """When a read should be asked because a node may be dead then; None for no such moment."""
        if self._answered_at is None:
            return None
        return min(
            (
                self._deadline(seen)
                for node, seen in self._seen.items()
                if not seen.condemned and not seen.silent and node != but
            ),
            default=None,
        )

    def _deadline(self, seen: _Seen) -> float:
        return max(seen.changed_at, self._answering_since) + LEASE_S
