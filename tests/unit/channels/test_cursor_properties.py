"""Whatever the bus does to entries, each is delivered once and in order; memory stays bounded."""

from typing import Final
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from realtime.channels import cursor as module
from realtime.channels.cursor import ENTRY_BYTES, Cursor, TailBudget
from realtime.model import Entry, Retention

SIZES: Final = st.integers(0, 400)


def weight(entry: Entry) -> int:
    return len(entry.data) + ENTRY_BYTES


def kept(cursor: Cursor) -> list[Entry]:
    """What a cursor has in memory."""
    return [*(cursor._tail or ()), *(cursor._held or {}).values()]


class LossyBus(RuleBasedStateMachine):
    """Two channels of one node, their store, and a bus that loses, repeats and reorders.

    Limits are small, so that they are reached. `delivered` is what subscribers have seen.
    """

    @initialize(begin=st.integers(0, 3), limit=st.sampled_from([0, 2_000, 5_000, 1 << 30]))
    def open(self, begin: int, limit: int) -> None:
        self.patches = [
            mock.patch.object(module, "HELD_MAX", 4),
            mock.patch.object(module, "TAIL_ENTRIES_MAX", 5),
            mock.patch.object(module, "TAIL_BYTES_MAX", 2_400),
        ]
        for patch in self.patches:
            patch.start()
        self.budget = TailBudget(limit)
        self.logs: list[list[Entry]] = [[], []]
        for _ in range(begin):
            self.append(0, 10)
        self.cursors = [Cursor(begin, self.budget), Cursor(0, self.budget)]
        self.begins = [begin, 0]
        self.delivered: list[list[Entry]] = [[], []]

    def teardown(self) -> None:
        for patch in getattr(self, "patches", ()):
            patch.stop()

    def append(self, channel: int, size: int) -> Entry:
        log = self.logs[channel]
        log.append(Entry(str(channel), len(log) + 1, b"x" * size, len(log)))
        return log[-1]

    def fill(self, channel: int, stop: int | None = None) -> None:
        cursor = self.cursors[channel]
        page = self.logs[channel][cursor.position : stop]
        self.delivered[channel] += cursor.fill(page)

    @rule(channel=st.integers(0, 1), size=SIZES)
    def commit_here(self, channel: int, size: int) -> None:
        entry = self.append(channel, size)
        self.delivered[channel] += self.cursors[channel].offer(entry)

    @rule(channel=st.integers(0, 1), size=SIZES)
    def commit_elsewhere(self, channel: int, size: int) -> None:
        self.append(channel, size)

    @rule(channel=st.integers(0, 1), data=st.data())
    def bus_brings_any_entry(self, channel: int, data: st.DataObject) -> None:
        log = self.logs[channel]
        if log:
            back = data.draw(st.integers(0, len(log) - 1))
            entry = log[len(log) - 1 - back]
            self.delivered[channel] += self.cursors[channel].offer(entry)

    @rule(channel=st.integers(0, 1))
    def head_is_heard_of(self, channel: int) -> None:
        self.cursors[channel].heard(len(self.logs[channel]))

    @rule(channel=st.integers(0, 1), slice_=st.integers(1, 3))
    def store_answers_in_part(self, channel: int, slice_: int) -> None:
        self.fill(channel, self.cursors[channel].position + slice_)

    @rule(channel=st.integers(0, 1), behind=st.integers(0, 3))
    def store_answers_late(self, channel: int, behind: int) -> None:
        """The read began earlier, so its page begins with what came meanwhile."""
        cursor = self.cursors[channel]
        page = self.logs[channel][max(0, cursor.position - behind) :]
        self.delivered[channel] += cursor.fill(page)

    @rule(channel=st.integers(0, 1), late=st.integers(0, 4), size=st.integers(0, 9))
    def what_the_store_showed_is_kept(self, channel: int, late: int, size: int) -> None:
        """The read may have begun some entries ago."""
        log = self.logs[channel]
        head = max(0, len(log) - late)
        self.cursors[channel].recall(log[max(0, head - size) : head], head)

    @rule(channel=st.integers(0, 1))
    def history_is_removed(self, channel: int) -> None:
        self.cursors[channel].forget_tail()

    @rule(channel=st.integers(0, 1))
    def a_gap_is_admitted(self, channel: int) -> None:
        """Subscribers are told, and begin anew from the head."""
        cursor, head = self.cursors[channel], len(self.logs[channel])
        if cursor.gap:
            cursor.skip(head)
            self.begins[channel] = head
            self.delivered[channel] = []

    @invariant()
    def subscribers_saw_each_entry_once_and_in_order(self) -> None:
        for log, cursor, begin, delivered in zip(
            self.logs, self.cursors, self.begins, self.delivered, strict=True
        ):
            assert delivered == log[begin : cursor.position]
            assert cursor.known >= cursor.position
            assert cursor.gap is (cursor.known > cursor.position)

    @invariant()
    def the_tail_never_tells_anything_but_the_log(self) -> None:
        for log, cursor in zip(self.logs, self.cursors, strict=True):
            for offset in range(max(0, cursor.position - 7), cursor.position + 2):
                found = cursor.since(offset, Retention(-1, 0), 0)
                assert found is None or found == log[offset : cursor.position]

    @invariant()
    def memory_is_bounded_and_accounted_for(self) -> None:
        for cursor in self.cursors:
            assert sum(map(weight, kept(cursor))) <= 2_400
            assert len(cursor._tail or ()) <= 5
            assert len(cursor._held or ()) <= 4
        assert self.budget.used == sum(weight(item) for one in self.cursors for item in kept(one))
        assert self.budget.used <= self.budget.limit

    @rule()
    def a_full_answer_of_the_store_leaves_nothing_missing(self) -> None:
        for channel in (0, 1):
            self.fill(channel)
            assert self.cursors[channel].position == len(self.logs[channel])
            assert not self.cursors[channel].gap

    @rule()
    def closing_gives_everything_back(self) -> None:
        for cursor in self.cursors:
            cursor.forget_tail()
        assert self.budget.used == 0


TestLossyBus = LossyBus.TestCase
TestLossyBus.settings = settings(max_examples=150, stateful_step_count=40)


@given(
    st.lists(st.integers(0, 1_000), min_size=1, max_size=12),
    st.integers(-1, 6),
    st.integers(0, 600),
    st.data(),
)
def test_the_tail_tells_all_that_may_be_seen_or_nothing(
    times: list[int], size: int, ttl_ms: int, data: st.DataObject
) -> None:
    """Times are in no order: entries come from nodes with clocks of their own."""
    cursor = Cursor(0, TailBudget(1 << 30))
    log = [Entry("a", number, b"1", at) for number, at in enumerate(times, start=1)]
    for entry in log:
        cursor.offer(entry)
    offset = data.draw(st.integers(0, len(log)))
    retention, now_ms = Retention(size, ttl_ms), 1_000
    hidden = [
        item.offset for item in log if retention.hides(item.offset, item.at, len(log), now_ms)
    ]
    found = cursor.since(offset, retention, now_ms)
    if any(number > offset for number in hidden):
        assert found is None
    else:
        assert found == log[offset:]
