"""The contract of a store, for every driver: what is changed in a log after it was written."""

from collections.abc import Callable, Sequence
from itertools import permutations

import pytest

from realtime.model import Change, ClientInfo, Entry
from realtime.stores.base import FETCHED_MAX, Appended
from tests.support.log_entries import (
    NOW,
    ChangingStore,
    event,
    kept,
    new_entries,
    new_entry,
    shown,
)

INFO = ClientInfo("ann", "client", b'{"name":"Ann"}')
TAGS = {"client_id": "m-1", "ref": "4", "also": "1", "kind": "x", "mentions": '["bob"]'}


def edit(by: int, text: str = "", *, offset: int = 1, channel: str = "a") -> Change:
    """An edit of the entry at `offset`, made by the event at `by`."""
    return Change(
        channel, offset, by, f'"{text or by}"'.encode(), {"edited_at": str(by)}, edited_at=NOW + by
    )


def delete(by: int, *, offset: int = 1, channel: str = "a") -> Change:
    """A delete of the entry at `offset`, made by the event at `by`."""
    return Change(channel, offset, by, b"{}", {"deleted_at": str(by)}, deleted_at=NOW + by)


async def only(store: ChangingStore) -> Entry:
    """The only entry of the log "a"."""
    (entry,) = await shown(store, "a")
    return entry


# Changing


async def test_a_change_replaces_data_and_tags_and_leaves_who_sent_it(
    store: ChangingStore,
) -> None:
    await store.append([new_entry("a", "1", data=b"old", info=INFO, tags=TAGS, counts=True)])
    before = await only(store)
    assert list(await store.change([edit(7, "new")])) == [True]
    assert await only(store) == Entry(
        "a",
        1,
        b'"new"',
        before.at,
        sender=before.sender,
        client_id=before.client_id,
        digest=before.digest,
        info=INFO,
        tags={"edited_at": "7"},
        edited_at=NOW + 7,
        n=1,
        counts=True,
        changed=7,
    )


@pytest.mark.parametrize("order", list(permutations([edit(5), edit(6), edit(9)])))
async def test_of_several_edits_the_last_counts_in_whatever_order(
    store: ChangingStore, order: Sequence[Change]
) -> None:
    await store.append([new_entry("a", "1")])
    for change in order:
        await store.change([change])
    entry = await only(store)
    assert (entry.data, entry.edited_at, entry.changed) == (b'"9"', NOW + 9, 9)


@pytest.mark.parametrize("order", list(permutations([edit(5), delete(6), edit(7), delete(8)])))
async def test_what_was_deleted_stays_so_whichever_is_carried_out_first(
    store: ChangingStore, order: Sequence[Change]
) -> None:
    await store.append([new_entry("a", "1")])
    await store.change(order)
    entry = await only(store)
    assert (entry.data, entry.tags) == (b"{}", {"deleted_at": "6"})
    assert (entry.edited_at, entry.deleted_at, entry.changed) == (0, NOW + 6, 6)


async def test_a_change_says_whether_it_was_carried_out(store: ChangingStore) -> None:
    await store.append([*new_entries("a", 2), *new_entries("b", 1)])
    changes = [
        edit(5),
        edit(4),
        edit(5),
        edit(6),
        edit(6, offset=2),
        edit(7, offset=3),
        Change("b", 1, 3, b"b"),
        Change("c", 1, 3, b"c"),
        delete(8),
        edit(9),
        delete(9),
        delete(8),
        delete(7),
    ]
    carried_out = [done for each in changes for done in await store.change([each])]
    assert carried_out == [
        True,  # the first
        False,  # an earlier one
        False,  # the same again
        True,  # a later one
        True,  # another entry
        False,  # no such entry
        True,  # another channel
        False,  # no such channel
        True,  # a delete
        False,  # too late
        False,  # deleted before
        False,  # the same again
        True,  # the first delete is the one that counts
    ]
    assert [entry.data for entry in await shown(store, "b")] == [b"b"]


@pytest.mark.parametrize("make", [edit, delete])
async def test_a_change_is_of_its_own_entry_and_of_no_other(
    store: ChangingStore, make: Callable[..., Change]
) -> None:
    names = [f"channel {number}" for number in range(12)]
    await store.append([entry for name in names for entry in new_entries(name, 3)])
    for by, name in zip(range(100, 88, -1), reversed(names), strict=True):
        assert list(await store.change([make(by, offset=2, channel=name)])) == [True]
        assert [entry.changed for entry in await shown(store, name)] == [0, by, 0]
    for name in names:
        first, _, last = await shown(store, name)
        assert (first.data, last.data) == (b'"1"', b'"3"')


