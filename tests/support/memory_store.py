"""A store in plain dictionaries, for tests of what stands on the contract of a store.

It keeps the contract of `realtime.stores.base` but for surviving its process. Nothing here waits:
delays and failures are put around it by `tests.support.faulty_store`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from realtime.model import Entry, NewEntry, Retention, Revocation
from realtime.stores.base import (
    DEDUPE_TTL_MS,
    MISSED_CHANNELS_MAX,
    Appended,
    Conflict,
    Grouping,
    Page,
    Swept,
)
from realtime.stores.base.folding import fold

EPOCH: Final = "onlyepoch"


@dataclass(slots=True)
class _Log:
    head: int = 0
    n: int = 0
    entries: dict[int, Entry] = field(default_factory=dict)
    keys: dict[tuple[str, str], int] = field(default_factory=dict)


class MemoryStore:
    """LogStore, RevocationStore and IdempotencyStore. See base.

    What waits is folded in and waits for ever: no ChangeStore is here that settles it.
    """

    def __init__(self, epoch: str = EPOCH) -> None:
        self._epoch = epoch
        self._logs: dict[str, _Log] = {}
        self._revocations: list[Revocation] = []
        self._claims: dict[tuple[str, str], tuple[bytes, int]] = {}
        self.now_ms = 0
        """What `claim` takes for the time; tests that need claims to run out set it."""

    @property
    def epoch(self) -> str:
        """See base."""
        return self._epoch

    async def open(self) -> None:
        """See base."""

    async def close(self) -> None:
        """See base."""

    @property
    def grouping(self) -> Grouping:
        """See base."""
        return Grouping(in_flight=1, mixed=True)

    async def append(self, batch: Sequence[NewEntry]) -> Sequence[Appended | Conflict]:
        """See base."""
        return [self._append(entry) for entry in batch]

    async def read(
        self,
        channel: str,
        *,
        after: int = 0,
        before: int = 0,
        limit: int,
        newest_first: bool = False,
        retention: Retention,
        now_ms: int,
    ) -> Page:
        """See base."""
        log = self._logs.get(channel, _Log())
        visible = [
            entry
            for offset, entry in sorted(log.entries.items(), reverse=newest_first)
            if after < offset
            and (not before or offset < before)
            and not entry.stub
            and not retention.hides(offset, entry.at, log.head, now_ms)
        ]
        return Page(fold(visible[:limit], _waiting(log)), log.head, log.n)

    async def missed(self, positions: Mapping[str, int], *, limit: int) -> Sequence[Entry]:
        """See base."""
        if len(positions) > MISSED_CHANNELS_MAX:
            raise ValueError(f"positions: {len(positions)} channels")
        found: list[Entry] = []
        for channel in sorted(positions):
            log = self._logs.get(channel, _Log())
            after = [
                entry
                for offset, entry in sorted(log.entries.items())
                if offset > positions[channel]
            ]
            found += fold(after, _waiting(log))
        return found[:limit]

    async def truncate(self, channel: str) -> None:
        """See base."""
        log = self._logs.get(channel, _Log())
        for offset, entry in log.entries.items():
            log.entries[offset] = _stub(entry)

    async def sweep(
        self,
        retention: Callable[[str], Retention],
        *,
        now_ms: int,
        after: str = "",
        limit: int,
    ) -> Swept:
        """See base: one channel a slice is a bounded slice too."""
        channel = min((name for name in self._logs if name > after), default=None)
        if channel is None:
            return Swept(0, None)
        log, rules = self._logs[channel], retention(channel)
        due = [
            (entry, entry.offset == log.head or now_ms - entry.at < DEDUPE_TTL_MS)
            for entry in log.entries.values()
            if entry.stub or rules.hides(entry.offset, entry.at, log.head, now_ms)
        ]
        due = [(entry, stays) for entry, stays in due if not (stays and entry.stub)]
        for entry, stays in due[:limit]:
            if stays:
                log.entries[entry.offset] = _stub(entry)
            else:
                del log.entries[entry.offset]
                del log.keys[entry.sender, entry.client_id]
        return Swept(len(due[:limit]), channel if len(due) <= limit else after)

    async def revoke(self, revocation: Revocation) -> int:
        """See base."""
        seq = len(self._revocations) + 1
        self._revocations.append(msgspec.structs.replace(revocation, seq=seq))
        return seq

    async def revocations(self, *, after: int, limit: int, now_ms: int) -> Sequence[Revocation]:
        """See base."""
        return [row for row in self._revocations[after:] if not row.until or row.until > now_ms][
            :limit
        ]

    async def claim(self, scope: str, key: str, digest: bytes, *, until_ms: int) -> bytes | None:
        """See base."""
        before, until = self._claims.get((scope, key), (b"", 0))
        if until > self.now_ms:
            return before
        self._claims[scope, key] = digest, until_ms
        return None

    # What only tests ask

    def entries(self, channel: str) -> list[Entry]:
        """Everything that is stored of a channel, stubs too, oldest first."""
        return [entry for _, entry in sorted(self._logs.get(channel, _Log()).entries.items())]

    def forget(self, channel: str, *offsets: int) -> None:
        """Delete entries as retention would; never the head."""
        log = self._logs[channel]
        for offset in offsets:
            assert offset != log.head, "retention never moves the head"
            del log.entries[offset]

    def _append(self, new: NewEntry) -> Appended | Conflict:
        log = self._logs.setdefault(new.channel, _Log())
        known = log.keys.get((new.sender, new.client_id))
        if known is not None:
            entry = log.entries[known]
            if entry.digest != new.digest:
                return Conflict(known)
            return Appended(known, entry.at, duplicate=True, n=entry.n)
        log.head += 1
        log.n += new.counts
        log.keys[new.sender, new.client_id] = log.head
        log.entries[log.head] = Entry(
            new.channel,
            log.head,
            new.data,
            new.at,
            new.kind,
            new.sender,
            new.client_id,
            new.digest,
            new.ref,
            new.info,
            new.tags,
            n=log.n,
            counts=new.counts,
            pending=new.pending,
            notify=new.notify,
        )
        return Appended(log.head, new.at, n=log.n)


def _waiting(log: _Log) -> list[Entry]:
    return [entry for _, entry in sorted(log.entries.items()) if entry.pending]


def _stub(entry: Entry) -> Entry:
    return msgspec.structs.replace(
        entry,
        data=b"",
        info=None,
        tags=None,
        summary=b"",
        stub=True,
        pending=False,
        notify=False,
    )
