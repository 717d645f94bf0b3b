"""Putting other data on an entry that no event changes, and finding what is left of a sender's."""

from realtime.model import Change, NewEntry, Retention
from tests.support.log_entries import ChangingStore

ALL = Retention(-1, 0)


async def log(store: ChangingStore, entries: int = 3) -> None:
    """A channel."""
    await store.append(
        [NewEntry("c", "u:ada", str(n), b'{"n":1}', 1_000, counts=True) for n in range(entries)]
    )


async def test_an_entry_is_rewritten_as_it_was_read_and_edits_go_on(store: ChangingStore) -> None:
    await log(store)
    assert await store.rewrite("c", 1, data=b'{"n":2}', tags={"a": "b"}, changed=0)
    (entry,) = await store.fetch({"c": [1]})
    assert (entry.data, entry.tags, entry.changed, entry.edited_at) == (
        b'{"n":2}',
        {"a": "b"},
        0,
        0,
    )
    assert await store.change([Change("c", 1, 2, b'{"n":3}', None, edited_at=5)]) == [True]
    assert not await store.rewrite("c", 1, data=b'{"n":4}', tags=None, changed=0)
    assert await store.rewrite("c", 1, data=b'{"n":5}', tags=None, changed=2)
    (entry,) = await store.fetch({"c": [1]})
    assert (entry.data, entry.edited_at, entry.changed) == (b'{"n":5}', 5, 2)


async def test_nothing_is_rewritten_that_is_deleted_gone_or_of_another_channel(
    store: ChangingStore,
) -> None:
    await log(store)
    await store.change([Change("c", 1, 2, b"{}", None, deleted_at=5)])
    assert not await store.rewrite("c", 1, data=b"x", tags=None, changed=2)
    assert not await store.rewrite("c", 9, data=b"x", tags=None, changed=0)
    assert not await store.rewrite("d", 2, data=b"x", tags=None, changed=0)
    await store.truncate("c")
    assert not await store.rewrite("c", 3, data=b"x", tags=None, changed=0)


async def test_stubs_are_found_by_their_sender_and_can_be_disowned(store: ChangingStore) -> None:
    await log(store)
    await store.truncate("c")
    assert list(await store.sent_by("c", "u:ada", after=0, limit=9)) == []
    stubs = await store.sent_by("c", "u:ada", after=0, limit=9, stubs=True)
    assert [(entry.offset, entry.stub) for entry in stubs] == [(1, True), (2, True), (3, True)]
    await store.disown("c", [entry.offset for entry in stubs])
    assert list(await store.sent_by("c", "u:ada", after=0, limit=9, stubs=True)) == []
    assert (await store.read("c", limit=0, retention=ALL, now_ms=0)).head == 3
