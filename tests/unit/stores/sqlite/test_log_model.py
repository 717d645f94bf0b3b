"""The log against a naive model of it: whatever is done, in any order, both say the same."""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from realtime.model import Entry, NewEntry, Retention
from realtime.stores.base import DEDUPE_TTL_MS, Appended, Conflict
from realtime.stores.sqlite import SQLiteStore
from tests.support.log_entries import NOW

CHANNELS = ("a", "a\x00b", "b%", "😀")

channels = st.sampled_from(CHANNELS)
offsets = st.integers(0, 12)
retentions = st.builds(
    Retention,
    st.integers(-1, 6),
    st.sampled_from([0, 0, 1, 50, 1000, DEDUPE_TTL_MS, 2 * DEDUPE_TTL_MS]),
)
batches = st.lists(
    st.tuples(
        channels,
        st.sampled_from(["user:ann", "user:bob", ""]),
        st.sampled_from(["1", "2", "3", "4", "5", "6", "7", "8", "%", "\x00"]),
        st.sampled_from([b"", b"x"]),
        st.integers(-40, 40),
        st.booleans(),
    ),
    max_size=8,
)


@dataclass
class Row:
    """What the model remembers of an entry. `blank`: a stub that a sweep need not look at. `waits`:
    people are to be told of it."""

    entry: NewEntry
    offset: int
    stub: bool = False
    blank: bool = False
    waits: bool = False

    def shown(self) -> Entry:
        entry = self.entry
        return Entry(
            channel=entry.channel,
            offset=self.offset,
            data=b"" if self.stub else entry.data,
            at=entry.at,
            sender=entry.sender,
            client_id=entry.client_id,
            digest=entry.digest,
            tags=None if self.stub else entry.tags,
            stub=self.stub,
            notify=self.waits and not self.stub,
        )


@dataclass
class Log:
    """One channel: what is left of it, oldest first, and its head."""

    rows: list[Row] = field(default_factory=list)
    head: int = 0

    def append(self, entry: NewEntry) -> Appended | Conflict:
        for row in self.rows if entry.digest else ():
            key = (row.entry.sender, row.entry.client_id)
            if row.entry.digest and key == (entry.sender, entry.client_id):
                if row.entry.digest != entry.digest:
                    return Conflict(row.offset)
                return Appended(row.offset, row.entry.at, duplicate=True)
        self.head += 1
        self.rows.append(Row(entry, self.head, waits=entry.notify))
        return Appended(self.head, entry.at)

    def sweep(self, retention: Retention, now_ms: int, room: int) -> int:
        """Take from the oldest on what is hidden, up to the first that may be seen."""
        changed = 0
        for row in list(self.rows):
            hidden = retention.hides(row.offset, row.entry.at, self.head, now_ms)
            if not row.stub and not hidden:
                break
            old = now_ms - row.entry.at >= DEDUPE_TTL_MS
            goes = row.offset < self.head and old
            if changed == room:
                break
            if row.waits and not old:
                continue
            if goes:
                self.rows.remove(row)
            elif row.blank:
                continue
            row.stub = row.blank = True
            row.waits = False
            changed += 1
        return changed


