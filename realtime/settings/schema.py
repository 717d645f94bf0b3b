"""Every setting of the hub: name, type, range, default and meaning.

The values are frozen and are passed to what needs them, a section or a field at a time. Nothing
here reads a file, the environment or the clock, so that pure parts may import it. Ranges are part
of the types (`Annotated`), and `realtime.settings.check` enforces them on what is loaded; values
that code constructs are not checked. `Settings()` is valid and good for development.

Names end in their unit: `_s` seconds, `_bytes` bytes, `_max` a number of things.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Final, Literal

from realtime.settings.bounds import Address, NotEmpty, Pem, Range
from realtime.settings.durations import FOR_EVER, Duration
from realtime.settings.push_schema import (
    ApnsSettings,
    FcmSettings,
    PushSettings,
    WebPushSettings,
)
from realtime.settings.secret import Secret

Grant = Literal["guest", "user", "member", "subscriber", "token", "admin"]
"""To whom a permission is given: guest is everyone, user everyone with a user id, subscriber who is
subscribed to the channel, token who has a subscription token for it, member who is in the channel
(`chat`). An admin may do everything, with or without a grant."""

DataFormat = Literal["json", "json_object", "binary"]

Chat = Literal["", "room", "feed"]
"""What a namespace's channels are beside logs: nothing, chat channels, or feeds."""

JoinPolicy = Literal["open", "invite"]
"""Whether whoever wants may become a member, or only who was invited."""

Push = Literal["", "all", "mentions"]
"""Of what members are notified while they are away: of nothing, of everything, or only of what
mentions them. Each may choose otherwise, and in channels of two it is everything."""

TransportName = Literal[
    "websocket", "http_stream", "sse", "uni_websocket", "uni_http_stream", "uni_sse"
]
"""A way in for clients; the path is `/connection/` and the name. The `uni_` ones need no SDK."""

Rate = Annotated[float, Range(0, 1_000_000)]
"""How many a second, as a long-term mean. 0 is no limit."""

Burst = Annotated[float, Range(0, 10_000_000)]
"""How many may come at once. At least 1 where the rate is set, else 0."""


