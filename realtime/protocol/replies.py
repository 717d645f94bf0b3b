"""What the server answers and pushes (protocol 1.4 and 1.5), independent of the wire format.

Every zero value is left out on the wire, but for the fields that protocol 1.3 and 1.10 list: those
have no default here, so that they are always written.
"""

from typing import ClassVar

import msgspec

from realtime.model import ClientInfo, Entry

EMPTY = msgspec.Raw()


def raw(data: bytes) -> msgspec.Raw:
    """Bytes to embed as they are. None must be the one `EMPTY`, or it would not be left out."""
    return msgspec.Raw(data) if data else EMPTY


class Info(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """`ClientInfo` on the wire; `user` and `client` are written even when empty."""

    user: str
    client: str
    conn_info: msgspec.Raw = EMPTY
    chan_info: msgspec.Raw = EMPTY

    @classmethod
    def of(cls, info: ClientInfo) -> "Info":
        """The wire form of a `ClientInfo`."""
        return cls(
            info.user,
            info.client,
            raw(info.conn_info),
            raw(info.chan_info),
        )


class Publication(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An entry on the wire. `info` only where a client published it, `offset` only from a log."""

    data: msgspec.Raw = EMPTY
    info: Info | None = None
    offset: int = 0
    tags: dict[str, str] | None = None

    @classmethod
    def of(cls, entry: Entry) -> "Publication":
        """The wire form of a log entry or an ephemeral publication."""
        return cls(
            raw(entry.data),
            Info.of(entry.info) if entry.info is not None else None,
            entry.offset,
            entry.tags or None,
        )


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of all results. `method` is the reply's key on the wire."""

    method: ClassVar[str] = ""


class SubscribeResult(Result, frozen=True, omit_defaults=True):
    """`offset` is the request's own where recovery succeeded: clients advance by publications."""

    method: ClassVar[str] = "subscribe"
    expires: bool = False
    ttl: int = 0
    recoverable: bool = False
    epoch: str = ""
    publications: list[Publication] | None = None
    recovered: bool = False
    offset: int = 0
    positioned: bool = False
    data: msgspec.Raw = EMPTY
    was_recovering: bool = False


class ConnectResult(Result, frozen=True, omit_defaults=True):
    """`ping` in seconds; `ttl` in seconds, with `expires` only where the client must refresh."""

    method: ClassVar[str] = "connect"
    client: str
    version: str
    expires: bool = False
    ttl: int = 0
    data: msgspec.Raw = EMPTY
    subs: dict[str, SubscribeResult] | None = None
    ping: int = 0
    pong: bool = False
    session: str = ""
    node: str = ""


class UnsubscribeResult(Result, frozen=True, omit_defaults=True):
    """Nothing but that it is done."""

    method: ClassVar[str] = "unsubscribe"


class PublishResult(Result, frozen=True, omit_defaults=True):
    """Nothing but that it is done; stored, where the channel has history."""

    method: ClassVar[str] = "publish"


class PresenceResult(Result, frozen=True, omit_defaults=True):
    """Who is subscribed, by connection id."""

    method: ClassVar[str] = "presence"
    presence: dict[str, Info]


class PresenceStatsResult(Result, frozen=True, omit_defaults=True):
    """How many connections, and how many different users."""

    method: ClassVar[str] = "presence_stats"
    num_clients: int
    num_users: int


class HistoryResult(Result, frozen=True, omit_defaults=True):
    """A page and the channel's position at the same moment."""

    method: ClassVar[str] = "history"
    publications: list[Publication]
    epoch: str
    offset: int


class RpcResult(Result, frozen=True, omit_defaults=True):
    """What the method answered, in JSON."""

    method: ClassVar[str] = "rpc"
    data: msgspec.Raw = EMPTY


class RefreshResult(Result, frozen=True, omit_defaults=True):
    """`ttl` in seconds until the next refresh is due."""

    method: ClassVar[str] = "refresh"
    client: str
    version: str
    expires: bool = False
    ttl: int = 0


class SubRefreshResult(Result, frozen=True, omit_defaults=True):
    """`ttl` in seconds until the next refresh is due."""

    method: ClassVar[str] = "sub_refresh"
    expires: bool = False
    ttl: int = 0


class Join(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Someone subscribed."""

    kind: ClassVar[str] = "join"
    info: Info


class Leave(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Someone's subscription ended."""

    kind: ClassVar[str] = "leave"
    info: Info


class Unsubscribed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The server ended a subscription; SDKs need both fields even when empty (1.10)."""

    kind: ClassVar[str] = "unsubscribe"
    code: int
    reason: str


class Subscribed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The server added a subscription while the client was connected."""

    kind: ClassVar[str] = "subscribe"
    recoverable: bool = False
    epoch: str = ""
    offset: int = 0
    positioned: bool = False
    data: msgspec.Raw = EMPTY


class Refreshed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The server changed when the connection expires."""

    kind: ClassVar[str] = "refresh"
    expires: bool = False
    ttl: int = 0


class Disconnected(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The server closes the connection; for transports that have no close frame of their own.

    SDKs need both fields even when empty (1.10).
    """

    kind: ClassVar[str] = "disconnect"
    code: int
    reason: str


Push = Join | Leave | Unsubscribed | Subscribed | Refreshed | Disconnected
"""Every asynchronous push but publications, which have a path of their own for speed."""
