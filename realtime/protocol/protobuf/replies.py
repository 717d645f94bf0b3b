"""What clients are told, from the replies that every codec encodes to Protobuf messages."""

from collections.abc import Callable
from typing import Any, Final

from realtime.errors import Error
from realtime.model import ClientInfo
from realtime.protocol.protobuf import wire_pb2 as wire
from realtime.protocol.replies import (
    ConnectResult,
    Disconnected,
    HistoryResult,
    Info,
    Join,
    Leave,
    PresenceResult,
    PresenceStatsResult,
    Publication,
    PublishResult,
    Push,
    Refreshed,
    RefreshResult,
    Result,
    SubRefreshResult,
    Subscribed,
    SubscribeResult,
    Unsubscribed,
    UnsubscribeResult,
)


def write_result(id: int, result: Result) -> bytes:
    """The reply to command `id`, without its length."""
    reply = _RESULTS[type(result)](result)
    reply.id = id
    return reply.SerializeToString()


def write_error(id: int, error: Error) -> bytes:
    """The reply to command `id` that was refused, without its length."""
    told = wire.Error(code=error.code, message=error.message, temporary=error.temporary)
    return wire.Reply(id=id, error=told).SerializeToString()


def write_push(channel: str, push: Push) -> bytes:
    """A push other than a publication, without its length."""
    message = _PUSHES[type(push)](push)
    message.channel = channel
    return wire.Reply(push=message).SerializeToString()


def write_info(info: ClientInfo | Info) -> bytes:
    """A `ClientInfo`, without its length."""
    return _info(info).SerializeToString()


def write_tags(tags: dict[str, str]) -> bytes:
    """The part of a publication that its tags are."""
    return wire.Publication(tags=tags).SerializeToString()


def _info(info: ClientInfo | Info) -> wire.ClientInfo:
    return wire.ClientInfo(
        user=info.user,
        client=info.client,
        conn_info=bytes(info.conn_info),
        chan_info=bytes(info.chan_info),
    )


def _publication(publication: Publication) -> wire.Publication:
    return wire.Publication(
        data=bytes(publication.data),
        info=_info(publication.info) if publication.info is not None else None,
        offset=publication.offset,
        tags=publication.tags,
    )


def _subscribe(result: SubscribeResult) -> wire.SubscribeResult:
    message = wire.SubscribeResult(
        expires=result.expires,
        ttl=result.ttl,
        recoverable=result.recoverable,
        epoch=result.epoch,
        recovered=result.recovered,
        offset=result.offset,
        positioned=result.positioned,
        data=bytes(result.data),
        was_recovering=result.was_recovering,
    )
    if result.publications:
        message.publications.extend(map(_publication, result.publications))
    return message


def _connect(result: ConnectResult) -> wire.ConnectResult:
    message = wire.ConnectResult(
        client=result.client,
        version=result.version,
        expires=result.expires,
        ttl=result.ttl,
        data=bytes(result.data),
        ping=result.ping,
        pong=result.pong,
        session=result.session,
        node=result.node,
    )
    for channel, subscription in (result.subs or {}).items():
        message.subs[channel].CopyFrom(_subscribe(subscription))
    return message


def _presence(result: PresenceResult) -> wire.PresenceResult:
    message = wire.PresenceResult()
    for client, info in result.presence.items():
        message.presence[client].CopyFrom(_info(info))
    return message


def _history(result: HistoryResult) -> wire.HistoryResult:
    return wire.HistoryResult(
        publications=map(_publication, result.publications),
        epoch=result.epoch,
        offset=result.offset,
    )


def _presence_stats(result: PresenceStatsResult) -> wire.PresenceStatsResult:
    return wire.PresenceStatsResult(num_clients=result.num_clients, num_users=result.num_users)


def _refresh(result: RefreshResult) -> wire.RefreshResult:
    return wire.RefreshResult(
        client=result.client, version=result.version, expires=result.expires, ttl=result.ttl
    )


def _sub_refresh(result: SubRefreshResult) -> wire.SubRefreshResult:
    return wire.SubRefreshResult(expires=result.expires, ttl=result.ttl)


def _joined(push: Join) -> wire.Push:
    return wire.Push(join=wire.Join(info=_info(push.info)))


def _left(push: Leave) -> wire.Push:
    return wire.Push(leave=wire.Leave(info=_info(push.info)))


def _unsubscribed(push: Unsubscribed) -> wire.Push:
    return wire.Push(unsubscribe=wire.Unsubscribe(code=push.code, reason=push.reason))


def _subscribed(push: Subscribed) -> wire.Push:
    message = wire.Subscribe(
        recoverable=push.recoverable,
        epoch=push.epoch,
        offset=push.offset,
        positioned=push.positioned,
        data=bytes(push.data),
    )
    return wire.Push(subscribe=message)


def _refreshed(push: Refreshed) -> wire.Push:
    return wire.Push(refresh=wire.Refresh(expires=push.expires, ttl=push.ttl))


def _disconnected(push: Disconnected) -> wire.Push:
    return wire.Push(disconnect=wire.Disconnect(code=push.code, reason=push.reason))


# Each writer takes the type that it is listed under.
_RESULTS: Final[dict[type[Result], Callable[[Any], wire.Reply]]] = {
    ConnectResult: lambda result: wire.Reply(connect=_connect(result)),
    SubscribeResult: lambda result: wire.Reply(subscribe=_subscribe(result)),
    UnsubscribeResult: lambda result: wire.Reply(unsubscribe=wire.UnsubscribeResult()),
    PublishResult: lambda result: wire.Reply(publish=wire.PublishResult()),
    PresenceResult: lambda result: wire.Reply(presence=_presence(result)),
    PresenceStatsResult: lambda result: wire.Reply(presence_stats=_presence_stats(result)),
    HistoryResult: lambda result: wire.Reply(history=_history(result)),
    RefreshResult: lambda result: wire.Reply(refresh=_refresh(result)),
    SubRefreshResult: lambda result: wire.Reply(sub_refresh=_sub_refresh(result)),
}
_PUSHES: Final[dict[type[Push], Callable[[Any], wire.Push]]] = {
    Join: _joined,
    Leave: _left,
    Unsubscribed: _unsubscribed,
    Subscribed: _subscribed,
    Refreshed: _refreshed,
    Disconnected: _disconnected,
}
