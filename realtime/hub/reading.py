"""History, presence and its numbers."""

from collections.abc import Coroutine, Sequence
from typing import Final

from realtime.channels.rules import Channel, RuleBook
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
from realtime.hub.client import Client
from realtime.hub.delivery import Delivery
from realtime.hub.log_reader import LogReader
from realtime.hub.responder import Responder
from realtime.model import Entry
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
        responder: Responder,
        history_max: int,
        page_max_bytes: int,
    ) -> None:
        self._epoch = epoch
        self._rules = rules
        self._access = access
        self._delivery = delivery
        self._reader = reader
        self._responder = responder
        self._history_max = history_max
        self._page_max_bytes = page_max_bytes

    def history(
        self, client: Client, id: int, request: HistoryRequest
    ) -> Coroutine[object, object, None]:
        """A page of the channel's log (protocol 1.4)."""
        channel = self._resolve(request.channel)
        if not channel.rules.has_history:
            raise CommandRefused(NOT_AVAILABLE)
        if not self._access.may(client, "read_history", channel):
            raise CommandRefused(PERMISSION_DENIED)
        return self._reply_history(client, id, channel, request)

    async def _reply_history(
        self, client: Client, id: int, channel: Channel, request: HistoryRequest
    ) -> None:
        limit = request.limit
        if limit < 0 or limit > self._history_max:
            limit = self._history_max
        result = await self.page(channel, limit, request.since, request.reverse)
        self._responder.reply(client, id, result)

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
                retention=channel.rules.retention,
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

    def presence(self, client: Client, id: int, request: PresenceRequest) -> None:
        """Who is subscribed (protocol 1.4); above `PRESENCE_MAX` there are only numbers (108)."""
        channel = self._presence_channel(client, request.channel)
        live = self._delivery.find(channel.name)
        if live is not None and live.count() > PRESENCE_MAX:
            raise CommandRefused(NOT_AVAILABLE)
        self._responder.reply(client, id, self.who(channel))

    def presence_stats(self, client: Client, id: int, request: PresenceStatsRequest) -> None:
        """How many are subscribed (protocol 1.4)."""
        channel = self._presence_channel(client, request.channel)
        self._responder.reply(client, id, self.how_many(channel))

    def who(self, channel: Channel) -> PresenceResult:
        """Every subscription by connection id. Raises CommandRefused (108) where it is off."""
        if not channel.rules.presence:
            raise CommandRefused(NOT_AVAILABLE)
        live = self._delivery.find(channel.name)
        present = live.subscriptions() if live is not None else ()
        return PresenceResult(
            {item.client.id: Info.of(item.info) for item in present if not item.hidden}
        )

    def how_many(self, channel: Channel) -> PresenceStatsResult:
        """Connections and different users. Raises CommandRefused (108) where presence is off."""
        if not channel.rules.presence:
            raise CommandRefused(NOT_AVAILABLE)
        live = self._delivery.find(channel.name)
        present = live.subscriptions() if live is not None else ()
        users = [item.info.user for item in present if not item.hidden]
        return PresenceStatsResult(len(users), len(set(users)))

    def _presence_channel(self, client: Client, name: str) -> Channel:
        channel = self._resolve(name)
        if not channel.rules.presence:
            raise CommandRefused(NOT_AVAILABLE)
        if not self._access.may(client, "read_presence", channel):
            raise CommandRefused(PERMISSION_DENIED)
        return channel

    def _resolve(self, name: str) -> Channel:
        if not name:
            raise ConnectionRefused(MALFORMED)
        return self._rules.resolve(name)
