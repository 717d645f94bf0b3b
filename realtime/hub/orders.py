"""The server API's operations on users' connections, wherever in the cluster those are.

What takes something away (a disconnect, an unsubscribe, a revocation, a ban) goes through the
revocations log, so that it reaches every node though the bus may be dead. What gives (a
subscription, a later expiry) is carried out here and told to the other nodes over the bus: it may
get lost with it, and the answer never said that anybody was connected (protocol 5.2).
"""

import json
from typing import Final

import msgspec

from realtime.auth.claims import YEAR_10000, Override
from realtime.channels.rules import RuleBook
from realtime.errors import (
    BAD_REQUEST,
    CONNECTION_EXPIRED,
    FORCE_DISCONNECT,
    CommandRefused,
    Disconnect,
)
from realtime.hub.api_fields import KEY_MAX, either, require
from realtime.hub.clock import Clock
from realtime.hub.connections import NOBODY, Connections, Target, named_by
from realtime.hub.grants import Grant
from realtime.hub.peers import Peers
from realtime.hub.revoking import ORDER_MS, Revoking
from realtime.model import Position, Revocation
from realtime.protocol.calls import (
    Answer,
    BanCall,
    DisconnectCall,
    DisconnectCode,
    OverrideCall,
    RefreshCall,
    RevokeCall,
    SubscribeCall,
    Switch,
    UnbanCall,
    UnsubscribeCall,
)

WHITELIST_MAX: Final = 1_000
"""Connections that one disconnect may spare."""


class SubscribeOrder(msgspec.Struct, frozen=True):
    """What other nodes are told: a call that was made after row `after` of the revocations log.

    Who is told carries out that row first, or what was given last would be taken away again.
    """

    call: SubscribeCall
    after: int = 0


class RefreshOrder(msgspec.Struct, frozen=True):
    """The same for a refresh."""

    call: RefreshCall
    after: int = 0


