"""Who blocks whom, of senders and those who may be told: nobody is told of who they block."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from realtime.rows import BLOCKS, BlockRow
from realtime.stores.base import SPANS_MAX, Span, TableStore
from workers.kept import Kept

BLOCKS_MAX: Final = 5_000
"""Blocks of the senders of one batch that are read; of more, each user's are asked for."""

KEEP_S: Final = 2.0
"""How old may be what is known of a sender's, in seconds."""

KEPT_MAX: Final = 10_000
"""Senders of whom it is known."""


class Blocking:
    """Reads it; `now` is a clock in seconds that does not go back."""

    def __init__(self, store: TableStore, *, now: Callable[[], float]) -> None:
        self._store = store
        self._kept = Kept[str, frozenset[str] | None](KEEP_S, KEPT_MAX, now=now)

    async def of(self, pairs: Iterable[tuple[str, str]]) -> Mapping[str, set[str]]:
        """Of these users and senders, for each user those who block the user, or are blocked.

        Two reads, as a rule, where it is not known yet. Raises StoreError.
        """
        asked = {(user, sender) for user, sender in pairs if sender and sender != user}
        apart = await self._blocks_of({sender for _, sender in asked})
        found: dict[str, set[str]] = {}
        unknown = set()
        for user, sender in asked:
            others = apart[sender]
            if others is None:
                unknown |= {(user, sender), (sender, user)}
            elif user in others:
                found.setdefault(user, set()).add(sender)
        keys = sorted(unknown)
        for start in range(0, len(keys), SPANS_MAX):
            for row in await self._store.get(BLOCKS, keys[start : start + SPANS_MAX]):
                for user, sender in ((row.user, row.blocked), (row.blocked, row.user)):
                    if (user, sender) in asked:
                        found.setdefault(user, set()).add(sender)
        return found

    async def _blocks_of(self, senders: Collection[str]) -> Mapping[str, frozenset[str] | None]:
        """Whom each of these blocks, and is blocked by; None where those are too many."""
        known = self._kept.among(senders)
        fresh = [sender for sender in senders if sender not in known][:SPANS_MAX]
        if not fresh:
            return {sender: known.get(sender) for sender in senders}
        spans = [Span((sender,)) for sender in fresh]
        limit = BLOCKS_MAX + 1
        theirs = await self._store.find(BLOCKS, *spans, limit=limit)
        others = await self._store.find(BLOCKS, *spans, by=("blocked", "user"), limit=limit)
        made = dict.fromkeys(fresh, None) if limit in (len(theirs), len(others)) else None
        self._kept.put(made or _apart(fresh, [*theirs, *others]))
        known = self._kept.among(senders)
        return {sender: known.get(sender) for sender in senders}


def _apart(senders: Iterable[str], rows: Iterable[BlockRow]) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {sender: set() for sender in senders}
    for row in rows:
        for sender, other in ((row.user, row.blocked), (row.blocked, row.user)):
            if sender in found:
                found[sender].add(other)
    return {sender: frozenset(others) for sender, others in found.items()}
