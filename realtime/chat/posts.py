"""Posts: made, changed, taken back, and those of one author."""

from collections.abc import Collection, Mapping

import msgspec

from realtime.chat.amending import Amending
from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.feeds import (
    DeletePost,
    EditPost,
    ListPosts,
    Post,
    Posted,
    PostPage,
    ReactToPost,
)
from realtime.chat.contents import Contents
from realtime.chat.fanout import FanOut
from realtime.chat.feed_rules import FeedRules
from realtime.chat.hooks import Question
from realtime.chat.ledger import digest
from realtime.chat.operations import Perform, Written
from realtime.chat.places import (
    begin_of,
    end_of,
    feed_of,
    first_at,
    is_cursor,
    namespace_of,
    place_of,
)
from realtime.chat.post_reader import PostReader
from realtime.chat.refusals import invalid
from realtime.chat.upkeep import Upkeep
from realtime.chat.views import user_of
from realtime.model import Entry, NewEntry
from realtime.rows import CHANNELS, MEMBERS, POSTS, TIMELINE
from realtime.stores.base import Removal, Span, Value, Write


class Posts:
    """Performs what is about posts. `namespaces` are those that have feeds.

    Registers what follows from posts, and from their being deleted, with the ledger.
    """

    def __init__(
        self,
        around: Around,
        rules: FeedRules,
        fan_out: FanOut,
        upkeep: Upkeep,
        *,
        amending: Amending,
        contents: Contents,
        namespaces: Collection[str],
    ) -> None:
        self._store = around.store
        self._clock = around.clock
        self._ledger = around.ledger
        self._rules = rules
        self._fan_out = fan_out
        self._upkeep = upkeep
        self._amending = amending
        self._contents = contents
        self._reader = PostReader(around)
        self._namespaces = frozenset(namespaces)
        self.operations: Mapping[str, Perform] = {
            "feed.post": self.post,
            "feed.edit": self.edit,
            "feed.delete": self.delete,
            "feed.react": self.react,
            "feed.unreact": self.unreact,
            "feed.posts": self.posts,
        }
        around.ledger.on("message", self.posted)
        around.ledger.on("delete", self.deleted)

    # What callers ask for. All of it raises CommandRefused and StoreError.

    async def post(self, caller: Caller, params: Post) -> Posted:
        """Post to the caller's own feed."""
        options = self._rules.options(params.namespace)
        data = self._contents.read(params.data, options)
        channel = feed_of(params.namespace, caller.user)
        entry = NewEntry(
            channel,
            caller.sender,
            params.client_id,
            data,
            self._clock.wall_ms(),
            digest=digest("message", 0, data),
            info=caller.info,
            tags={"client_id": params.client_id},
            counts=True,
            pending=True,
        )

        async def allowed() -> NewEntry:
            self._rules.admit_author(caller, params.namespace)
            question = Question("post", channel, caller.user, msgspec.Raw(data), params.client_id)
            stored = await self._contents.ask(caller, question, options)
            self._rules.admit_author(caller, params.namespace)  # banned until the answer came?
            return msgspec.structs.replace(entry, data=stored)

        written = await self._ledger.attempt(entry, allowed())
        place = place_of(channel, written.offset, written.at)
        return Posted(channel, written.offset, written.at, place, written.duplicate)

    async def edit(self, caller: Caller, params: EditPost) -> Written:
        """Change a post."""
        self._rules.options(params.namespace)
        return await self._amending.edit(
            caller,
            feed_of(params.namespace, params.author),
            params.offset,
            client_id=params.client_id,
            data=params.data,
            admit=self._rules.to("edit", caller, params.namespace, params.author),
        )

    async def delete(self, caller: Caller, params: DeletePost) -> Written:
        """Take a post back."""
        self._rules.options(params.namespace)
        return await self._amending.delete(
            caller,
            feed_of(params.namespace, params.author),
            params.offset,
            client_id=params.client_id,
            admit=self._rules.to("delete", caller, params.namespace, params.author),
        )

    async def react(self, caller: Caller, params: ReactToPost) -> Written:
        """React to a post."""
        return await self._say(caller, params, shown=True)

    async def unreact(self, caller: Caller, params: ReactToPost) -> Written:
        """Take a reaction back."""
        return await self._say(caller, params, shown=False)

    async def posts(self, caller: Caller, params: ListPosts) -> PostPage:
        """The posts of one author, the newest first: at most five reads."""
        options = self._rules.options(params.namespace)
        if params.cursor and not is_cursor(params.namespace, params.cursor):
            raise invalid("cursor")
        await self._rules.admit_reader(caller, params.namespace, params.author)
        since_ms = self._reader.since_ms(options)
        begin = begin_of(params.namespace)
        rows = await self._store.find(
            POSTS,
            Span(
                (feed_of(params.namespace, params.author),),
                after=first_at(params.namespace, since_ms) if since_ms else begin,
                before=params.cursor or end_of(params.namespace),
            ),
            by=("channel", "place"),
            limit=params.limit + 1,
            backwards=True,
        )
        page = rows[: params.limit]
        read = await self._reader.read(caller.user, page, options)
        self._upkeep.gone(read.gone)
        is_last = read.looked_at == len(rows)
        return PostPage(read.views, "" if is_last else rows[read.looked_at - 1].place)

    async def _say(self, caller: Caller, params: ReactToPost, *, shown: bool) -> Written:
        self._rules.options(params.namespace)
        return await self._amending.react(
            caller,
            feed_of(params.namespace, params.author),
            params.offset,
            emoji=params.emoji,
            shown=shown,
            client_id=params.client_id,
            admit=self._rules.to("react", caller, params.namespace, params.author),
        )

    # What follows from entries.

    async def posted(self, entry: Entry) -> None:
        """A post has a row, and waits to be copied. Raises StoreError."""
        namespace, author = namespace_of(entry.channel), user_of(entry)
        if namespace not in self._namespaces or entry.channel != feed_of(namespace, author):
            return
        if entry.deleted_at or entry.stub:
            return
        place = place_of(entry.channel, entry.offset, entry.at)
        made: dict[str, Value] = {"created_by": author, "created_at": entry.at}
        await self._store.write(
            [
                Write(
                    POSTS,
                    (place,),
                    initial={
                        "channel": entry.channel,
                        "offset": entry.offset,
                        "author": author,
                        "at": entry.at,
                    },
                ),
                Write(
                    TIMELINE,
                    ("", place),
                    set={"channel": entry.channel, "offset": entry.offset},
                ),
                Write(
                    CHANNELS, (entry.channel,), set={"kind": "feed", "owner": author}, initial=made
                ),
                Write(
                    MEMBERS,
                    (entry.channel, author),
                    set={"role": "owner"},
                    initial={"joined_at": entry.at},
                ),
            ]
        )
        self._fan_out.offer(entry.channel, author, place)

    async def deleted(self, event: Entry) -> None:
        """A post has no row any more; what copies there are show nothing. Raises StoreError."""
        if namespace_of(event.channel) not in self._namespaces:
            return
        rows = await self._store.find(
            POSTS, Span((event.channel, event.ref)), by=("channel", "offset"), limit=10
        )
        if rows:
            removals = [Removal(POSTS, (row.place,)) for row in rows]
            waiting = [Removal(TIMELINE, ("", row.place)) for row in rows]
            await self._store.write([*removals, *waiting])
