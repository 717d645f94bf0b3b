"""What is changed in a log after it was written, and how that is found. See `realtime.stores.base`.

Every read, those of `LogStore` too, shows the present truth: what edits and deletes that still wait
make of the entries it answers is folded in (`realtime.stores.base.folding`), whether somebody has
carried it out with `change` yet or not.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

from realtime.model import Change, Entry

FETCHED_MAX: Final = 1_000
"""The most entries that one `fetch` may ask for, and offsets that one of the others may name."""


class ChangeStore(Protocol):
    """Finds entries one by one, and carries out what became of them."""

    async def fetch(
        self, wanted: Mapping[str, Collection[int]], *, stubs: bool = False
    ) -> Sequence[Entry]:
        """The entries at these offsets of these channels, sorted by channel, then offset.

        One read, of at most FETCHED_MAX entries (else ValueError). What is not there is left out,
        and so are stubs, unless asked for. Retention is not looked at: the caller knows the head.
        """
        ...

    async def find_sent(self, channel: str, sender: str, client_id: str) -> Entry | None:
        """The entry with a digest that has this key, a stub too; None where there is none."""
        ...

    async def sent_by(
        self, channel: str, sender: str, *, after: int, limit: int, stubs: bool = False
    ) -> Sequence[Entry]:
        """Entries of one sender with offset > after, in order; stubs only if they are asked for."""
        ...

    async def pending(
        self, *, channel: str | None = None, before_ms: int, limit: int
    ) -> Sequence[Entry]:
        """Entries that wait for `settle`, of one channel or all, made (`at`) before `before_ms`.

        Sorted by channel, then offset. Found by an index, so that asking costs nothing where
        nothing waits.
        """
        ...

    async def change(self, changes: Sequence[Change]) -> Sequence[bool]:
        """Carry these out, each by itself; answers which were. See `Change` for when one is not."""
        ...

    async def rewrite(
        self,
        channel: str,
        offset: int,
        *,
        data: bytes,
        tags: dict[str, str] | None,
        changed: int,
    ) -> bool:
        """Put other data and tags on an entry that is as it was read (`Entry.changed`), not deleted
        and no stub; answers whether it was. For what no event says: later edits apply as before.
        """
        ...

    async def summarise(self, channel: str, offset: int, summary: bytes, *, by: int) -> bool:
        """Put `summary` on an entry unless one made of later events is there.

        `by` grows with the events that it is made of: `realtime.chat.summaries` adds them up. Equal
        `by` replaces. Nothing happens to an entry that is deleted or is not there: False.
        """
        ...

    async def blank(self, channel: str, offsets: Collection[int]) -> None:
        """Empty the data of these entries (b"{}") and drop their tags but `folding.KEPT_TAGS`.

        For events whose text must not survive the delete of their message. Idempotent.
        """
        ...

    async def disown(self, channel: str, offsets: Collection[int]) -> None:
        """Blank these entries and take from them who made them: sender, client id, digest, info.

        The tag `client_id` goes too, and the summary; nobody is told of them any more. Offset, n,
        kind, ref and `at` stay. The key that is left is one of the store's own making and will not
        be found again. `deleted_at` is set where it was 0, to the entry's own `at`. Idempotent.
        """
        ...

    async def settle(self, channel: str, offsets: Collection[int]) -> None:
        """What had to follow from these entries has: they are not pending any more. Idempotent."""
        ...

    async def notifiable(
        self, *, after_ms: int = 0, before_ms: int = 0, limit: int
    ) -> Sequence[Entry]:
        """Entries that wait for `notified`, of all channels, at most `limit`: the oldest first.

        Oldest by `at`; those of one millisecond are in no order. `after_ms` and `before_ms` leave
        out those made at that time and before, or after; 0 is no bound. Who goes on from the `at`
        of the last entry may miss others of that millisecond until the next look without a bound.
        Found by an index, so that asking costs nothing where nothing waits.

        One read, of what is there now, as any read shows it: an edit or a delete may have changed
        it. What a truncate has taken, or retention hides, may still come, perhaps as a stub
        (`notify` False): `notified` takes it away like the others. What is swept does not come.
        """
        ...

    async def notified(self, marks: Mapping[str, Collection[int]]) -> None:
        """What tells people of the entries at these offsets of these channels is on its way, or
        nobody is to be told: they wait no more.

        One write, of at most FETCHED_MAX entries (else ValueError). Idempotent; what does not wait
        or is not there is left alone. When it raises, any of them may wait still: so whoever calls
        it makes sure beforehand that doing the same once more does no harm.
        """
        ...

    async def scrub(self) -> None:
        """Make sure that what was blanked, changed or removed is not left in files of the store.

        May take long; others can work meanwhile. For a store on a server that is the server's
        business, and nothing is done.
        """
        ...
