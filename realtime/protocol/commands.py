"""What a client may ask (protocol 1.4), as typed requests that every codec decodes to.

Payloads (`data`) stay `msgspec.Raw`: the bytes that came in are the bytes that go out. Unknown
fields are ignored; flags that this version does not know are carried and ignored.
"""

from typing import Annotated, ClassVar

import msgspec

UInt32 = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
# A uint64 on the wire; no log reaches 2**63, and neither msgspec's bounds nor SQLite go beyond it.
Offset = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

EMPTY = msgspec.Raw()
REJECT_UNRECOVERED = 2
"""Bit of `SubscribeRequest.flag`: answer error 112 where recovery fails, and do not subscribe."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """Base of all requests. `method` is the command's key on the wire."""

    method: ClassVar[str] = ""


class TagsFilter(msgspec.Struct, frozen=True, gc=False):
    """A filter by tags (protocol 1.9). This version has none, so only its presence is kept."""


class SubscribeRequest(Request, frozen=True, gc=False):
    """Subscribe to a channel; in `ConnectRequest.subs`, the position of a server-side one."""

    method: ClassVar[str] = "subscribe"
    channel: str = ""
    token: str = ""
    recover: bool = False
    epoch: str = ""
    offset: Offset = 0
    data: msgspec.Raw = EMPTY
    positioned: bool = False
    recoverable: bool = False
    join_leave: bool = False
    delta: str = ""
    tf: TagsFilter | None = None
    flag: Int64 = 0
    type: UInt32 = 0


class ConnectRequest(Request, frozen=True, gc=False):
    """The first command of every connection."""

    method: ClassVar[str] = "connect"
    token: str = ""
    data: msgspec.Raw = EMPTY
    subs: dict[str, SubscribeRequest] | None = None
    name: str = ""
    version: str = ""
    headers: dict[str, str] | None = None
    flag: Int64 = 0


class UnsubscribeRequest(Request, frozen=True, gc=False):
    """End a subscription; also answered when there is none."""

    method: ClassVar[str] = "unsubscribe"
    channel: str = ""


class PublishRequest(Request, frozen=True, gc=False):
    """Publish `data` into a channel."""

    method: ClassVar[str] = "publish"
    channel: str = ""
    data: msgspec.Raw = EMPTY


class PresenceRequest(Request, frozen=True, gc=False):
    """Who is subscribed to a channel."""

    method: ClassVar[str] = "presence"
    channel: str = ""


class PresenceStatsRequest(Request, frozen=True, gc=False):
    """How many connections and users are subscribed to a channel."""

    method: ClassVar[str] = "presence_stats"
    channel: str = ""


class Since(msgspec.Struct, frozen=True, gc=False):
    """An exclusive start of a history page. An empty epoch is not checked."""

    offset: Offset = 0
    epoch: str = ""


class HistoryRequest(Request, frozen=True, gc=False):
    """A page of a channel's log. `limit`: 0 only the position, -1 as many as the cap allows."""

    method: ClassVar[str] = "history"
    channel: str = ""
    limit: Int32 = 0
    since: Since | None = None
    reverse: bool = False


class RpcRequest(Request, frozen=True, gc=False):
    """Call a method of the server."""

    method: ClassVar[str] = "rpc"
    data: msgspec.Raw = EMPTY
    # Named `method` on the wire, which is the class's own name for the command.
    name: str = msgspec.field(default="", name="method")


class SendRequest(Request, frozen=True, gc=False):
    """A message to the server that is not answered."""

    method: ClassVar[str] = "send"
    data: msgspec.Raw = EMPTY


class RefreshRequest(Request, frozen=True, gc=False):
    """A new connection token before the old one runs out."""

    method: ClassVar[str] = "refresh"
    token: str = ""


class SubRefreshRequest(Request, frozen=True, gc=False):
    """A new subscription token before the old one runs out. `type` other than 0 is not served."""

    method: ClassVar[str] = "sub_refresh"
    channel: str = ""
    token: str = ""
    type: UInt32 = 0


class Command(msgspec.Struct, frozen=True, gc=False):
    """One numbered request. `id` is 0 only for `send`, and for a pong, which has no request."""

    id: int
    request: Request | None


PONG = Command(0, None)
"""The client's answer to a ping: an empty command."""
