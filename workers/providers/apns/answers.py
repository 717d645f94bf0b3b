"""What an answer of APNs means, as one table. Pure.

https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns
"""

from typing import Final

import msgspec

from workers.providers.base import Delivered, Failed, Later, Misconfigured, Outcome, Rejected


class TokenRefused(msgspec.Struct, frozen=True):
    """Our provider token is not taken: renew it once. `expired`: it was good and has aged."""

    why: str
    expired: bool = False


class TokenOverused(msgspec.Struct, frozen=True):
    """Our provider token changes too often: use one that others have, and come back later."""

    why: str


class WrongHost(msgspec.Struct, frozen=True):
    """The address is bad, or of the other environment."""

    why: str


Verdict = Outcome | TokenRefused | TokenOverused | WrongHost

ENVIRONMENT_REASONS: Final = frozenset({"BadEnvironmentKeyIdInToken", "BadEnvironmentKeyInToken"})
"""Our key is good for the other environment only."""

_TOKEN_REASONS: Final = {
    "ExpiredProviderToken": True,
    "InvalidProviderToken": False,
    "MissingProviderToken": False,
}
"""What APNs says of a provider token, and whether it means that the token has aged."""

_OVERUSED_REASON: Final = "TooManyProviderTokenUpdates"

_ADDRESS_REASON: Final = "BadDeviceToken"

_PARKING_REASONS: Final = frozenset({"DeviceTokenNotForTopic", "TopicDisallowed"})
"""The address is of another app than we are told, or than our key is for."""

_REASON_CHARACTERS_MAX: Final = 100
"""More than any of Apple's words, and little enough for a log and for a row."""


class _Body(msgspec.Struct):
    """The JSON of an answer that is no 200. `timestamp` (ms) comes with a 410 only."""

    reason: str = ""
    timestamp: int = 0


def judge(status: int, body: bytes, *, apns_id: str = "", after_s: float = 0.0) -> Verdict:
    """What to do about an answer. `after_s`: how long it asks to wait, 0 where it does not say."""
    if status == 200:
        return Delivered(apns_id)
    said = _read(body)
    why = said.reason or f"status {status}"
    if status >= 500:
        return Later(why, after_s)
    match status:
        case 400:
            return _judge_bad_request(why)
        case 403 if why in _TOKEN_REASONS:
            return TokenRefused(why, expired=_TOKEN_REASONS[why])
        case 403:
            return Misconfigured(why)
        case 410:
            return Rejected(why, since=max(said.timestamp, 0))
        case 429 if why == _OVERUSED_REASON:
            return TokenOverused(why)
        case 429:
            return Later(why, after_s, scope="device")
        case _:
            return Failed(why)


def _judge_bad_request(why: str) -> Verdict:
    if why == _ADDRESS_REASON:
        return WrongHost(why)
    if why in _PARKING_REASONS:
        return Rejected(why, parked=True)
    return Failed(why)


def _read(body: bytes) -> _Body:
    """The answer's own words, none where something on the way has answered in APNs' place."""
    try:
        said = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Body()
    if not (said.reason.isascii() and said.reason.isprintable()):
        return _Body(timestamp=said.timestamp)
    return _Body(said.reason[:_REASON_CHARACTERS_MAX], said.timestamp)
