"""A node's own lease, and its view of the others': beats, reads, condemns, comes back, departs."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from realtime.cluster.clock import Clock
from realtime.cluster.membership import BEAT_S, LEASE_S, Membership
from realtime.cluster.outage import Outage
from realtime.errors import StoreError, StoreReplaced, StoreUnavailable
from realtime.stores.base import (
    NodeInfo,
    NodeLease,
    NodeStore,
    PresenceStore,
)

logger = logging.getLogger(__name__)

ROUND_TIMEOUT_S: Final = 5.0
"""How long a round's calls may take before it counts as failed; half a lease."""

RETRY_S: Final = 1.0
"""After a failed round, in seconds."""

SURE_S: Final = LEASE_S - 2.0
"""How long after a beat was asked nobody can have condemned the node, in seconds.

It cannot be before a lease has passed; the difference is for calls that are on their way then.
"""

EPOCH_ROUNDS: Final = 5
"""The store's epoch is looked at every so many rounds, and whenever the own lease is gone."""

DEADLINE_SLACK_S: Final = 0.01
"""By how much a deadline is overslept, so that a timer that fires early does not miss it."""

DEPART_TIMEOUT_S: Final = 5.0
"""How long a departure may take, in seconds; after that the survivors do the rest."""

DEPART_PAGE: Final = 500
"""Presence entries that a departure removes at once."""

ORPHANS_MAX: Final = 100
"""Nodes without a lease that wait to be swept; more are found again by the next reader."""


def new_node_id() -> str:
    """An id that no node had before."""
    return uuid.uuid4().hex[:16]


def nothing(_: str) -> None:
    """Stands in for `reborn` where no presence hangs on the lease."""


