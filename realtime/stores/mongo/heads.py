"""How far each channel's log goes, as far as this node knows.

A head that is known was committed by a majority once, so it may be too low but never too high,
and an entry that is inserted behind it leaves no hole. A head that is too low costs an insert
that is refused, for as long as the offset behind it is taken. Retention frees it again, though
never before `DEDUPE_TTL_MS`: so nothing is inserted behind a head that was seen to be the head
longer ago than `TRUST_S`, by far the shorter time; what is left between the two is for clocks of
nodes that differ, and for an insert that is on its way.

A head is an offset and its `n`, since the entry behind it takes both from it. Of an entry that was
heard of without its n nothing is taken: it only says that the head must be read.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from pymongo.errors import BulkWriteError

from realtime.stores.mongo.client import Collection, Database, Document
from realtime.stores.mongo.concurrency import over
from realtime.stores.mongo.failures import DUPLICATE, write_errors, wrote_unconcerned
from realtime.stores.mongo.pace import either
from realtime.stores.mongo.text import escape, key, unescape, unkey

HEADS_MAX: Final = 65_536
"""Channels whose head is remembered, about 300 bytes each."""

TRUST_S: Final = 60.0
"""How long a head is believed to be the head, in seconds, unless an append finds otherwise."""

NAMES_MAX: Final = 500
"""Names in one query."""

_FOLLOWED_MAX: Final = 1_000
"""Offsets that one look after lost races reads, before it asks channel by channel."""


class Head(NamedTuple):
    """A channel's highest entry: its offset, 0 for none, and its n, 0 from an older version."""

    offset: int
    n: int


NO_HEAD: Final = Head(0, 0)
"""That of a channel without entries."""


async def read_head(entries: Collection, channel: str) -> Head:
    """The channel's highest entry that a majority has."""
    found = (
        await entries.find({"c": escape(channel)}, {"_id": 0, "o": 1, "n": 1})
        # Both fields of the index, so that every server sees that it need not sort.
        .sort([("c", -1), ("o", -1)])
        .limit(1)
        .to_list()
    )
    return head_of(found[0]) if found else NO_HEAD


def head_of(document: Document) -> Head:
    """Offset and n of an entry's document."""
    return Head(int(document["o"]), int(document.get("n", 0)))


_CLOCK: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_clock() -> float:
    """Seconds that also pass while the machine sleeps, where the system can tell them."""
    return time.clock_gettime(_CLOCK)


class _Known(NamedTuple):
    """The highest entry whose n is known; when some entry, not above it, was the head; and up to
    where entries have been heard of."""

    head: Head
    seen_at: float
    heard_to: int


