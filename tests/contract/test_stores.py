"""The contract of a store, for every driver: appending, alone and many at once."""

import asyncio
from itertools import chain
from typing import Final

import pytest

from realtime.model import ClientInfo, Entry, Kind
from realtime.stores.base import Appended, Conflict
from tests.support.log_entries import (
    NOW,
    Store,
    head,
    kept,
    new_entries,
    new_entry,
    shown,
)

HOSTILE: Final = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "a\x00c",
    "a\r\nb",
    "%",
    "_",
    "a%",
    "'; DROP TABLE entries; --",
    '"quoted"',
    "\\",
    "?",
    ":name",
    "$gt",
    "{a}",
    "{'$ne': null}",
    "[*]",
    "ß",
    "SS",
    "ss",
    "é",
    "e\u0301",
    "\ufeff",
    "\u2028",
    "😀" * 10,
    "x" * 255,
    "\U0010ffff",
)
"""Texts that mean something to some language of statements, patterns, paths or lines."""


# Appending


async def test_offsets_count_from_one_in_each_channel(store: Store) -> None:
    answers = await store.append(
        [new_entry("a", "1"), new_entry("b", "1"), new_entry("a", "2"), new_entry("b", "2")]
    )
    assert answers == [Appended(1, NOW), Appended(1, NOW), Appended(2, NOW), Appended(2, NOW)]


async def test_an_empty_batch_is_answered_with_nothing(store: Store) -> None:
    assert list(await store.append([])) == []


async def test_a_batch_larger_than_a_statement_is_appended_in_order(store: Store) -> None:
    answers = await store.append(new_entries("a", 1000))
    assert [answer.offset for answer in answers] == list(range(1, 1001))
    assert [entry.client_id for entry in await shown(store, "a")] == [
        f"m{number}" for number in range(1, 1001)
    ]


async def test_a_batch_with_many_new_channels_is_appended(store: Store) -> None:
    names = [f"channel {number}" for number in range(300)]
    answers = await store.append([new_entry(name, "1") for name in names])
    assert answers == [Appended(1, NOW)] * 300
    again = await store.append([new_entry(name, "2") for name in names])
    assert again == [Appended(2, NOW)] * 300


async def test_everything_that_was_given_is_read_back(store: Store) -> None:
    info = ClientInfo("ann", "client", b'{"name": "Ann"}', b'{"\\u0000": 1}')
    given = new_entry(
        "a",
        "1",
        sender="key:x",
        data=b"\x00\xff{} \n",
        at=NOW - 5,
        kind="edit",
        digest=b"\x00\xfe",
        ref=7,
        info=info,
        tags={"a": "1", "": "\x00"},
    )
    await store.append([given])
    (entry,) = await shown(store, "a")
    assert entry == Entry(
        "a", 1, given.data, NOW - 5, "edit", "key:x", "1", b"\x00\xfe", 7, info, given.tags
    )


@pytest.mark.parametrize("kind", ["message", "edit", "delete", "reaction", "member"])
async def test_each_kind_that_is_stored_keeps_its_name(store: Store, kind: Kind) -> None:
    await store.append([new_entry("a", "1", kind=kind)])
    assert [entry.kind for entry in await shown(store, "a")] == [kind]


@pytest.mark.parametrize("size", [0, 1, 65_536])
async def test_data_is_kept_byte_for_byte(store: Store, size: int) -> None:
    data = [bytes(index % 251 for index in range(start, start + size)) for start in range(3)]
    await store.append(
        [new_entry("a", str(number), data=piece) for number, piece in enumerate(data)]
    )
    assert [entry.data for entry in await shown(store, "a")] == data


# A retry is the same entry


async def test_a_retry_gets_the_first_offset_and_time_flagged_as_a_duplicate(store: Store) -> None:
    await store.append([new_entry("a", "0"), new_entry("a", "1", at=NOW)])
    answers = await store.append([new_entry("a", "1", at=NOW + 99, data=b"later")])
    assert answers == [Appended(2, NOW, duplicate=True)]
    assert [entry.data for entry in await shown(store, "a")] == [b"{}", b"{}"]


async def test_the_same_key_with_another_digest_is_a_conflict(store: Store) -> None:
    await store.append([new_entry("a", "1", digest=b"x")])
    assert await store.append([new_entry("a", "1", digest=b"y")]) == [Conflict(1)]
    assert await head(store, "a") == 1


