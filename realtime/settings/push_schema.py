"""The settings of push: when somebody is told, and by which service. See `settings.schema`."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from realtime.settings.bounds import NotEmpty, Range
from realtime.settings.durations import Duration
from realtime.settings.secret import Secret

_SECOND_MS: Final = 1_000
_DAY_MS: Final = 24 * 3_600_000
_SECOND: Final = Duration(_SECOND_MS)
_FIVE_SECONDS: Final = Duration(5 * _SECOND_MS)
_TEN_SECONDS: Final = Duration(10 * _SECOND_MS)
_HALF_A_MINUTE: Final = Duration(30 * _SECOND_MS)
_MINUTE: Final = Duration(60 * _SECOND_MS)
_TEN_MINUTES: Final = Duration(600 * _SECOND_MS)
_DAY: Final = Duration(_DAY_MS)
_WEEK: Final = Duration(7 * _DAY_MS)
_SEASON: Final = Duration(90 * _DAY_MS)

Concurrency = Annotated[int, Range(1, 10_000)]
"""Requests at once."""

ProviderRate = Annotated[float, Range(0, 1_000_000)]
"""Notifications a second, over all workers, as a long-term mean. 0 is no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushSettings:
    """When a phone that is away is told of a message, in namespaces that have `push`."""

    ack_wait: Duration = _FIVE_SECONDS
    """How long a device in the foreground may take to show that it has a message, before the
    user's devices are told of it."""
    background_wait: Duration = _SECOND
    """The same where all of the user's devices are in the background, or idle."""
    max_wait: Duration = _HALF_A_MINUTE
    """How much longer than that several messages of a channel may be gathered, at most."""
    ttl: Duration = _DAY
    """How long after it was sent a message is still worth telling of."""
    undeclared: Literal["foreground", "background"] = "foreground"
    """What a connection counts as that has never said what it is, while it answers pings."""
    small_max: Annotated[int, Range(1, 1_000_000)] = 1_000
    """Members up to which a channel's notifications go first; those of larger ones use what is
    left, and never hold the others up."""
    devices_max: Annotated[int, Range(1, 1_000)] = 20
    """Devices that a user may have; of more, the one that registered longest ago goes."""
    device_ttl: Duration = _SEASON
    """How long after it last registered a device is forgotten."""
    trail_ttl: Duration = _WEEK
    """How long it is kept what was decided, and why."""
    lease: Duration = _HALF_A_MINUTE
    """How long a worker may take for what it has taken on, before another one does it."""
    retry_min: Duration = _TEN_SECONDS
    """Before the second try of what a provider could not take; then twice as long each time,"""
    retry_max: Duration = _TEN_MINUTES
    """up to this, for as long as the message is worth it."""
    pause: Duration = _MINUTE
    """How long nothing is sent by a provider that refuses our credentials, before the next try."""
    metrics_port: Annotated[int, Range(0, 65_535)] | None = None
    """Port of `realtime worker` for /metrics and /health, at `server.host`; not set: none. A
    process that does everything shows them with its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FcmSettings:
    """Firebase Cloud Messaging (HTTP v1). Off until `credentials_file` is set."""

    credentials_file: Annotated[str, NotEmpty()] | None = None
    """Path of the service account's key, as JSON."""
    base_url: Annotated[str, NotEmpty()] = "https://fcm.googleapis.com"
    """Where messages are sent."""
    token_url: Annotated[str, NotEmpty()] | None = None
    """Where access tokens are had; not set: as the service account says."""
    concurrency: Concurrency = 100
    """Requests at once, of one worker."""
    rate: ProviderRate = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApnsSettings:
    """The Apple Push Notification service. Off until `key_file` is set."""

    key_file: Annotated[str, NotEmpty()] | None = None
    """Path of the signing key (.p8). Needs key_id, team_id and topic."""
    key_id: Annotated[str, NotEmpty()] | None = None
    """Id of the key."""
    team_id: Annotated[str, NotEmpty()] | None = None
    """Id of the team that the key belongs to."""
    topic: Annotated[str, NotEmpty()] | None = None
    """The app's bundle id, for devices that do not say which app they have."""
    environment: Literal["production", "sandbox"] = "production"
    """What is tried first for devices that do not say where their token is good."""
    production_url: Annotated[str, NotEmpty()] = "https://api.push.apple.com"
    """Where notifications are sent."""
    sandbox_url: Annotated[str, NotEmpty()] = "https://api.sandbox.push.apple.com"
    """The same for apps in development."""
    ca_file: Annotated[str, NotEmpty()] | None = None
    """Path of certificates (PEM) that are believed instead of the machine's; for a stand-in."""
    concurrency: Concurrency = 500
    """Requests at once, of one worker; the service may allow fewer."""
    rate: ProviderRate = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPushSettings:
    """Web Push, for browsers and UnifiedPush. Off until `vapid_private_key` is set."""

    vapid_private_key: Secret | None = None
    """P-256 key that signs for this server: 32 bytes in base64url, or PEM. Needs vapid_subject."""
    vapid_subject: Annotated[str, NotEmpty()] | None = None
    """Whom a push service may turn to: "mailto:…" or "https://…"."""
    origins: tuple[str, ...] = ()
    """Push services of your own beside the known ones: "https://push.example.com". They may be at
    private addresses, and begin with "http://"."""
    concurrency: Concurrency = 100
    """Requests at once, of one worker."""
    rate: ProviderRate = 0.0
