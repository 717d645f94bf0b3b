"""A user with 500 channels is ready in one call: five reads of the store as a rule, and 150 KB."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Any, cast

import msgspec
import pytest

from realtime.chat import overview
from realtime.chat.ports import ChatStore
from realtime.chat.unread import gone
from realtime.rows import CHANNELS, MEMBERS, MENTIONS, USERS
from realtime.stores.base import WRITES_MAX, Write
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import ROOM, ManualClock
from tests.support.inboxes import ChatNode, chat_node, message

USER = "user-with-500-channels"
CHANNELS_MANY = 500


class CountedStore:
    """Counts what is asked of a store, by the name of the method."""

    def __init__(self, store: SQLiteStore) -> None:
        self._store = store
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name == "epoch" or not callable(found):
            return found

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            return found(*args, **kwargs)

        return counted


@pytest.fixture
async def store() -> AsyncIterator[CountedStore]:
    made = SQLiteStore(":memory:")
    await made.open()
    yield CountedStore(made)
    await made.close()


@pytest.fixture
def node(store: CountedStore) -> ChatNode:
    return chat_node(cast(ChatStore, store), ManualClock())


async def fill(node: ChatNode, *, text: str = "Shall we meet at the station at seven?") -> None:
    """Half of the channels are direct; each has something unread, a mention and a deletion."""
    store = node.around.store
    writes: list[Write] = []
    for index in range(CHANNELS_MANY):
        name = f"room:{index:026}"
        other = f"user-{index}"
        is_direct = index % 2 == 0
        about = (
            {"kind": "direct", "created_by": USER, "peer": other}
            if is_direct
            else {"kind": "room", "title": f"A room that is called {index}"}
        )
        avatar = f"https://cdn.example.com/avatars/{index:08}.webp"
        sent = [message(other, name, node.around.clock.wall_ms(), text) for _ in range(4)]
        places = await store.append(sent)
        assert [place.offset for place in places] == [1, 2, 3, 4]
        # The last one, of every other pair, is known from the log alone.
        head = 4 if index % 4 < 2 else 3
        last = {"offset": head, "user": other, "at": sent[0].at, "data": {"text": text}}
        writes += [
            Write(
                CHANNELS,
                (name,),
                set={
                    **about,
                    "avatar": "" if is_direct else avatar,
                    "head": head,
                    "head_n": head,
                    "last": msgspec.json.encode(last),
                    "last_offset": head,
                },
            ),
            Write(MEMBERS, (name, USER), set={"role": "member", "read": 1, "read_n": 1}),
            Write(MENTIONS, (USER, name, 3)),
            Write(USERS, (other,), set={"name": f"Some Body {index}", "avatar": avatar}),
            *gone(name, [2]),
        ]
    for start in range(0, len(writes), WRITES_MAX):
        await store.write(writes[start : start + WRITES_MAX])


async def test_500_channels_come_in_one_call_of_five_reads_and_150_kilobytes(
    node: ChatNode, store: CountedStore
) -> None:
    await fill(node)
    store.calls.clear()
    synced = await node.sync(USER)
    assert len(store.calls) <= 5, store.calls
    assert len(synced.channels) == CHANNELS_MANY
    assert (synced.cursor, synced.badge) == ("", CHANNELS_MANY)
    assert {(item.unread, item.mentions) for item in synced.channels} == {(2, 1)}
    assert all(item.title for item in synced.channels)
    assert len(msgspec.json.encode(synced)) <= 150_000
    texts = [item.last for item in synced.channels if item.last and item.last.at]
    assert len(texts) > 0.9 * CHANNELS_MANY


async def test_a_badge_costs_no_more(node: ChatNode, store: CountedStore) -> None:
    await fill(node)
    store.calls.clear()
    assert (await node.call(USER, "chat.badge")).badge == CHANNELS_MANY
    assert len(store.calls) <= 5, store.calls


async def test_where_all_is_long_the_last_messages_are_left_out_and_then_there_are_pages(
    node: ChatNode, store: CountedStore
) -> None:
    await fill(node, text="long " * 90)
    synced = await node.sync(USER)
    assert len(msgspec.json.encode(synced)) <= 150_000
    assert len(synced.channels) == CHANNELS_MANY
    whole = [item for item in synced.channels if item.last and item.last.data]
    assert 0 < len(whole) < CHANNELS_MANY
    titles = {"title": "A title that goes on " * 9}
    await store.write(
        [
            Write(CHANNELS, (item.channel,), set={**titles, "kind": "room"})
            for item in synced.channels
        ]
    )
    first = await node.sync(USER)
    assert len(msgspec.json.encode(first)) <= 150_000
    assert 0 < len(first.channels) < CHANNELS_MANY
    second = await node.sync(USER, cursor=first.cursor)
    assert len(first.channels) + len(second.channels) == CHANNELS_MANY
    assert second.badge == CHANNELS_MANY


async def test_where_a_number_of_entries_is_kept_a_look_at_the_first_is_one_read_more(
    store: CountedStore,
) -> None:
    kept = {"room": dataclasses.replace(ROOM, history_size=2)}
    node = chat_node(cast(ChatStore, store), ManualClock(), None, kept)
    await fill(node)
    store.calls.clear()
    synced = await node.sync(USER)
    assert len(store.calls) <= 6, store.calls
    assert {(item.unread, item.mentions) for item in synced.channels} == {(2, 1)}


async def test_however_much_is_new_the_reads_are_bounded(
    node: ChatNode, store: CountedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(node)
    monkeypatch.setattr(overview, "MISSED_MAX", 3)
    store.calls.clear()
    assert len((await node.sync(USER)).channels) == CHANNELS_MANY
    assert len(store.calls) <= 9, store.calls
