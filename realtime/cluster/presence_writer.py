"""What this node tells the others of its own clients' subscriptions.

Nobody waits for it: changes are kept, the latest of each subscription alone, and go to the store in
rounds, one call at a time. A call that failed is repeated as it was before anything else is
written, so at most one call's outcome is ever in doubt. What has not been handed to the store when
it is over was never there: it leaves nothing to remove. So what waits is bounded by the
subscriptions that live, and those that lived when the store went away.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Iterable
from typing import Final, NamedTuple

import msgspec

from realtime.backoff import HALF, Backoff
from realtime.cluster.lease import LeaseKeeper
from realtime.cluster.outage import Outage
from realtime.errors import StoreError
from realtime.stores.base import PRESENCE_CHANGES_MAX, PresenceEntry, PresenceStore

logger = logging.getLogger(__name__)

GATHER_S: Final = 0.05
"""How long changes are gathered before a call: presence may be so much late, in seconds."""

CALL_TIMEOUT_S: Final = 10.0
"""How long one call may take."""

RETRY_MIN_S: Final = 0.1
RETRY_MAX_S: Final = 2.0
"""Between attempts while the store is away, doubled each time and spread by half, in seconds."""

FORMER_PAGE: Final = 500
"""Entries of a former id that are removed at once."""

Key = tuple[str, str]
"""Channel and client."""


class _Change(NamedTuple):
    entry: PresenceEntry
    is_present: bool
    may_be_stored: bool
    """Whether the store may have an entry of this key, so that its end must be written too."""


class PresenceWriter:
    """The queue before `PresenceStore.change`. `run` must be running for anything to be written.

    `present` answers this node's subscriptions as they are, for when its lease is lost; an entry's
    `node` does not matter, here and elsewhere: what is written bears the lease's.
    """

    def __init__(
        self,
        store: PresenceStore,
        *,
        lease: LeaseKeeper,
        present: Callable[[], Iterable[PresenceEntry]],
    ) -> None:
        self._store = store
        self._lease = lease
        self._present = present
        self._pending: dict[Key, _Change] = {}
        self._in_doubt: dict[Key, _Change] = {}
        """What the call under way, or the one that failed last, was to write."""
        self._doubted_as = ""
        """The id under which it was to write that."""
        self._former: dict[str, None] = {}
        self._renewing = 0
        """How many of the waiting changes put anew what is left under a former id."""
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._outage = Outage(logger, "presence")
        self._backoff = Backoff(RETRY_MIN_S, RETRY_MAX_S, spread=HALF, random=random.random)

    def __repr__(self) -> str:
        return f"<PresenceWriter {len(self)} changes wait>"

    def __len__(self) -> int:
        """Changes that are not known to be stored."""
        return len(self._pending) + len(self._in_doubt)

    # What the hub calls. Plain functions that never wait.

    def appeared(self, entry: PresenceEntry) -> None:
        """A subscription has begun. One that changes is `vanished` first, then appears again."""
        key = entry.channel, entry.info.client
        before = self._pending.get(key)
        stored = before is not None and before.may_be_stored
        self._add(key, _Change(entry, is_present=True, may_be_stored=stored))

    def vanished(self, entry: PresenceEntry) -> None:
        """A subscription that had appeared is over."""
        key = entry.channel, entry.info.client
        before = self._pending.get(key)
        if before is not None and before.is_present and not before.may_be_stored:
            del self._pending[key]
            self._rest()
            return
        self._add(key, _Change(entry, is_present=False, may_be_stored=True))

    def reborn(self, former: str) -> None:
        """The lease `former` was lost and the next one is registered: put everything anew.

        What is left under the former id is removed afterwards. `LeaseKeeper` calls it, through the
        hub.
        """
        self._former[former] = None
        # What was to be removed bears the former id, or one before, and is cleared with it.
        self._pending.clear()
        for entry in self._present():
            key = entry.channel, entry.info.client
            self._pending[key] = _Change(entry, is_present=True, may_be_stored=True)
        self._renewing = len(self._pending)
        self._idle.clear()
        self._wanted.set()

    @property
    def former(self) -> Collection[str]:
        """Ids that this node had before and has not cleared yet; no sweep of its own takes them."""
        return self._former.keys()

    async def flushed(self) -> None:
        """Wait until nothing waits any more; for ever while the store is away."""
        await self._idle.wait()

    # Writing.

    async def run(self) -> None:
        """Write for ever. Hosted by the process's task group; cancelling it loses nothing but time.

        What was not written then is removed with the node's lease, or swept.
        """
        while True:
            await self._wanted.wait()
            await asyncio.sleep(GATHER_S)
            try:
                await self._write()
            except (StoreError, TimeoutError) as error:
                self._outage.failed(error)
                await asyncio.sleep(self._backoff.next_s())
            else:
                self._outage.ended()
                self._backoff.reset()

    async def _write(self) -> None:
        """What waits now; what comes meanwhile is gathered first, unless it fills a call."""
        while self._in_doubt or self._pending:
            if not self._lease.is_sure:
                # Others may be sweeping what bears this node's id.
                await asyncio.sleep(self._backoff.next_s())
                continue
            await self._write_one()
            if len(self._pending) < PRESENCE_CHANGES_MAX and self._renewing <= 0:
                break
        while self._former:
            await self._clear(next(iter(self._former)))
        self._rest()

    async def _write_one(self) -> None:
        node = self._lease.node
        if self._in_doubt and self._doubted_as != node:
            # The former id is condemned and is being cleared; what counts is waiting as the new.
            self._in_doubt = {}
        if not self._in_doubt:
            keys = list(_first(self._pending, PRESENCE_CHANGES_MAX))
            self._in_doubt = {key: self._pending.pop(key) for key in keys}
            self._doubted_as = node
            self._renewing -= len(keys)
        changes = self._in_doubt.values()
        async with asyncio.timeout(CALL_TIMEOUT_S):
            await self._store.change_presence(
                put=[_named(change.entry, node) for change in changes if change.is_present],
                remove=[_named(change.entry, node) for change in changes if not change.is_present],
            )
        if self._doubted_as == self._lease.node:
            self._in_doubt = {}

    async def _clear(self, former: str) -> None:
        """Remove what is left under a former id; who was there announces its leaves itself."""
        while True:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                page = await self._store.of_node(former, limit=FORMER_PAGE)
                if not page:
                    break
                await self._store.change_presence(put=(), remove=page)
        self._former.pop(former, None)

    def _add(self, key: Key, change: _Change) -> None:
        # To the end: what has waited longest is written first.
        self._pending.pop(key, None)
        self._pending[key] = change
        self._idle.clear()
        self._wanted.set()

    def _rest(self) -> None:
        if not self._pending and not self._in_doubt and not self._former:
            self._wanted.clear()
            self._idle.set()


def _first(keys: Iterable[Key], count: int) -> Iterable[Key]:
    return (key for key, _ in zip(keys, range(count), strict=False))


def _named(entry: PresenceEntry, node: str) -> PresenceEntry:
    return entry if entry.node == node else msgspec.structs.replace(entry, node=node)
