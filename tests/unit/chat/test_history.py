"""Pages of a room's history: what is on them, what they cost, and what is hidden."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.chat.calls.messages import MessagePage
from realtime.model import NewEntry
from realtime.settings.durations import Duration
from tests.support.chat import ROOM as ROOM_OPTIONS
from tests.support.chat import caller
from tests.support.chat_messages import DIRECT, ROOM, MessageParts, message_parts, refused, texts


@pytest.fixture
async def chat() -> AsyncIterator[MessageParts]:
    async with message_parts() as made:
        yield made


async def write(chat: MessageParts, kinds: str) -> None:
    """A log of messages (m), replies (r), replies to both (b) and events (e), made in one go."""
    await chat.parts.store.append(
        [
            NewEntry(
                ROOM,
                "u:bob",
                f"id-{number}",
                b"%d" % (number + 1),
                chat.parts.clock.now_ms,
                kind="member" if kind == "e" else "message",
                ref=1 if kind in "rb" else 0,
                tags={"also": "1"} if kind == "b" else None,
                counts=kind in "mb",
            )
            for number, kind in enumerate(kinds)
        ]
    )


class CountedReads:
    """Counts the reads of a store's logs and tables."""

    def __init__(self, chat: MessageParts, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: dict[str, int] = {}
        for name in ("read", "fetch", "missed", "find", "get", "pending"):
            monkeypatch.setattr(chat.parts.store, name, self._counted(chat, name))

    def _counted(self, chat: MessageParts, name: str) -> Any:
        call = getattr(chat.parts.store, name)

        async def counted(*args: Any, **kwargs: Any) -> Any:
            self.counts[name] = self.counts.get(name, 0) + 1
            return await call(*args, **kwargs)

        return counted


def edges(page: MessagePage) -> tuple[int, int | None]:
    """Where the pages beside this one begin."""
    return page.older, page.newer


async def test_the_newest_messages_come_in_order_and_then_older_ones(chat: MessageParts) -> None:
    await write(chat, "m" * 7)
    page = await chat.history(limit=3)
    assert texts(page) == [5, 6, 7]
    assert (page.head, page.n, edges(page)) == (7, 7, (5, None))
    page = await chat.history(limit=3, before=page.older)
    assert (texts(page), edges(page)) == ([2, 3, 4], (2, 4))
    page = await chat.history(limit=3, before=page.older)
    assert (texts(page), edges(page)) == ([1], (0, 1))


async def test_what_comes_after_an_offset(chat: MessageParts) -> None:
    await write(chat, "m" * 7)
    page = await chat.history(limit=3, after=0)
    assert (texts(page), edges(page)) == ([1, 2, 3], (0, 3))
    page = await chat.history(limit=3, after=page.newer)
    assert (texts(page), edges(page)) == ([4, 5, 6], (4, 6))
    page = await chat.history(limit=3, after=page.newer)
    assert (texts(page), edges(page)) == ([7], (7, None))
    page = await chat.history(limit=3, after=7)
    assert (texts(page), edges(page)) == ([], (8, None))
    # Far beyond the end: what is older is in front of the end, and can be asked for.
    page = await chat.history(limit=3, after=1 << 53)
    assert (texts(page), edges(page)) == ([], (8, None))


async def test_both_sides_of_an_offset(chat: MessageParts) -> None:
    await write(chat, "m" * 9)
    page = await chat.history(limit=4, around=5)
    assert (texts(page), edges(page)) == ([3, 4, 5, 6], (3, 6))
    page = await chat.history(limit=200, around=5)
    assert (texts(page), edges(page)) == ([1, 2, 3, 4, 5, 6, 7, 8, 9], (0, None))
    page = await chat.history(limit=1, around=5)
    assert (texts(page), edges(page)) == ([5], (5, 5))


async def test_an_empty_channel_has_an_empty_page(chat: MessageParts) -> None:
    page = await chat.history()
    assert (page.messages, page.head, page.n, edges(page)) == ([], 0, 0, (0, None))


async def test_one_says_before_after_or_around(chat: MessageParts) -> None:
    for params in (
        {"before": 1, "after": 1},
        {"after": 1, "around": 1},
        {"before": 1, "around": 1},
    ):
        assert (await refused(chat.history(**params))).error.code == 422


async def test_events_and_replies_are_not_among_the_messages(chat: MessageParts) -> None:
    await write(chat, "mermbem")
    assert texts(await chat.history()) == [1, 4, 5, 7]
    page = await chat.history(events=True)
    assert texts(page) == [1, 2, 4, 5, 6, 7]
    assert [view.kind for view in page.messages].count("member") == 2


@pytest.mark.parametrize("how", ["before", "after", "around"])
async def test_a_page_is_three_reads_whatever_is_between(
    chat: MessageParts, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    await write(chat, "mm" + "e" * 2_500 + "mm")
    reads = CountedReads(chat, monkeypatch)
    where = {"before": 2_504, "after": 1, "around": 1_200}[how]
    page = await chat.history(**{how: where})
    assert reads.counts["read"] <= 3
    # The page is short, and says from where to go on.
    assert len(page.messages) == (0 if how == "around" else 1)
    found = list(page.messages)
    while page.older:
        page = await chat.history(before=page.older)
        found += page.messages
    while page.newer is not None:
        page = await chat.history(after=page.newer)
        found += page.messages
    assert {view.offset for view in found} == {1, 2, 2_503, 2_504}


async def test_reactions_of_one_s_own_are_one_read_more(
    chat: MessageParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(chat, "m" * 30)
    for offset in range(1, 30):
        await chat.react("bob", offset, "👍")
        await chat.react("ann" if offset % 2 else "cid", offset, "🎉")
    await chat.history()
    reads = CountedReads(chat, monkeypatch)
    page = await chat.history(limit=50, before=31)
    assert sum(reads.counts.values()) == 2
    mine = [view.offset for view in page.messages if view.reactions and view.reactions["🎉"].mine]
    assert mine == list(range(1, 30, 2))


async def test_a_page_is_bounded_in_bytes(
    chat: MessageParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.chat.pages.PAGE_MAX_BYTES", 1_500)
    for number in range(5):
        await chat.send("bob", f"{number}" * 700)
    page = await chat.history()
    assert [text[0] for text in texts(page)] == ["2", "3", "4"]
    page = await chat.history(before=page.older)
    assert [text[0] for text in texts(page)] == ["0", "1"]
    assert page.older == 0


async def test_what_retention_hides_is_hidden_on_every_path() -> None:
    brief = dataclasses.replace(ROOM_OPTIONS, history_size=3, history_ttl=Duration(60_000))
    async with message_parts(room=brief) as chat:
        for number in range(5):
            await chat.send("bob", number, reply_to=None)
        root = await chat.send("bob", "root")
        await chat.call("chat.pin", "ann", offset=root.offset)
        await chat.send("bob", "reply", reply_to=root.offset)
        page = await chat.history()
        assert texts(page) == ["root"]
        assert page.head == 8
        thread = await chat.call("chat.thread", "ann", offset=root.offset)
        assert len(thread.replies) == 1
        chat.parts.clock.now_ms += 60_000
        assert texts(await chat.history()) == []
        assert (await chat.call("chat.pins", "ann")).pins == []
        for name in ("chat.message", "chat.thread", "chat.reactions"):
            assert (await refused(chat.call(name, "ann", offset=root.offset))).error.code == 404
        assert (await refused(chat.edit("bob", root.offset, 1))).error.code == 404
        assert (await refused(chat.send("bob", reply_to=root.offset))).error.code == 404


async def test_only_members_read(chat: MessageParts) -> None:
    await chat.send("bob")
    await chat.member("cid", role="reader")
    assert len((await chat.history("cid")).messages) == 1
    await chat.member("cid", role="banned", banned_until=-1)
    await chat.member("eve", role="")
    for user, why in (("cid", "banned"), ("eve", "not_a_member"), ("dan", "not_a_member")):
        for name in ("chat.history", "chat.message", "chat.thread", "chat.reactions", "chat.pins"):
            params = {} if name in ("chat.history", "chat.pins") else {"offset": 1}
            assert (await refused(chat.call(name, user, **params))).why == why
    assert len((await chat.call("chat.history", caller("root", "admin"))).messages) == 1
    assert (await refused(chat.history(channel="room:none"))).error.code == 103
    assert (await refused(chat.history(channel="feed:none"))).error.code == 404


async def test_a_namespace_may_keep_history_from_members() -> None:
    secret = dataclasses.replace(ROOM_OPTIONS, read_history=())
    async with message_parts(room=secret) as chat:
        assert (await refused(chat.history())).why == "role"


async def test_direct_messages_of_whom_one_blocks_are_hidden(chat: MessageParts) -> None:
    await chat.direct("ann", "bob")
    await chat.send("ann", "mine", channel=DIRECT)
    await chat.send("bob", "theirs", channel=DIRECT)
    await chat.send("bob", "in the room")
    await chat.block("ann", "bob")
    assert texts(await chat.history("ann", channel=DIRECT)) == ["mine"]
    for name in ("chat.message", "chat.thread", "chat.reactions"):
        problem = await refused(chat.call(name, "ann", offset=2, channel=DIRECT))
        assert problem.error.code == 404
    assert texts(await chat.history("bob", channel=DIRECT)) == ["mine", "theirs"]
    assert texts(await chat.history("ann")) == ["in the room"]


@settings(max_examples=40, deadline=None)
@given(
    kinds=st.text(alphabet="mmreb", min_size=1, max_size=40),
    limit=st.integers(1, 9),
    start=st.integers(1, 42),
    events=st.booleans(),
)
def test_pages_in_either_direction_have_everything_once(
    kinds: str, limit: int, start: int, events: bool
) -> None:
    async def collect(chat: MessageParts) -> Sequence[int]:
        first = await chat.history(around=start, limit=limit, events=events)
        found = [view.offset for view in first.messages]
        older = first
        while older.older:
            older = await chat.history(before=older.older, limit=limit, events=events)
            assert len(older.messages) <= limit
            found[:0] = [view.offset for view in older.messages]
        newer = first
        while newer.newer is not None:
            newer = await chat.history(after=newer.newer, limit=limit, events=events)
            found += [view.offset for view in newer.messages]
        return found

    async def check() -> None:
        async with message_parts() as chat:
            await write(chat, kinds)
            wanted = "mbe" if events else "mb"
            expected = [at for at, kind in enumerate(kinds, 1) if kind in wanted]
            assert await collect(chat) == expected

    asyncio.run(check())
