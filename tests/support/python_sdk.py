"""The published Python SDK (centrifuge-python), with either format, in the test's own process."""

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import centrifuge  # type: ignore[import-untyped]

from tests.support.sdk import (
    Event,
    History,
    Journal,
    Payloads,
    Person,
    SdkClient,
    SdkError,
    SubscribeOptions,
)

_CLOSE_S: Final = 5.0
_TIMEOUT: Final = 1
_DISCONNECTED: Final = 3


class PythonSdk(SdkClient):
    """`tokens` are handed out one by one when the SDK asks; the last one is repeated.

    `certificate` is the one to trust, for `wss:`. Payloads other than VALUES are the SDK's with
    Protobuf.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        tokens: Sequence[str] = (),
        certificate: Path | None = None,
        payloads: Payloads = Payloads.VALUES,
    ) -> None:
        super().__init__()
        self._payloads = payloads
        trust = ssl.create_default_context(cafile=certificate) if certificate else None
        self._client = centrifuge.Client(
            url,
            events=_Events(self.journal, payloads),
            use_protobuf=payloads is not Payloads.VALUES,
            token=token,
            get_token=_TokenSource(self.journal, tokens).connection if tokens else None,
            # Quick to come back, so that tests are quick.
            min_reconnect_delay=0.05,
            max_reconnect_delay=0.5,
            ssl_context=trust,
            proxy=None,
        )

    async def connect(self) -> None:
        """See base."""
        await self._client.connect()

    async def disconnect(self) -> None:
        """See base."""
        await self._client.disconnect()

    async def subscribe(self, channel: str, options: SubscribeOptions) -> None:
        """See base."""
        subscription = self._client.get_subscription(channel)
        if subscription is None:
            source = _TokenSource(self.journal, options.tokens)
            subscription = self._client.new_subscription(
                channel,
                events=_SubscriptionEvents(self.journal, self._payloads, channel),
                token=options.token,
                get_token=source.subscription if options.tokens else None,
                min_resubscribe_delay=0.05,
                max_resubscribe_delay=0.5,
                recoverable=options.recoverable,
                positioned=options.positioned,
                join_leave=options.join_leave,
            )
        await subscription.subscribe()

    async def unsubscribe(self, channel: str) -> None:
        """See base."""
        await self._client.get_subscription(channel).unsubscribe()

    async def publish(self, channel: str, data: Any) -> None:
        """See base."""
        await _answer(self._client.publish(channel, self._payloads.given(data)))

    async def presence(self, channel: str) -> dict[str, Person]:
        """See base."""
        result = await _answer(self._client.presence(channel))
        return {
            client: Person(
                info.user,
                self._payloads.info(info.conn_info),
                self._payloads.info(info.chan_info),
            )
            for client, info in result.clients.items()
        }

    async def presence_stats(self, channel: str) -> tuple[int, int]:
        """See base."""
        result = await _answer(self._client.presence_stats(channel))
        return result.num_clients, result.num_users

    async def history(
        self,
        channel: str,
        *,
        limit: int = 0,
        since: tuple[int, str] | None = None,
        reverse: bool = False,
    ) -> History:
        """See base."""
        position = centrifuge.StreamPosition(*since) if since else None
        call = self._client.history(channel, limit=limit, since=position, reverse=reverse)
        result = await _answer(call)
        entries = [
            (publication.offset, self._payloads.seen(publication.data))
            for publication in result.publications
        ]
        return History(entries, result.offset, result.epoch)

    async def rpc(self, method: str, data: Any) -> Any:
        """See base."""
        result = await _answer(self._client.rpc(method, self._payloads.given(data)))
        return self._payloads.seen(result.data)

    async def close(self) -> None:
        """See base."""
        await self._client.disconnect()
        # The SDK closes its socket in the background, and offers no way to wait for that.
        if closing := self._client._background_tasks:
            await asyncio.wait(closing, timeout=_CLOSE_S)


async def _answer(call: Any) -> Any:
    try:
        return await call
    except centrifuge.ReplyError as error:
        raise SdkError(error.code, str(error)) from error
    except centrifuge.OperationTimeoutError as error:
        raise SdkError(_TIMEOUT, "timeout") from error
    except centrifuge.ClientDisconnectedError as error:
        raise SdkError(_DISCONNECTED, "disconnected") from error


class _TokenSource:
    """Hands out tokens one by one; the last one again and again."""

    def __init__(self, journal: Journal, tokens: Sequence[str]) -> None:
        self._journal = journal
        self._tokens = list(tokens)

    async def connection(self) -> str:
        return await self.subscription("")

    async def subscription(self, channel: str) -> str:
        self._journal.record(Event("get_token", channel, {}))
        return self._tokens.pop(0) if len(self._tokens) > 1 else self._tokens[0]


class _Reading:
    """Events' fields, of what the SDK hands over."""

    def __init__(self, payloads: Payloads) -> None:
        self._payloads = payloads

    def publication(self, publication: Any) -> dict[str, Any]:
        info = publication.info
        return {
            "data": self._payloads.seen(publication.data),
            "offset": publication.offset,
            "user": info.user if info else None,
            "client": info.client if info else None,
            "tags": publication.tags,
        }

    def subscribed(self, ctx: Any) -> dict[str, Any]:
        position = ctx.stream_position
        return {
            "recovered": ctx.recovered,
            "was_recovering": ctx.was_recovering,
            "recoverable": ctx.recoverable,
            "positioned": ctx.positioned,
            "offset": position.offset if position else 0,
            "epoch": position.epoch if position else "",
            "data": self._payloads.info(ctx.data),
        }

    def member(self, info: Any) -> dict[str, Any]:
        return {
            "user": info.user,
            "client": info.client,
            "conn_info": self._payloads.info(info.conn_info),
            "chan_info": self._payloads.info(info.chan_info),
        }


