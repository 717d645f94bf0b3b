"""Who is mentioned where: rows that say what the messages say.

A message may be edited on one node while the rows of its first version are being written on
another. So whoever writes rows looks at the message again afterwards: the last to write has seen
what it came to.
"""

from typing import Final

import msgspec

from realtime.chat.ports import ChatStore
from realtime.chat.refusals import invalid
from realtime.chat.standing import standing_of
from realtime.chat.views import mentions_of, user_of
from realtime.errors import StoreUnavailable
from realtime.model import Entry
from realtime.rows import EVERYBODY, MEMBERS, MENTIONS
from realtime.stores.base import Removal, Span, Write

TRIES_MAX: Final = 10
"""How often the rows of one message are written because it has changed meanwhile."""

ROWS_MAX: Final = 500
"""Rows of one message that are looked at: those of several edits that crossed one another."""

_encode: Final = msgspec.json.Encoder().encode


class Mentions:
    """Checks who is mentioned, and keeps the rows."""

    def __init__(self, store: ChatStore) -> None:
        self._store = store

    async def check(self, channel: str, mentions: tuple[str, ...]) -> None:
        """Whether all of these are members now, in one read.

        Raises CallRefused (422, `mentions[i]` for the first who is not), and StoreError.
        """
        if not mentions:
            return
        rows = await self._store.get(MEMBERS, [(channel, user) for user in dict.fromkeys(mentions)])
        members = {row.user for row in rows if standing_of(row).is_member}
        for index, user in enumerate(mentions):
            if user not in members:
                raise invalid(f"mentions[{index}]")

    async def begin(self, entry: Entry) -> None:
        """Write the rows of a message, which was appended just now as a rule. Raises StoreError."""
        if entry.changed:
            await self.follow(entry)
            return
        if not entry.tags or "mentions" not in entry.tags:
            return
        await self._write(entry, frozenset())
        now = await self._fetch(entry.channel, entry.offset)
        if now is not None and now.changed != entry.changed:
            await self.follow(now)

    async def follow(self, entry: Entry) -> None:
        """Have the rows say what the message says now, `entry` or later. Raises StoreError."""
        for _ in range(TRIES_MAX):
            rows = await self._store.find(
                MENTIONS,
                Span((entry.channel, entry.offset)),
                by=("channel", "offset"),
                limit=ROWS_MAX,
            )
            await self._write(entry, frozenset(row.user for row in rows if row.user != EVERYBODY))
            now = await self._fetch(entry.channel, entry.offset)
            if now is None or now.changed == entry.changed:
                return
            entry = now
        raise StoreUnavailable(
            f"a message was changed {TRIES_MAX} times while its rows were written"
        )

    async def _write(self, entry: Entry, there: frozenset[str]) -> None:
        wanted = frozenset(mentions_of(entry))
        place = (entry.channel, entry.offset)
        by = user_of(entry)
        writes: list[Write | Removal] = [
            Write(MENTIONS, (user, *place), set={"by": by}) for user in wanted - there
        ]
        writes += [Removal(MENTIONS, (user, *place)) for user in there - wanted]
        if writes:
            await self._store.write(writes)

    async def _fetch(self, channel: str, offset: int) -> Entry | None:
        found = await self._store.fetch({channel: (offset,)}, stubs=True)
        return found[0] if found else None


def mention_tag(mentions: tuple[str, ...]) -> dict[str, str]:
    """The tag of a message, or an edit, that mentions these; without repeats."""
    if not mentions:
        return {}
    return {"mentions": _encode(list(dict.fromkeys(mentions))).decode()}
