"""What tokens say (protocol 3.2, 3.3, and `role`): the claims as they arrive, and as the hub uses
them.

A claim that is there has its type, also where it is not used; null is no string and no number.
Only `info`, `data`, `meta` and an override may be null, which is as if they were absent. Unknown
claims are ignored.
"""

import binascii
from collections.abc import Mapping
from math import inf
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from realtime.auth.compact import compact_json, read_json
from realtime.auth.errors import TokenExpired, TokenInvalid
from realtime.auth.identity import Identity, Role

YEAR_10000: Final = 253_402_300_800
"""No time of a token is later, in seconds since 1970: what claims to be is in milliseconds."""

CLOCK_SKEW_MAX_S: Final = 60.0
"""By how much a token may claim to be from the future (`iat`), beside the leeway. It is bounded
because such a token would outlive the revocation of everything issued before now."""

DEVICE_ID_CHARACTERS_MAX: Final = 128
"""The longest id of a device."""

DeviceId = Annotated[str, msgspec.Meta(min_length=1, max_length=DEVICE_ID_CHARACTERS_MAX)]
"""What an app calls the phone, tablet or browser that it runs on."""

Seconds = Annotated[float, msgspec.Meta(gt=-YEAR_10000, lt=YEAR_10000)]

_ROLES: Final[Mapping[str, Role]] = {"admin": "admin", "user": "user", "guest": "guest"}


class Lifetime(msgspec.Struct, frozen=True, gc=False):
    """When a token may be used: from `start` and before `end`, in seconds since 1970.

    `end` is infinite for a token that does not expire.
    """

    start: float
    end: float

    def check(self, now: float, leeway_s: float) -> None:
        """Raise TokenExpired or TokenInvalid unless `now` is within, give or take the leeway."""
        # RFC 7519, 4.1.4: "on or after which the JWT MUST NOT be accepted".
        if now >= self.end + leeway_s:
            raise TokenExpired
        if now < self.start - leeway_s:
            raise TokenInvalid("not yet")


class Override(msgspec.Struct, frozen=True, gc=False):
    """Channel options that a token sets for one subscription; None leaves the namespace's."""

    presence: bool | None = None
    join_leave: bool | None = None
    force_recovery: bool | None = None
    force_positioning: bool | None = None
    force_push_join_leave: bool | None = None


class SubscriptionOptions(msgspec.Struct, frozen=True, gc=False):
    """How a server-side subscription of the `subs` claim is made.

    `info` (for others to see) and `data` (for the subscriber) are raw JSON, b"" for none.
    """

    info: bytes = b""
    data: bytes = b""
    override: Override | None = None


class ConnectionClaims(msgspec.Struct, frozen=True):
    """What a connection token says. Shared by all who verify the same token: never change `subs`.

    `lifetime` is the token's, `identity.expires_at` the connection's. `channels` and the keys of
    `subs` are channels to subscribe to, their names unchecked. `meta` is raw JSON for the server
    alone. `device_id` is the user's device that the token is for, "" where it does not say.
    """

    identity: Identity
    lifetime: Lifetime
    channels: tuple[str, ...] = ()
    subs: Mapping[str, SubscriptionOptions] = {}
    meta: bytes = b""
    override: Override | None = None
    device_id: str = ""


class SubscriptionClaims(msgspec.Struct, frozen=True, gc=False):
    """What a subscription token says.

    `lifetime` is the token's; `expires_at` is when the subscription ends unless it is refreshed, in
    seconds since 1970, 0 for never. `client` is the connection that it is for, "" for any. `info`
    is raw JSON for others to see, `data` for the subscriber, b"" for none. `jti` and `iat` are for
    `Revocations`.
    """

    user: str
    channel: str
    lifetime: Lifetime
    expires_at: float = 0.0
    client: str = ""
    jti: str = ""
    iat: float | None = None
    info: bytes = b""
    data: bytes = b""
    override: Override | None = None

    def fits(self, *, user: str, channel: str, client: str) -> bool:
        """Whether the token is for this user, channel and connection (else 3500, protocol 3.4)."""
        return self.user == user and self.channel == channel and self.client in ("", client)


class _Switch(msgspec.Struct):
    value: bool = False


class _Override(msgspec.Struct):
    presence: _Switch | None = None
    join_leave: _Switch | None = None
    force_recovery: _Switch | None = None
    force_positioning: _Switch | None = None
    force_push_join_leave: _Switch | None = None


class _Subscription(msgspec.Struct):
    info: Any = None
    b64info: str = ""
    data: Any = None
    b64data: str = ""
    override: _Override | None = None


