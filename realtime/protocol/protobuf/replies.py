"""What clients are told, from the replies that every codec encodes to Protobuf messages."""

from collections.abc import Callable
from typing import Any, Final

from realtime.errors import Error
from realtime.model import ClientInfo, Entry
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
    reply = wire.Reply()
    reply.id = id
    method = getattr(reply, result.method)
    method.SetInParent()  # a result without fields is told as well
    _RESULTS[type(result)](method, result)
    return reply.SerializeToString()


def write_error(id: int, error: Error) -> bytes:
    """The reply to command `id` that was refused, without its length."""
    told = wire.Error(code=error.code, message=error.message, temporary=error.temporary)
    return wire.Reply(id=id, error=told).SerializeToString()


def write_push(channel: str, push: Push) -> bytes:
    """A push other than a publication, without its length."""
    reply = wire.Reply()
    reply.push.channel = channel
    kind = getattr(reply.push, push.kind)
    kind.SetInParent()
    _PUSHES[type(push)](kind, push)
    return reply.SerializeToString()


def write_publication(entry: Entry) -> bytes:
    """The push of an entry, without its length."""
    reply = wire.Reply()
    reply.push.channel = entry.channel
    reply.push.pub.SetInParent()
    _publication(reply.push.pub, Publication.of(entry))
    return reply.SerializeToString()


def write_info(info: ClientInfo) -> bytes:
    """A `ClientInfo`, without its length."""
    message = wire.ClientInfo()
    _info(message, info)
    return message.SerializeToString()


# Each of these fills in a message that is part of another, or is going to be. Fields are set one
# by one: it takes half the time of a constructor with arguments.


def _info(message: wire.ClientInfo, info: ClientInfo | Info) -> None:
    message.user = info.user
    message.client = info.client
    message.conn_info = bytes(info.conn_info)
    message.chan_info = bytes(info.chan_info)


def _publication(message: wire.Publication, publication: Publication) -> None:
    message.data = bytes(publication.data)
    message.offset = publication.offset
    if publication.info is not None:
        message.info.SetInParent()
        _info(message.info, publication.info)
    if publication.tags:
        message.tags.update(publication.tags)


def _subscribe(message: wire.SubscribeResult, result: SubscribeResult) -> None:
    message.expires = result.expires
    message.ttl = result.ttl
    message.recoverable = result.recoverable
    message.epoch = result.epoch
    message.recovered = result.recovered
    message.offset = result.offset
    message.positioned = result.positioned
    message.data = bytes(result.data)
    message.was_recovering = result.was_recovering
    for publication in result.publications or ():
        _publication(message.publications.add(), publication)


def _connect(message: wire.ConnectResult, result: ConnectResult) -> None:
    message.client = result.client
    message.version = result.version
    message.expires = result.expires
    message.ttl = result.ttl
    message.data = bytes(result.data)
    message.ping = result.ping
    message.pong = result.pong
    message.session = result.session
    message.node = result.node
    for channel, subscription in (result.subs or {}).items():
        _subscribe(message.subs[channel], subscription)


def _presence(message: wire.PresenceResult, result: PresenceResult) -> None:
    for client, info in result.presence.items():
        _info(message.presence[client], info)


def _presence_stats(message: wire.PresenceStatsResult, result: PresenceStatsResult) -> None:
    message.num_clients = result.num_clients
    message.num_users = result.num_users


def _history(message: wire.HistoryResult, result: HistoryResult) -> None:
    message.epoch = result.epoch
    message.offset = result.offset
    for publication in result.publications:
        _publication(message.publications.add(), publication)


def _refresh(message: wire.RefreshResult, result: RefreshResult) -> None:
    message.client = result.client
    message.version = result.version
    message.expires = result.expires
    message.ttl = result.ttl


def _sub_refresh(message: wire.SubRefreshResult, result: SubRefreshResult) -> None:
    message.expires = result.expires
    message.ttl = result.ttl


def _attendance(message: wire.Join | wire.Leave, push: Join | Leave) -> None:
    message.info.SetInParent()
    _info(message.info, push.info)


def _unsubscribed(message: wire.Unsubscribe, push: Unsubscribed) -> None:
    message.code = push.code
    message.reason = push.reason


def _subscribed(message: wire.Subscribe, push: Subscribed) -> None:
    message.recoverable = push.recoverable
    message.epoch = push.epoch
    message.offset = push.offset
    message.positioned = push.positioned
    message.data = bytes(push.data)


def _refreshed(message: wire.Refresh, push: Refreshed) -> None:
    message.expires = push.expires
    message.ttl = push.ttl


def _disconnected(message: wire.Disconnect, push: Disconnected) -> None:
    message.code = push.code
    message.reason = push.reason


def _nothing(message: wire.PublishResult | wire.UnsubscribeResult, result: Result) -> None:
    pass


# Each takes the type that it is listed under, and the message that its method or kind has.
_RESULTS: Final[dict[type[Result], Callable[[Any, Any], None]]] = {
    ConnectResult: _connect,
    SubscribeResult: _subscribe,
    UnsubscribeResult: _nothing,
    PublishResult: _nothing,
    PresenceResult: _presence,
    PresenceStatsResult: _presence_stats,
    HistoryResult: _history,
    RefreshResult: _refresh,
    SubRefreshResult: _sub_refresh,
}
_PUSHES: Final[dict[type[Push], Callable[[Any, Any], None]]] = {
    Join: _attendance,
    Leave: _attendance,
    Unsubscribed: _unsubscribed,
    Subscribed: _subscribed,
    Refreshed: _refreshed,
    Disconnected: _disconnected,
}
