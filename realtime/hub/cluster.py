"""A hub among others: what `realtime.cluster` needs of its use cases, and they of it."""

import contextlib
import fnmatch
from collections.abc import Callable, Coroutine
from typing import Protocol

from realtime.cluster.control import ANSWER, QUESTION, Answer, Question
from realtime.cluster.hub_member import HubMember
from realtime.cluster.presence_reader import Elsewhere
from realtime.cluster.retention import RetentionAfter
from realtime.cluster.survey import SurveyFailed
from realtime.cluster.upkeep import ClusterStore
from realtime.errors import INTERNAL, CommandRefused, StoreError
from realtime.hub.clock import Clock
from realtime.hub.delivery import Delivery
from realtime.hub.emulation import LEASE_SEPARATOR
from realtime.hub.use_cases import UseCases
from realtime.model import Entry, Kind
from realtime.stores.base import HeadHints, NodeInfo, PresenceEntry


class SharedStore(ClusterStore, HeadHints, Protocol):
    """A store that several hubs work on."""

    async def check_epoch(self) -> str:
        """Its epoch as it is now; another than `epoch` after a restore. Raises StoreError."""
        ...


class Cluster:
    """Ties a hub's use cases to its membership, and answers what concerns all nodes.

    `info` is what the node says of itself. `spawn` hosts a coroutine in a task that has a parent.
    """

    def __init__(
        self,
        shared: SharedStore,
        *,
        node: str,
        info: Callable[[], NodeInfo],
        clock: Clock,
        retention: RetentionAfter,
        use_cases: UseCases,
        spawn: Callable[[Coroutine[object, object, None]], object],
    ) -> None:
        self._clock = clock
        self._delivery = use_cases.delivery
        self._attendance = use_cases.attendance
        self._connecting = use_cases.connecting
        self._node = node
        self.member = HubMember(
            shared,
            use_cases.peers.tell,
            node=node,
            info=info,
            clock=clock,
            retention=retention,
            present=use_cases.attendance.present,
            announce=self._announce_leave,
            spawn=spawn,
            reborn=self._reborn,
            read_epoch=shared.check_epoch,
        )
        use_cases.attendance.register = self.member.presence
        use_cases.reading.others = self._elsewhere
        use_cases.peers.on(QUESTION, Question, self._asked)
        use_cases.peers.on(ANSWER, Answer, self._answered)

    async def channels(self, pattern: str) -> dict[str, int]:
        """Subscriptions by channel on every node; `pattern` is a glob, "" for all.

        Raises CommandRefused (100) where a node does not answer: half an answer is none.
        """
        try:
            counts = await self.member.surveys.channels(pattern)
        except SurveyFailed:
            raise CommandRefused(INTERNAL) from None
        for name, count in channel_counts(self._delivery, pattern).items():
            counts[name] = counts.get(name, 0) + count
        return counts

    def infos(self) -> list[tuple[str, NodeInfo]]:
        """Every living hub and worker, by the id of its lease; the others as of their last beat."""
        return sorted(self.member.lease.infos.items())

    async def newest_infos(self) -> list[tuple[str, NodeInfo]]:
        """The same after a fresh reading of the leases; as last read while the store is away."""
        if not self.member.lease.is_failing:
            with contextlib.suppress(StoreError):
                await self.member.lease.look()
        return self.infos()

    async def _elsewhere(self, channel: str, limit: int) -> Elsewhere:
        return await self.member.others.elsewhere(channel, limit=limit)

    # Questions of other nodes, and their answers.

    async def _asked(self, question: Question) -> None:
        counts = channel_counts(self._delivery, question.pattern)
        await self.member.surveys.answer(question, counts)

    async def _answered(self, answer: Answer) -> None:
        self.member.surveys.answered(answer)

    # Clients that came and went without their node saying so.

    def _announce_leave(self, entry: PresenceEntry) -> None:
        """A dead node's client is gone: tell those who watch, here and elsewhere."""
        self._announce(entry, "leave")

    def _reborn(self, former: str) -> None:
        """Others called this node dead and announced its clients' leaves: they are back.

        Clients that come now are told under which lease the node lives; those that were told
        another are not found by way of other nodes, and come again.
        """
        self._connecting.node = f"{self._node}{LEASE_SEPARATOR}{self.member.lease.node}"
        for entry in list(self._attendance.present()):
            if entry.announced:
                self._announce(entry, "join")

    def _announce(self, entry: PresenceEntry, kind: Kind) -> None:
        now_ms = self._clock.wall_ms()
        self._delivery.ephemeral(Entry(entry.channel, 0, b"", now_ms, kind, info=entry.info))


def channel_counts(delivery: Delivery, pattern: str) -> dict[str, int]:
    """This node's subscriptions by channel; `pattern` is a glob, "" for all."""
    return {
        live.name: live.count()
        for live in delivery
        if not pattern or fnmatch.fnmatchcase(live.name, pattern)
    }
