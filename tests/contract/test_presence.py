"""The contract of presence, for every driver that several nodes may share."""

import asyncio
from collections.abc import Iterable, Sequence

import msgspec

from realtime.model import ClientInfo
from realtime.stores.base import PRESENCE_CHANGES_MAX, PresenceEntry, PresenceStore
from tests.contract.test_stores import HOSTILE
from tests.support.memory_nodes import SharedStoreFactory


def entry(
    node: str, channel: str, client: str, *, user: str = "ann", announced: bool = False
) -> PresenceEntry:
    """One subscription."""
    return PresenceEntry(node, channel, ClientInfo(user, client), announced=announced)


def ordered(entries: Iterable[PresenceEntry]) -> list[PresenceEntry]:
    """What a store may answer in any order, in one."""
    return sorted(entries, key=lambda item: (item.channel, item.info.client, item.node))


async def put(store: PresenceStore, *entries: PresenceEntry) -> None:
    """Put entries and remove none."""
    await store.change_presence(put=entries, remove=())


async def present(store: PresenceStore, channel: str) -> Sequence[PresenceEntry]:
    """Everybody in a channel."""
    return ordered(await store.present(channel, limit=10_000))


async def test_what_one_node_puts_the_others_see(shared_stores: SharedStoreFactory) -> None:
    mine, other = await shared_stores(), await shared_stores()
    whole = PresenceEntry(
        "n1", "a", ClientInfo("ann", "c1", b'{"name": "Ann"}', b"[1]"), hidden=True, announced=True
    )
    bare = PresenceEntry("n2", "a", ClientInfo("", "c2"))
    await put(mine, whole, entry("n1", "b", "c1"))
    await put(other, bare)
    assert await present(other, "a") == await present(mine, "a") == [whole, bare]
    assert await present(mine, "b") == [entry("n1", "b", "c1")]
    assert await present(mine, "c") == []


async def test_a_change_puts_and_removes_in_one_go(shared_stores: SharedStoreFactory) -> None:
    store = await shared_stores()
    first, second = entry("n1", "a", "c1"), entry("n1", "a", "c2")
    await put(store, first)
    await store.change_presence(put=[second], remove=[first])
    assert await present(store, "a") == [second]
    await store.change_presence(put=[], remove=[])
    await store.change_presence(put=[], remove=[second, entry("n1", "a", "never there")])
    assert await present(store, "a") == []


async def test_a_change_may_be_repeated(shared_stores: SharedStoreFactory) -> None:
    store = await shared_stores()
    gone, here = entry("n1", "a", "c1"), entry("n1", "a", "c2")
    await put(store, gone)
    for _ in range(3):
        await store.change_presence(put=[here], remove=[gone])
    assert await present(store, "a") == [here]


async def test_an_entry_is_replaced_by_one_of_the_same_channel_and_client(
    shared_stores: SharedStoreFactory,
) -> None:
    store = await shared_stores()
    await put(store, entry("n1", "a", "c1", user="ann"))
    renewed = msgspec.structs.replace(entry("n1", "a", "c1", user="bob"), hidden=True)
    await put(store, renewed)
    assert await present(store, "a") == [renewed]
    moved = entry("n2", "a", "c1")
    await put(store, moved)
    assert await present(store, "a") == [moved]
    assert list(await store.of_node("n1", limit=10)) == []


async def test_an_entry_that_came_back_on_another_node_survives_the_old_one_s_removal(
    shared_stores: SharedStoreFactory,
) -> None:
    old, new = await shared_stores(), await shared_stores()
    before, after = entry("n1", "a", "c1"), entry("n2", "a", "c1")
    await put(old, before)
    await put(new, after)
    await old.change_presence(put=(), remove=[before])
    assert list(await old.take_away([before])) == []
    assert await present(new, "a") == [after]


async def test_as_many_changes_as_are_allowed_fit_in_one_call(
    shared_stores: SharedStoreFactory,
) -> None:
    store = await shared_stores()
    half = PRESENCE_CHANGES_MAX // 2
    old = [entry("n1", "a", f"old{number}") for number in range(half)]
    new = [entry("n1", "a", f"new{number}") for number in range(half)]
    await put(store, *old)
    await store.change_presence(put=new, remove=old)
    assert await present(store, "a") == ordered(new)