async def test_of_many_changes_each_is_answered_in_its_place(store: ChangingStore) -> None:
    await store.append(new_entries("a", 200))
    changes = [edit(1000 + offset, offset=offset) for offset in range(1, 251)]
    assert list(await store.change(changes)) == [True] * 200 + [False] * 50
    assert [entry.changed for entry in await shown(store, "a")] == list(range(1001, 1201))


async def test_nothing_is_changed_in_an_entry_that_is_gone(store: ChangingStore) -> None:
    await store.append(new_entries("a", 2))
    await store.truncate("a")
    assert list(await store.change([edit(5), delete(6, offset=2)])) == [False, False]
    assert not await store.summarise("a", 1, b"{}", by=5)
    assert [(entry.stub, entry.data, entry.summary) for entry in await kept(store, "a")] == [
        (True, b"", b"")
    ] * 2


async def test_a_retry_of_what_was_changed_since_is_a_retry(store: ChangingStore) -> None:
    await store.append([new_entry("a", "1", data=b"old")])
    await store.change([edit(5)])
    assert await store.append([new_entry("a", "1", data=b"old")]) == [
        Appended(1, NOW, duplicate=True)
    ]


async def test_no_changes_are_no_work_and_too_many_are_refused(store: ChangingStore) -> None:
    assert list(await store.change([])) == []
    with pytest.raises(ValueError, match="1001"):
        await store.change([edit(5)] * (FETCHED_MAX + 1))


# Summaries


async def test_a_summary_stays_unless_one_of_later_events_comes(store: ChangingStore) -> None:
    await store.append([new_entry("a", "1")])
    assert (await only(store)).summary == b""
    assert await store.summarise("a", 1, b'{"1":1}', by=5)
    assert not await store.summarise("a", 1, b'{"0":1}', by=4)
    assert (await only(store)).summary == b'{"1":1}'
    assert await store.summarise("a", 1, b'{"1":2}', by=5)
    assert await store.summarise("a", 1, b"\x00 {}", by=6)
    assert (await only(store)).summary == b"\x00 {}"
    assert not await store.summarise("a", 2, b"{}", by=9)
    assert not await store.summarise("b", 1, b"{}", by=9)


async def test_an_edit_leaves_the_summary_and_a_delete_takes_it(store: ChangingStore) -> None:
    await store.append([new_entry("a", "1")])
    await store.summarise("a", 1, b"[1]", by=5)
    await store.change([edit(6)])
    assert (await only(store)).summary == b"[1]"
    await store.change([delete(7)])
    assert (await only(store)).summary == b""
    assert not await store.summarise("a", 1, b"[2]", by=8)
    assert (await only(store)).summary == b""


async def test_a_summary_is_not_compared_with_what_the_text_was_changed_by(
    store: ChangingStore,
) -> None:
    await store.append([new_entry("a", "1")])
    await store.change([edit(9)])
    assert await store.summarise("a", 1, b"[1]", by=5)
    assert list(await store.change([edit(8)])) == [False]


# Blanking and disowning


async def test_blanking_takes_the_text_and_leaves_what_the_entry_is(
    store: ChangingStore,
) -> None:
    await store.append([new_entry("a", "1", info=INFO, tags=TAGS, kind="edit", data=b"secret")])
    await store.append([new_entry("a", "2", data=b"other"), new_entry("b", "1", data=b"other")])
    for _ in range(2):
        await store.blank("a", [1, 1, 7])
        await store.blank("c", [1])
    entry, other = await shown(store, "a")
    assert entry.data == b"{}"
    assert entry.tags == {"client_id": "m-1", "ref": "4", "also": "1", "kind": "x"}
    assert (entry.info, entry.sender, entry.client_id) == (INFO, "user:ann", "1")
    assert (entry.deleted_at, entry.changed) == (0, 0)
    assert other.data == b"other"
    assert [entry.data for entry in await shown(store, "b")] == [b"other"]


async def test_tags_of_which_none_stays_are_none(store: ChangingStore) -> None:
    await store.append([new_entry("a", "1", tags={"mentions": "[]"}), new_entry("a", "2")])
    await store.blank("a", [1, 2])
    assert [entry.tags for entry in await shown(store, "a")] == [None, None]


async def test_a_stub_that_is_blanked_or_disowned_stays_a_stub(store: ChangingStore) -> None:
    await store.append(new_entries("a", 2))
    await store.truncate("a")
    await store.blank("a", [1])
    await store.disown("a", [2])
    stubs = await kept(store, "a")
    assert [(entry.data, entry.stub) for entry in stubs] == [(b"", True)] * 2
    assert [entry.sender for entry in stubs] == ["user:ann", ""]


