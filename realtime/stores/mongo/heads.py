"""How far each channel's log goes, as far as this node knows.

A head that is known was committed by a majority once, so it may be too low but never too high,
and an entry that is inserted behind it leaves no hole. A head that is too low costs an insert
that is refused, for as long as the offset behind it is taken. Retention frees it again, though
never before `DEDUPE_TTL_MS`: so nothing is inserted behind a head that was seen to be the head
longer ago than `TRUST_S`, by far the shorter time; what is left between the two is for clocks of
nodes that differ, and for an insert that is on its way.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from pymongo.errors import BulkWriteError

from realtime.stores.mongo.client import Collection, Database, Document
from realtime.stores.mongo.concurrency import over
from realtime.stores.mongo.failures import DUPLICATE, write_errors, wrote_unconcerned
from realtime.stores.mongo.pace import either
from realtime.stores.mongo.text import escape, key, unescape, unkey

HEADS_MAX: Final = 65_536
"""Channels whose head is remembered, about 200 bytes each."""

TRUST_S: Final = 60.0
"""How long a head is believed to be the head, in seconds, unless an append finds otherwise."""

NAMES_MAX: Final = 500
"""Names in one query."""

_FOLLOWED_MAX: Final = 1_000
"""Offsets that one look after lost races reads, before it asks channel by channel."""


async def read_head(entries: Collection, channel: str) -> int:
    """The channel's highest offset that a majority has, 0 for none."""
    found = (
        await entries.find({"c": escape(channel)}, {"_id": 0, "o": 1})
        # Both fields of the index, so that every server sees that it need not sort.
        .sort([("c", -1), ("o", -1)])
        .limit(1)
        .to_list()
    )
    return int(found[0]["o"]) if found else 0


_CLOCK: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_clock() -> float:
    """Seconds that also pass while the machine sleeps, where the system can tell them."""
    return time.clock_gettime(_CLOCK)


class Heads:
    """The heads of the channels that were written, read or heard of last.

    `clock` is in seconds, never goes back, and goes on while the process is stopped.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = boot_clock) -> None:
        self._database = database
        self.clock = clock
        # The highest offset that is known, and when some offset, not above it, was the head.
        self._known: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def known(self, channel: str) -> int:
        """What is known, 0 if nothing."""
        found = self._known.get(channel)
        return 0 if found is None else found[0]

    def is_fresh(self, channel: str, within_s: float = TRUST_S) -> bool:
        """Whether the channel's head was seen to be that so short a time ago."""
        found = self._known.get(channel)
        return found is not None and self.clock() - found[1] < within_s

    def rise(self, channel: str, offset: int, *, at: float | None = None) -> bool:
        """The offset is known to be committed. Whether it is news of a channel known before.

        `at`: when it was the head, by `clock`, at the latest: whoever read or inserted takes the
        time before that. None: all that is known is that it exists, which makes no head fresher.
        """
        found = self._known.get(channel)
        if found is None:
            if at is not None:
                self._known[channel] = offset, at
                if len(self._known) > HEADS_MAX:
                    self._known.popitem(last=False)
            return False
        known, seen_at = found
        if offset < known:
            return False
        self._known[channel] = offset, seen_at if at is None else max(at, seen_at)
        return offset > known

    async def learn(self, channels: Iterable[str]) -> None:
        """Know the head of each; those that are new get the document that names them.

        The document comes before the first entry, so a channel without one has no entries, and
        whoever walks the names misses none. Raises PyMongoError.
        """
        unknown: list[str] = []
        old: list[str] = []
        begun = self.clock()
        for channel in channels:
            if self.is_fresh(channel):
                self._known.move_to_end(channel)
            else:
                (old if self.known(channel) else unknown).append(channel)
        if unknown or old:
            # One query tells the new ones, which are many at a start, from the others.
            named = await self._named(unknown) if len(unknown) > 1 else unknown
            await over([*named, *old], self._read)
            for channel in unknown:
                self.rise(channel, 0, at=begun)
        await self.name([channel for channel in channels if not self.known(channel)])

    async def catch_up(self, channels: Sequence[str]) -> None:
        """Read how far others have come in these channels. Raises PyMongoError."""
        names = {escape(channel): channel for channel in channels}
        branches: list[Document] = [
            {"c": stored, "o": {"$gt": self.known(channel)}} for stored, channel in names.items()
        ]

        async def query(part: Sequence[Document]) -> None:
            await self._follow([names[branch["c"]] for branch in part], part)

        await self._database.pace.ask(branches, query, most=NAMES_MAX)

    async def _follow(self, channels: Sequence[str], branches: Sequence[Document]) -> None:
        if len(channels) == 1:
            await self._read(channels[0])
            return
        begun = self.clock()
        query = self._database.entries.find(either(branches), {"_id": 0, "c": 1, "o": 1})
        ahead = await query.limit(_FOLLOWED_MAX).batch_size(_FOLLOWED_MAX).to_list()
        if len(ahead) == _FOLLOWED_MAX:
            await over(channels, self._read)
            return
        tops = {channel: self.known(channel) for channel in channels}
        for document in ahead:
            channel = unescape(document["c"])
            tops[channel] = max(tops[channel], int(document["o"]))
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
