"""The server API's operations: what an application's backend may have the hub do (protocol 5).

The backend is trusted: permissions are for clients. What it asks must still make sense, or the
answer is an error of the table.
"""

import base64
from typing import Final

from realtime.channels.rules import Channel
from realtime.errors import (
    BAD_REQUEST,
    INTERNAL,
    NOT_AVAILABLE,
    CommandRefused,
    StoreError,
)
from realtime.hub.api_fields import KEY_MAX, require
from realtime.hub.api_publishing import ApiPublishing
from realtime.hub.cluster import channel_counts
from realtime.hub.hub import Hub
from realtime.protocol.calls import (
    Answer,
    BinaryHistoryAnswer,
    BinaryPublication,
    ChannelAnswer,
    ChannelsAnswer,
    ChannelsCall,
    HistoryCall,
    HistoryRemoveCall,
    InfoAnswer,
    InfoCall,
    NodeAnswer,
    PresenceCall,
    PresenceStatsCall,
    RpcAnswer,
    RpcCall,
)
from realtime.protocol.replies import (
    HistoryResult,
    PresenceResult,
    PresenceStatsResult,
)
from realtime.stores.base import IdempotencyStore, LogStore

HISTORY_MAX: Final = 10_000
"""Entries in one answer, also for "all": a request has a limit."""


class ServerApi:
    """One operation a method, each with the request type of `realtime.protocol.calls`.

    All raise CommandRefused with a code of the server API (5.1) and nothing else on purpose.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        store: LogStore,
        idempotency: IdempotencyStore,
    ) -> None:
        publishing = ApiPublishing(hub, epoch=store.epoch, idempotency=idempotency)
        self.publish = publishing.publish
        self.broadcast = publishing.broadcast
        orders = hub.orders
        self.subscribe = orders.subscribe
        self.unsubscribe = orders.unsubscribe
        self.disconnect = orders.disconnect
        self.refresh = orders.refresh
        self.revoke = orders.revoke
        self.ban = orders.ban
        self.unban = orders.unban
        self.statistics = hub.statistics
        self._hub = hub
        self._store = store

    # Reading.

    async def presence(self, call: PresenceCall) -> PresenceResult:
        """Who is subscribed."""
        return await self._hub.reading.who(self._resolve(call.channel))

    async def presence_stats(self, call: PresenceStatsCall) -> PresenceStatsResult:
        """How many are subscribed."""
        return await self._hub.reading.how_many(self._resolve(call.channel))

    async def history(self, call: HistoryCall) -> HistoryResult | BinaryHistoryAnswer:
        """A page of the channel's log; -1 is as much as one answer may have.

        That is `HISTORY_MAX` entries, and `client.outbox_max_bytes` of them: where the last entry
        is not the log's end, the next page starts after it. Payloads that need not be JSON are in
        base64, as `b64data` in place of `data`.
        """
        limit = call.limit if 0 <= call.limit <= HISTORY_MAX else HISTORY_MAX
        channel = self._resolve(call.channel)
        page = await self._hub.reading.page(channel, limit, call.since, call.reverse)
        return _in_base64(page) if channel.rules.data_format == "binary" else page

    async def history_remove(self, call: HistoryRemoveCall) -> Answer:
        """Remove the channel's history; its offsets go on."""
        channel = self._resolve(call.channel)
        if not channel.rules.has_history:
            raise CommandRefused(NOT_AVAILABLE)
        try:
            await self._store.truncate(channel.name)
            if self._hub.chat is not None and channel.rules.chat:
                await self._hub.chat.truncated(channel.name)
        except StoreError:
            raise CommandRefused(INTERNAL) from None
        await self._hub.orders.forget(channel.name)
        return Answer()

    async def channels(self, call: ChannelsCall) -> ChannelsAnswer:
        """Channels that have subscribers."""
        if len(call.pattern) > KEY_MAX:
            raise CommandRefused(BAD_REQUEST)
        cluster = self._hub.cluster
        counts = (
            await cluster.channels(call.pattern)
            if cluster is not None
            else channel_counts(self._hub.delivery, call.pattern)
        )
        return ChannelsAnswer({name: ChannelAnswer(count) for name, count in counts.items()})

    async def info(self, call: InfoCall) -> InfoAnswer:
        """Every living hub: this one as it is, the others as of their last beat (3 s)."""
        hub = self._hub
        infos = (
            [(hub.node, hub.node_info())]
            if hub.cluster is None
            else await hub.cluster.newest_infos()
        )
        return InfoAnswer(
            [
                NodeAnswer(
                    uid=node,
                    name=info.name,
                    version=info.version,
                    num_clients=info.num_clients,
                    num_users=info.num_users,
                    num_channels=info.num_channels,
                    num_subs=info.num_subs,
                    uptime=info.uptime,
                )
                for node, info in infos
                if info.role == "hub"
            ]
        )

    async def rpc(self, call: RpcCall) -> RpcAnswer:
        """Perform an operation of chat or of feeds for a user; 104 where there is no such."""
        return await self._hub.calling.call(call)

    # Small steps.

    def _resolve(self, name: str) -> Channel:
        require(name)
        return self._hub.rules.resolve(name)


def _in_base64(page: HistoryResult) -> BinaryHistoryAnswer:
    publications = [
        BinaryPublication(
            None, base64.b64encode(bytes(item.data)).decode(), item.info, item.offset, item.tags
        )
        for item in page.publications
    ]
    return BinaryHistoryAnswer(publications, page.epoch, page.offset)
