"""Joining channels and leaving them, whoever asked: a command, a token, or the server API.

A join has no gap and no repeat. The channel is attached first, so that from then on the node
follows it; then what the client missed is read, from the node's recent entries or from the store;
the reply is queued; and in the same step of the loop the subscription joins the channel after the
reply's end. What the cursor passed meanwhile is sent in between.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Final

from realtime.channels.fanout import Fanout
from realtime.channels.live import Subscription
from realtime.channels.rules import Channel
from realtime.errors import (
    INSUFFICIENT_STATE,
    INTERNAL,
    PERMISSION_DENIED,
    SUBSCRIPTION_EXPIRED,
    UNRECOVERABLE_POSITION,
    UNSUBSCRIBED_EXPIRED,
    UNSUBSCRIBED_INSUFFICIENT,
    CommandRefused,
    StoreError,
    Unsubscribe,
)
from realtime.hub.access import Access
from realtime.hub.attendance import Attendance
from realtime.hub.catching_up import CatchingUp, CaughtUp
from realtime.hub.client import Client
from realtime.hub.clock import Clock
from realtime.hub.delivery import Delivery
from realtime.hub.grants import Grant, Prepared
from realtime.hub.payloads import check_format
from realtime.hub.proof import Proofs
from realtime.hub.responder import Responder
from realtime.model import ClientInfo, Entry, Kind, Position
from realtime.protocol.replies import Publication, SubscribeResult, Unsubscribed, raw

READ_ON_TIMEOUT_S: Final = 4.0
"""How long reading on may take before the client is told to try again: less than SDKs wait."""

TTL_MAX_S: Final = 365 * 24 * 3600
"""The longest ttl that is told to a client (protocol 3.5)."""


class Joining:
    """Subscriptions of this node's clients, from `prepare` over `admit` to `end`.

    `rescheduled` is called when a client's next deadline may have moved.
    """

    def __init__(
        self,
        *,
        delivery: Delivery,
        fanout: Fanout,
        catching_up: CatchingUp,
        access: Access,
        responder: Responder,
        clock: Clock,
        expired_close_s: float,
        attendance: Attendance,
        proofs: Proofs,
        rescheduled: Callable[[Client], None],
    ) -> None:
        self._attendance = attendance
        self._proofs = proofs
        self._delivery = delivery
        self._fanout = fanout
        self._catching_up = catching_up
        self._access = access
        self._responder = responder
        self._clock = clock
        self._expired_close_s = expired_close_s
        self._rescheduled = rescheduled

    # Beginning.

    def prepare(
        self,
        client: Client,
        channel: Channel,
        grant: Grant,
        since: Position | None,
        *,
        reject_unrecovered: bool = False,
    ) -> Prepared | Coroutine[object, object, Prepared]:
        """Attach to the channel and find out what the client missed since `since`.

        The answer is at hand where nothing must be read. `admit` must follow in the same step of
        the loop in which the caller queued the result; `abandon` undoes a preparation. The client
        must not be subscribed to the channel. Raises, at once or when awaited: CommandRefused,
        ConnectionRefused.
        """
        check_format(client, channel.rules)
        live, opening = self._delivery.attach(channel)
        subscription = Subscription(
            client,
            live,
            self._info(client, grant),
            by_server=grant.by_server,
            by_token=grant.by_token,
            watches=self._watches(client, channel, grant),
            announced=self._announced(channel, grant),
            hidden=grant.override is not None and grant.override.presence is False,
            expires=self.deadline(grant.expires_at),
            jti=grant.jti,
        )
        # Taken before anything waits, so that a second subscribe is seen to be one.
        client.subscriptions[channel.name] = subscription
        if opening is None:
            caught_up = self._catching_up.at_once(live, since)
            if caught_up is not None:
                return self._prepared(
                    client, subscription, grant, since, caught_up, reject_unrecovered
                )
        return self._prepare(
            client, channel, subscription, grant, since, opening, reject_unrecovered
        )

    async def _prepare(
        self,
        client: Client,
        channel: Channel,
        subscription: Subscription,
        grant: Grant,
        since: Position | None,
        opening: Awaitable[None] | None,
        reject_unrecovered: bool,
    ) -> Prepared:
        try:
            if opening is not None:
                await opening
                if channel.rules.chat:
                    await self._judge(client, channel, subscription, grant)
            caught_up = await self._catching_up.after(subscription.channel, since)
            if channel.rules.chat:
                await self._delivery.reach(subscription.channel, caught_up.end)
        except (StoreError, TimeoutError):
            self.abandon(client, subscription)
            raise CommandRefused(INTERNAL) from None
        except BaseException:
            self.abandon(client, subscription)
            raise
        if not self.holds(client, subscription):
            # Ended by the server meanwhile: by an API call, or because the client is gone.
            raise CommandRefused(PERMISSION_DENIED)
        return self._prepared(client, subscription, grant, since, caught_up, reject_unrecovered)

    async def read_on(self, channel: Channel) -> bool:
        """Have the node come to where the channel's log is now; False: it does not follow it.

        Raises CommandRefused (100).
        """
        live = self._delivery.find(channel.name)
        if live is None or live.cursor is None:
            return False
        try:
            async with asyncio.timeout(READ_ON_TIMEOUT_S):
                await self._delivery.positions.check([channel.name])
        except (StoreError, TimeoutError):
            raise CommandRefused(INTERNAL) from None
        return True

    async def _judge(
        self, client: Client, channel: Channel, subscription: Subscription, grant: Grant
    ) -> None:
        """Ask again, now that the node follows the channel: it may just have taken the user out.

        Raises CommandRefused: 103, 100.
        """
        waiting = self._access.wait_for(client, channel)
        standing = await waiting if waiting is not None else None
        if grant.by_list:
            allowed = self._access.may_subscribe(client, channel, by_token=False, standing=standing)
        else:
            allowed = not self._access.expelled(client, channel, standing)
        if not allowed:
            raise CommandRefused(PERMISSION_DENIED)
        subscription.watches = self._watches(client, channel, grant)

    def _prepared(
        self,
        client: Client,
        subscription: Subscription,
        grant: Grant,
        since: Position | None,
        caught_up: CaughtUp,
        reject_unrecovered: bool,
    ) -> Prepared:
        subscription.after = caught_up.end
        expires = grant.tells_expiry
        ttl = self.ttl(grant.expires_at) if expires else 0
        data = raw(grant.data)
        recovering = since is not None
        if not subscription.channel.rules.has_history:
            result = SubscribeResult(expires=expires, ttl=ttl, data=data, was_recovering=recovering)
            return Prepared(subscription, result, ())
        entries = caught_up.entries
        if recovering and entries is None and reject_unrecovered:
            self.abandon(client, subscription)
            raise CommandRefused(UNRECOVERABLE_POSITION)
        override = grant.override
        result = SubscribeResult(
            expires=expires,
            ttl=ttl,
            recoverable=override is None or override.force_recovery is not False,
            epoch=self._catching_up.epoch,
            publications=[Publication.of(entry) for entry in entries] if entries else None,
            recovered=entries is not None,
            # The request's own where it recovered: clients advance by the publications (2.4).
            offset=since.offset if since is not None and entries is not None else caught_up.end,
            positioned=True,
            data=data,
            was_recovering=recovering,
        )
        return Prepared(subscription, result, entries or ())

    def _info(self, client: Client, grant: Grant) -> ClientInfo:
        info = client.info
        if info is None:
            raise AssertionError("a client has an identity before it has subscriptions")
        if not grant.chan_info:
            return info  # shared: most subscriptions have nothing of their own to show
        return ClientInfo(info.user, info.client, info.conn_info, grant.chan_info)

    def _watches(self, client: Client, channel: Channel, grant: Grant) -> bool:
        """Whether the subscriber is told who comes and goes (protocol 4.2, requested flags)."""
        override = grant.override
        if override is not None and override.force_push_join_leave is not None:
            return override.force_push_join_leave
        if not channel.rules.join_leave:
            return False
        return channel.rules.force_push_join_leave or (
            grant.join_leave
            and self._access.may(
                client, "read_presence", channel, joining=True, by_token=grant.by_token
            )
        )

    @staticmethod
    def _announced(channel: Channel, grant: Grant) -> bool:
        """Whether others are told that the subscriber came and went."""
        override = grant.override
        if override is not None and override.join_leave is not None:
            return override.join_leave
        return channel.rules.join_leave

    def holds(self, client: Client, subscription: Subscription) -> bool:
        """Whether a prepared subscription is still wanted; if not, it is detached."""
        if client.subscriptions.get(subscription.channel.name) is subscription:
            return True
        self._delivery.detach(subscription.channel)
        return False

    def abandon(self, client: Client, subscription: Subscription) -> None:
        """Undo `prepare`: the subscription will not be admitted."""
        name = subscription.channel.name
        if client.subscriptions.get(name) is subscription:
            del client.subscriptions[name]
        self._delivery.detach(subscription.channel)

    def admit(self, client: Client, prepared: Prepared) -> None:
        """Serve the subscription, whose result was queued just now, with what it recovers."""
        subscription = prepared.subscription
        live = subscription.channel
        continuous = True
        given = prepared.entries
        if live.cursor is not None and subscription.after < live.cursor.position:
            now_ms = self._clock.wall_ms()
            passed = live.cursor.since(subscription.after, live.rules.retention, now_ms)
            continuous = passed is not None
            self.send(client, passed or ())
            subscription.after = live.cursor.position
            given = passed or given
        if given and live.rules.push:
            self._proofs.recovered(client, live.name, given)
        live.join(subscription, self._fanout)
        self._delivery.detach(live)
        self._delivery.heard(live, subscription.after)
        if subscription.expires:
            self._rescheduled(client)
        self._attendance.appeared(subscription)
        if subscription.announced:
            self._announce(subscription, "join")
        if not continuous:
            self.insufficient(client, subscription)

    def send(self, client: Client, entries: Iterable[Entry]) -> None:
        """Send publications to one client alone."""
        wire = client.wire
        for entry in entries:
            self._fanout.send(client.outbox, wire.frame(wire.codec.publication(entry)))

    def show(self, client: Client, info: bytes) -> None:
        """Have others see this `conn_info` (raw JSON) of the client from now on, everywhere."""
        client.show(info)
        self._attendance.changed(client.subscriptions.values())

    # Ending.

    def end(self, client: Client, name: str, why: Unsubscribe | None = None) -> bool:
        """End a subscription, telling the client if there is a reason. False: there was none."""
        subscription = client.subscriptions.pop(name, None)
        if subscription is None:
            return False
        self._leave(subscription)
        if why is not None:
            self._responder.push(client, name, Unsubscribed(why.code, why.reason))
        return True

    def end_all(self, client: Client) -> None:
        """End every subscription of a client that is gone."""
        subscriptions = client.subscriptions
        client.subscriptions = {}
        for subscription in subscriptions.values():
            self._leave(subscription)

    def insufficient(self, client: Client, subscription: Subscription) -> None:
        """The subscription's continuity is lost: have the client recover or reload (1.8)."""
        if subscription.by_server:
            self._responder.close(client, INSUFFICIENT_STATE)
        else:
            self.end(client, subscription.channel.name, UNSUBSCRIBED_INSUFFICIENT)

    def expire(self, client: Client, now: float) -> float:
        """End what expired and was not refreshed; answers the next such deadline, 0.0 for none."""
        following = 0.0
        for name, subscription in list(client.subscriptions.items()):
            if not subscription.expires:
                continue
            deadline = subscription.expires + self._expired_close_s
            if now < deadline:
                following = min(following or deadline, deadline)
            elif subscription.by_server:
                self._responder.close(client, SUBSCRIPTION_EXPIRED)
                return 0.0
            else:
                self.end(client, name, UNSUBSCRIBED_EXPIRED)
        return following

    def _leave(self, subscription: Subscription) -> None:
        live = subscription.channel
        joined = live.has(subscription)
        self._delivery.leave(subscription)
        if joined:
            self._attendance.vanished(subscription)
            if subscription.announced:
                self._announce(subscription, "leave")

    def _announce(self, subscription: Subscription, kind: Kind) -> None:
        name = subscription.channel.name
        now_ms = self._clock.wall_ms()
        self._delivery.ephemeral(Entry(name, 0, b"", now_ms, kind, info=subscription.info))

    # Times.

    def ttl(self, expires_at: float) -> int:
        """Whole seconds until a client should refresh, at least one; 0 for never."""
        if not expires_at:
            return 0
        return min(max(1, math.ceil(expires_at - self._clock.wall())), TTL_MAX_S)

    def deadline(self, expires_at: float) -> float:
        """A moment of wall time as one of the monotonic clock; 0.0 stays never."""
        if not expires_at:
            return 0.0
        return self._clock.monotonic() + (expires_at - self._clock.wall())
