"""What FCM accepts as the body of `messages:send`, and what a phone makes of it.

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages, in its own snake_case.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from workers.fakepush.phones import Push

PAYLOAD_MAX_BYTES: Final = 4_096
TTL_MAX_S: Final = 2_419_200
"""Four weeks."""

_TTL: Final = re.compile(r"(\d{1,9})(\.\d{1,9})?s")
_RESERVED: Final = re.compile(r"from|message_type|(google|gcm).*")

_Any = dict[str, Any]


class _Strict(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Unknown names are refused, as by Google."""


class Notification(_Strict):
    """What is shown on every platform."""

    title: str = ""
    body: str = ""
    image: str = ""


class AndroidNotification(_Strict):
    """What is shown on Android; the fields that this world knows."""

    title: str = ""
    body: str = ""
    icon: str = ""
    color: str = ""
    sound: str = ""
    tag: str = ""
    click_action: str = ""
    body_loc_key: str = ""
    body_loc_args: list[str] = []
    title_loc_key: str = ""
    title_loc_args: list[str] = []
    channel_id: str = ""
    ticker: str = ""
    sticky: bool = False
    event_time: str = ""
    local_only: bool = False
    notification_priority: str = ""
    default_sound: bool = False
    default_vibrate_timings: bool = False
    default_light_settings: bool = False
    vibrate_timings: list[str] = []
    visibility: str = ""
    proxy: str = ""
    bypass_proxy_notification: bool = False
    notification_count: int = -1
    image: str = ""


class Android(_Strict):
    """How it goes to an Android phone."""

    collapse_key: str = ""
    priority: Literal["normal", "high", "NORMAL", "HIGH"] = "normal"
    ttl: str = ""
    restricted_package_name: str = ""
    data: dict[str, str] = {}
    notification: AndroidNotification | None = None
    fcm_options: _Any = {}
    direct_boot_ok: bool = False


class Apns(_Strict):
    """How it goes to an iPhone, through Firebase."""

    headers: dict[str, str] = {}
    payload: _Any = {}
    fcm_options: _Any = {}
    live_activity_token: str = ""


class Webpush(_Strict):
    """How it goes to a browser, through Firebase."""

    headers: dict[str, str] = {}
    data: dict[str, str] = {}
    notification: _Any = {}
    fcm_options: _Any = {}


class Message(_Strict):
    """One message for one target."""

    name: str = ""
    token: str = ""
    fid: str = ""
    topic: str = ""
    condition: str = ""
    data: dict[str, str] = {}
    notification: Notification | None = None
    android: Android | None = None
    apns: Apns | None = None
    webpush: Webpush | None = None
    fcm_options: _Any = {}


class Body(_Strict):
    """The request. `validate_only`: check it and send nothing."""

    message: Message
    validate_only: bool = False


class WrongMessage(Exception):
    """It is not what the service takes: in which field, and what is wrong with it."""

    def __init__(self, field: str, description: str) -> None:
        super().__init__(description)
        self.field = field
        self.description = description


_decoder = msgspec.json.Decoder(Body)


def read_body(raw: bytes) -> Body:
    """Read a request strictly. Raises WrongMessage."""
    try:
        body = _decoder.decode(raw)
    except msgspec.ValidationError as error:
        said, _, path = str(error).partition(" - at `$.")
        described = f"Invalid JSON payload received. {said}"
        raise WrongMessage(path.removesuffix("`") or "message", described) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise WrongMessage("", "Invalid JSON payload received. Unexpected token.") from None
    message = body.message
    targets = [message.token, message.fid, message.topic, message.condition]
    if sum(map(bool, targets)) != 1:
        said = "Exactly one of token, fid, topic or condition is required."
        raise WrongMessage("message", f"Recipient of the message is not set. {said}")
    for key in message.data:
        if _RESERVED.fullmatch(key):
            raise WrongMessage("message.data", f"Invalid data payload key: {key}")
    if message.android is not None and message.android.ttl:
        _check_ttl(message.android.ttl)
    # What is short as a whole is short in each of its parts.
    if len(raw) > PAYLOAD_MAX_BYTES and _payload_bytes(message) > PAYLOAD_MAX_BYTES:
        raise WrongMessage("message", "Android message is too big")
    return body


def read_push(message: Message, id: str) -> Push:
    """What the phone does with it: an Android phone, or an iPhone where there is a part for it.

    A message of data alone shows nothing by itself; the app shows one whose `act` is "show".
    """
    android = message.android
    shown = None if android is None else android.notification
    apns = message.apns
    aps = {} if apns is None else _dictionary(apns.payload.get("aps"))
    notification = message.notification
    data = {**message.data, **(android.data if android is not None else {})}
    act, named = data.get("act"), data.get("collapse", "")
    tag = (shown and shown.tag) or (apns and apns.headers.get("apns-collapse-id"))
    return Push(
        id=id,
        collapse=tag or (named if act == "show" else ""),
        shows=bool(notification or shown or "alert" in aps or act == "show"),
        clears=named if act == "clear" else "",
        title=_text(
            notification and notification.title, shown and (shown.title or shown.title_loc_key)
        ),
        body=_text(
            notification and notification.body, shown and (shown.body or shown.body_loc_key)
        ),
        badge=_badge(shown, aps, data.get("badge", "")),
        headers={} if android is None else {"priority": android.priority, "ttl": android.ttl},
        payload=msgspec.to_builtins(message),
    )


def _check_ttl(ttl: str) -> None:
    found = _TTL.fullmatch(ttl)
    if found is None:
        raise WrongMessage("message.android.ttl", "Field 'ttl', Illegal duration format")
    if int(found[1]) > TTL_MAX_S:
        said = f"Invalid TTL: duration must be between 0 and {TTL_MAX_S} seconds"
        raise WrongMessage("message.android.ttl", said)


def _payload_bytes(message: Message) -> int:
    data = sum(len(key.encode()) + len(value.encode()) for key, value in message.data.items())
    parts: list[object] = [message.notification, message.apns, message.webpush]
    android = message.android
    parts += [] if android is None else [android.notification, android.data]
    return data + sum(len(msgspec.json.encode(_said(part))) for part in parts if part)


def _said(part: object) -> object:
    """A part without the fields that nobody gave."""
    made = msgspec.to_builtins(part)
    return {key: value for key, value in made.items() if value not in ("", [], {}, False, -1)}


def _badge(shown: AndroidNotification | None, aps: Mapping[str, Any], data: str) -> int:
    if shown is not None and shown.notification_count >= 0:
        return shown.notification_count
    if data.isdecimal():
        return int(data)
    badge = aps.get("badge", -1)
    return badge if isinstance(badge, int) else -1


def _text(general: object, own: object) -> str:
    """What a platform has of its own, or what is for all."""
    return str(own or general or "")


def _dictionary(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}
