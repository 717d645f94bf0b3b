"""Feeds over a store in memory, on one node or several; a store that counts, stops and fails."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec

from realtime.chat.amending import Amending
from realtime.chat.around import Around
from realtime.chat.blocks import Blocks
from realtime.chat.caller import Caller
from realtime.chat.calls.feeds import (
    DeletePost,
    ListPosts,
    Post,
    Posted,
    PostPage,
    ReadTimeline,
    TimelinePage,
)
from realtime.chat.calls.following import FeedOf
from realtime.chat.contents import Contents
from realtime.chat.counters import Counters
from realtime.chat.feeds import Feeds
from realtime.chat.ledger import Ledger
from realtime.chat.message_folds import MessageFolds
from realtime.chat.places import place_of
from realtime.chat.ports import ChatStore
from realtime.chat.summaries import Summaries
from realtime.errors import StoreUnavailable
from realtime.settings.schema import ChannelOptions, ChatSettings
from realtime.stores.base import Removal, Write
from tests.support.chat import FEED, ChatParts, caller, chat_parts

NAMESPACE: Final = "feed"

READS: Final = ("get", "find", "fetch", "read", "missed", "find_sent", "sent_by", "pending")


class WatchedStore:
    """Stands before a store: counts its reads, and lets a test come in between.

    `before` is awaited before every call, with the call's name. `writes_left`: after so many more
    writes of rows half of a `write` is carried out, and it raises; None is never.
    """

    def __init__(self, store: ChatStore) -> None:
        self._store = store
        self.reads: Counter[str] = Counter()
        self.before: Callable[[str], Awaitable[None]] | None = None
        self.writes_left: int | None = None

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in (*READS, "write", "decide"):
            return found

        async def call(*arguments: Any, **named: Any) -> Any:
            if name in READS:
                self.reads[name] += 1
            if self.before is not None:
                await self.before(name)
            if name == "write":
                await self._fail(arguments[0])
            return await found(*arguments, **named)

        return call

    async def _fail(self, writes: Sequence[Write | Removal]) -> None:
        if self.writes_left is None:
            return
        if len(writes) <= self.writes_left:
            self.writes_left -= len(writes)
            return
        some, self.writes_left = writes[: self.writes_left], None
        await self._store.write(some)
        raise StoreUnavailable("broken on purpose")


@dataclass
class FeedNode:
    """A node: what users do by it, what it does in the background."""

    around: Around
    feeds: Feeds
    blocks: Blocks
    store: WatchedStore
    counters: Counters

    async def perform(self, operation: str, user: str | Caller, params: msgspec.Struct) -> Any:
        """Call an operation."""
        who = caller(user) if isinstance(user, str) else user
        perform = {**self.feeds.operations, **self.blocks.operations}[operation]
        return await perform(who, params)

    async def post(self, author: str, client_id: str, data: bytes = b'{"text":"hi"}') -> Posted:
        """Post."""
        params = Post(NAMESPACE, client_id, msgspec.Raw(data))
        return cast(Posted, await self.perform("feed.post", author, params))

    async def delete(self, author: str, offset: int, client_id: str) -> None:
        """Take a post back."""
        await self.perform("feed.delete", author, DeletePost(NAMESPACE, author, offset, client_id))

    async def follow(self, user: str, author: str) -> None:
        """Follow."""
        await self.perform("feed.follow", user, FeedOf(NAMESPACE, author))

    async def unfollow(self, user: str, author: str) -> None:
        """Unfollow."""
        await self.perform("feed.unfollow", user, FeedOf(NAMESPACE, author))

    async def timeline(self, user: str, cursor: str = "", limit: int = 50) -> TimelinePage:
        """A page of a timeline."""
        params = ReadTimeline(NAMESPACE, cursor, limit)
        return cast(TimelinePage, await self.perform("feed.timeline", user, params))

    async def posts(self, user: str, author: str, cursor: str = "", limit: int = 50) -> PostPage:
        """A page of one author's posts."""
        params = ListPosts(NAMESPACE, author, cursor, limit)
        return cast(PostPage, await self.perform("feed.posts", user, params))

    async def whole_timeline(self, user: str, limit: int = 50) -> list[str]:
        """The places of all pages of a timeline."""
        places, cursor = [], ""
        while True:
            page = await self.timeline(user, cursor, limit)
            places += [post.place for post in page.posts]
            cursor = page.cursor
            if not cursor:
                return places

    async def settle(self) -> None:
        """Do what is to be done in the background now, and end what lingers."""
        await self.feeds.fan_out.work()
        await self.feeds.fan_out.finish()
        await self.feeds.upkeep.work()


def place(posted: Posted) -> str:
    """Where a post is."""
    assert posted.place == place_of(posted.channel, posted.offset, posted.at)
    return posted.place


def make_node(parts: ChatParts) -> FeedNode:
    """One more node on the store of the parts."""
    store = WatchedStore(parts.store)
    watched = cast(ChatStore, store)
    around = msgspec.structs.replace(
        parts.around, store=watched, ledger=Ledger(watched, parts.stage, parts.clock)
    )
    MessageFolds(around, Summaries(watched, parts.clock))
    blocks = Blocks(around)
    contents = Contents(data_max_bytes=65_536)
    namespaces = [
        name for name, options in parts.stage.namespaces.items() if options.chat == "feed"
    ]
    counters = Counters(parts.stage, parts.clock)
    feeds = Feeds(
        around,
        blocks=blocks,
        amending=Amending(around, contents=contents),
        contents=contents,
        counters=counters,
        namespaces=namespaces,
    )
    return FeedNode(around, feeds, blocks, store, counters)


@asynccontextmanager
async def feed_node(
    settings: ChatSettings | None = None, **options: ChannelOptions
) -> AsyncIterator[tuple[FeedNode, ChatParts]]:
    """A node over an empty store, with the namespace `feed` unless others are given."""
    async with chat_parts(settings, **(options or {NAMESPACE: FEED})) as parts:
        yield make_node(parts), parts
