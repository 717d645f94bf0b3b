"""Publishing through the server API: once per idempotency key, with or without history."""

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec

from realtime.channels.rules import Channel
from realtime.chat.calls.messages import Mentioned
from realtime.errors import (
    BAD_REQUEST,
    CONFLICT,
    INTERNAL,
    NOT_AVAILABLE,
    CommandRefused,
    StoreError,
)
from realtime.hub.api_fields import KEY_MAX, either
from realtime.hub.hub import Hub
from realtime.hub.payloads import check_data
from realtime.hub.publishing import digest
from realtime.model import NewEntry
from realtime.protocol.calls import (
    BroadcastAnswer,
    BroadcastCall,
    BroadcastError,
    BroadcastPart,
    PublishAnswer,
    PublishCall,
)
from realtime.stores.base import Appended, IdempotencyStore

API_SENDER: Final = "a:"
"""The sender of what the server API publishes; idempotency keys are unique under it."""

IDEMPOTENCY_MS: Final = 300_000
"""How long a publish into a channel without history is remembered (protocol 5.2)."""

BROADCAST_MAX: Final = 10_000
"""Channels in one broadcast."""


_read_mentions: Final = msgspec.json.Decoder(Mentioned).decode


class ApiPublishing:
    """The operations publish and broadcast; both raise CommandRefused alone."""

    def __init__(self, hub: Hub, *, epoch: str, idempotency: IdempotencyStore) -> None:
        self._hub = hub
        self._epoch = epoch
        self._idempotency = idempotency

    async def publish(self, call: PublishCall) -> PublishAnswer:
        """Publish; with history the answer comes once it is stored, and says where.

        Into a room it is a message; the tag `mentions` then is what `chat.send` makes of its own.
        Feeds have posts alone, which are made by `feed.post` (rpc): 108.
        """
        return await self._publish(call.channel, call)

    async def broadcast(self, call: BroadcastCall) -> BroadcastAnswer:
        """Publish into several channels, which succeed or fail one by one."""
        if not call.channels or len(call.channels) > BROADCAST_MAX:
            raise CommandRefused(BAD_REQUEST)
        parts = await asyncio.gather(*(self._part(channel, call) for channel in call.channels))
        return BroadcastAnswer(list(parts))

    async def _part(self, channel: str, call: BroadcastCall) -> BroadcastPart:
        try:
            return BroadcastPart(result=await self._publish(channel, call))
        except CommandRefused as refusal:
            error = refusal.error
            self._hub.statistics.errors[error.code] += 1
            return BroadcastPart(error=BroadcastError(error.code, error.message))

    async def _publish(self, name: str, call: PublishCall | BroadcastCall) -> PublishAnswer:
        channel = self._hub.rules.resolve(name)
        if call.data and call.b64data:
            raise CommandRefused(BAD_REQUEST)
        is_json = channel.rules.data_format != "binary"
        data = either(call.data, call.b64data, is_json=is_json)
        check_data(data, channel.rules)
        if len(data) > self._hub.settings.client.outbox_max_bytes:
            # No page and no recovery could ever hold it.
            raise CommandRefused(BAD_REQUEST)
        if len(call.idempotency_key) > KEY_MAX:
            raise CommandRefused(BAD_REQUEST)
        if call.version:
            # Dropping what is not newer needs a version kept with the channel; refusing is honest.
            raise CommandRefused(NOT_AVAILABLE)
        self._hub.statistics.publications_received += 1
        if channel.rules.chat == "feed" and not call.skip_history:
            raise CommandRefused(NOT_AVAILABLE)
        if channel.rules.has_history and not call.skip_history:
            return await self._append(channel, data, call)
        if call.idempotency_key and not await self._first(channel, data, call):
            return PublishAnswer()
        self._hub.publishing.send_ephemeral(channel, data, call.tags)
        return PublishAnswer()

    async def _append(
        self, channel: Channel, data: bytes, call: PublishCall | BroadcastCall
    ) -> PublishAnswer:
        mentioned = _mentioned(channel, call.tags)
        outcome = await self._hub.publishing.append(
            NewEntry(
                channel.name,
                API_SENDER,
                call.idempotency_key or self._hub.publishing.fresh_id(),
                data,
                self._hub.clock.wall_ms(),
                digest=digest(data, call.tags),
                tags=call.tags,
                counts=channel.rules.chat != "",
                pending=mentioned,
                notify=channel.rules.push,
            )
        )
        if not isinstance(outcome, Appended):
            raise CommandRefused(CONFLICT)
        return PublishAnswer(outcome.offset, self._epoch)

    async def _first(
        self, channel: Channel, data: bytes, call: PublishCall | BroadcastCall
    ) -> bool:
        """Whether this is the first publish with its key; a retry is acknowledged and dropped."""
        made = digest(data, call.tags)
        until_ms = self._hub.clock.wall_ms() + IDEMPOTENCY_MS
        try:
            before = await self._idempotency.claim(
                channel.name, call.idempotency_key, made, until_ms=until_ms
            )
        except StoreError:
            raise CommandRefused(INTERNAL) from None
        if before is not None and before != made:
            raise CommandRefused(CONFLICT)
        return before is None


def _mentioned(channel: Channel, tags: Mapping[str, str] | None) -> bool:
    """Whether the tags of a message to a room mention somebody, of which rows have to follow.

    Raises CommandRefused (107) where they are not what `chat.send` would make of mentions.
    """
    if channel.rules.chat != "room" or not tags or "mentions" not in tags:
        return False
    try:
        return bool(_read_mentions(tags["mentions"]))
    except msgspec.DecodeError:
        raise CommandRefused(BAD_REQUEST) from None
