"""Dead letters: notifications that a provider will never take as they are.

They are kept until somebody has looked at them, mended what was wrong, and has them tried again or
thrown away. The job they come from is settled: a letter holds nothing up.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from realtime.push.removing import remove_all
from realtime.push.rows import DEAD, JOBS, DeadRow
from realtime.stores.base import SPANS_MAX, WRITES_MAX, Removal, Span, TableStore, Value, Write

_DIGITS: Final = 15
"""Of a time in milliseconds: enough for thirty thousand years, and sorted as texts are."""

_REPLAYED_MAX: Final = min(SPANS_MAX, WRITES_MAX // 2)


def place_of(at_ms: int, user: str, channel: str, offset: int, device: str) -> str:
    """The id of a dead letter: sorts by the time of the entry, `at_ms`, and is the same when the
    same letter is written again."""
    what = msgspec.json.encode((user, channel, offset, device))
    return f"{at_ms:0{_DIGITS}}-{hashlib.blake2b(what, digest_size=8).hexdigest()}"


class DeadLetters:
    """The dead letters in `store`. Every method raises StoreError, and may be repeated then."""

    def __init__(self, store: TableStore) -> None:
        self._store = store

    async def bury(self, letters: Sequence[DeadRow]) -> None:
        """Keep these, before their jobs are settled. One call for WRITES_MAX letters."""
        for start in range(0, len(letters), WRITES_MAX):
            await self._store.write([_whole(one) for one in letters[start : start + WRITES_MAX]])

    async def page(self, *, after: str = "", limit: int, user: str = "") -> Sequence[DeadRow]:
        """Letters after the one with the id `after`, of one user or of all, the oldest first."""
        if user:
            span = Span((user,), after=after or None)
            return await self._store.find(DEAD, span, by=("user", "place"), limit=limit)
        return await self._store.find(DEAD, Span(after=after or None), limit=limit)

    async def replay(self, places: Sequence[str], now_ms: int) -> int:
        """Have these tried again now, and keep them no more; answers how many there were.

        Where something newer was settled since, it has taken the letter's place, and nothing is
        sent; nor on devices that had it by the trail. It is decided anew whether the message is
        still to be told of: one that is too old by now is not.
        """
        found = 0
        for start in range(0, len(places), _REPLAYED_MAX):
            keys = [(place,) for place in places[start : start + _REPLAYED_MAX]]
            letters = await self._store.get(DEAD, keys)
            await self._store.write([each for one in letters for each in _revived(one, now_ms)])
            # Afterwards: who dies in between does it once more.
            await self._store.write([Removal(DEAD, (one.place,)) for one in letters])
            found += len(letters)
        return found

    async def purge(self, places: Sequence[str]) -> None:
        """Throw these away."""
        for start in range(0, len(places), WRITES_MAX):
            some = places[start : start + WRITES_MAX]
            await self._store.write([Removal(DEAD, (place,)) for place in some])

    async def purge_before(self, before_ms: int) -> int:
        """Throw away those of entries made before that; answers how many."""
        return await remove_all(self._store, DEAD, Span(before=f"{before_ms:0{_DIGITS}}"))


def _whole(letter: DeadRow) -> Write:
    fields: dict[str, Any] = msgspec.structs.asdict(letter)
    del fields["place"]
    return Write(DEAD, (letter.place,), set=fields)


def _revived(letter: DeadRow, now_ms: int) -> tuple[Write, Write]:
    """Two writes, of which one is carried out at most, in whichever order."""
    key = (letter.user, letter.channel)
    # It was tried before, so whoever sends it looks at the trail.
    due: dict[str, Value] = {"state": "due", "due_at": now_ms, "first_at": now_ms, "tries": 1}
    before = letter.offset - 1
    return (
        Write(JOBS, key, set={**due, "offset": letter.offset, "pushed": before}, absent=True),
        Write(
            JOBS,
            key,
            set={**due, "pushed": before},
            equals={"state": "done", "pushed": letter.offset, "offset": letter.offset},
        ),
    )