class LogMachine(RuleBasedStateMachine):
    """Does to a store and to the model what hypothesis thinks of."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.logs = {channel: Log() for channel in CHANNELS}
        self.now = NOW
        self.folder = tempfile.TemporaryDirectory()
        self.store = self.make_store()
        self.runner.run(self.store.open())

    def make_store(self) -> SQLiteStore:
        return SQLiteStore(":memory:")

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    def entries(self, batch: Sequence[tuple[str, str, str, bytes, int, bool]]) -> list[NewEntry]:
        return [
            NewEntry(
                channel,
                sender,
                client_id,
                b"%s %d" % (client_id.encode(), self.now),
                self.now + jitter,
                digest=digest,
                tags={"a": "b"} if jitter > 0 else None,
                notify=notify,
            )
            for channel, sender, client_id, digest, jitter, notify in batch
        ]

    @rule(batch=batches)
    def append(self, batch: Sequence[Any]) -> None:
        entries = self.entries(batch)
        answers = self.runner.run(self.store.append(entries))
        assert list(answers) == [self.logs[entry.channel].append(entry) for entry in entries]

    @rule(first=batches, second=batches)
    def append_at_once(self, first: Sequence[Any], second: Sequence[Any]) -> None:
        calls = [self.entries(first), self.entries(second)]

        async def both() -> list[Sequence[Appended | Conflict]]:
            return await asyncio.gather(*[self.store.append(call) for call in calls])

        expected = [[self.logs[entry.channel].append(entry) for entry in call] for call in calls]
        assert [list(answers) for answers in self.runner.run(both())] == expected

    @rule(
        channel=channels,
        after=offsets,
        before=offsets,
        limit=st.integers(0, 8),
        newest_first=st.booleans(),
        retention=retentions,
    )
    def read(
        self,
        channel: str,
        after: int,
        before: int,
        limit: int,
        newest_first: bool,
        retention: Retention,
    ) -> None:
        page = self.runner.run(
            self.store.read(
                channel,
                after=after,
                before=before,
                limit=limit,
                newest_first=newest_first,
                retention=retention,
                now_ms=self.now,
            )
        )
        log = self.logs[channel]
        rows = [
            row.shown()
            for row in log.rows
            if not row.stub
            and row.offset > after
            and (before == 0 or row.offset < before)
            and not retention.hides(row.offset, row.entry.at, log.head, self.now)
        ]
        assert list(page.entries) == (rows[::-1] if newest_first else rows)[:limit]
        assert page.head == log.head

    @rule(positions=st.dictionaries(channels, offsets), limit=st.integers(1, 20))
    def missed(self, positions: Mapping[str, int], limit: int) -> None:
        found = self.runner.run(self.store.missed(positions, limit=limit))
        rows = [
            row.shown()
            for channel in sorted(positions)
            for row in self.logs[channel].rows
            if row.offset > positions[channel]
        ]
        assert list(found) == rows[:limit]

    @rule(
        rules=st.fixed_dictionaries(dict.fromkeys(CHANNELS, retentions)),
        limit=st.integers(1, 10),
        slices=st.integers(1, 6),
    )
    def sweep(self, rules: Mapping[str, Retention], limit: int, slices: int) -> None:
        after: str | None = ""
        for _ in range(slices):
            if after is None:
                break
            swept = self.runner.run(
                self.store.sweep(rules.__getitem__, now_ms=self.now, after=after, limit=limit)
            )
            room = limit
            for channel in sorted(CHANNELS):
                if channel > after and room:
                    room -= self.logs[channel].sweep(rules[channel], self.now, room)
            assert swept.changed == limit - room
            after = swept.next_channel

    @rule(channel=channels)
    def truncate(self, channel: str) -> None:
        self.runner.run(self.store.truncate(channel))
        for row in self.logs[channel].rows:
            row.stub = True

    @rule(
        marks=st.dictionaries(channels, st.lists(offsets, max_size=6)),
        after=st.integers(-60, 60),
        limit=st.integers(0, 8),
    )
    def notified(self, marks: Mapping[str, Sequence[int]], after: int, limit: int) -> None:
        self.runner.run(self.store.notified(marks))
        for channel, named in marks.items():
            for row in self.logs[channel].rows:
                row.waits &= row.offset not in named
        after_ms = self.now + after
        found = self.runner.run(self.store.notifiable(after_ms=after_ms, limit=limit))
        rows = [row for row in self.waiting() if row.entry.at > after_ms]
        assert [entry.at for entry in found] == [row.entry.at for row in rows][:limit]

    @rule(forward=st.sampled_from([1, 60, 1000, DEDUPE_TTL_MS // 2, 3 * DEDUPE_TTL_MS]))
    def wait(self, forward: int) -> None:
        self.now += forward

    def waiting(self) -> list[Row]:
        rows = [row for log in self.logs.values() for row in log.rows if row.waits]
        return sorted(rows, key=lambda row: row.entry.at)

    @invariant()
    def who_waits_is_found(self) -> None:
        found = self.runner.run(self.store.notifiable(limit=1_000))
        waiting = self.waiting()
        assert [entry.at for entry in found] == [row.entry.at for row in waiting]
        told = {(entry.channel, entry.offset): entry for entry in found}
        assert told == {(row.entry.channel, row.offset): row.shown() for row in waiting}

    @invariant()
    def no_head_moves_back(self) -> None:
        for channel, log in self.logs.items():
            page = self.runner.run(
                self.store.read(channel, limit=0, retention=Retention(0, 0), now_ms=self.now)
            )
            assert page.head == log.head


class FileLogMachine(LogMachine):
    """The same over a file with threads that read, and which is closed and opened again."""

    def make_store(self) -> SQLiteStore:
        return SQLiteStore(str(Path(self.folder.name) / "store.db"))

    @rule()
    def reopen(self) -> None:
        epoch = self.store.epoch
        self.runner.run(self.store.close())
        self.store = self.make_store()
        self.runner.run(self.store.open())
        assert self.store.epoch == epoch


TestLogInMemory = LogMachine.TestCase
TestLogInMemory.settings = settings(max_examples=40, stateful_step_count=30)

TestLogInFile = FileLogMachine.TestCase
TestLogInFile.settings = settings(max_examples=10, stateful_step_count=20)
