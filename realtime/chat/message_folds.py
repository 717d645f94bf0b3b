"""What follows from messages and from what is done to them, written beside the log.

Entries are folded late, twice and in any order, and by several nodes at once. So each fold first
writes down that it was here, and then looks at what the message is: of two folds that meet, the one
that looks later sees what the other wrote, and leaves what both come to.
"""

from typing import Final

import msgspec

from realtime.chat import audit
from realtime.chat.amending import PinEvent, ReactionEvent
from realtime.chat.around import Around
from realtime.chat.mentions import Mentions
from realtime.chat.summaries import GONE, Summaries
from realtime.chat.views import user_of
from realtime.model import Entry
from realtime.rows import CHANNELS, EVERYBODY, MENTIONS, PINS, REACTIONS, REFERENCES
from realtime.stores.base import FETCHED_MAX, Removal, Span, Value, Write
from realtime.stores.base.folding import change_of

_read_reaction: Final = msgspec.json.Decoder(ReactionEvent).decode
_read_pin: Final = msgspec.json.Decoder(PinEvent).decode


class MessageFolds:
    """Registers itself with the ledger. Every fold raises StoreError."""

    def __init__(self, around: Around, summaries: Summaries) -> None:
        self._store = around.store
        self._summaries = summaries
        self._mentions = Mentions(around.store)
        around.ledger.on("message", self.message)
        around.ledger.on("edit", self.edit)
        around.ledger.on("delete", self.delete)
        around.ledger.on("reaction", self.reaction)
        around.ledger.on("pin", self.pin)
        around.ledger.on_sweep(summaries.sweep)

    async def message(self, entry: Entry) -> None:
        """A reply counts in its thread, unless it has been deleted; users are mentioned."""
        if entry.ref:
            # Where the delete came first, the row is there, and says so.
            key = (entry.channel, entry.ref, entry.offset)
            initial = {"kind": "message", "user": user_of(entry)}
            await self._store.write([Write(REFERENCES, key, initial=initial)])
            await self._summaries.refresh(entry.channel, entry.ref, by=entry.offset)
        await self._mentions.begin(entry)

    async def edit(self, event: Entry) -> None:
        """The message gets the new data; where it is deleted, the event loses its own."""
        # First, so that a delete either finds this event or is found by it.
        await self._refer(event)
        target = await self._target(event)
        if target is None:
            return
        await self._record(event, target)
        if target.deleted_at:
            await self._store.blank(event.channel, (event.offset,))
            return
        change = change_of(event, target)
        if change is not None:
            await self._store.change([change])
        await self._mentions.follow(target)

    async def delete(self, event: Entry) -> None:
        """Nothing of what was said is left, in the message, in its edits, or beside the log."""
        await self._refer(event)
        target = await self._target(event)
        if target is None:
            return
        change = change_of(event, target)
        if change is not None:
            await self._store.change([change])
        channel, offset = event.channel, event.ref
        writes: list[Write | Removal] = [Removal(PINS, (channel, offset))]
        if target.counts:
            writes.append(Write(MENTIONS, (EVERYBODY, channel, offset)))
            writes.append(Write(CHANNELS, (channel,), highest={"deleted": offset}, present=True))
        if target.kind == "message" and target.ref:
            key = (channel, target.ref, offset)
            writes.append(Write(REFERENCES, key, set={"kind": GONE, "user": user_of(target)}))
        await self._store.write(writes)
        if target.kind == "message" and target.ref:
            await self._summaries.refresh(channel, target.ref, by=event.offset)
        await self._record(event, target)
        await self._blank_edits(channel, offset)
        await self._mentions.follow(target)

    async def reaction(self, event: Entry) -> None:
        """What the user said last with this emoji counts."""
        try:
            said = _read_reaction(event.data)
        except msgspec.DecodeError:
            return  # taken back, or erased: nobody knows any more what it was
        await self._store.write(
            [
                Write(
                    REACTIONS,
                    (event.channel, event.ref, said.emoji, user_of(event)),
                    set={"shown": int(said.shown), "offset": event.offset},
                    below=("offset", event.offset),
                )
            ]
        )
        await self._summaries.refresh(event.channel, event.ref, by=event.offset)

    async def pin(self, event: Entry) -> None:
        """What was said last counts; what is deleted is not pinned."""
        try:
            pinned = _read_pin(event.data).pinned
        except msgspec.DecodeError:
            return
        key = (event.channel, event.ref)
        row: dict[str, Value] = {
            "pinned": int(pinned),
            "by": user_of(event),
            "at": event.at,
            "offset": event.offset,
        }
        await self._store.write([Write(PINS, key, set=row, below=("offset", event.offset))])
        target = await self._target(event)
        if target is None or target.deleted_at:
            await self._store.write([Removal(PINS, key)])
        else:
            await self._summaries.refresh(event.channel, event.ref, by=event.offset)

    async def _refer(self, event: Entry) -> None:
        key = (event.channel, event.ref, event.offset)
        row = {"kind": event.kind, "user": user_of(event)}
        await self._store.write([Write(REFERENCES, key, set=row)])

    async def _target(self, event: Entry) -> Entry | None:
        """The message as it is now; None where retention has taken it."""
        found = await self._store.fetch({event.channel: (event.ref,)})
        return found[0] if found else None

    async def _record(self, event: Entry, target: Entry) -> None:
        """A moderator did it, or an admin, if somebody else had sent the message."""
        if event.sender != target.sender:
            act = f"{event.kind}_message"
            about = user_of(target)
            await audit.record(self._store, event, act, target=about, offset=target.offset)

    async def _blank_edits(self, channel: str, ref: int) -> None:
        """What edits put into the message. Edits that are folded later blank themselves."""
        after = 0
        while True:
            rows = await self._store.find(
                REFERENCES, Span((channel, ref), after=after), limit=FETCHED_MAX
            )
            edits = [row.offset for row in rows if row.kind == "edit"]
            if edits:
                await self._store.blank(channel, edits)
            if len(rows) < FETCHED_MAX:
                return
            after = rows[-1].offset