def _state(ctx: Any) -> dict[str, Any]:
    return {"code": ctx.code, "reason": ctx.reason}


def _error(ctx: Any) -> dict[str, Any]:
    # The server's code where there is one, else the SDK's own.
    error = ctx.error
    return {"code": error.code if isinstance(error, centrifuge.ReplyError) else ctx.code}


class _Events(centrifuge.ClientEventHandler):  # type: ignore[misc]
    """What happens to the connection and to server-side subscriptions."""

    def __init__(self, journal: Journal, payloads: Payloads) -> None:
        self._journal = journal
        self._reading = _Reading(payloads)

    async def on_connecting(self, ctx: Any) -> None:
        self._journal.record(Event("connecting", "", _state(ctx)))

    async def on_connected(self, ctx: Any) -> None:
        self._journal.record(Event("connected", "", {"client": ctx.client}))

    async def on_disconnected(self, ctx: Any) -> None:
        self._journal.record(Event("disconnected", "", _state(ctx)))

    async def on_error(self, ctx: Any) -> None:
        self._journal.record(Event("error", "", _error(ctx)))

    async def on_subscribing(self, ctx: Any) -> None:
        self._journal.record(Event("subscribing", ctx.channel, {"code": 0, "reason": ""}))

    async def on_subscribed(self, ctx: Any) -> None:
        self._journal.record(Event("subscribed", ctx.channel, self._reading.subscribed(ctx)))

    async def on_unsubscribed(self, ctx: Any) -> None:
        self._journal.record(Event("unsubscribed", ctx.channel, {"code": 0, "reason": ""}))

    async def on_publication(self, ctx: Any) -> None:
        self._journal.record(Event("publication", ctx.channel, self._reading.publication(ctx.pub)))

    async def on_join(self, ctx: Any) -> None:
        self._journal.record(Event("join", ctx.channel, self._reading.member(ctx.info)))

    async def on_leave(self, ctx: Any) -> None:
        self._journal.record(Event("leave", ctx.channel, self._reading.member(ctx.info)))


class _SubscriptionEvents(centrifuge.SubscriptionEventHandler):  # type: ignore[misc]
    """What happens to one subscription."""

    def __init__(self, journal: Journal, payloads: Payloads, channel: str) -> None:
        self._journal = journal
        self._reading = _Reading(payloads)
        self._channel = channel

    async def on_subscribing(self, ctx: Any) -> None:
        self._record("subscribing", _state(ctx))

    async def on_subscribed(self, ctx: Any) -> None:
        self._record("subscribed", self._reading.subscribed(ctx))

    async def on_unsubscribed(self, ctx: Any) -> None:
        self._record("unsubscribed", _state(ctx))

    async def on_publication(self, ctx: Any) -> None:
        self._record("publication", self._reading.publication(ctx.pub))

    async def on_join(self, ctx: Any) -> None:
        self._record("join", self._reading.member(ctx.info))

    async def on_leave(self, ctx: Any) -> None:
        self._record("leave", self._reading.member(ctx.info))

    async def on_error(self, ctx: Any) -> None:
        self._record("error", _error(ctx))

    def _record(self, name: str, fields: dict[str, Any]) -> None:
        self._journal.record(Event(name, self._channel, fields))
