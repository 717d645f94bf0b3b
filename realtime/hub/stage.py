"""The hub as chat sees it: where entries and events are brought before those who are there."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

import msgspec

from realtime.channels.rules import RuleBook
from realtime.errors import INTERNAL, CommandRefused, StoreError
from realtime.hub.access import Access
from realtime.hub.audiences import Audiences
from realtime.hub.clock import Clock
from realtime.hub.delivery import Delivery
from realtime.hub.expulsions import takes_away
from realtime.hub.hints import Hints
from realtime.hub.publishing import Publishing
from realtime.hub.revoking import ORDER_MS, Revoking
from realtime.model import Entry, NewEntry, Revocation
from realtime.protocol.json_codec import compact
from realtime.settings.schema import ChannelOptions
from realtime.stores.base import Appended, Conflict

TELL_RETRY_S: Final = 1.0
"""How long after a failed attempt other nodes are told again of what was taken away."""

TELL_TRIES: Final = 60
"""How often that is tried. Positions are compared by then in any case."""


class HubStage:
    """See `realtime.chat.ports.Stage`. `spawn` hosts a coroutine in a task that has a parent."""

    def __init__(
        self,
        *,
        rules: RuleBook,
        publishing: Publishing,
        delivery: Delivery,
        revoking: Revoking,
        hints: Hints,
        audiences: Audiences,
        access: Access,
        clock: Clock,
        spawn: Callable[[Coroutine[object, object, None]], object],
    ) -> None:
        self._rules = rules
        self._publishing = publishing
        self._delivery = delivery
        self._revoking = revoking
        self._hints = hints
        self._audiences = audiences
        self._access = access
        self._clock = clock
        self._spawn = spawn

    async def append(self, entry: NewEntry) -> Appended | Conflict:
        """See Stage.

        Where the entry takes something away from a member, or part of the log from all of them, a
        row of the revocations log has the other nodes read on in the channel: the bus may have died
        just now, and nobody know it yet.
        """
        outcome = await self._publishing.append(entry)
        if isinstance(outcome, StoreError):
            raise CommandRefused(INTERNAL)
        if isinstance(outcome, Appended) and takes_away(entry.kind, entry.data):
            try:
                await self._have_read(entry.channel)
            except CommandRefused:
                self._spawn(self._have_read_in_time(entry.channel))
            except asyncio.CancelledError:
                self._spawn(self._have_read_in_time(entry.channel))
                raise
        return outcome

    async def _have_read(self, channel: str) -> None:
        await self._order(Revocation(act="members", channel=channel))

    async def _order(self, order: Revocation) -> None:
        """Have every node do it once. Raises CommandRefused (100)."""
        now_ms = self._clock.wall_ms()
        await self._revoking.record(
            msgspec.structs.replace(order, at=now_ms, until=now_ms + ORDER_MS)
        )

    async def _have_read_in_time(self, channel: str) -> None:
        for _ in range(TELL_TRIES):
            try:
                await self._have_read(channel)
            except CommandRefused:
                await asyncio.sleep(TELL_RETRY_S)
            else:
                return

    def signal(self, channel: str, kind: str, data: bytes) -> None:
        """See Stage."""
        now_ms = self._clock.wall_ms()
        tags = {"kind": kind}
        self._delivery.ephemeral(Entry(channel, 0, compact(data), now_ms, "signal", tags=tags))

    def hint(self, users: Sequence[str], data: bytes, *, about: str = "") -> None:
        """See Stage."""
        self._hints.tell(users, data, about)

    async def cut(self, user: str, channel: str) -> None:
        """See Stage."""
        await self._order(Revocation(act="unsubscribe", user=user, channel=channel))

    async def sign_out(self, user: str) -> None:
        """See Stage."""
        now_ms = self._clock.wall_ms()
        await self._revoking.record(Revocation(user=user, before=now_ms, at=now_ms))

    async def forget(self, channel: str) -> None:
        """See Stage."""
        await self._order(Revocation(act="truncate", channel=channel))

    def banned(self, user: str, channel: str) -> bool:
        """See Stage."""
        return self._access.bars(user, channel)

    def options(self, channel: str) -> ChannelOptions:
        """See Stage."""
        return self._rules.resolve(channel).rules.options

    def subscribers(self, channel: str) -> int:
        """See Stage."""
        return self._audiences.count(channel)