class Payload(msgspec.Struct):
    """The claims of both kinds of token as they arrive: the types are checked, the sense is not."""

    sub: str = ""
    exp: Seconds | UnsetType = UNSET
    nbf: Seconds | UnsetType = UNSET
    iat: Seconds | UnsetType = UNSET
    expire_at: Seconds | UnsetType = UNSET
    jti: str = ""
    aud: str | list[str] | UnsetType = UNSET
    iss: str | UnsetType = UNSET
    role: str | UnsetType = UNSET
    info: Any = None
    b64info: str = ""
    override: _Override | None = None
    # Connection tokens
    channels: list[str] = []
    subs: dict[str, _Subscription] = {}
    meta: Any = None
    device_id: DeviceId | UnsetType = UNSET
    # Subscription tokens
    channel: str | UnsetType = UNSET
    client: str = ""
    data: Any = None
    b64data: str = ""

    def lifetime(self) -> Lifetime:
        """When the token may be used: not before `nbf`, before both `exp` and `expire_at`."""
        start = 0.0 if self.nbf is UNSET else self.nbf
        if self.iat is not UNSET:
            start = max(start, self.iat - CLOCK_SKEW_MAX_S)
        end = inf if self.exp is UNSET else self.exp
        if self.expire_at is not UNSET and self.expire_at:
            # What it opens would be over at once; a new token is what the client needs.
            end = min(end, self.expire_at)
        return Lifetime(start, end)

    def expires_at(self) -> float:
        """When what the token opens ends, 0 for never: `expire_at`, or else `exp`."""
        if self.expire_at is not UNSET:
            return self.expire_at
        return 0.0 if self.exp is UNSET else self.exp


def read_payload(members: dict[str, object], user_claim: str) -> Payload:
    """Check the types of the claims; `sub` of the result is what `user_claim` holds."""
    try:
        payload = msgspec.convert(members, Payload)
    except msgspec.ValidationError:
        raise TokenInvalid("claims") from None
    if user_claim != "sub":
        user = members.get(user_claim, "")
        if not isinstance(user, str):
            raise TokenInvalid("claims")
        payload.sub = user
    return payload


def read_claims(payload: Payload, lifetime: Lifetime) -> ConnectionClaims | SubscriptionClaims:
    """Make sense of the claims; a token with a `channel` is a subscription token, no other is."""
    if payload.channel is UNSET:
        return _connection(payload, lifetime)
    if not payload.channel:
        raise TokenInvalid("claims")
    return SubscriptionClaims(
        user=payload.sub,
        channel=payload.channel,
        lifetime=lifetime,
        expires_at=payload.expires_at(),
        client=payload.client,
        jti=payload.jti,
        iat=None if payload.iat is UNSET else payload.iat,
        info=_document(payload.info, payload.b64info),
        data=_document(payload.data, payload.b64data),
        override=_override(payload.override),
    )


def _connection(payload: Payload, lifetime: Lifetime) -> ConnectionClaims:
    identity = Identity(
        payload.sub,
        _role(payload),
        _document(payload.info, payload.b64info),
        payload.expires_at(),
        payload.jti,
        None if payload.iat is UNSET else payload.iat,
    )
    return ConnectionClaims(
        identity,
        lifetime,
        tuple(payload.channels),
        {channel: _subscription(options) for channel, options in payload.subs.items()},
        _document(payload.meta, ""),
        _override(payload.override),
        "" if payload.device_id is UNSET else payload.device_id,
    )


def _role(payload: Payload) -> Role:
    """The role; without a claim user or guest, by whether there is a user id (design 6).

    Users and admins must have an id: what they do is recorded under it, and a revocation names it.
    """
    if payload.role is UNSET:
        return "user" if payload.sub else "guest"
    role = _ROLES.get(payload.role)
    if role is None or (role != "guest" and not payload.sub):
        raise TokenInvalid("claims")
    return role


def _document(value: object, base64: str) -> bytes:
    """Raw JSON from a claim or, if it has one, its base64 twin; b"" for none.

    The twin must hold JSON too: it is sent to JSON clients in the middle of a JSON document.
    """
    if base64:
        try:
            text = binascii.a2b_base64(base64, strict_mode=True)
        except ValueError:
            raise TokenInvalid("claims") from None
        value = read_json(text)
    return b"" if value is None else compact_json(value)


def _subscription(options: _Subscription) -> SubscriptionOptions:
    return SubscriptionOptions(
        _document(options.info, options.b64info),
        _document(options.data, options.b64data),
        _override(options.override),
    )


def _override(override: _Override | None) -> Override | None:
    if override is None:
        return None
    return Override(
        _value(override.presence),
        _value(override.join_leave),
        _value(override.force_recovery),
        _value(override.force_positioning),
        _value(override.force_push_join_leave),
    )


def _value(switch: _Switch | None) -> bool | None:
    return None if switch is None else switch.value
