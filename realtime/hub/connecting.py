"""Connect and refresh: who is it, what are they subscribed to, and for how long."""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

import msgspec

from realtime.auth.claims import ConnectionClaims
from realtime.auth.errors import TokenError, TokenExpired
from realtime.auth.identity import GUEST
from realtime.errors import (
    CONNECTION_EXPIRED,
    CONNECTION_LIMIT,
    FORBIDDEN,
    INSUFFICIENT_STATE,
    INVALID_TOKEN,
    MALFORMED,
    TOKEN_EXPIRED,
    CommandRefused,
    ConnectionRefused,
)
from realtime.hub.access import Access
from realtime.hub.calling import caller_of
from realtime.hub.chatting import Chat
from realtime.hub.client import Client, ClientRegistry
from realtime.hub.clock import Clock
from realtime.hub.devices import Devices, device_of
from realtime.hub.grants import Prepared
from realtime.hub.identities import Identities
from realtime.hub.joining import Joining
from realtime.hub.responder import Responder
from realtime.hub.server_side import ServerSide, Wanted
from realtime.hub.statistics import Statistics
from realtime.model import ClientInfo
from realtime.protocol.commands import ConnectRequest, RefreshRequest
from realtime.protocol.replies import ConnectResult, Refreshed, RefreshResult, SubscribeResult

logger = logging.getLogger(__name__)


class ConnectRules(msgspec.Struct, frozen=True):
    """What the settings say about connecting.

    `anonymous`: no token makes a guest. `insecure`: no token is needed, and none expires.
    `user_connections_max` is per node, 0 for no limit. `ping_interval_s` is told to clients but
    those whose name has another one in `ping_intervals_s`.
    """

    version: str
    anonymous: bool
    insecure: bool
    user_connections_max: int
    ping_interval_s: float
    ping_intervals_s: Mapping[str, float] = {}