async def test_a_disowned_entry_is_nobodys_and_keeps_its_place(store: ChangingStore) -> None:
    await store.append([new_entry("a", "0", counts=True)])
    await store.append(
        [
            new_entry("a", "1", at=NOW + 5, ref=1, info=INFO, tags=TAGS, counts=True, pending=True),
            new_entry("a", "2", at=NOW + 6, kind="pin", ref=1),
        ]
    )
    await store.summarise("a", 2, b"[1]", by=3)
    await store.disown("a", [2, 3])
    once = await shown(store, "a")
    await store.disown("a", [2, 3])
    await store.disown("c", [1])
    assert await shown(store, "a") == once
    first, message, pin = await shown(store, "a")
    assert (first.sender, first.deleted_at) == ("user:ann", 0)
    assert (message.sender, message.digest, message.info) == ("", b"", None)
    assert (message.data, message.summary, message.deleted_at) == (b"{}", b"", NOW + 5)
    assert message.tags == {"ref": "4", "also": "1", "kind": "x"}
    assert (message.offset, message.n, message.kind, message.ref) == (2, 2, "message", 1)
    assert (message.at, message.counts) == (NOW + 5, True)
    assert (pin.sender, pin.kind, pin.ref, pin.deleted_at) == ("", "pin", 1, NOW + 6)
    assert len({message.client_id, pin.client_id, "1", "2"}) == 4
    assert await store.find_sent("a", "user:ann", "1") is None
    assert not await store.sent_by("a", "user:ann", after=1, limit=9)


async def test_disowning_keeps_the_time_of_an_earlier_delete(store: ChangingStore) -> None:
    await store.append([new_entry("a", "1")])
    await store.change([delete(6)])
    await store.disown("a", [1])
    assert (await only(store)).deleted_at == NOW + 6
    assert not await store.summarise("a", 1, b"[1]", by=9)
    assert list(await store.change([edit(9)])) == [False]


async def test_who_is_disowned_may_come_back_with_the_same_key(store: ChangingStore) -> None:
    await store.append([new_entry("a", "1")])
    await store.disown("a", [1])
    assert await store.append([new_entry("a", "1")]) == [Appended(2, NOW)]
    await store.disown("a", [2])
    assert [entry.sender for entry in await shown(store, "a")] == ["", ""]


@pytest.mark.parametrize("what", ["blank", "disown", "settle"])
async def test_as_many_offsets_as_may_be_named_and_no_more(store: ChangingStore, what: str) -> None:
    await store.append(new_entries("a", 3))
    call = getattr(store, what)
    await call("a", [])
    await call("a", range(1, FETCHED_MAX + 1))
    with pytest.raises(ValueError, match="1001"):
        await call("a", range(FETCHED_MAX + 1))


# What waits


async def test_what_waits_is_found_until_it_is_settled(store: ChangingStore) -> None:
    await store.append(
        [
            new_entry("b", "1", at=NOW, pending=True),
            new_entry("a", "1", at=NOW + 1),
            new_entry("a", "2", at=NOW + 2, pending=True),
            event("a", "3", "reaction", 2, at=NOW + 3),
            new_entry("\x00", "1", at=NOW + 4, pending=True, kind="member"),
        ]
    )

    async def waiting(channel: str | None = None, *, before: int = 9, limit: int = 9) -> list[str]:
        found = await store.pending(channel=channel, before_ms=NOW + before, limit=limit)
        assert all(entry.pending for entry in found)
        return [f"{entry.channel}{entry.offset}" for entry in found]

    assert await waiting() == ["\x001", "a2", "a3", "b1"]
    assert await waiting("a") == ["a2", "a3"]
    assert await waiting("c") == []
    assert await waiting(before=3) == ["a2", "b1"]
    assert await waiting(limit=2) == ["\x001", "a2"]
    assert await waiting(limit=0) == []
    await store.settle("a", [1, 2, 99])
    await store.settle("a", [2])
    assert await waiting() == ["\x001", "a3", "b1"]
    assert [entry.pending for entry in await shown(store, "a")] == [False, False, True]


async def test_what_waits_is_told_whole(store: ChangingStore) -> None:
    await store.append([new_entry("a", "1", info=INFO, tags=TAGS, data=b"x", pending=True)])
    (entry,) = await store.pending(before_ms=NOW + 1, limit=1)
    assert entry == await only(store)
    assert (entry.info, entry.tags, entry.data) == (INFO, TAGS, b"x")


async def test_a_retry_of_what_waits_and_of_what_does_not_is_a_retry(
    store: ChangingStore,
) -> None:
    await store.append([new_entry("a", "1", pending=True)])
    await store.settle("a", [1])
    assert await store.append([new_entry("a", "1", pending=True)]) == [
        Appended(1, NOW, duplicate=True)
    ]
    assert not await store.pending(before_ms=NOW + 1, limit=1)


async def test_scrubbing_takes_nothing_that_is_there(store: ChangingStore) -> None:
    await store.append(new_entries("a", 50))
    await store.blank("a", range(1, 10))
    before = await kept(store, "a")
    await store.scrub()
    assert await kept(store, "a") == before
