"""The server API's requests and results (protocol 5.2), as types.

Zero values are left out of results, but for the fields that have no default here (5.1).
"""

from typing import ClassVar

import msgspec

from realtime.protocol.commands import Int32, Int64, Offset, Since
from realtime.protocol.replies import Info

EMPTY = msgspec.Raw()


class Call(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Base of all requests. `method` is the last part of the path.

    Defaults are left out when a node tells another of a request: an empty `Raw` is no JSON.
    """

    method: ClassVar[str] = ""


class _Payload(Call, frozen=True, gc=False):
    """What is published. Exactly one of `data` and `b64data` is expected."""

    data: msgspec.Raw = EMPTY
    b64data: str = ""
    skip_history: bool = False
    tags: dict[str, str] | None = None
    idempotency_key: str = ""
    delta: bool = False
    version: Offset = 0
    version_epoch: str = ""


class PublishCall(_Payload, frozen=True, gc=False):
    """Publish into one channel."""

    method: ClassVar[str] = "publish"
    channel: str = ""


class BroadcastCall(_Payload, frozen=True, gc=False):
    """Publish the same into several channels."""

    method: ClassVar[str] = "broadcast"
    channels: list[str] = []


class Switch(msgspec.Struct, frozen=True, gc=False):
    """An option that is overridden."""

    value: bool = False


class OverrideCall(msgspec.Struct, frozen=True, gc=False):
    """Channel options set for one subscription."""

    presence: Switch | None = None
    join_leave: Switch | None = None
    force_recovery: Switch | None = None
    force_positioning: Switch | None = None
    force_push_join_leave: Switch | None = None


class SubscribeCall(Call, frozen=True, gc=False):
    """Subscribe a user's connections to a channel; `client` narrows it to one of them."""

    method: ClassVar[str] = "subscribe"
    user: str = ""
    channel: str = ""
    info: msgspec.Raw = EMPTY
    b64info: str = ""
    client: str = ""
    session: str = ""
    data: msgspec.Raw = EMPTY
    b64data: str = ""
    recover_since: Since | None = None
    expire_at: Int64 = 0
    override: OverrideCall | None = None


class UnsubscribeCall(Call, frozen=True, gc=False):
    """End subscriptions of a user's connections; no channel means all of them."""

    method: ClassVar[str] = "unsubscribe"
    user: str = ""
    channel: str = ""
    client: str = ""
    session: str = ""


class DisconnectCode(msgspec.Struct, frozen=True, gc=False):
    """Why to disconnect, in place of 3503."""

    code: Int32 = 0
    reason: str = ""


class DisconnectCall(Call, frozen=True, gc=False):
    """Close a user's connections but those in `whitelist`."""

    method: ClassVar[str] = "disconnect"
    user: str = ""
    client: str = ""
    session: str = ""
    whitelist: list[str] = []
    disconnect: DisconnectCode | None = None


class RefreshCall(Call, frozen=True, gc=False):
    """Move the expiry of a user's connections, or end them as expired."""

    method: ClassVar[str] = "refresh"
    user: str = ""
    client: str = ""
    session: str = ""
    expired: bool = False
    expire_at: Int64 = 0
    info: msgspec.Raw = EMPTY


class PresenceCall(Call, frozen=True, gc=False):
    """Who is subscribed to a channel."""

    method: ClassVar[str] = "presence"
    channel: str = ""


class PresenceStatsCall(Call, frozen=True, gc=False):
    """How many are subscribed to a channel."""

    method: ClassVar[str] = "presence_stats"
    channel: str = ""


class HistoryCall(Call, frozen=True, gc=False):
    """A page of a channel's log."""

    method: ClassVar[str] = "history"
    channel: str = ""
    limit: Int32 = 0
    since: Since | None = None
    reverse: bool = False


class HistoryRemoveCall(Call, frozen=True, gc=False):
    """Remove a channel's history; offsets go on."""

    method: ClassVar[str] = "history_remove"
    channel: str = ""


class ChannelsCall(Call, frozen=True, gc=False):
    """Channels that have subscribers, by a glob pattern; no pattern means all."""

    method: ClassVar[str] = "channels"
    pattern: str = ""


class InfoCall(Call, frozen=True, gc=False):
    """The nodes of the hub."""

    method: ClassVar[str] = "info"


class RpcCall(Call, frozen=True, gc=False):
    """Perform an operation of chat, or of feeds, as an admin and on behalf of `user`.

    `params` are the operation's, in JSON.
    """

    # Named `method` on the wire, which is the class's own name for the call.
    method: ClassVar[str] = "rpc"
    name: str = msgspec.field(default="", name="method")
    params: msgspec.Raw = EMPTY
    user: str = ""


class RevokeCall(Call, frozen=True, gc=False):
    """Revoke a user's tokens issued before now, or one token by its id (`jti`).

    `expire_at` (s since 1970): when the last token concerned has expired anyway, so that the
    revocation may be forgotten; 0 keeps it for ever.
    """

    method: ClassVar[str] = "revoke"
    user: str = ""
    jti: str = ""
    expire_at: Int64 = 0


class BanCall(Call, frozen=True, gc=False):
    """Keep a user from a channel, or, without one, from the hub; over any token.

    `expire_at` (s since 1970): when the ban is over; 0 is never.
    """

    method: ClassVar[str] = "ban"
    user: str = ""
    channel: str = ""
    expire_at: Int64 = 0


class UnbanCall(Call, frozen=True, gc=False):
    """Take back the bans of a user from this channel, or, without one, from the hub."""

    method: ClassVar[str] = "unban"
    user: str = ""
    channel: str = ""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of the results that only the server API has. As it is: `{}`."""


class PublishAnswer(Answer, frozen=True, omit_defaults=True):
    """Where the publication is; nothing without history."""

    offset: int = 0
    epoch: str = ""


class RpcAnswer(Answer, frozen=True, omit_defaults=True):
    """What the operation answered, in JSON."""

    data: msgspec.Raw


class BinaryPublication(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry of a namespace whose payloads are any bytes: base64 of them, as in a publish.

    `data` is null, and there because typed libraries insist on it.
    """

    data: None
    b64data: str = ""
    info: Info | None = None
    offset: int = 0
    tags: dict[str, str] | None = None


class BinaryHistoryAnswer(Answer, frozen=True, omit_defaults=True):
    """A page like `HistoryResult`, of a namespace whose payloads are any bytes."""

    publications: list[BinaryPublication]
    epoch: str
    offset: int


class BroadcastError(msgspec.Struct, frozen=True):
    """Why one channel of a broadcast was refused."""

    code: int
    message: str


class BroadcastPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one channel of a broadcast."""

    result: PublishAnswer | None = None
    error: BroadcastError | None = None


class BroadcastAnswer(Answer, frozen=True, omit_defaults=True):
    """In the order of the channels."""

    responses: list[BroadcastPart]


class ChannelAnswer(msgspec.Struct, frozen=True):
    """One channel that has subscribers."""

    num_clients: int


class ChannelsAnswer(Answer, frozen=True, omit_defaults=True):
    """Channels by name."""

    channels: dict[str, ChannelAnswer]


class NodeAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One node. `uptime` in seconds."""

    uid: str
    name: str
    version: str
    num_clients: int
    num_users: int
    num_channels: int
    num_subs: int
    uptime: int = 0


class InfoAnswer(Answer, frozen=True, omit_defaults=True):
    """All nodes."""

    nodes: list[NodeAnswer]
