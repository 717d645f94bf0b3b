"""The contract of a store, for every driver: finding entries one by one, as they are now."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.model import Entry, NewEntry
from realtime.stores.base import FETCHED_MAX
from realtime.stores.base.folding import change_of
from tests.contract.test_stores import HOSTILE
from tests.support.log_entries import (
    NOW,
    ChangingStore,
    event,
    kept,
    new_entries,
    new_entry,
    shown,
)


def places(entries: Sequence[Entry]) -> list[tuple[str, int]]:
    return [(entry.channel, entry.offset) for entry in entries]


# Fetching


async def test_entries_are_fetched_by_channel_and_offset_in_order(store: ChangingStore) -> None:
    await store.append([entry for name in "bca" for entry in new_entries(name, 5)])
    wanted = {"c": [4], "a": [5, 1, 1, 9], "d": [1], "b": {2, 3}, "e": ()}
    fetched = await store.fetch(wanted)
    assert places(fetched) == [("a", 1), ("a", 5), ("b", 2), ("b", 3), ("c", 4)]
    everything = {(e.channel, e.offset): e for name in "abc" for e in await shown(store, name)}
    assert list(fetched) == [everything[place] for place in places(fetched)]
    assert list(await store.fetch({})) == []


async def test_stubs_are_fetched_only_where_asked_for(store: ChangingStore) -> None:
    await store.append(new_entries("a", 2))
    await store.truncate("a")
    await store.append(new_entries("a", 1, first=3))
    assert places(await store.fetch({"a": [1, 2, 3]})) == [("a", 3)]
    fetched = await store.fetch({"a": [1, 2, 3]}, stubs=True)
    assert fetched == await kept(store, "a")
    assert [entry.stub for entry in fetched] == [True, True, False]


async def test_as_many_as_may_be_fetched_and_no_more(store: ChangingStore) -> None:
    names = [f"channel {number:03}" for number in range(250)]
    await store.append([new_entry(name, str(place)) for place in range(4) for name in names])
    fetched = await store.fetch({name: range(1, 5) for name in names})
    assert places(fetched) == [(name, offset) for name in names for offset in range(1, 5)]
    assert len(fetched) == FETCHED_MAX
    one = {"channel 000": range(FETCHED_MAX)}
    assert len(await store.fetch(one)) == 4
    with pytest.raises(ValueError, match="1001"):
        await store.fetch({**one, "b": [1]})


async def test_as_many_channels_as_entries_are_fetched(store: ChangingStore) -> None:
    names = [f"channel {number:03}" for number in range(600)]
    await store.append([new_entry(name, "1") for name in names])
    assert places(await store.fetch({name: [1] for name in names})) == [(name, 1) for name in names]


async def test_hostile_names_are_names_when_entries_are_found(store: ChangingStore) -> None:
    await store.append(
        [new_entry(name, name, sender=name, data=name.encode(), pending=True) for name in HOSTILE]
    )
    fetched = await store.fetch({name: [1] for name in HOSTILE})
    assert [entry.data.decode() for entry in fetched] == sorted(HOSTILE)
    for name in HOSTILE:
        found = await store.find_sent(name, name, name)
        assert found is not None and found.data == name.encode()
        assert [entry.data for entry in await store.sent_by(name, name, after=0, limit=9)] == [
            name.encode()
        ]
        (waiting,) = await store.pending(channel=name, before_ms=NOW + 1, limit=9)
        assert waiting.channel == name
    waits = await store.pending(before_ms=NOW + 1, limit=100)
    assert [entry.channel for entry in waits] == sorted(HOSTILE)


# By who sent it


async def test_the_entry_with_a_key_is_found(store: ChangingStore) -> None:
    await store.append(
        [
            new_entry("a", "1", digest=b"first", counts=True),
            new_entry("a", "1", sender="user:bob"),
            new_entry("b", "1"),
            new_entry("a", "nobody's to give", digest=b""),
        ]
    )
    found = await store.find_sent("a", "user:ann", "1")
    assert found is not None
    assert (found.offset, found.digest, found.n) == (1, b"first", 1)
    for key in (
        ("a", "user:ann", "2"),
        ("a", "user:an", "1"),
        ("c", "user:ann", "1"),
        ("a", "user:ann", "nobody's to give"),
    ):
        assert await store.find_sent(*key) is None


async def test_a_stub_is_found_by_its_key(store: ChangingStore) -> None:
    await store.append([new_entry("a", "1", digest=b"first", data=b"secret")])
    await store.truncate("a")
    found = await store.find_sent("a", "user:ann", "1")
    assert found is not None
    assert (found.stub, found.data, found.digest) == (True, b"", b"first")


async def test_what_one_sender_has_sent_comes_in_order_and_in_pages(store: ChangingStore) -> None:
    await store.append(
        [
            new_entry("a", str(number), sender=sender)
            for number in range(5)
            for sender in ("user:ann", "user:bob")
        ]
    )
    await store.append([new_entry("b", "1")])

    async def sent(after: int, limit: int) -> list[int]:
        found = await store.sent_by("a", "user:ann", after=after, limit=limit)
        assert all(entry.sender == "user:ann" for entry in found)
        return [entry.offset for entry in found]

    assert await sent(0, 100) == [1, 3, 5, 7, 9]
    assert await sent(3, 2) == [5, 7]
    assert await sent(9, 2) == []
    assert await sent(0, 0) == []
    await store.truncate("a")
    await store.append([new_entry("a", "new")])
    assert await sent(0, 100) == [11]


# What waits shows


async def test_every_read_shows_what_waits_as_carried_out(store: ChangingStore) -> None:
    await store.append([new_entry("a", "1", data=b"old", tags={"client_id": "x", "mentions": "1"})])
    edit = event("a", "2", "edit", 1, data=b"new", at=NOW + 5, tags={"mentions": "2"})
    await store.append([edit])
    await store.append([event("a", "3", "delete", 2), event("b", "1", "edit", 1, data=b"b")])
    for entry in await _everywhere(store, "a", 1):
        assert (entry.data, entry.changed, entry.edited_at) == (b"new", 2, NOW + 5)
        assert entry.tags == {"client_id": "x", "mentions": "2", "edited_at": str(NOW + 5)}
    await store.append([event("a", "4", "delete", 1, at=NOW + 9)])
    for entry in await _everywhere(store, "a", 1):
        assert (entry.data, entry.changed, entry.deleted_at) == (b"{}", 4, NOW + 9)
        assert entry.tags == {"client_id": "x", "deleted_at": str(NOW + 9)}
    for entry in await _everywhere(store, "a", 2):
        assert (entry.kind, entry.data) == ("edit", b"{}")
        assert entry.tags == {"kind": "edit", "ref": "1"}


async def test_what_waits_in_one_channel_changes_nothing_in_another(store: ChangingStore) -> None:
    await store.append([new_entry("a", "1"), new_entry("b", "1", data=b"b"), new_entry("c", "1")])
    await store.append([event("a", "2", "edit", 1, data=b"a"), event("c", "2", "delete", 1)])
    assert [entry.data for entry in await store.missed({"a": 0, "b": 0, "c": 0}, limit=9)] == [
        b"a",
        b"a",
        b"b",
        b"{}",
        b"{}",
    ]
    assert [entry.data for entry in await store.fetch({"a": [1], "b": [1], "c": [1]})] == [
        b"a",
        b"b",
        b"{}",
    ]


async def test_what_is_settled_or_gone_is_not_folded_in(store: ChangingStore) -> None:
    await store.append([new_entry("a", "1", data=b"old"), new_entry("b", "1", data=b"old")])
    await store.append([event("a", "2", "edit", 1, data=b"new")])
    await store.settle("a", [2])
    assert [entry.data for entry in await store.fetch({"a": [1]})] == [b"old"]
    await store.append([event("b", "2", "edit", 1, data=b"new")])
    await store.truncate("b")
    assert [entry.data for entry in await kept(store, "b")] == [b"", b""]


async def _everywhere(store: ChangingStore, channel: str, offset: int) -> list[Entry]:
    """One entry as every read shows it."""
    (fetched,) = await store.fetch({channel: [offset]})
    sent = await store.find_sent(channel, fetched.sender, fetched.client_id)
    assert sent is not None
    found = [fetched, sent]
    for entries in (
        await shown(store, channel),
        await store.missed({channel: offset - 1, "nowhere": 0}, limit=1),
        await kept(store, channel),
        await store.sent_by(channel, fetched.sender, after=offset - 1, limit=1),
        await store.pending(before_ms=NOW + 1000, limit=100),
    ):
        found += [entry for entry in entries if places([entry]) == [(channel, offset)]]
    assert len(found) == 6 + fetched.pending
    return found


# Whatever is done in whatever order

MESSAGES: Final = (1, 2)
"""Offsets of the messages that the events below are about."""

events = st.tuples(st.sampled_from(["edit", "delete"]), st.sampled_from(MESSAGES))
works = st.tuples(st.sampled_from(["carry out", "settle"]), st.integers(0, 9))
_names = itertools.count()


@dataclass
class Truth:
    """What a log's messages and edits are to look like, told from its events alone.

    Nothing is said of an edit's own text where its message was deleted before, until it has been
    carried out: it was never shown together with the message.
    """

    events: list[Entry] = field(default_factory=list)
    carried_out: set[int] = field(default_factory=set)
    blanked: set[int] = field(default_factory=set)

    def of(self, kind: str, ref: int) -> list[Entry]:
        """The events of a kind about a message, in order."""
        return [event for event in self.events if (event.kind, event.ref) == (kind, ref)]

    def expected(self) -> Mapping[int, tuple[bytes, int, int]]:
        """Data, when edited, and when deleted, by offset."""
        found = {}
        for message in MESSAGES:
            edits, deletes = self.of("edit", message), self.of("delete", message)
            data = edits[-1].data if edits else b"old"
            edited_at = edits[-1].at if edits else 0
            found[message] = (b"{}", 0, deletes[0].at) if deletes else (data, edited_at, 0)
            for edit in edits:
                gone = bool(deletes) and deletes[0].offset > edit.offset
                if gone or not deletes or edit.offset in self.blanked:
                    found[edit.offset] = (b"{}" if deletes else edit.data, 0, 0)
        return found


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(events, works), max_size=14))
async def test_reads_show_the_same_whoever_carries_out_what_and_when(
    store: ChangingStore, steps: list[tuple[str, int]]
) -> None:
    channel, truth = f"log {next(_names)}", Truth()
    await store.append([new_entry(channel, str(message), data=b"old") for message in MESSAGES])
    for step, number in steps:
        if step in ("edit", "delete"):
            await _tell(store, channel, truth, step, number)
        elif truth.events:
            chosen = truth.events[number % len(truth.events)]
            if step == "carry out":
                await _carry_out(store, truth, chosen)
            elif chosen.offset in truth.carried_out:
                await store.settle(channel, [chosen.offset])
        await _compare(store, channel, truth)
    for chosen in truth.events:
        await _carry_out(store, truth, chosen)
        await store.settle(channel, [chosen.offset])
        await _compare(store, channel, truth)


def stored(new: NewEntry, offset: int) -> Entry:
    return Entry(
        new.channel, offset, new.data, new.at, new.kind, ref=new.ref, tags=new.tags, pending=True
    )


async def _tell(store: ChangingStore, channel: str, truth: Truth, kind: str, ref: int) -> None:
    offset = len(MESSAGES) + len(truth.events) + 1
    new = event(
        channel,
        str(offset),
        "edit" if kind == "edit" else "delete",
        ref,
        data=f'"edit {offset}"'.encode() if kind == "edit" else b"{}",
        at=NOW + offset,
    )
    await store.append([new])
    truth.events.append(stored(new, offset))


async def _carry_out(store: ChangingStore, truth: Truth, chosen: Entry) -> None:
    """As whoever folds it does: the message first, then the text of edits that it takes."""
    (target,) = await store.fetch({chosen.channel: [chosen.ref]})
    change = change_of(chosen, target)
    assert change is not None
    await store.change([change])
    edits = truth.of("edit", chosen.ref)
    deletes = truth.of("delete", chosen.ref)
    done = [delete for delete in deletes if delete.offset in truth.carried_out]
    taken: set[int] = set()
    if chosen.kind == "delete":
        taken = {edit.offset for edit in edits}
    elif done:
        taken = {chosen.offset}
    if taken:
        await store.blank(chosen.channel, taken)
        truth.blanked |= taken
    truth.carried_out.add(chosen.offset)


async def _compare(store: ChangingStore, channel: str, truth: Truth) -> None:
    expected = truth.expected()
    page, missed, fetched = await asyncio.gather(
        shown(store, channel), kept(store, channel), store.fetch({channel: list(expected)})
    )
    for entries in (page, missed, fetched):
        assert {
            entry.offset: (entry.data, entry.edited_at, entry.deleted_at)
            for entry in entries
            if entry.offset in expected
        } == expected