class Heads:
    """The heads of the channels that were written, read or heard of last.

    `clock` is in seconds, never goes back, and goes on while the process is stopped.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = boot_clock) -> None:
        self._database = database
        self.clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def known(self, channel: str) -> int:
        """The highest offset that is known to be taken, 0 if nothing is."""
        found = self._known.get(channel)
        return 0 if found is None else max(found.head.offset, found.heard_to)

    def last(self, channel: str) -> Head:
        """The highest entry whose n is known: what an entry may be inserted behind."""
        found = self._known.get(channel)
        return NO_HEAD if found is None else found.head

    def is_fresh(self, channel: str, within_s: float = TRUST_S) -> bool:
        """Whether the channel's head was seen to be that so short a time ago."""
        found = self._known.get(channel)
        return found is not None and self.clock() - found.seen_at < within_s

    def rise(self, channel: str, head: Head, *, at: float | None = None) -> bool:
        """The entry is known to be committed. Whether it is news of a channel known before.

        `at`: when it was the head, by `clock`, at the latest: whoever read or inserted takes the
        time before that. None: all that is known is that it exists, which makes no head fresher.
        """
        found = self._known.get(channel)
        if found is None:
            if at is not None:
                self._keep(channel, _Known(head, at, 0))
            return False
        if head.offset < found.head.offset:
            return False
        is_news = head.offset > self.known(channel)
        if at is None:
            self._known[channel] = found._replace(head=head)
        else:
            # What was heard of meanwhile is forgotten with the rest: it costs a refused insert.
            self._known[channel] = _Known(head, max(at, found.seen_at), 0)
        return is_news

    def hear(self, channel: str, offset: int) -> bool:
        """An entry at the offset, of which no more is known, is committed. Whether it is news."""
        found = self._known.get(channel)
        if found is None or offset <= self.known(channel):
            return False
        self._known[channel] = found._replace(heard_to=offset)
        return True

    def _keep(self, channel: str, known: _Known) -> None:
        self._known[channel] = known
        if len(self._known) > HEADS_MAX:
            self._known.popitem(last=False)

    async def learn(self, channels: Iterable[str]) -> None:
        """Know the head of each; those that are new get the document that names them.

        The document comes before the first entry, so a channel without one has no entries, and
        whoever walks the names misses none. Raises PyMongoError.
        """
        unknown: list[str] = []
        old: list[str] = []
        begun = self.clock()
        for channel in channels:
            if self.is_fresh(channel) and self.last(channel).offset == self.known(channel):
                self._known.move_to_end(channel)
            else:
                (old if self.known(channel) else unknown).append(channel)
        if unknown or old:
            # One query tells the new ones, which are many at a start, from the others.
            named = await self._named(unknown) if len(unknown) > 1 else unknown
            await over([*named, *old], self._read)
            for channel in unknown:
                self.rise(channel, NO_HEAD, at=begun)
        await self.name([channel for channel in channels if not self.known(channel)])

    async def catch_up(self, channels: Sequence[str]) -> None:
        """Read how far others have come in these channels. Raises PyMongoError."""
        names = {escape(channel): channel for channel in channels}
        branches: list[Document] = [
            {"c": stored, "o": {"$gt": self.last(channel).offset}}
            for stored, channel in names.items()
        ]

        async def query(part: Sequence[Document]) -> None:
            await self._follow([names[branch["c"]] for branch in part], part)

        await self._database.pace.ask(branches, query, most=NAMES_MAX)

    async def _follow(self, channels: Sequence[str], branches: Sequence[Document]) -> None:
        if len(channels) == 1:
            await self._read(channels[0])
            return
        begun = self.clock()
        fields = {"_id": 0, "c": 1, "o": 1, "n": 1}
        query = self._database.entries.find(either(branches), fields)
        ahead = await query.limit(_FOLLOWED_MAX).batch_size(_FOLLOWED_MAX).to_list()
        if len(ahead) == _FOLLOWED_MAX:
            await over(channels, self._read)
            return
        tops = {channel: self.last(channel) for channel in channels}
        for document in ahead:
            channel = unescape(document["c"])
            tops[channel] = max(tops[channel], head_of(document))
        for channel, top in tops.items():
            self.rise(channel, top, at=begun)

    async def name(self, channels: Sequence[str]) -> None:
        """Make the documents that name these channels, where they are not there yet."""
        if not channels:
            return
        documents: list[Document] = [{"_id": key(name), "blanked_to": 0} for name in channels]
        try:
            await self._database.channels.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            refused = [item for item in write_errors(error) if item.get("code") != DUPLICATE]
            if refused or wrote_unconcerned(error):
                raise

    async def _named(self, channels: Sequence[str]) -> list[str]:
        keys = [key(channel) for channel in channels]
        chunks = [keys[start : start + NAMES_MAX] for start in range(0, len(keys), NAMES_MAX)]

        async def ask(chunk: list[str]) -> list[Document]:
            query = self._database.channels.find({"_id": {"$in": chunk}}, {"_id": 1})
            return await query.batch_size(NAMES_MAX + 1).to_list()

        return [unkey(document["_id"]) for found in await over(chunks, ask) for document in found]

    async def _read(self, channel: str) -> None:
        begun = self.clock()
        self.rise(channel, await read_head(self._database.entries, channel), at=begun)