async def test_no_more_is_answered_than_was_asked_for(shared_stores: SharedStoreFactory) -> None:
    store = await shared_stores()
    entries = [entry("n1", "a", f"c{number}") for number in range(20)]
    await put(store, *entries)
    for limit in (1, 7, 20, 100):
        some = await store.present("a", limit=limit)
        of_node = await store.of_node("n1", limit=limit)
        assert len(some) == len(of_node) == min(limit, 20)
        assert {item.info.client for item in some} <= {item.info.client for item in entries}


async def test_a_node_s_entries_are_found_in_every_channel(
    shared_stores: SharedStoreFactory,
) -> None:
    store = await shared_stores()
    mine = [entry("n1", f"room{number % 3}", f"c{number}") for number in range(9)]
    await put(store, *mine, *(entry("n2", "room0", f"d{number}") for number in range(5)))
    assert ordered(await store.of_node("n1", limit=100)) == ordered(mine)
    assert len(await store.of_node("n2", limit=100)) == 5
    assert list(await store.of_node("n3", limit=100)) == []


async def test_a_node_s_entries_are_taken_away_page_by_page(
    shared_stores: SharedStoreFactory,
) -> None:
    store = await shared_stores()
    mine = [entry("n1", "a", f"c{number}", announced=number % 2 == 0) for number in range(25)]
    await put(store, *mine, entry("n2", "a", "other"))
    taken: list[PresenceEntry] = []
    while page := await store.of_node("n1", limit=10):
        taken += await store.take_away(page)
    assert ordered(taken) == ordered(mine)
    assert await present(store, "a") == [entry("n2", "a", "other")]


async def test_of_ten_who_take_entries_away_exactly_one_is_answered_each(
    shared_stores: SharedStoreFactory,
) -> None:
    stores = [await shared_stores() for _ in range(10)]
    entries = [entry("n1", f"room{number % 4}", f"c{number}") for number in range(60)]
    await put(stores[0], *entries)
    answers = await asyncio.gather(*(store.take_away(entries) for store in stores))
    assert ordered(item for answer in answers for item in answer) == ordered(entries)
    assert list(await stores[0].of_node("n1", limit=1)) == []
    assert list(await stores[0].take_away(entries)) == []


async def test_to_take_nothing_away_answers_nothing(shared_stores: SharedStoreFactory) -> None:
    store = await shared_stores()
    assert list(await store.take_away([])) == []


async def test_presence_does_not_end_with_the_connection_to_the_store(
    shared_stores: SharedStoreFactory,
) -> None:
    mine, other = await shared_stores(), await shared_stores()
    await put(mine, entry("n1", "a", "c1"))
    await mine.close()
    assert await present(other, "a") == [entry("n1", "a", "c1")]


async def test_channels_clients_users_and_nodes_are_opaque_text(
    shared_stores: SharedStoreFactory,
) -> None:
    store = await shared_stores()
    entries = [
        PresenceEntry(text, text, ClientInfo(text, text, text.encode(), text.encode()))
        for text in HOSTILE
        if text
    ]
    await put(store, *entries)
    for item in entries:
        assert await present(store, item.channel) == [item]
        assert list(await store.of_node(item.node, limit=10)) == [item]
    removed, taken = entries[::2], entries[1::2]
    await store.change_presence(put=(), remove=removed)
    assert ordered(await store.take_away(entries)) == ordered(taken)
    for item in entries:
        assert await present(store, item.channel) == []


async def test_names_that_meet_when_joined_are_different_entries(
    shared_stores: SharedStoreFactory,
) -> None:
    """A key made of both names must not confuse where the one ends and the other begins."""
    store = await shared_stores()
    pairs = [
        ("a", "b:c"),
        ("a:b", "c"),
        ("a\x00b", "c"),
        ("a", "b\x00c"),
        ("a/b", "c"),
        ("a", "b/c"),
    ]
    entries = [entry("n1", channel, client) for channel, client in pairs]
    await put(store, *entries)
    assert ordered(await store.of_node("n1", limit=100)) == ordered(entries)