class Orders:
    """One operation a method; all raise CommandRefused with a code of 5.1 and nothing else."""

    def __init__(
        self,
        *,
        rules: RuleBook,
        connections: Connections,
        revoking: Revoking,
        peers: Peers,
        clock: Clock,
    ) -> None:
        self._rules = rules
        self._connections = connections
        self._revoking = revoking
        self._peers = peers
        self._clock = clock
        peers.on("subscribe", SubscribeOrder, self._told_to_subscribe)
        peers.on("refresh", RefreshOrder, self._told_to_refresh)

    # What gives.

    async def subscribe(self, call: SubscribeCall) -> Answer:
        """Subscribe the user's connections; done also where there is none."""
        require(call.user)
        require(call.channel)
        self._rules.resolve(call.channel)
        _check_expiry(call.expire_at)
        _grant(call)
        call = msgspec.structs.replace(call, client=named_by(call.client, call.session), session="")
        self._peers.tell("subscribe", SubscribeOrder(call, self._revoking.seq))
        await self._subscribe_here(call)
        return Answer()

    async def _told_to_subscribe(self, order: SubscribeOrder) -> None:
        await self._revoking.follow_to(order.after)
        await self._subscribe_here(order.call)

    async def _subscribe_here(self, call: SubscribeCall) -> None:
        since = call.recover_since
        await self._connections.subscribe(
            _target(call),
            self._rules.resolve(call.channel),
            _grant(call),
            Position(since.epoch, since.offset) if since is not None else None,
        )

    async def refresh(self, call: RefreshCall) -> Answer:
        """Move the expiry of the user's connections, or close them as expired (3005)."""
        require(call.user)
        _check_expiry(call.expire_at)
        either(call.info, "")
        if call.expired:
            await self._close(call.user, call.client, call.session, CONNECTION_EXPIRED)
            return Answer()
        call = msgspec.structs.replace(call, client=named_by(call.client, call.session), session="")
        self._peers.tell("refresh", RefreshOrder(call, self._revoking.seq))
        await self._refresh_here(call)
        return Answer()

    async def _told_to_refresh(self, order: RefreshOrder) -> None:
        await self._revoking.follow_to(order.after)
        await self._refresh_here(order.call)

    async def _refresh_here(self, call: RefreshCall) -> None:
        self._connections.refresh(
            _target(call),
            float(call.expire_at),
            either(call.info, ""),
        )

    # What takes away.

    async def unsubscribe(self, call: UnsubscribeCall) -> Answer:
        """End one subscription, or all, of the user's connections, of one client or session."""
        if not call.user and not call.client and not call.session:
            raise CommandRefused(BAD_REQUEST)
        if call.channel:
            self._rules.resolve(call.channel)
        client = named_by(call.client, call.session)
        if client != NOBODY:
            await self._order(
                Revocation(act="unsubscribe", user=call.user, client=client, channel=call.channel)
            )
        return Answer()

    async def disconnect(self, call: DisconnectCall) -> Answer:
        """Close the user's connections, 3503 unless told otherwise."""
        require(call.user)
        if len(call.whitelist) > WHITELIST_MAX:
            raise CommandRefused(BAD_REQUEST)
        disconnect = _disconnect(call.disconnect)
        await self._close(call.user, call.client, call.session, disconnect, tuple(call.whitelist))
        return Answer()

    async def forget(self, channel: str) -> None:
        """The channel's history was removed from the store: no node shows it from memory."""
        await self._order(Revocation(act="truncate", channel=channel))

    async def revoke(self, call: RevokeCall) -> Answer:
        """Make tokens invalid, durably, and close the connections that were made with them."""
        if bool(call.user) == bool(call.jti) or len(call.user or call.jti) > KEY_MAX:
            raise CommandRefused(BAD_REQUEST)
        now_ms = self._clock.wall_ms()
        await self._revoking.record(
            Revocation(
                user=call.user,
                jti=call.jti,
                before=now_ms if call.user else 0,
                at=now_ms,
                until=self._until(call.expire_at, now_ms),
            )
        )
        return Answer()

    async def ban(self, call: BanCall) -> Answer:
        """Keep a user from a channel, or from the hub, over any token; ends what they have there.

        In a channel: 2000 to the subscription, 103 to whatever they ask. From the hub: 3507.
        """
        now_ms = self._clock.wall_ms()
        self._check_ban(call.user, call.channel)
        await self._revoking.record(
            Revocation(
                act="ban",
                user=call.user,
                channel=call.channel,
                at=now_ms,
                until=self._until(call.expire_at, now_ms),
            )
        )
        return Answer()

    async def unban(self, call: UnbanCall) -> Answer:
        """Take a ban of this user and channel back; also answered where there was none."""
        self._check_ban(call.user, call.channel)
        await self._revoking.record(
            Revocation(act="unban", user=call.user, channel=call.channel, at=self._clock.wall_ms())
        )
        return Answer()

    def _check_ban(self, user: str, channel: str) -> None:
        require(user)
        if len(user) > KEY_MAX:
            raise CommandRefused(BAD_REQUEST)
        if channel:
            self._rules.resolve(channel)

    async def _close(
        self,
        user: str,
        client: str,
        session: str,
        disconnect: Disconnect,
        whitelist: tuple[str, ...] = (),
    ) -> None:
        named = named_by(client, session)
        if named == NOBODY:
            return
        await self._order(
            Revocation(
                act="disconnect",
                user=user,
                client=named,
                whitelist=whitelist,
                code=disconnect.code,
                reason=disconnect.reason,
            )
        )

    async def _order(self, order: Revocation) -> None:
        """Have every node do it once."""
        now_ms = self._clock.wall_ms()
        await self._revoking.record(
            msgspec.structs.replace(order, at=now_ms, until=now_ms + ORDER_MS)
        )

    @staticmethod
    def _until(expire_at: int, now_ms: int) -> int:
        """When the row may be forgotten; refuses (107) what would be forgotten at once."""
        _check_expiry(expire_at)
        if expire_at and expire_at * 1000 <= now_ms:
            raise CommandRefused(BAD_REQUEST)
        return expire_at * 1000


def _target(call: SubscribeCall | RefreshCall) -> Target:
    """Whose connections are meant; a hub of an earlier version tells of a session as it is."""
    return Target(call.user, named_by(call.client, call.session))


def _check_expiry(expire_at: int) -> None:
    """Refuse (107) what is no time in seconds since 1970; 0 is never."""
    if not 0 <= expire_at <= YEAR_10000:
        raise CommandRefused(BAD_REQUEST)


def _grant(call: SubscribeCall) -> Grant:
    return Grant(
        by_server=True,
        chan_info=either(call.info, call.b64info),
        data=either(call.data, call.b64data),
        expires_at=float(call.expire_at),
        override=_override(call.override),
    )


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