def _no_texts() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOptions:
    """What a namespace's channels can do, and who may do what in them."""

    history_size: Annotated[int, Range(-1, 1_000_000_000)] = 0
    """Entries kept in a channel: 0 none (the channel is ephemeral), -1 all."""
    history_ttl: Duration = FOR_EVER
    """How long an entry is kept; "0s" is for ever."""
    presence: bool = False
    """Whether one can ask who is subscribed."""
    join_leave: bool = False
    """Whether subscribers that ask for it are told who comes and goes."""
    force_push_join_leave: bool = False
    """Whether all subscribers are told, asked or not. Needs join_leave."""
    force_recovery: bool = False
    """Whether subscribers recover what they missed, asked or not. Needs history, which implies
    it."""
    force_positioning: bool = False
    """Whether a subscriber's position is checked, asked or not. Needs history, which implies it."""
    user_limited: bool = False
    """Whether `name#1,2` is a channel for the users 1 and 2 alone."""
    channel_regex: str = ""
    """What a channel's name after the namespace must match, somewhere; "" is anything."""
    data_format: DataFormat = "json"
    """What may be published: any JSON, JSON objects only, or any bytes (for Protobuf clients).
    Must not change from "binary" while there is history: those bytes would break JSON clients."""
    chat: Chat = ""
    """"room": channels have members, roles, messages that can be edited and are counted as unread.
    "feed": they have followers, and posts. Needs history, and JSON."""
    join: JoinPolicy = "open"
    """For rooms: who may join without having been invited."""
    create: tuple[Grant, ...] = ()
    """For rooms: who may create channels, those of two included; for feeds: who may post."""
    members_max: Annotated[int, Range(2, 1_000_000)] = 10_000
    """Members that a room may have."""
    edit_within: Duration = FOR_EVER
    """How long after sending it a message may be edited by its sender; "0s" is for ever."""
    delete_within: Duration = FOR_EVER
    """The same for taking it back. Moderators always may."""
    slow_mode: Duration = FOR_EVER
    """Least time between two messages of a member; "0s" is none. A channel may set its own."""
    receipts: bool = True
    """Whether members are told what others have read."""
    push: Push = ""
    """For rooms: of what members are notified on devices that are away; "" is nothing."""
    push_content: bool = True
    """Whether notifications say what was said; if not, only where (for apps that fetch it)."""
    push_title: Mapping[str, str] = field(default_factory=_no_texts)
    """Titles of notifications by language ("en", "pt-BR"; "default" for all others), with {sender},
    {title} (of the room), {text}, {count} (unread)."""
    push_body: Mapping[str, str] = field(default_factory=_no_texts)
    """The same for what is below the title."""
    subscribe: tuple[Grant, ...] = ()
    """Who may subscribe. Like every list here: empty is only admins and the server API."""
    publish: tuple[Grant, ...] = ()
    """Who may publish."""
    read_history: tuple[Grant, ...] = ()
    """Who may read the history. Needs history."""
    read_presence: tuple[Grant, ...] = ()
    """Who may ask for presence and its numbers. Needs presence."""

    @property
    def history_ttl_ms(self) -> int:
        """`history_ttl` in milliseconds; 0 is for ever."""
        return self.history_ttl.ms


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where the hub listens, and whom it lets in."""

    host: Annotated[str, NotEmpty()] = "127.0.0.1"
    """Address or name to listen on; "0.0.0.0" is every IPv4 address. Where the platform's `PORT` is
    set, the default is "0.0.0.0"."""
    port: Annotated[int, Range(0, 65_535)] = 8000
    """Port for websockets and HTTP; 0 is any free one."""
    internal_port: Annotated[int, Range(0, 65_535)] | None = None
    """Second port, for metrics, the server API and health, which then leave the first one. With
    several workers, worker 1 has this one, worker 2 the next, and so on: each has its own metrics.
    """
    workers: Annotated[int, Range(1, 256)] = 1
    """Processes that share the port, each a node of its own; more than one needs MongoDB and
    Redis. Whatever is limited in `server`, `client` and `limits` is limited in each of them."""
    name: Annotated[str, NotEmpty()] | None = None
    """What the node calls itself in `info`, at most 100 characters. Not set: the machine's name
    and the process's id. With several workers the worker's number is appended."""
    allowed_origins: tuple[str, ...] = ()
    """Origins that browsers may come from: "https://example.com", "https://*.example.com" or "*";
    after a `*` within one comes a dot. Empty: the hub's own host. Connections without an Origin
    header are not from a browser and always allowed."""
    transports: tuple[TransportName, ...] = (
        "websocket",
        "http_stream",
        "sse",
        "uni_websocket",
        "uni_http_stream",
        "uni_sse",
    )
    """Ways in for clients; the path of one that is left out is 404. HTTP streams and server-sent
    events are for networks that block websockets; the `uni_` ones need no SDK, only carry what the
    hub sends, and are told at the beginning what to subscribe to."""
    trusted_proxies: tuple[str, ...] = ()
    """IP addresses or networks ("10.0.0.0/8") whose X-Forwarded-For header is believed."""
    tls_certificate: Annotated[str, NotEmpty()] | None = None
    """Path of the PEM file with the certificate and its chain. Needs tls_key."""
    tls_key: Annotated[str, NotEmpty()] | None = None
    """Path of the PEM file with the certificate's private key."""
    connections_max: Annotated[int, Range(1, 10_000_000)] = 10_000
    """Websockets and streams at once; one more gets 503 before anything is begun for it."""
    connection_rate: Rate = 0.0
    """Websockets and streams that may begin in a second; one more gets 503. 0 is no limit."""
    drain_s: Annotated[float, Range(0, 3_600)] = 10.0
    """Seconds over which connections are closed when the hub is told to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """Access to the server API."""

    keys: tuple[Secret, ...] = ()
    """Keys that are accepted. None: the server API refuses everyone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """How tokens are verified, and what a user is given without asking."""

    hmac_secret: Secret | None = None
    """Secret of HS256, HS384 and HS512 tokens, at least 32 bytes."""
    hmac_previous_secret: Secret | None = None
    """Secret before the last change: tokens made with it are still good."""
    rsa_public_key: Annotated[str, Pem("RSA")] | None = None
    """PEM text of the public key of RS256, RS384 and RS512 tokens."""
    ecdsa_public_key: Annotated[str, Pem("ECDSA")] | None = None
    """PEM text of the public key of ES256, ES384 and ES512 tokens."""
    jwks_url: str | None = field(default=None, repr=False)
    """Address of a JSON Web Key Set. Where it is set, only its keys count."""
    audience: Annotated[str, NotEmpty()] | None = None
    """What the `aud` claim must have; not set: any."""
    issuer: Annotated[str, NotEmpty()] | None = None
    """What the `iss` claim must be; not set: any."""
    user_claim: Annotated[str, NotEmpty()] = "sub"
    """Claim that holds the user's id."""
    leeway_s: Annotated[float, Range(0, 300)] = 0.0
    """Seconds by which the clocks of token maker and hub may differ."""
    anonymous: bool = False
    """Whether a connection without a token is a guest; else it is refused."""
    insecure: bool = False
    """Whether connections need no token, the server API no key, and every permission is given. For
    a loopback host only."""
    personal_channels: bool = False
    """Whether a user is subscribed to the channel `#<user>` on connecting."""
    personal_namespace: str = ""
    """Namespace of the personal channels; "" is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Where what is promised is kept."""

    url: Annotated[str, Address()] = field(default="sqlite:///realtime.db", repr=False)
    """SQLite, for one process: a path after three slashes, "sqlite:///realtime.db" from the working
    directory or "sqlite:////var/lib/realtime.db"; "sqlite://:memory:" is gone with the process.
    MongoDB, for any number of nodes: "mongodb://" or "mongodb+srv://" as its drivers take it; the
    path names the database, "realtime" if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """What carries events between hub nodes."""

    url: Annotated[str, Address()] = field(default="memory://", repr=False)
    """"memory://" is for a single node. Redis: "redis://", "rediss://" (TLS), "unix:///path",
    or by Sentinel "redis+sentinel://host:26379,host:26379/service", "rediss+sentinel://"."""
    prefix: str = "realtime"
    """Begins every name that is used in Redis: letters, digits, `_`, `-`, `:` and `.`, at most 64.
    Two deployments on one Redis need different ones."""


def _no_intervals() -> Mapping[str, float]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """What one client connection may cost, and how long it is waited for."""

    ping_interval_s: Annotated[float, Range(1, 3_600)] = 25.0
    """Seconds between pings to a connection."""
    ping_intervals_s: Mapping[str, Annotated[float, Range(1, 3_600)]] = field(
        default_factory=_no_intervals
    )
    """The same for clients that give such a name when they connect, as SDKs do: "swift", "java",
    "dart", "csharp", "js", "python" and "go", unless the app calls itself something else."""
    pong_timeout_s: Annotated[float, Range(0.1, 3_600)] = 8.0
    """Seconds to wait for the answer to a ping; less than any interval between pings."""
    message_max_bytes: Annotated[int, Range(1_024, 67_108_864)] = 65_536
    """Longest message that is taken from a client, on a websocket or in a request."""
    channels_max: Annotated[int, Range(1, 100_000)] = 128
    """Channels that a connection may be subscribed to."""
    outbox_max_bytes: Annotated[int, Range(1_024, 1_073_741_824)] = 1_048_576
    """Bytes waiting for a client; above that it is closed as slow and recovers later."""
    stale_close_s: Annotated[float, Range(0.1, 3_600)] = 10.0
    """Seconds for a new connection to send its connect command."""
    expired_close_s: Annotated[float, Range(0, 3_600)] = 25.0
    """Seconds for a client to refresh an expired token before it is closed."""
    history_max: Annotated[int, Range(1, 10_000)] = 300
    """Entries in one reply to a history command."""
    recovery_max: Annotated[int, Range(1, 10_000)] = 300
    """Entries that a subscribe recovers; who missed more is told to reload."""
    user_connections_max: Annotated[int, Range(0, 1_000_000)] = 0
    """Connections of one user at this node; 0 is no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsSettings:
    """How fast clients may ask, per connection, per user and per address: all apply.

    Commands are all that a client sends but pongs; publishes are counted as commands too.
    """

    connection_commands_per_s: Rate = 0.0
    connection_commands_burst: Burst = 0.0
    connection_publishes_per_s: Rate = 0.0
    connection_publishes_burst: Burst = 0.0
    user_commands_per_s: Rate = 0.0
    user_commands_burst: Burst = 0.0
    user_publishes_per_s: Rate = 0.0
    user_publishes_burst: Burst = 0.0
    address_commands_per_s: Rate = 0.0
    address_commands_burst: Burst = 0.0
    address_publishes_per_s: Rate = 0.0
    address_publishes_burst: Burst = 0.0


