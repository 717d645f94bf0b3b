"""The server API's operations: what an application's backend may have the hub do (protocol 5).

The backend is trusted: permissions are for clients. What it asks must still make sense, or the
answer is an error of the table.
"""

import asyncio
import fnmatch
import json
from collections.abc import Iterator
from typing import Final

import msgspec

from realtime.auth.claims import YEAR_10000, Override
from realtime.channels.rules import Channel
from realtime.errors import (
    BAD_REQUEST,
    CHANNEL_LIMIT,
    CONNECTION_EXPIRED,
    FORCE_DISCONNECT,
    INTERNAL,
    INVALID_TOKEN,
    METHOD_NOT_FOUND,
    NOT_AVAILABLE,
    UNSUBSCRIBED_BY_SERVER,
    UNSUBSCRIBED_EXPIRED,
    CommandRefused,
    ConnectionRefused,
    Disconnect,
    StoreError,
)
from realtime.hub.api_publishing import KEY_MAX, ApiPublishing, either
from realtime.hub.client import Client
from realtime.hub.hub import Hub
from realtime.hub.joining import Grant, Prepared
from realtime.model import ClientInfo, Position, Revocation
from realtime.protocol.calls import (
    Answer,
    ChannelAnswer,
    ChannelsAnswer,
    ChannelsCall,
    DisconnectCall,
    DisconnectCode,
    HistoryCall,
    HistoryRemoveCall,
    InfoAnswer,
    InfoCall,
    NodeAnswer,
    OverrideCall,
    PresenceCall,
    PresenceStatsCall,
    RefreshCall,
    RevokeCall,
    RpcCall,
    SubscribeCall,
    Switch,
    UnsubscribeCall,
)
from realtime.protocol.replies import (
    HistoryResult,
    PresenceResult,
    PresenceStatsResult,
    Subscribed,
)
from realtime.stores.base import IdempotencyStore, LogStore, RevocationStore

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
        revocations: RevocationStore,
    ) -> None:
        publishing = ApiPublishing(hub, epoch=store.epoch, idempotency=idempotency)
        self.publish = publishing.publish
        self.broadcast = publishing.broadcast
        self.statistics = hub.statistics
        self._hub = hub
        self._store = store
        self._revocations = revocations

    # Users' connections.

    async def subscribe(self, call: SubscribeCall) -> Answer:
        """Subscribe the user's connections; done also where there is none."""
        channel = self._resolve(call.channel)
        _require(call.user)
        _check_expiry(call.expire_at)
        grant = Grant(
            by_server=True,
            chan_info=either(call.info, call.b64info),
            data=either(call.data, call.b64data),
            expires_at=float(call.expire_at),
            override=_override(call.override),
        )
        since = call.recover_since
        position = Position(since.epoch, since.offset) if since is not None else None
        clients = self._clients(call.user, call.client, call.session)
        await asyncio.gather(
            *(self._subscribe(client, channel, grant, position) for client in clients)
        )
        return Answer()

    async def _subscribe(
        self, client: Client, channel: Channel, grant: Grant, since: Position | None
    ) -> None:
        if channel.name in client.subscriptions or not client.session.is_connected:
            return
        if len(client.subscriptions) >= self._hub.settings.client.channels_max:
            self._hub.responder.close(client, CHANNEL_LIMIT)
            return
        joining = self._hub.joining
        try:
            preparing = joining.prepare(client, channel, grant, since)
            prepared = preparing if isinstance(preparing, Prepared) else await preparing
        except CommandRefused:
            return  # the client left meanwhile, or the store is away: it was never promised
        except ConnectionRefused as refusal:
            self._hub.responder.close(client, refusal.disconnect)
            return
        result = prepared.result
        self._hub.responder.push(
            client,
            channel.name,
            Subscribed(
                result.recoverable, result.epoch, result.offset, result.positioned, result.data
            ),
        )
        # The push cannot carry what was recovered (1.5): it follows as publications.
        joining.send(client, prepared.entries)
        joining.admit(client, prepared.subscription)

    async def unsubscribe(self, call: UnsubscribeCall) -> Answer:
        """End one subscription, or all, of the user's connections, or of one client."""
        if not call.user and not call.client:
            raise CommandRefused(BAD_REQUEST)
        if call.channel:
            self._resolve(call.channel)
        for client in self._clients(call.user, call.client, call.session):
            names = [call.channel] if call.channel else list(client.subscriptions)
            for name in names:
                self._hub.joining.end(client, name, UNSUBSCRIBED_BY_SERVER)
        return Answer()

    async def disconnect(self, call: DisconnectCall) -> Answer:
        """Close the user's connections, 3503 unless told otherwise."""
        _require(call.user)
        disconnect = _disconnect(call.disconnect)
        for client in self._clients(call.user, call.client, call.session):
            if client.id not in call.whitelist:
                self._hub.responder.close(client, disconnect)
        return Answer()

    async def refresh(self, call: RefreshCall) -> Answer:
        """Move the expiry of the user's connections, or close them as expired (3005)."""
        _require(call.user)
        _check_expiry(call.expire_at)
        info = either(call.info, "")
        for client in self._clients(call.user, call.client, call.session):
            if call.expired:
                self._hub.responder.close(client, CONNECTION_EXPIRED)
                continue
            if info and client.identity is not None:
                client.identity = msgspec.structs.replace(client.identity, info=info)
                client.info = ClientInfo(client.user, client.id, info)
            self._hub.connecting.extend(client, float(call.expire_at))
        return Answer()

    async def revoke(self, call: RevokeCall) -> Answer:
        """Make tokens invalid, durably, and close the connections that were made with them."""
        if bool(call.user) == bool(call.jti) or len(call.user or call.jti) > KEY_MAX:
            raise CommandRefused(BAD_REQUEST)
        _check_expiry(call.expire_at)
        now_ms = self._hub.clock.wall_ms()
        if call.expire_at and call.expire_at * 1000 <= now_ms:
            # It would be acknowledged, and forgotten at once.
            raise CommandRefused(BAD_REQUEST)
        revocation = Revocation(
            user=call.user,
            jti=call.jti,
            before=now_ms if call.user else 0,
            at=now_ms,
            until=call.expire_at * 1000,
        )
        try:
            await self._revocations.revoke(revocation)
        except StoreError:
            raise CommandRefused(INTERNAL) from None
        self._hub.revocations.add(revocation)
        concerned = self._hub.clients.of_user(call.user) if call.user else tuple(self._hub.clients)
        for client in concerned:
            if client.identity is not None and self._hub.identities.revoked(client.identity):
                self._hub.responder.close(client, INVALID_TOKEN)
                continue
            for name, subscription in list(client.subscriptions.items()):
                if call.jti and subscription.jti == call.jti:
                    self._hub.joining.end(client, name, UNSUBSCRIBED_EXPIRED)
        return Answer()

    # Reading.

    async def presence(self, call: PresenceCall) -> PresenceResult:
        """Who is subscribed."""
        return self._hub.reading.who(self._resolve(call.channel))

    async def presence_stats(self, call: PresenceStatsCall) -> PresenceStatsResult:
        """How many are subscribed."""
        return self._hub.reading.how_many(self._resolve(call.channel))

    async def history(self, call: HistoryCall) -> HistoryResult:
        """A page of the channel's log; -1 is as much as one answer may have.

        That is `HISTORY_MAX` entries, and `client.outbox_max_bytes` of them: where the last entry
        is not the log's end, the next page starts after it.
        """
        limit = call.limit if 0 <= call.limit <= HISTORY_MAX else HISTORY_MAX
        return await self._hub.reading.page(
            self._resolve(call.channel), limit, call.since, call.reverse
        )

    async def history_remove(self, call: HistoryRemoveCall) -> Answer:
        """Remove the channel's history; its offsets go on."""
        channel = self._resolve(call.channel)
        if not channel.rules.has_history:
            raise CommandRefused(NOT_AVAILABLE)
        try:
            await self._store.truncate(channel.name)
        except StoreError:
            raise CommandRefused(INTERNAL) from None
        self._hub.delivery.truncated(channel.name)
        return Answer()

    async def channels(self, call: ChannelsCall) -> ChannelsAnswer:
        """Channels that have subscribers."""
        if len(call.pattern) > KEY_MAX:
            raise CommandRefused(BAD_REQUEST)
        return ChannelsAnswer(
            {
                live.name: ChannelAnswer(live.count())
                for live in self._hub.delivery
                if not call.pattern or fnmatch.fnmatchcase(live.name, call.pattern)
            }
        )

    async def info(self, call: InfoCall) -> InfoAnswer:
        """The nodes; this version has one."""
        hub = self._hub
        node = NodeAnswer(
            uid=hub.node,
            name=hub.node,
            version=hub.version,
            num_clients=len(hub.clients),
            num_users=hub.clients.user_count(),
            num_channels=len(hub.delivery),
            num_subs=sum(live.count() for live in hub.delivery),
            uptime=int(hub.clock.monotonic() - hub.started_at),
        )
        return InfoAnswer([node])

    async def rpc(self, call: RpcCall) -> Answer:
        """No method is registered."""
        raise CommandRefused(METHOD_NOT_FOUND)

    # Small steps.

    def _resolve(self, name: str) -> Channel:
        _require(name)
        return self._hub.rules.resolve(name)

    def _clients(self, user: str, client_id: str, session: str) -> Iterator[Client]:
        """The user's connections, or the one of them that is named; no user means anybody's."""
        if session:  # sessions belong to the HTTP transports, which this version does not have
            return
        if not user and not client_id:  # callers refuse that; everybody is never meant
            return
        found = self._hub.clients.of_user(user) if user else tuple(self._hub.clients)
        for client in found:
            if not client_id or client.id == client_id:
                yield client


def _require(value: str) -> None:
    if not value:
        raise CommandRefused(BAD_REQUEST)


def _check_expiry(expire_at: int) -> None:
    """Refuse (107) what is no time in seconds since 1970; 0 is never."""
    if not 0 <= expire_at <= YEAR_10000:
        raise CommandRefused(BAD_REQUEST)


def _override(call: OverrideCall | None) -> Override | None:
    if call is None:
        return None

    def value(switch: Switch | None) -> bool | None:
        return None if switch is None else switch.value

    return Override(
        value(call.presence),
        value(call.join_leave),
        value(call.force_recovery),
        value(call.force_positioning),
        value(call.force_push_join_leave),
    )


def _disconnect(call: DisconnectCode | None) -> Disconnect:
    """The close that was asked for, if it can be sent: see `realtime.errors.Disconnect`."""
    if call is None or not call.code:
        return FORCE_DISCONNECT
    if not 3000 <= call.code <= 4999 or len(call.reason.encode()) > 123:
        raise CommandRefused(BAD_REQUEST)
    try:
        json.loads(call.reason)
    except ValueError:
        return Disconnect(call.code, call.reason)
    raise CommandRefused(BAD_REQUEST)
