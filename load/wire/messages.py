"""Messages of the wire, those and of those the fields that loads need; the same for both formats.

What is not given is not sent, and what is not known here is ignored.
"""

import msgspec

NO_DATA = msgspec.Raw(b"")
"""The default of a payload: there is none."""


class _Message(msgspec.Struct, omit_defaults=True, gc=False):
    """What all have in common. Nothing in them can refer back to them."""


class Error(_Message):
    """Why a command was refused; `code` 0 is of this side, not of the hub."""

    code: int = 0
    message: str = ""
    temporary: bool = False


class ClientInfo(_Message):
    """Who published, joined, left or is present."""

    user: str = ""
    client: str = ""


class Publication(_Message):
    """A message of a channel. `data` is as it was published, byte for byte."""

    data: msgspec.Raw = NO_DATA
    info: ClientInfo | None = None
    offset: int = 0
    tags: dict[str, str] = {}


class StreamPosition(_Message):
    """A place in a channel's history: all up to and with it were seen."""

    offset: int = 0
    epoch: str = ""


class Presence(_Message):
    """Somebody joined or left."""

    info: ClientInfo | None = None


class Ended(_Message):
    """A subscription or connection that the hub ends."""

    code: int = 0
    reason: str = ""


class Empty(_Message):
    """A result without fields."""


class SubscribeRequest(_Message):
    """Subscribe; with `recover`, from a position on."""

    channel: str
    token: str = ""
    recover: bool = False
    epoch: str = ""
    offset: int = 0
    positioned: bool = False
    recoverable: bool = False
    join_leave: bool = False


class SubscribeResult(_Message):
    """What was granted, and what a recovery has brought."""

    recoverable: bool = False
    positioned: bool = False
    epoch: str = ""
    offset: int = 0
    publications: list[Publication] = []
    recovered: bool = False
    was_recovering: bool = False


class ConnectRequest(_Message):
    """The first command of each connection."""

    token: str = ""
    data: msgspec.Raw = NO_DATA
    subs: dict[str, SubscribeRequest] = {}
    name: str = ""


class ConnectResult(_Message):
    """Who this connection is, and which channels the hub itself has subscribed it to."""

    client: str = ""
    version: str = ""
    subs: dict[str, SubscribeResult] = {}
    ping: int = 0
    pong: bool = False


class ChannelRequest(_Message):
    """Unsubscribe, presence and presence statistics take a channel and no more."""

    channel: str


class PublishRequest(_Message):
    """Publish; `data` is JSON, or in Protobuf any bytes."""

    channel: str
    data: msgspec.Raw


class PresenceResult(_Message):
    """Who is there, by client id."""

    presence: dict[str, ClientInfo] = {}


class PresenceStatsResult(_Message):
    """How many are there."""

    num_clients: int = 0
    num_users: int = 0


class HistoryRequest(_Message):
    """What was published after `since`; `limit` -1 is as many as the hub gives, 0 the position."""

    channel: str
    limit: int = 0
    since: StreamPosition | None = None
    reverse: bool = False


class HistoryResult(_Message):
    """A part of a channel's history, and where the channel is."""

    publications: list[Publication] = []
    epoch: str = ""
    offset: int = 0


class RpcRequest(_Message):
    """Call a method of the hub, or of the application behind it."""

    data: msgspec.Raw = NO_DATA
    method: str = ""


class RpcResult(_Message):
    """What the method answered."""

    data: msgspec.Raw = NO_DATA


class Command(_Message):
    """What a client sends: an id above 0, and one method."""

    id: int
    connect: ConnectRequest | None = None
    subscribe: SubscribeRequest | None = None
    unsubscribe: ChannelRequest | None = None
    publish: PublishRequest | None = None
    presence: ChannelRequest | None = None
    presence_stats: ChannelRequest | None = None
    history: HistoryRequest | None = None
    rpc: RpcRequest | None = None


class Push(_Message):
    """What the hub sends of itself, of a channel or, where that is "", of the connection."""

    channel: str = ""
    pub: Publication | None = None
    join: Presence | None = None
    leave: Presence | None = None
    unsubscribe: Ended | None = None
    disconnect: Ended | None = None


class Reply(_Message):
    """What the hub sends: the answer to command `id`, or a push, or with neither a ping."""

    id: int = 0
    error: Error | None = None
    push: Push | None = None
    connect: ConnectResult | None = None
    subscribe: SubscribeResult | None = None
    unsubscribe: Empty | None = None
    publish: Empty | None = None
    presence: PresenceResult | None = None
    presence_stats: PresenceStatsResult | None = None
    history: HistoryResult | None = None
    rpc: RpcResult | None = None