class Connecting:
    """The use cases around a client's identity.

    `rescheduled` is called when its next deadline may have moved; `jitter` gives [0, 1).
    """

    def __init__(
        self,
        *,
        node: str,
        connect_rules: ConnectRules,
        server_side: ServerSide,
        clients: ClientRegistry,
        identities: Identities,
        access: Access,
        joining: Joining,
        devices: Devices,
        responder: Responder,
        statistics: Statistics,
        clock: Clock,
        jitter: Callable[[], float],
        rescheduled: Callable[[Client], None],
    ) -> None:
        # As clients are told it; see `realtime.hub.emulation`.
        self.node = node
        self._connect_rules = connect_rules
        self._server_side = server_side
        self._clients = clients
        self._identities = identities
        self._access = access
        self._joining = joining
        self._devices = devices
        self._responder = responder
        self._statistics = statistics
        self._clock = clock
        self._jitter = jitter
        self._rescheduled = rescheduled
        self.chat: Chat | None = None
        """Is told of users' connections; None for a hub without chat."""

    # The connect command.

    def connect(
        self, client: Client, id: int, request: ConnectRequest
    ) -> Coroutine[object, object, None] | None:
        """The first command (protocol 3.4). A CommandRefused from here ends the session's use."""
        if request.token and (waiting := self._identities.wait_for(request.token)) is not None:
            return self._connect_when_known(waiting, client, id, request)
        return self._identify(client, id, request)

    async def _connect_when_known(
        self, waiting: Awaitable[None], client: Client, id: int, request: ConnectRequest
    ) -> None:
        await waiting
        if client.closed is not None:
            return
        connecting = self._identify(client, id, request)
        if connecting is not None:
            await connecting

    def _identify(
        self, client: Client, id: int, request: ConnectRequest
    ) -> Coroutine[object, object, None] | None:
        claims = self._claims(request)
        identity = claims.identity if claims is not None else GUEST
        device = device_of(identity, claims, request)
        limit = self._connect_rules.user_connections_max
        # Those of the same device are about to be replaced.
        if identity.user and limit:
            if self._devices.other_connections(identity.user, device) >= limit:
                raise ConnectionRefused(CONNECTION_LIMIT)
        client.identity = identity
        client.device = device
        client.since = self._clock.monotonic()
        if self._access.banned(client, ""):
            raise ConnectionRefused(FORBIDDEN)
        wanted = self._server_side.wanted(client, claims, request.subs or {})
        client.info = ClientInfo(identity.user, client.id, identity.info)
        # From here on a revocation or an API call finds the client.
        self._clients.add(client)
        rules = self._connect_rules
        # A client that lies about its name changes nothing but its own pings.
        interval_s = rules.ping_intervals_s.get(request.name, rules.ping_interval_s)
        if not wanted:
            self._connected(client, id, [], interval_s)
            return None
        return self._subscribe_all(client, id, wanted, interval_s)

    def _claims(self, request: ConnectRequest) -> ConnectionClaims | None:
        if not request.token:
            if self._connect_rules.anonymous or self._connect_rules.insecure:
                return None
            raise ConnectionRefused(MALFORMED)
        try:
            return self._identities.connection(request.token)
        except TokenExpired:
            raise CommandRefused(TOKEN_EXPIRED) from None
        except TokenError:
            raise ConnectionRefused(INVALID_TOKEN) from None

    async def _subscribe_all(
        self,
        client: Client,
        id: int,
        wanted: Sequence[Wanted] | Coroutine[object, object, Sequence[Wanted]],
        ping_interval_s: float,
    ) -> None:
        if not isinstance(wanted, Sequence):
            wanted = await wanted
        prepared: list[Prepared] = []
        try:
            for channel, grant, since in wanted:
                if client.closed is not None:
                    break
                if channel.name in client.subscriptions:  # made by an API call meanwhile
                    continue
                preparing = self._joining.prepare(client, channel, grant, since)
                prepared.append(preparing if isinstance(preparing, Prepared) else await preparing)
        except BaseException:
            for item in prepared:
                self._joining.abandon(client, item.subscription)
            raise
        if client.closed is None:
            self._connected(client, id, prepared, ping_interval_s)
            return
        for item in prepared:
            self._joining.abandon(client, item.subscription)

    def _connected(
        self, client: Client, id: int, prepared: list[Prepared], ping_interval_s: float
    ) -> None:
        """Everything is decided: reply, and serve. Does not wait, so nothing falls between.

        Only now is the device's last connection let go of: a connect that fails replaces nothing.
        """
        if not self._devices.take_over(client):
            for item in prepared:
                self._joining.abandon(client, item.subscription)
            return
        # Some may have been ended by the server API while others were read.
        prepared = [item for item in prepared if self._joining.holds(client, item.subscription)]
        identity = client.identity
        assert identity is not None  # set by `_identify`
        rules = self._connect_rules
        expires_at = 0.0 if rules.insecure else identity.expires_at
        now = self._clock.monotonic()
        deadline = self._joining.deadline(expires_at)
        transport = client.transport
        client.session.accepted(
            now,
            jitter=self._jitter(),
            expires=deadline,
            ping_interval_s=ping_interval_s,
            pongs=transport.pongs,
        )
        self._rescheduled(client)
        self._statistics.connects += 1
        self._statistics.connects_by_wire[transport.wire.name] += 1
        logger.debug("client %s: connected", client.id)
        pings = ping_interval_s > 0 and not transport.frame_pings
        subs: dict[str, SubscribeResult] | None = None
        if prepared:
            subs = {item.subscription.channel.name: item.result for item in prepared}
        result = ConnectResult(
            client=client.id,
            version=rules.version,
            expires=bool(expires_at),
            ttl=self._joining.ttl(expires_at),
            subs=subs,
            ping=max(1, round(ping_interval_s)) if pings else 0,
            pong=pings and transport.pongs,
            session=client.session_id,
            node=self.node if transport.is_emulated else "",
        )
        self._responder.reply(client, id, result)
        for item in prepared:
            self._joining.admit(client, item)
        if self.chat is not None and client.user:
            self.chat.connected(caller_of(client))

    def departed(self, client: Client) -> None:
        """The client is gone, if it ever was connected."""
        if self.chat is not None and client.user and client.session.is_connected:
            self.chat.departed(caller_of(client))

    # The refresh command, and the server's own.

    def refresh(
        self, client: Client, id: int, request: RefreshRequest
    ) -> Coroutine[object, object, None] | None:
        """The client brings a new connection token (protocol 3.5)."""
        if not request.token:
            raise ConnectionRefused(MALFORMED)
        if (waiting := self._identities.wait_for(request.token)) is not None:
            return self._refresh_when_known(waiting, client, id, request)
        self._refresh(client, id, request)
        return None

    async def _refresh_when_known(
        self, waiting: Awaitable[None], client: Client, id: int, request: RefreshRequest
    ) -> None:
        await waiting
        if client.closed is None:
            self._refresh(client, id, request)

    def _refresh(self, client: Client, id: int, request: RefreshRequest) -> None:
        try:
            claims = self._identities.connection(request.token)
        except TokenExpired:
            raise ConnectionRefused(CONNECTION_EXPIRED) from None
        except TokenError:
            raise ConnectionRefused(INVALID_TOKEN) from None
        if claims.identity.user != client.user:
            raise ConnectionRefused(INVALID_TOKEN)
        if client.granted != frozenset(self._server_side.granted(claims.identity, claims)):
            raise ConnectionRefused(INSUFFICIENT_STATE)
        client.identity = claims.identity
        self._joining.show(client, claims.identity.info)
        expires_at = self.expire(client, claims.identity.expires_at)
        self._responder.reply(
            client,
            id,
            RefreshResult(
                client.id,
                self._connect_rules.version,
                expires_at > 0,
                self._joining.ttl(expires_at),
            ),
        )

    def extend(self, client: Client, expires_at: float) -> None:
        """The server API moved the connection's expiry (s since 1970, 0.0 for never)."""
        expires_at = self.expire(client, expires_at)
        ttl = self._joining.ttl(expires_at)
        self._responder.push(client, "", Refreshed(expires_at > 0, ttl))

    def expire(self, client: Client, expires_at: float) -> float:
        """Have the connection expire then; answers the moment in force."""
        if self._connect_rules.insecure:
            expires_at = 0.0
        client.session.expire(self._joining.deadline(expires_at))
        self._rescheduled(client)
        return expires_at