async def test_entries_without_a_digest_are_kept_beside_retries_and_conflicts(store: Store) -> None:
    tags = {"a": "b"}
    await store.append([new_entry("a", "own 1", digest=b"", tags=tags), new_entry("a", "1")])
    answers = await store.append(
        [
            new_entry("a", "own 2", digest=b""),
            new_entry("a", "1"),
            new_entry("a", "own 3", digest=b"", tags=tags),
            new_entry("a", "1", digest=b"other"),
        ]
    )
    assert answers == [
        Appended(3, NOW),
        Appended(2, NOW, duplicate=True),
        Appended(4, NOW),
        Conflict(2),
    ]
    assert [(entry.client_id, entry.digest, entry.tags) for entry in await shown(store, "a")] == [
        ("own 1", b"", tags),
        ("1", b"digest", None),
        ("own 2", b"", None),
        ("own 3", b"", tags),
    ]


async def test_duplicates_and_conflicts_inside_one_batch_are_of_the_first(store: Store) -> None:
    answers = await store.append(
        [
            new_entry("a", "1", at=NOW),
            new_entry("a", "1", at=NOW + 1),
            new_entry("a", "1", digest=b"other"),
            new_entry("a", "2"),
        ]
    )
    assert answers == [
        Appended(1, NOW),
        Appended(1, NOW, duplicate=True),
        Conflict(1),
        Appended(2, NOW),
    ]


async def test_a_conflict_does_not_hold_up_the_others_of_its_batch(store: Store) -> None:
    await store.append(new_entries("a", 3))
    batch = [
        new_entry("a", "new 1"),
        new_entry("a", "m2", digest=b"other"),
        new_entry("b", "m1"),
        new_entry("a", "m3"),
        new_entry("a", "new 2"),
    ]
    assert await store.append(batch) == [
        Appended(4, NOW),
        Conflict(2),
        Appended(1, NOW),
        Appended(3, NOW + 2, duplicate=True),
        Appended(5, NOW),
    ]


async def test_a_batch_of_nothing_but_retries_appends_nothing(store: Store) -> None:
    batch = new_entries("a", 200)
    first = await store.append(batch)
    again = await store.append(batch)
    assert [answer.offset for answer in again] == [answer.offset for answer in first]
    assert all(isinstance(answer, Appended) and answer.duplicate for answer in again)
    assert await head(store, "a") == 200


async def test_the_key_is_of_channel_sender_and_client_id_together(store: Store) -> None:
    answers = await store.append(
        [
            new_entry("a", "1", sender="user:ann"),
            new_entry("a", "1", sender="user:bob"),
            new_entry("b", "1", sender="user:ann"),
            new_entry("a", "11", sender="user:an"),
        ]
    )
    assert answers == [Appended(1, NOW), Appended(2, NOW), Appended(1, NOW), Appended(3, NOW)]


# Hostile texts


async def test_hostile_names_are_names_of_different_channels(store: Store) -> None:
    await store.append([new_entry(name, "1", data=name.encode()) for name in HOSTILE])
    for name in HOSTILE:
        (entry,) = await shown(store, name)
        assert (entry.channel, entry.offset, entry.data) == (name, 1, name.encode())
    missed = await store.missed(dict.fromkeys(HOSTILE, 0), limit=1000)
    assert [entry.channel for entry in missed] == sorted(HOSTILE)


async def test_hostile_senders_and_client_ids_are_kept_apart(store: Store) -> None:
    batch = [
        new_entry("a", client_id, sender=sender) for sender in HOSTILE for client_id in HOSTILE
    ]
    answers = await store.append(batch)
    assert [answer.offset for answer in answers] == list(range(1, len(batch) + 1))
    assert [(entry.sender, entry.client_id) for entry in await shown(store, "a")] == [
        (entry.sender, entry.client_id) for entry in batch
    ]
    assert all(isinstance(a, Appended) and a.duplicate for a in await store.append(batch))


# Many at once


async def test_many_tasks_on_one_channel_make_one_order_without_holes(store: Store) -> None:
    async def write(writer: int) -> list[int]:
        offsets = []
        for number in range(20):
            (answer,) = await store.append([new_entry("a", f"{writer}-{number}")])
            offsets.append(answer.offset)
        return offsets

    offsets = await asyncio.gather(*[write(writer) for writer in range(10)])
    assert all(own == sorted(own) for own in offsets)
    assert sorted(chain.from_iterable(offsets)) == list(range(1, 201))
    assert [entry.offset for entry in await kept(store, "a")] == list(range(1, 201))


async def test_the_same_entry_from_many_tasks_is_stored_once(store: Store) -> None:
    answers = await asyncio.gather(*[store.append([new_entry("a", "1")]) for _ in range(20)])
    firsts = [answer for (answer,) in answers if answer == Appended(1, NOW)]
    assert len(firsts) == 1
    assert all(answer.offset == 1 for (answer,) in answers)
    assert await head(store, "a") == 1


async def test_an_append_whose_caller_gave_up_is_done_all_the_same(store: Store) -> None:
    appending = asyncio.ensure_future(store.append([new_entry("a", "1")]))
    await asyncio.sleep(0)
    appending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await appending
    assert await store.append([new_entry("a", "2")]) == [Appended(2, NOW)]
