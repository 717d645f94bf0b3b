"""How far each channel's log is, and its last message, kept in a row beside the log.

The row is raised by the node that has appended, once or twice a second for each channel at most, in
the background: so a send costs one entry and nothing else. Until then `LogStore.missed` tells the
rest, and where a node dies in between it goes on doing so. What one sends moves one's own read
marker, and is written in the same way, but always before the head that has it: whoever reads rows
while this writes may miss what is new, but does not find a head without the marker.

A preview in the row is not to outlive its message. An edit or a delete writes the row at once, and
under a condition: then what another node may still be about to write of the message as it was is
refused, as the row has that message already.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

import msgspec

from realtime.chat import previews
from realtime.chat.around import Around
from realtime.chat.floors import floor_of_page
from realtime.chat.ports import ChatStore
from realtime.chat.previews import Preview, preview_of
from realtime.chat.views import user_of
from realtime.cluster.outage import Outage
from realtime.errors import CommandRefused, StoreError
from realtime.model import EVERYTHING, Entry
from realtime.push.looking_again import clear_due, clear_early
from realtime.rows import CHANNELS, MEMBERS
from realtime.stores.base import WRITES_MAX, Value, Write

logger = logging.getLogger(__name__)

ROUND_S: Final = 1.0
"""Between two rounds of writing, in seconds."""

NOTED_MAX: Final = 50_000
"""Channels, and senders in them, that a round may have. What is more is left to `missed`."""

CALL_TIMEOUT_S: Final = 10.0
"""How long one write may take."""

FOR_GOOD: Final = 1 << 62
"""`ChannelRow.last_by` of a preview that no later edit changes: its message was deleted."""

_Item = TypeVar("_Item")


class _Note(msgspec.Struct):
    """The newest entry of a channel that this node has appended, and the newest message."""

    head: int
    n: int
    at: int
    last: Preview | None


class Heads:
    """Notes what is appended here, and writes it in rounds. `run` must be running for that.

    Folds edits and deletes for the preview, beside whoever folds them for the message.
    """

    def __init__(self, around: Around) -> None:
        self._store = around.store
        self._stage = around.stage
        self._clock = around.clock
        # What was noted since the last round, and what the last round has left to ripen.
        self._noted: dict[str, _Note] = {}
        self._ripe: dict[str, _Note] = {}
        self._sent: dict[tuple[str, str], tuple[int, int]] = {}
        self._wanted = asyncio.Event()
        self._outage = Outage(logger, "writing heads")
        self.dropped = 0
        """Notes for which there was no room."""
        around.ledger.on("edit", self.fold)
        around.ledger.on("delete", self.fold)

    def __len__(self) -> int:
        """Channels and senders that are still to be written."""
        return len(self._noted) + len(self._ripe) + len(self._sent)

    def committed(self, entry: Entry, last: Preview | None) -> None:
        """This node has appended an entry to a chat channel; `last` if it is a message that counts.

        Never waits.
        """
        self.note(entry.channel, entry.offset, entry.n, entry.at, last)
        if last is not None:
            self.sent(entry)

    def sent(self, entry: Entry) -> None:
        """This node has appended a message that counts: its sender has read all up to it.

        To be called before `committed` with the same or a later one. Never waits.
        """
        user = user_of(entry)
        if user:
            key = (entry.channel, user)
            before = self._sent.get(key)
            if before is None and len(self._sent) >= NOTED_MAX:
                self.dropped += 1
            elif before is None or before[0] < entry.offset:
                self._sent[key] = (entry.offset, entry.n)

    def note(self, channel: str, head: int, n: int, at: int, last: Preview | None) -> None:
        """A channel's log has reached `head`, whoever has found out. Never waits."""
        note = self._noted.get(channel)
        if note is None:
            if len(self._noted) >= NOTED_MAX:
                self.dropped += 1
                return
            self._noted[channel] = _Note(head, n, at, last)
            self._wanted.set()
            return
        if head > note.head:
            note.head, note.n, note.at = head, n, at
        if last is not None and (note.last is None or last.offset > note.last.offset):
            note.last = last

    # What edits and deletes make of a preview, and of a number.

    async def fold(self, event: Entry) -> None:
        """Have the rows say what an edit or a delete has made of its message. Raises StoreError."""
        await self.revised(event.channel, event.ref)

    async def revised(self, channel: str, offset: int) -> None:
        """See `revise`."""
        await revise(self._store, channel, offset)

    async def truncated(self, channel: str) -> None:
        """The log was emptied: its messages are shown nowhere. Idempotent. Raises StoreError."""
        page = await self._store.read(channel, limit=1, retention=EVERYTHING, now_ms=0)
        floor = floor_of_page(page)
        await _put_last(self._store, channel, floor.offset, b"", FOR_GOOD)
        hidden = {"hidden": floor.offset, "hidden_n": floor.n, "changed_at": self._clock.wall_ms()}
        await self._store.write([Write(CHANNELS, (channel,), highest=hidden, present=True)])

    # Writing.

    async def run(self) -> None:
        """Write for ever. Hosted by a task group; may be cancelled anywhere, see `flush`."""
        while True:
            if not len(self):
                self._wanted.clear()
                await self._wanted.wait()
            await asyncio.sleep(ROUND_S)
            try:
                await self.round()
            except (StoreError, TimeoutError) as error:
                self._outage.failed(error)
            else:
                self._outage.ended()

    async def round(self) -> None:
        """Write what was sent, and the heads that were noted before the last round.

        So heads are a second old when they are written, and what follows from their entries has
        been folded, as a rule. Raises StoreError or TimeoutError; then nothing is forgotten.
        """
        await self._write_sent()
        await self._write_heads(self._ripe)
        self._ripe, self._noted = self._noted, {}

    async def flush(self) -> None:
        """Write everything that was noted until now. Raises StoreError or TimeoutError."""
        await self.round()
        await self.round()

    async def finish(self, timeout_s: float) -> None:
        """`flush` at the end, if the store takes it in time; else the log goes on telling."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.flush()
        except (StoreError, TimeoutError) as error:
            self._outage.failed(error)

    async def _write_sent(self) -> None:
        now_ms = self._clock.wall_ms()
        sent = list(self._sent.items())
        for page in _pages(sent):
            writes = [
                Write(
                    MEMBERS,
                    key,
                    highest={
                        "delivered": offset,
                        "delivered_n": n,
                        "read": offset,
                        "read_n": n,
                        "changed_at": now_ms,
                    },
                    present=True,
                )
                for key, (offset, n) in page
            ]
            # Who answers on one device has read what the others show.
            writes += [
                clear(user, channel, offset, now_ms)
                for clear in (clear_due, clear_early)
                for (channel, user), (offset, _) in page
                if self._pushes(channel)
            ]
            await self._write(writes)
            for key, place in page:
                if self._sent.get(key) == place:
                    del self._sent[key]

    def _pushes(self, channel: str) -> bool:
        try:
            return bool(self._stage.options(channel).push)
        except CommandRefused:
            return False  # of a namespace that is no more

    async def _write_heads(self, notes: dict[str, _Note]) -> None:
        now_ms = self._clock.wall_ms()
        for page in _pages(list(notes.items())):
            await self._write(_head_writes(page, now_ms))
            for channel, _ in page:
                del notes[channel]

    async def _write(self, writes: Sequence[Write]) -> None:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            await self._store.write(writes)


async def revise(store: ChatStore, channel: str, offset: int) -> None:
    """Have the preview be of what a message is now that it was changed, or taken back. Idempotent.

    To be called once the event is in the log, whether it has been carried out or not. Raises
    StoreError.
    """
    found = await store.fetch({channel: (offset,)}, stubs=True)
    if found and found[0].kind == "message" and found[0].counts:
        await write_preview(store, found[0])


async def write_preview(store: ChatStore, entry: Entry) -> None:
    """Have the preview be of a message as it was read. Raises StoreError.

    Nothing happens where a later version of it is there already, or a later message.
    """
    is_gone = entry.deleted_at != 0 or entry.stub
    by = FOR_GOOD if is_gone else max(entry.changed, entry.offset)
    last = previews.written(preview_of(entry))
    await _put_last(store, entry.channel, entry.offset, last, by)


async def _put_last(store: ChatStore, channel: str, offset: int, last: bytes, by: int) -> None:
    fields: dict[str, Value] = {"last": last, "last_by": by}
    newest: dict[str, Value] = {"last_offset": offset}
    # In this order: whoever writes the message as it was in between is undone by the second.
    if not await store.decide(
        Write(CHANNELS, (channel,), set=fields | newest, below=("last_offset", offset))
    ):
        await store.write(
            [Write(CHANNELS, (channel,), set=fields, equals=newest, below=("last_by", by))]
        )


def _head_writes(notes: Sequence[tuple[str, _Note]], now_ms: int) -> list[Write]:
    """Previews first, for whoever reads rows in between reads the log from the head on. Those of
    one form stand together, for a store does them together."""
    lasts = [
        Write(
            CHANNELS,
            (channel,),
            set={
                "last": previews.written(note.last),
                "last_offset": note.last.offset,
                "last_by": note.last.offset,
            },
            below=("last_offset", note.last.offset),
        )
        for channel, note in notes
        if note.last is not None
    ]
    heads = [
        Write(
            CHANNELS,
            (channel,),
            set={"head": note.head, "head_n": note.n, "head_at": note.at},
            highest={"changed_at": now_ms},
            below=("head", note.head),
        )
        for channel, note in notes
    ]
    return lasts + heads


def _pages(items: list[_Item]) -> Iterable[list[_Item]]:
    """As many as go into one call, with three writes for each."""
    third = WRITES_MAX // 3
    return (items[start : start + third] for start in range(0, len(items), third))
