"""History, presence and its numbers."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Final

from realtime.auth.permissions import Operation
from realtime.channels.rules import Channel, RuleBook
from realtime.chat.standing import Standing
from realtime.cluster.presence_reader import Elsewhere
from realtime.errors import (
    BAD_REQUEST,
    INTERNAL,
    MALFORMED,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    UNRECOVERABLE_POSITION,
    CommandRefused,
    ConnectionRefused,
    StoreError,
)
from realtime.hub.access import Access
from realtime.hub.chatting import Chat
from realtime.hub.client import Client
from realtime.hub.delivery import Delivery
from realtime.hub.log_reader import LogReader
from realtime.hub.payloads import check_format
from realtime.hub.responder import Responder
from realtime.hub.retaining import Retaining
from realtime.model import ClientInfo, Entry
from realtime.protocol.commands import (
    HistoryRequest,
    PresenceRequest,
    PresenceStatsRequest,
    Since,
)
from realtime.protocol.replies import (
    HistoryResult,
    Info,
    PresenceResult,
    PresenceStatsResult,
    Publication,
)

PRESENCE_MAX: Final = 2_000
"""Subscriptions of a channel up to which clients may ask who is there, not only how many."""

OTHERS_MAX: Final = 100_000
"""Subscriptions on other nodes that are read, and counted, at the most."""

Others = Callable[[str, int], Awaitable[Elsewhere]]
"""Reads at most so many of a channel's subscriptions on other living nodes. Raises StoreError."""

_Answer = Callable[[], Coroutine[object, object, None] | None]
"""Answers a command, or says what to wait for."""

_Present = dict[str, ClientInfo]
"""Who is shown as subscribed, by connection id."""


