"""Writing entries that something follows from, exactly once whatever dies, and finding old answers.

An event is in the log first; then what follows from it is written beside the log (`Fold`), and then
the entry is settled. Whoever dies in between leaves a pending entry, which `sweep` and the next
retry fold again: so a fold must come to the same result late, twice, and in any order, which it
does by comparing the event's offset with that of the last one folded into the same row.
"""

import hashlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final

import msgspec

from realtime.chat.operations import Written
from realtime.chat.ports import ChatStore, Clock, Stage
from realtime.chat.refusals import other_data
from realtime.chat.setbacks import Setbacks
from realtime.errors import INTERNAL, CommandRefused, StoreError
from realtime.model import Entry, Kind, NewEntry
from realtime.stores.base import Conflict

logger = logging.getLogger(__name__)

SWEPT_MAX: Final = 500
"""Pending entries that one sweep folds, beside those that it has failed with before."""

STORE_FAILURES_MAX: Final = 3
"""Entries with which the store may fail before a sweep gives up: then it fails with all of them."""

SWEEP_AFTER_MS: Final = 1_000
"""How old a pending entry is before a sweep takes it: who wrote it is folding it itself."""

Fold = Callable[[Entry], Awaitable[None]]
Sweep = Callable[[], Awaitable[None]]


class Ledger:
    """Appends chat's entries and has what follows from them written.

    `on` registers what follows from a kind of entries, before anything is written. Where several
    things follow, in rooms one and in feeds another, each fold is called and looks for itself.
    """

    def __init__(self, store: ChatStore, stage: Stage, clock: Clock) -> None:
        self._store = store
        self._stage = stage
        self._clock = clock
        self._folds: dict[Kind, list[Fold]] = {}
        self._sweeps: list[Sweep] = []
        self._setbacks = Setbacks(clock)
        self.unfolded = 0
        """Entries that sweeps here could not fold for what is in them, each counted once."""

    def on(self, kind: Kind, fold: Fold) -> None:
        """Have `fold` called with every pending entry of this kind, in the order of these calls."""
        self._folds.setdefault(kind, []).append(fold)

    def on_sweep(self, sweep: Sweep) -> None:
        """Have something else looked after at every `sweep`: it may raise StoreError."""
        self._sweeps.append(sweep)

    async def attempt(self, entry: NewEntry, allowed: Coroutine[object, object, object]) -> Written:
        """Write the entry if `allowed` does not raise, or if it was written before.

        What the state forbids today (slow mode, a mute, a message that is gone) must not change the
        answer to a retry of what was allowed yesterday: so before a refusal the key is looked up.
        Where `allowed` answers an entry, that one is written: with the same key and digest, and
        what had to be looked up first. Raises CommandRefused: what `allowed` raises, 409 for other
        data, 100.
        """
        try:
            made = await allowed
        except CommandRefused:
            written = await self.earlier(entry)
            if written is None:
                raise
            return written
        return await self.write(made if isinstance(made, NewEntry) else entry)

    async def earlier(self, entry: NewEntry) -> Written | None:
        """What an earlier try of this very entry is to be answered; None where there was none.

        Raises CommandRefused: 409 where the key was used for something else, 100.
        """
        try:
            found = await self._store.find_sent(entry.channel, entry.sender, entry.client_id)
        except StoreError:
            raise CommandRefused(INTERNAL) from None
        if found is None:
            return None
        if found.digest != entry.digest:
            raise other_data()
        if found.pending:
            await self.apply(found)
        return Written(found.offset, duplicate=True, at=found.at, n=found.n)

    async def write(self, entry: NewEntry) -> Written:
        """Append the entry and fold it. Raises CommandRefused: 409 for other data, 100."""
        outcome = await self._stage.append(entry)
        if isinstance(outcome, Conflict):
            raise other_data()
        if entry.pending and outcome.duplicate:
            # What is stored is what the first try made of the command, which may say something else
            # (whom an invitation left out): that is what is folded.
            return await self.earlier(entry) or Written(outcome.offset, duplicate=True)
        if entry.pending:
            await self.apply(stored(entry, outcome.offset, outcome.at, outcome.n))
        return Written(outcome.offset, outcome.duplicate, outcome.at, outcome.n)

    async def apply(self, entry: Entry) -> None:
        """Fold a pending entry and settle it. Raises CommandRefused (100); it is then swept."""
        try:
            for fold in self._folds.get(entry.kind, ()):
                await fold(entry)
            await self._store.settle(entry.channel, (entry.offset,))
        except StoreError:
            raise CommandRefused(INTERNAL) from None

    async def sweep(self) -> int:
        """Fold what somebody has left behind; answers how many entries were tried.

        One that cannot be folded is put aside (`Setbacks`) and the others go on. For one node at a
        time, though several do no harm. Raises StoreError.
        """
        before_ms = self._clock.wall_ms() - SWEEP_AFTER_MS
        limit = SWEPT_MAX + len(self._setbacks)
        left = await self._store.pending(before_ms=before_ms, limit=limit)
        if len(left) < limit:
            self._setbacks.keep_only(left)
        due = [entry for entry in left if self._setbacks.is_due(entry)][:SWEPT_MAX]
        failures = 0
        for entry in due:
            failures += not await self._swept(entry)
            if failures == STORE_FAILURES_MAX:
                break
        if failures:
            raise StoreError("entries could not be folded")
        for sweep in self._sweeps:
            await sweep()
        return len(due)

    async def _swept(self, entry: Entry) -> bool:
        """Fold one entry, or put it aside; answers False where that is for the store's sake."""
        if entry.kind not in self._folds:
            self._setbacks.put_aside(entry)  # of a later version, whose nodes fold it
            return True
        try:
            await self.apply(entry)
        except CommandRefused:
            self._setbacks.put_aside(entry)
            return False
        except Exception:  # the boundary of one entry: the others are not to wait for it
            if self._setbacks.put_aside(entry):
                self.unfolded += 1
                logger.exception("an entry of kind %s could not be folded", entry.kind)
        else:
            self._setbacks.done(entry)
        return True


def stored(entry: NewEntry, offset: int, at: int, n: int) -> Entry:
    """The entry as it is in the log."""
    return Entry(
        entry.channel,
        offset,
        entry.data,
        at,
        entry.kind,
        entry.sender,
        entry.client_id,
        entry.digest,
        entry.ref,
        entry.info,
        entry.tags,
        n=n,
        counts=entry.counts,
        pending=entry.pending,
    )


def digest(kind: Kind, ref: int, *parts: bytes) -> bytes:
    """What tells a retry from another command under the same client id: 16 bytes of BLAKE2b."""
    hashed = hashlib.blake2b(msgspec.msgpack.encode((kind, ref, parts)), digest_size=16)
    return hashed.digest()