_MONTH: Final = Duration(30 * 24 * 3_600_000)
_WEEK: Final = Duration(7 * 24 * 3_600_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings:
    """Chat and feeds, where a namespace has them."""

    inbox_members_max: Annotated[int, Range(0, 10_000)] = 250
    """Members up to which a channel's news are hinted at in members' personal channels; above it
    only `chat.sync` tells."""
    receipts_members_max: Annotated[int, Range(0, 100_000)] = 2_000
    """Members up to which receipts are broadcast."""
    typing_members_max: Annotated[int, Range(0, 100_000)] = 2_000
    """Members up to which typing is broadcast."""
    reactions_members_max: Annotated[int, Range(0, 100_000)] = 250
    """Members up to which every reaction is told by itself; above it those of 200 ms are told
    together. Followers, in a feed."""
    fanout_followers_max: Annotated[int, Range(0, 1_000_000)] = 1_000
    """Followers up to which a post is copied to their timelines; posts of larger authors are merged
    when a timeline is read."""
    inactive_after: Duration = _MONTH
    """How long a follower may be away until posts are not copied to their timeline any more; it is
    filled when they come back."""
    answers_ttl: Duration = _WEEK
    """How long a write that leaves no entry in a log is remembered for whoever tries it again."""
    hook_url: str | None = field(default=None, repr=False)
    """Address that is asked before a message is stored; not set: nobody is asked."""
    hook_secret: Secret | None = None
    """Signs what is sent there (HMAC-SHA256, in X-Realtime-Signature)."""
    hook_timeout_s: Annotated[float, Range(0.05, 10)] = 1.0
    """Seconds to wait for the answer."""
    hook_fail: Literal["open", "closed"] = "open"
    """What happens to a message when there is no answer: it is stored, or refused."""
    sends_per_s: Rate = 10.0
    """Messages of one user, over all nodes, as everything below. Each has a burst."""
    sends_burst: Burst = 50.0
    edits_per_s: Rate = 2.0
    """Edits, deletes, reactions and pins."""
    edits_burst: Burst = 30.0
    typing_per_s: Rate = 2.0
    """Typing, receipts, presence."""
    typing_burst: Burst = 30.0
    creates_per_s: Rate = 0.1
    """Channels, and direct channels."""
    creates_burst: Burst = 20.0
    invites_per_s: Rate = 1.0
    """Joining, leaving, inviting, following, and all other changes of members; reports."""
    invites_burst: Burst = 60.0
    reads_per_s: Rate = 20.0
    """Everything that only reads."""
    reads_burst: Burst = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What is logged, and in which form. Never message bodies or secrets."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important level that is logged."""
    format: Literal["text", "json"] = "text"
    """Lines for people, or one JSON object a line."""


def _no_namespaces() -> Mapping[str, ChannelOptions]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one hub."""

    server: ServerSettings = field(default_factory=ServerSettings)
    api: ApiSettings = field(default_factory=ApiSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    broker: BrokerSettings = field(default_factory=BrokerSettings)
    client: ClientSettings = field(default_factory=ClientSettings)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    chat: ChatSettings = field(default_factory=ChatSettings)
    push: PushSettings = field(default_factory=PushSettings)
    fcm: FcmSettings = field(default_factory=FcmSettings)
    apns: ApnsSettings = field(default_factory=ApnsSettings)
    webpush: WebPushSettings = field(default_factory=WebPushSettings)
    log: LogSettings = field(default_factory=LogSettings)
    channels: ChannelOptions = field(default_factory=ChannelOptions)
    """Options of channels without a namespace."""
    namespaces: Mapping[str, ChannelOptions] = field(default_factory=_no_namespaces)
    """Options of `name:…` channels by name: letters, digits, `_` and `-`, at least two."""
