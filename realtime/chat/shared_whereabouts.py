"""What users are on the other nodes, by rows that count while their node lives (design 5).

Each node keeps one row for each of its users, as long as the user is there, and writes it when that
changes; then it tells the others whose has changed. Who reads leaves out the rows of nodes that do
not live, so all users of a node that dies are gone from there in one step, within the time that its
lease has (10 s) and `NODE_GONE_S`, and no row is refreshed for it. A word that gets lost is made up
for by whoever watches, who reads again now and then.

Rows of the dead are swept by everybody; so is the last moment at which their users may have been
here, which nobody else has written.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

import msgspec

from realtime.backoff import HALF, Backoff
from realtime.chat.calls.presence import DeviceState
from realtime.chat.devices import Here, best_of
from realtime.chat.last_seen import seen_at
from realtime.chat.others import Others
from realtime.chat.ports import ChatStore, Clock
from realtime.chat.whereabouts import Heard, Said
from realtime.cluster.outage import Outage
from realtime.errors import StoreError
from realtime.rows import HERE, HereRow
from realtime.stores.base import Removal, Span, Write

logger = logging.getLogger(__name__)

CHANGED: Final = "users_here"
SAID: Final = "presence_set"

ROUND_S: Final = 0.25
"""How long changes are gathered before they are written and told, in seconds."""

CALL_TIMEOUT_S: Final = 10.0
"""How long one call to the store may take."""

WRITTEN_MAX: Final = 500
"""Rows that are written, read or swept together."""

LOOK_S: Final = 0.5
"""How often it is looked which nodes live, in seconds. The store is not asked for it."""

NODE_GONE_S: Final = 2.0
"""How long after a node is gone its users are looked at, in seconds: most are elsewhere by then."""

SWEEP_S: Final = 30.0
"""How often rows are looked for whose node is gone, in seconds. One that was gone the last time,
too, is swept: a lease may be too young to be known."""

NODES_MAX: Final = 1_000
"""Nodes whose rows one sweep looks for."""

RETRY_MIN_S: Final = 0.5
RETRY_MAX_S: Final = 5.0
"""Between attempts while the store is away, in seconds."""


class UsersChanged(msgspec.Struct, frozen=True):
    """Word: these users are something else at the node that tells, or not there any more."""

    users: list[str]


class DeviceSaid(msgspec.Struct, frozen=True):
    """Word: the user said what this device of theirs is, "" for all of them, over HTTP."""

    user: str
    device: str
    state: DeviceState


class SharedWhereabouts:
    """Whereabouts of a node among others. `present` answers all that `put` has said, as it is."""

    def __init__(
        self,
        store: ChatStore,
        clock: Clock,
        others: Others,
        *,
        present: Callable[[], Iterable[tuple[str, Here]]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._words = others.words
        self._leases = others.leases
        self._present = present
        self._heard: Heard = lambda _: None
        self._pending: dict[str, Here | None] = {}
        self._wanted = asyncio.Event()
        self._node = ""
        """The id of the lease under which the rows are."""
        self._strangers: frozenset[str] = frozenset()
        """Nodes with rows that did not live when the last sweep looked."""
        self._outage = Outage(logger, "the presence of users")
        self._backoff = Backoff(RETRY_MIN_S, RETRY_MAX_S, spread=HALF, random=random.random)

    def __repr__(self) -> str:
        return f"<SharedWhereabouts {len(self._pending)} changes wait>"

    def begin(self, heard: Heard, said: Said) -> None:
        """See `Whereabouts`."""
        self._heard = heard

        async def changed(word: UsersChanged) -> None:
            heard(word.users)

        async def told(word: DeviceSaid) -> None:
            said(word.user, word.device, word.state)

        self._words.on(CHANGED, UsersChanged, changed)
        self._words.on(SAID, DeviceSaid, told)

    def put(self, user: str, here: Here | None) -> None:
        """See `Whereabouts`."""
        self._pending[user] = here
        self._wanted.set()

    def say(self, user: str, device: str, state: DeviceState) -> None:
        """See `Whereabouts`."""
        self._words.tell(SAID, DeviceSaid(user, device, state))

    async def elsewhere(self, users: Collection[str]) -> Mapping[str, Here]:
        """See `Whereabouts`."""
        living = self._leases.living - {self._leases.node, self._node}
        found: dict[str, list[Here]] = {}
        for row in await self._rows(list(users)):
            if row.node in living and row.state in ("active", "background", "away"):
                here = Here(row.state, row.since)  # type: ignore[arg-type]  # checked above
                found.setdefault(row.user, []).append(here)
        return {user: best for user, all_of in found.items() if (best := best_of(all_of))}

    async def run(self) -> None:
        """See `Whereabouts`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write_for_ever(), name="whereabouts")
            tasks.create_task(self._follow_leases(), name="nodes of users")
            tasks.create_task(self._sweep_for_ever(), name="users of dead nodes")

    # Writing.

    async def write(self) -> None:
        """Write what waits and tell of it. Raises StoreError and TimeoutError; then it still waits.

        `run` calls it.
        """
        node = self._leases.node
        if node != self._node:
            # Another lease: what is under the former one is nobody's, and is swept.
            self._pending = dict(self._present())
            self._node = node
        while self._pending:
            if not self._leases.is_sure:
                raise TimeoutError("the lease may be lost")
            batch = dict(list(self._pending.items())[:WRITTEN_MAX])
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await self._store.write(
                    [_writing(user, node, here) for user, here in batch.items()]
                )
            for user, here in batch.items():
                if self._pending.get(user) == here:
                    del self._pending[user]
            self._words.tell(CHANGED, UsersChanged(list(batch)))
        self._wanted.clear()

    async def _write_for_ever(self) -> None:
        while True:
            if self._leases.node == self._node or not self._node:
                await self._wanted.wait()
            await asyncio.sleep(ROUND_S)
            try:
                await self.write()
            except (StoreError, TimeoutError) as error:
                self._outage.failed(error)
                await asyncio.sleep(self._backoff.next_s())
            else:
                self._outage.ended()
                self._backoff.reset()

    async def _rows(self, users: list[str]) -> list[HereRow]:
        """All rows of these users: in one read, unless they are on very many nodes."""
        limit = 4 * len(users) + 100
        spans = [Span((user,)) for user in users]
        async with asyncio.timeout(CALL_TIMEOUT_S):
            rows = await self._store.find(HERE, *spans, limit=limit)
        if len(rows) < limit or len(users) <= 1:
            return list(rows)
        half = len(users) // 2
        return [*await self._rows(users[:half]), *await self._rows(users[half:])]

    # Other nodes.

    async def _follow_leases(self) -> None:
        living = self._leases.living
        while True:
            await asyncio.sleep(LOOK_S)
            before, living = living, self._leases.living
            if self._leases.node != self._node and self._node:
                self._wanted.set()
            if before - living:
                await asyncio.sleep(NODE_GONE_S)
                self._heard(None)

    async def _sweep_for_ever(self) -> None:
        while True:
            # Apart from the others, so that they do not all do the same.
            await asyncio.sleep(SWEEP_S * (0.75 + random.random() / 2))  # noqa: S311 - spreads load
            try:
                async with asyncio.timeout(SWEEP_S):
                    await self.sweep()
            except (StoreError, TimeoutError) as error:
                logger.info("rows of dead nodes are left for later: %s", error)

    async def sweep(self) -> None:
        """Remove rows of nodes that did not live the last time either. Raises StoreError.

        `run` calls it, now and then; that several nodes do so at once does no harm.
        """
        strangers = frozenset(await self._nodes()) - self._leases.living - {self._node}
        for node in strangers & self._strangers:
            while rows := await self._store.find(
                HERE, Span((node,)), by=("node", "user"), limit=WRITTEN_MAX
            ):
                now = self._clock.wall_ms()
                await self._store.write(
                    [
                        *(seen_at(row.user, now) for row in rows),
                        *(Removal(HERE, HERE.key_of(row)) for row in rows),
                    ]
                )
        self._strangers = strangers - self._strangers

    async def _nodes(self) -> list[str]:
        """Every node that has rows, found by leaps through the index."""
        found: list[str] = []
        while len(found) < NODES_MAX:
            span = Span(after=found[-1]) if found else Span()
            rows = await self._store.find(HERE, span, by=("node", "user"), limit=1)
            if not rows:
                break
            found.append(rows[0].node)
        return found


def _writing(user: str, node: str, here: Here | None) -> Write | Removal:
    if here is None:
        return Removal(HERE, (user, node))
    return Write(HERE, (user, node), set={"state": here.state, "since": here.since})