class Reading:
    """The reading use cases; the server API uses those that take a `Channel`.

    `history_max` entries in one page, and `page_max_bytes` of their payload.
    """

    def __init__(
        self,
        *,
        epoch: str,
        rules: RuleBook,
        access: Access,
        delivery: Delivery,
        reader: LogReader,
        retaining: Retaining,
        responder: Responder,
        history_max: int,
        page_max_bytes: int,
    ) -> None:
        self._epoch = epoch
        self._rules = rules
        self._access = access
        self._delivery = delivery
        self._reader = reader
        self._retaining = retaining
        self._responder = responder
        self._history_max = history_max
        self._page_max_bytes = page_max_bytes
        self.others: Others | None = None
        """Reads what other nodes have; None for a hub that has none."""
        self.chat: Chat | None = None
        """Says what the sizes of chat channels allow; None for a hub without chat."""

    def history(
        self, client: Client, id: int, request: HistoryRequest
    ) -> Coroutine[object, object, None]:
        """A page of the channel's log (protocol 1.4)."""
        channel = self._resolve(request.channel)
        if not channel.rules.has_history:
            raise CommandRefused(NOT_AVAILABLE)
        known = self._access.knows(client, channel)
        if known:
            self._allow(client, "read_history", channel)
        check_format(client, channel.rules)
        return self._reply_history(client, id, channel, request, known)

    def _allow(
        self,
        client: Client,
        operation: Operation,
        channel: Channel,
        standing: Standing | None = None,
    ) -> None:
        if not self._access.may(client, operation, channel, standing=standing):
            raise CommandRefused(PERMISSION_DENIED)

    async def _allow_when_known(
        self, client: Client, operation: Operation, channel: Channel
    ) -> None:
        looking = self._access.wait_for(client, channel)
        self._allow(client, operation, channel, await looking if looking is not None else None)

    async def _reply_history(
        self, client: Client, id: int, channel: Channel, request: HistoryRequest, known: bool
    ) -> None:
        if not known:
            await self._allow_when_known(client, "read_history", channel)
        limit = request.limit
        if limit < 0 or limit > self._history_max:
            limit = self._history_max
        result = await self.page(channel, limit, request.since, request.reverse)
        if channel.rules.chat and not await self._is_abreast(channel, result.offset):
            # What this node had not come to yet may have taken the user out.
            await self._allow_when_known(client, "read_history", channel)
        self._responder.reply(client, id, result)

    async def _is_abreast(self, channel: Channel, head: int) -> bool:
        """Whether all that was read had passed here; if not, it has now. Raises CommandRefused."""
        live = self._delivery.find(channel.name)
        if live is None or live.cursor is None or head <= live.cursor.position:
            return True
        try:
            await self._delivery.reach(live, head)
        except (StoreError, TimeoutError):
            raise CommandRefused(INTERNAL) from None
        return False

    async def page(
        self, channel: Channel, limit: int, since: Since | None, reverse: bool
    ) -> HistoryResult:
        """A page of at most `limit` entries: oldest first after `since`, or newest first before it.

        It is cut short where the payload exceeds the page's limit in bytes. Raises CommandRefused:
        107 for nothing to walk back from, 112 for an epoch that is not the store's, 100.
        """
        if not channel.rules.has_history:
            raise CommandRefused(NOT_AVAILABLE)
        offset = since.offset if since is not None else 0
        if since is not None:
            if reverse and not offset:
                raise CommandRefused(BAD_REQUEST)
            if since.epoch and since.epoch != self._epoch:
                raise CommandRefused(UNRECOVERABLE_POSITION)
        try:
            page = await self._reader.page(
                channel.name,
                after=0 if reverse else offset,
                before=offset if reverse else 0,
                limit=limit,
                newest_first=reverse,
                retention=await self._retaining.look_up(channel.name, channel.rules),
            )
        except StoreError:
            raise CommandRefused(INTERNAL) from None
        entries = self._cut(page.entries)
        return HistoryResult([Publication.of(entry) for entry in entries], self._epoch, page.head)

    def _cut(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """As many as the page's bytes allow, at least one: a client must be able to go on."""
        size = 0
        for count, entry in enumerate(entries):
            size += len(entry.data)
            if size > self._page_max_bytes and count:
                return entries[:count]
        return entries

    def presence(
        self, client: Client, id: int, request: PresenceRequest
    ) -> Coroutine[object, object, None] | None:
        """Who is subscribed (protocol 1.4); above a size there are only numbers (108).

        That is `PRESENCE_MAX`, or in channels of chat what their tier says.
        """
        channel = self._presence_channel(request.channel)
        return self._when_allowed(client, channel, partial(self._presence, client, id, channel))

    def _when_allowed(
        self, client: Client, channel: Channel, answer: _Answer
    ) -> Coroutine[object, object, None] | None:
        if self._access.knows(client, channel):
            self._allow(client, "read_presence", channel)
            return answer()
        return self._answer_when_known(client, channel, answer)

    async def _answer_when_known(self, client: Client, channel: Channel, answer: _Answer) -> None:
        await self._allow_when_known(client, "read_presence", channel)
        answering = answer()
        if answering is not None:
            await answering

    def _presence(
        self, client: Client, id: int, channel: Channel
    ) -> Coroutine[object, object, None] | None:
        live = self._delivery.find(channel.name)
        if live is not None and live.count() > PRESENCE_MAX:
            raise CommandRefused(NOT_AVAILABLE)
        if channel.rules.chat and self.chat is not None and not self.chat.shows_who(channel.name):
            raise CommandRefused(NOT_AVAILABLE)
        if self.others is not None:
            return self._reply_presence(client, id, channel)
        self._responder.reply(client, id, _who(self._own(channel)))
        return None

    async def _reply_presence(self, client: Client, id: int, channel: Channel) -> None:
        result = await self.who(channel, at_most=PRESENCE_MAX)
        self._responder.reply(client, id, result)

    def presence_stats(
        self, client: Client, id: int, request: PresenceStatsRequest
    ) -> Coroutine[object, object, None] | None:
        """How many are subscribed (protocol 1.4)."""
        channel = self._presence_channel(request.channel)
        return self._when_allowed(client, channel, partial(self._stats, client, id, channel))

    def _stats(
        self, client: Client, id: int, channel: Channel
    ) -> Coroutine[object, object, None] | None:
        if self.others is not None:
            return self._reply_stats(client, id, channel)
        self._responder.reply(client, id, _how_many(self._own(channel)))
        return None

    async def _reply_stats(self, client: Client, id: int, channel: Channel) -> None:
        self._responder.reply(client, id, await self.how_many(channel))

    async def who(self, channel: Channel, *, at_most: int = OTHERS_MAX) -> PresenceResult:
        """Every subscription by connection id, on every node.

        Raises CommandRefused: 108 where presence is off or more than `at_most` are there, 100.
        """
        present, is_complete = await self._everywhere(channel, at_most)
        if not is_complete or len(present) > at_most:
            raise CommandRefused(NOT_AVAILABLE)
        return _who(present)

    async def how_many(self, channel: Channel) -> PresenceStatsResult:
        """Connections and different users, on every node; of other nodes' `OTHERS_MAX` at most.

        Raises CommandRefused: 108 where presence is off, 100.
        """
        present, _ = await self._everywhere(channel, OTHERS_MAX)
        return _how_many(present)

    async def _everywhere(self, channel: Channel, limit: int) -> tuple[_Present, bool]:
        """Who is subscribed on every node, and whether that is everybody."""
        if self.others is None:
            return self._own(channel), True
        if not channel.rules.presence:
            raise CommandRefused(NOT_AVAILABLE)
        try:
            elsewhere = await self.others(channel.name, limit)
        except StoreError:
            raise CommandRefused(INTERNAL) from None
        present = {entry.info.client: entry.info for entry in elsewhere.entries}
        # Read last, and over what the store says: this node knows its own clients best.
        return present | self._own(channel), elsewhere.is_complete

    def _own(self, channel: Channel) -> _Present:
        """Who is subscribed on this node. Raises CommandRefused (108) where presence is off."""
        if not channel.rules.presence:
            raise CommandRefused(NOT_AVAILABLE)
        live = self._delivery.find(channel.name)
        present = live.subscriptions() if live is not None else ()
        return {item.client.id: item.info for item in present if not item.hidden}

    def _presence_channel(self, name: str) -> Channel:
        channel = self._resolve(name)
        if not channel.rules.presence:
            raise CommandRefused(NOT_AVAILABLE)
        return channel

    def _resolve(self, name: str) -> Channel:
        if not name:
            raise ConnectionRefused(MALFORMED)
        return self._rules.resolve(name)


def _who(present: _Present) -> PresenceResult:
    return PresenceResult({client: Info.of(info) for client, info in present.items()})


def _how_many(present: _Present) -> PresenceStatsResult:
    return PresenceStatsResult(len(present), len({info.user for info in present.values()}))