class LeaseKeeper:
    """Keeps one node's lease. `run` must be running for it to live.

    `info` is asked with each beat. `reborn` is called, with the id that was lost, when others had
    condemned this node and it has come back under a new id: `node` is the new one by then, and
    whatever hangs on the lease must be put anew. `read_epoch` answers the store's epoch as it is
    now; where it is not `epoch`, `run` raises StoreReplaced.
    """

    def __init__(
        self,
        store: NodeStore,
        presence: PresenceStore,
        *,
        node: str,
        info: Callable[[], NodeInfo],
        clock: Clock,
        reborn: Callable[[str], None] = nothing,
        epoch: str = "",
        read_epoch: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        self._store = store
        self._presence = presence
        self._node = node
        self._info = info
        self._now = clock.monotonic
        self._reborn = reborn
        self._epoch = epoch
        self._read_epoch = read_epoch
        self._membership = Membership()
        self._outage = Outage(logger, "the node's lease")
        self._is_registered = False
        self._is_in_doubt = False
        """Whether `register` was asked for this id and not answered."""
        self._lost: str | None = None
        """The id that was condemned, until the next one is registered."""
        self._leaving = False
        self._beat_at = self._now()
        self._sure_until = self._beat_at
        self._rounds = 0
        self._turn = asyncio.Lock()
        self._askers: list[asyncio.Future[None]] = []
        self._wanted = asyncio.Event()
        self._orphans: dict[str, None] = {}
        self._found_dead = asyncio.Event()

    def __repr__(self) -> str:
        state = "registered" if self._is_registered else "not registered"
        return f"<LeaseKeeper {self._node} {state}, {len(self.living)} nodes live>"

    # What there is to know. Plain reads, for anybody on the loop.

    @property
    def node(self) -> str:
        """The id of this node's lease. Changes when others condemned it; see `reborn`."""
        return self._node

    @property
    def is_sure(self) -> bool:
        """Whether nobody can have condemned this node yet: else nothing is done in its name."""
        return self._is_registered and not self._leaving and self._now() < self._sure_until

    @property
    def is_failing(self) -> bool:
        """Whether the last round failed: then what is known of the others is getting old."""
        return self._outage.lasts

    @property
    def living(self) -> frozenset[str]:
        """Ids of the living nodes, the own included; as last known while the store is away."""
        living = self._membership.living - {self._node}
        return living | {self._node} if self._is_registered else living

    @property
    def infos(self) -> Mapping[str, NodeInfo]:
        """What the living nodes say of themselves, the own as it is now."""
        infos = dict(self._membership.infos)
        infos.pop(self._node, None)
        if self._is_registered:
            infos[self._node] = self._info()
        return infos

    @property
    def known(self) -> frozenset[str]:
        """Every node that has a lease, dead or alive, and the own."""
        return self._membership.known | {self._node}

    @property
    def condemned(self) -> frozenset[str]:
        """Nodes that were called dead and still have their lease."""
        return frozenset(self._membership.condemned)

    @property
    def dead(self) -> Sequence[str]:
        """Nodes to be swept: those condemned, and those with entries but without a lease."""
        return [*self._membership.condemned, *self._orphans]

    async def until_dead(self) -> None:
        """Wait until there is a node to be swept. Also later, for as long as it is not swept.

        For one waiter, which is told again with each reading of the leases.
        """
        await self._found_dead.wait()
        self._found_dead.clear()

    def orphaned(self, node: str) -> None:
        """There are entries of a node that had no lease by a read begun after they were found.

        They are of one that was stopped between making sure of its lease and writing, and has been
        swept before it wrote.
        """
        if len(self._orphans) < ORPHANS_MAX:
            self._orphans[node] = None
            self._found_dead.set()

    def was_swept(self, node: str) -> None:
        """Nothing is left of the dead node, and its lease is gone."""
        self._orphans.pop(node, None)
        self._membership.departed(node)

    async def look(self) -> None:
        """Have the leases read again, by a read that begins after this call.

        Raises StoreError, also once the node departs. Many callers share one read.
        """
        if self._leaving:
            raise StoreUnavailable("the node is leaving")
        asked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._askers.append(asked)
        self._wanted.set()
        try:
            async with asyncio.timeout(2 * ROUND_TIMEOUT_S):
                await asked
        except TimeoutError:
            raise StoreUnavailable("the leases could not be read in time") from None

    # Living.

    async def run(self) -> None:
        """Beat and watch until `depart`. Raises StoreReplaced; a store that is away is waited for.

        Cancelling it leaves the lease to end by itself.
        """
        while not self._leaving:
            await self.round()
            await self._pause()

    async def _pause(self) -> None:
        until = self._beat_at
        deadline = self._membership.next_deadline(but=self._node)
        if deadline is not None:
            until = min(until, deadline + DEADLINE_SLACK_S)
        try:
            async with asyncio.timeout(max(0.0, until - self._now())):
                await self._wanted.wait()
        except TimeoutError:
            pass

    async def round(self) -> None:
        """Read all leases, beat if it is time, and condemn the dead. One at a time.

        Never raises but StoreReplaced: what failed is logged and tried again. `run` calls it.
        """
        async with self._turn:
            if self._leaving:
                return
            asked_at = self._now()
            self._wanted.clear()
            askers, self._askers = self._askers, []
            error: StoreError | None = StoreUnavailable("the leases were not read")
            try:
                async with asyncio.timeout(ROUND_TIMEOUT_S):
                    await self._round(asked_at)
                error = None
                self._outage.ended()
            except StoreReplaced as replaced:
                error = replaced
                raise
            except (StoreError, TimeoutError) as failure:
                error = failure if isinstance(failure, StoreError) else error
                self._membership.failed()
                self._beat_at = asked_at + RETRY_S
                self._outage.failed(failure)
            finally:
                for asker in askers:
                    _answer(asker, error)

    async def _round(self, asked_at: float) -> None:
        leases: Sequence[NodeLease]
        if asked_at < self._beat_at:
            leases = await self._store.nodes()
        else:
            # Together, so that two beats are never more than two answers apart.
            beaten, leases = await _both(self._beat(asked_at), self._store.nodes())
            self._beat_at = asked_at + BEAT_S
            self._rounds += 1
            if not beaten:
                self._lose()
            if not beaten or self._rounds % EPOCH_ROUNDS == 0:
                await self._check_epoch()
        self._membership.answered(leases, asked_at=asked_at, now=self._now())
        await self._condemn()

    async def _beat(self, asked_at: float) -> bool:
        if self._is_registered or self._is_in_doubt:
            # A registration whose answer was lost is found out by a beat.
            if not await self._store.beat(self._node, self._info()):
                return False
        else:
            self._is_in_doubt = True
            await self._store.register(self._node, self._info())
        self._is_registered = True
        self._is_in_doubt = False
        self._sure_until = asked_at + SURE_S
        lost, self._lost = self._lost, None
        if lost is not None:
            logger.warning("node %s was called dead and is back as %s", lost, self._node)
            self._reborn(lost)
        return True

    def _lose(self) -> None:
        # The own lease is condemned or gone: the next round, at once, registers another.
        if self._is_registered:
            self._lost = self._lost or self._node
        self._is_registered = self._is_in_doubt = False
        self._node = new_node_id()
        self._beat_at = self._now()

    async def _check_epoch(self) -> None:
        if self._read_epoch is not None and await self._read_epoch() != self._epoch:
            raise StoreReplaced

    async def _condemn(self) -> None:
        for node, beat in self._membership.dead(but=self._node):
            # False: it has beaten after all, which the next read shows.
            if await self._store.condemn(node, beat):
                logger.warning("node %s is dead: its beat has stopped at %d", node, beat)
                self._membership.was_condemned(node)
        if self.dead:
            self._found_dead.set()

    # Leaving.

    async def depart(self) -> None:
        """Remove the own presence and the lease; the node does nothing in its own name after this.

        Call it once the presence has been flushed and nobody adds to it. Idempotent, takes at most
        `DEPART_TIMEOUT_S` and never raises: what it could not do the survivors do, who then find
        the node dead.
        """
        self._leaving = True
        self._wanted.set()
        for asker in self._askers:
            _answer(asker, StoreUnavailable("the node is leaving"))
        try:
            async with asyncio.timeout(DEPART_TIMEOUT_S), self._turn:
                if not self._is_registered and not self._is_in_doubt:
                    return
                while page := await self._presence.of_node(self._node, limit=DEPART_PAGE):
                    await self._presence.change_presence(put=(), remove=page)
                await self._store.depart(self._node)
                self._is_registered = self._is_in_doubt = False
        except (StoreError, TimeoutError) as error:
            reason = str(error) or "no answer"
            logger.warning("the node's lease is left to end by itself: %s", reason)


async def _both(
    beat: Awaitable[bool], nodes: Awaitable[Sequence[NodeLease]]
) -> tuple[bool, Sequence[NodeLease]]:
    """Both answers, once both are there; raises the first of them that failed."""
    beaten, leases = await asyncio.gather(beat, nodes, return_exceptions=True)
    if isinstance(beaten, BaseException):
        raise beaten
    if isinstance(leases, BaseException):
        raise leases
    return beaten, leases


def _answer(asker: "asyncio.Future[None]", error: StoreError | None) -> None:
    if asker.done():
        return
    if error is None:
        asker.set_result(None)
    else:
        asker.set_exception(error)
        asker.exception()  # retrieved, also where the asker has gone meanwhile
