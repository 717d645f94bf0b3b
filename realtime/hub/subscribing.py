"""The commands subscribe, unsubscribe and sub_refresh: may they, and on what terms."""

from collections.abc import Awaitable, Callable, Coroutine

from realtime.auth.claims import SubscriptionClaims
from realtime.auth.errors import TokenError, TokenExpired
from realtime.channels.rules import Channel, RuleBook
from realtime.chat.standing import Standing
from realtime.errors import (
    ALREADY_SUBSCRIBED,
    BAD_REQUEST,
    INVALID_TOKEN,
    LIMIT_EXCEEDED,
    MALFORMED,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    TOKEN_EXPIRED,
    CommandRefused,
    ConnectionRefused,
)
from realtime.hub.access import Access
from realtime.hub.client import Client
from realtime.hub.grants import Grant, Prepared
from realtime.hub.identities import Identities
from realtime.hub.joining import Joining
from realtime.hub.responder import Responder
from realtime.model import Position
from realtime.protocol.commands import (
    REJECT_UNRECOVERED,
    SubRefreshRequest,
    SubscribeRequest,
    UnsubscribeRequest,
)
from realtime.protocol.replies import (
    SubRefreshResult,
    UnsubscribeResult,
)


class Subscribing:
    """The commands of clients; what they lead to is in `realtime.hub.joining`.

    `rescheduled` is called when a client's next deadline may have moved.
    """

    def __init__(
        self,
        *,
        rules: RuleBook,
        joining: Joining,
        identities: Identities,
        access: Access,
        responder: Responder,
        channels_max: int,
        rescheduled: Callable[[Client], None],
    ) -> None:
        self._rules = rules
        self._joining = joining
        self._identities = identities
        self._access = access
        self._responder = responder
        self._channels_max = channels_max
        self._rescheduled = rescheduled

    def subscribe(
        self, client: Client, id: int, request: SubscribeRequest
    ) -> Coroutine[object, object, None] | None:
        """The client asks for a channel (protocol 4.2)."""
        if not request.channel:
            raise ConnectionRefused(MALFORMED)
        if request.type or request.tf:
            raise CommandRefused(NOT_AVAILABLE)
        if request.channel in client.subscriptions:
            raise CommandRefused(ALREADY_SUBSCRIBED)
        if len(client.subscriptions) >= self._channels_max:
            raise CommandRefused(LIMIT_EXCEEDED)
        channel = self._rules.resolve(request.channel)
        if not channel.fits_regex:
            raise CommandRefused(BAD_REQUEST)
        waiting = self._identities.wait_for(request.token) if request.token else None
        if waiting is not None or self._is_uncertain(client, channel):
            return self._subscribe_when_known(waiting, client, id, request, channel)
        return self._decide_and_join(client, id, request, channel)

    def _is_uncertain(self, client: Client, channel: Channel) -> bool:
        """Whether the store must be asked what the user is in a channel that has members."""
        return bool(channel.rules.chat) and not (
            self._access.knows(client, channel)
            and self._access.may_subscribe(client, channel, by_token=False)
        )

    async def _subscribe_when_known(
        self,
        waiting: Awaitable[None] | None,
        client: Client,
        id: int,
        request: SubscribeRequest,
        channel: Channel,
    ) -> None:
        if waiting is not None:
            await waiting
        standing = await self._standing(client, channel)
        if client.closed is not None:
            return
        if request.channel in client.subscriptions:  # made by the server meanwhile
            raise CommandRefused(ALREADY_SUBSCRIBED)
        joining = self._decide_and_join(client, id, request, channel, standing)
        if joining is not None:
            await joining

    async def _standing(self, client: Client, channel: Channel) -> Standing | None:
        """What to ask about; None where it is at hand. Raises CommandRefused (100)."""
        looking = self._access.wait_for(client, channel)
        standing = await looking if looking is not None else None
        if channel.rules.chat and not self._access.may_subscribe(
            client, channel, by_token=False, standing=standing
        ):
            # Another node may have let the user in a moment ago.
            if not await self._joining.read_on(channel):
                self._access.forget(client, channel)
            looking = self._access.wait_for(client, channel)
            standing = await looking if looking is not None else None
        return standing

    def _decide_and_join(
        self,
        client: Client,
        id: int,
        request: SubscribeRequest,
        channel: Channel,
        standing: Standing | None = None,
    ) -> Coroutine[object, object, None] | None:
        claims = self._claims(client, request) if request.token else None
        grant = self._grant(client, channel, claims, request, standing)
        return self._join_and_reply(client, id, request, channel, grant)

    def _claims(self, client: Client, request: SubscribeRequest) -> SubscriptionClaims:
        """The token's claims. Raises as protocol 3.4 has it."""
        try:
            claims = self._identities.subscription(request.token)
        except TokenExpired:
            raise CommandRefused(TOKEN_EXPIRED) from None
        except TokenError:
            raise CommandRefused(PERMISSION_DENIED) from None
        if not claims.fits(user=client.user, channel=request.channel, client=client.id):
            raise ConnectionRefused(INVALID_TOKEN)
        return claims

    def _grant(
        self,
        client: Client,
        channel: Channel,
        claims: SubscriptionClaims | None,
        request: SubscribeRequest,
        standing: Standing | None,
    ) -> Grant:
        if not self._access.may_subscribe(
            client, channel, by_token=claims is not None, standing=standing
        ):
            raise CommandRefused(PERMISSION_DENIED)
        if claims is None:
            return Grant(join_leave=request.join_leave, by_list=True)
        return Grant(
            by_token=True,
            chan_info=claims.info,
            data=claims.data,
            expires_at=claims.expires_at,
            tells_expiry=claims.expires_at > 0,
            join_leave=request.join_leave,
            override=claims.override,
            jti=claims.jti,
        )

    def _join_and_reply(
        self,
        client: Client,
        id: int,
        request: SubscribeRequest,
        channel: Channel,
        grant: Grant,
    ) -> Coroutine[object, object, None] | None:
        since = Position(request.epoch, request.offset) if request.recover else None
        reject = bool(request.flag & REJECT_UNRECOVERED)
        prepared = self._joining.prepare(client, channel, grant, since, reject_unrecovered=reject)
        if isinstance(prepared, Prepared):
            self._responder.reply(client, id, prepared.result)
            self._joining.admit(client, prepared)
            return None
        return self._finish(client, id, prepared)

    async def _finish(self, client: Client, id: int, preparing: Awaitable[Prepared]) -> None:
        prepared = await preparing
        self._responder.reply(client, id, prepared.result)
        self._joining.admit(client, prepared)

    def unsubscribe(self, client: Client, id: int, request: UnsubscribeRequest) -> None:
        """The client wants a channel no longer; also answered where it had none (1.4)."""
        if not request.channel:
            raise ConnectionRefused(MALFORMED)
        self._joining.end(client, request.channel)
        self._responder.reply(client, id, UnsubscribeResult())

    def sub_refresh(
        self, client: Client, id: int, request: SubRefreshRequest
    ) -> Coroutine[object, object, None] | None:
        """The client brings a new subscription token (protocol 3.5)."""
        if not request.channel:
            raise ConnectionRefused(MALFORMED)
        if request.type:
            raise CommandRefused(NOT_AVAILABLE)
        if request.channel not in client.subscriptions:
            raise CommandRefused(PERMISSION_DENIED)
        if not request.token:
            raise CommandRefused(BAD_REQUEST)
        if (waiting := self._identities.wait_for(request.token)) is not None:
            return self._sub_refresh_when_known(waiting, client, id, request)
        self._sub_refresh(client, id, request)
        return None

    async def _sub_refresh_when_known(
        self, waiting: Awaitable[None], client: Client, id: int, request: SubRefreshRequest
    ) -> None:
        await waiting
        if client.closed is None:
            self._sub_refresh(client, id, request)

    def _sub_refresh(self, client: Client, id: int, request: SubRefreshRequest) -> None:
        try:
            claims = self._identities.subscription(request.token)
        except TokenExpired:
            raise CommandRefused(TOKEN_EXPIRED) from None
        except TokenError:
            raise ConnectionRefused(INVALID_TOKEN) from None
        if not claims.fits(user=client.user, channel=request.channel, client=client.id):
            raise ConnectionRefused(INVALID_TOKEN)
        subscription = client.subscriptions.get(request.channel)
        if subscription is None:  # ended while the key was fetched
            raise CommandRefused(PERMISSION_DENIED)
        subscription.jti = claims.jti
        subscription.expires = self._joining.deadline(claims.expires_at)
        self._rescheduled(client)
        expires = claims.expires_at > 0
        ttl = self._joining.ttl(claims.expires_at)
        self._responder.reply(client, id, SubRefreshResult(expires, ttl))
