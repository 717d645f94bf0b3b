"""What APNs accepts as a notification: its headers, its size, and a payload of the type it says.

https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
"""

import uuid
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from workers.fakepush.phones import Push
from workers.fakepush.refusals import Refusal

PAYLOAD_MAX_BYTES: Final = 4_096
VOIP_PAYLOAD_MAX_BYTES: Final = 5_120
COLLAPSE_MAX_BYTES: Final = 64

_SUFFIXES: Final[Mapping[str, str]] = {
    "alert": "",
    "background": "",
    "controls": ".push-type.controls",
    "location": ".location-query",
    "voip": ".voip",
    "complication": ".complication",
    "fileprovider": ".pushkit.fileprovider",
    "mdm": "",
    "liveactivity": ".push-type.liveactivity",
    "pushtotalk": ".voip-ptt",
    "widgets": ".push-type.widgets",
}
"""What follows the bundle id in the topic of each push type."""

_PRIORITIES: Final = {"1", "5", "10"}
_SEEN: Final = ("alert", "badge", "sound")
"""Any of these in `aps` makes a push that is no background one."""

_TOLD: Final = (
    "apns-topic",
    "apns-push-type",
    "apns-priority",
    "apns-expiration",
    "apns-collapse-id",
    "apns-id",
)


def payload_max_bytes(headers: Mapping[str, str]) -> int:
    """How long the body of a request with these headers may be."""
    voip = headers.get("apns-push-type") == "voip"
    return VOIP_PAYLOAD_MAX_BYTES if voip else PAYLOAD_MAX_BYTES


def notice_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Those of APNs, without the authorization."""
    return {name: headers[name] for name in _TOLD if name in headers}


def given_id(headers: Mapping[str, str]) -> str | None:
    """The id that the answer is to have: the request's, or a new one. None: it is not a UUID."""
    given = headers.get("apns-id")
    if given is None:
        return str(uuid.uuid4()).upper()
    try:
        return given if str(uuid.UUID(given)) == given.lower() else None
    except ValueError:
        return None


def check_headers(headers: Mapping[str, str]) -> Refusal | None:
    """Why a request with these headers is refused, whatever is in it."""
    topic, kind = headers.get("apns-topic"), headers.get("apns-push-type", "")
    if not topic:
        return Refusal(400, "MissingTopic")
    if kind not in _SUFFIXES:
        return Refusal(400, "InvalidPushType")
    if not topic.endswith(_SUFFIXES[kind]):
        return Refusal(400, "BadTopic")
    expiration = headers.get("apns-expiration", "0")
    if not (expiration.isascii() and expiration.isdigit() and len(expiration) < 16):
        return Refusal(400, "BadExpirationDate")
    priority = headers.get("apns-priority", "10")
    if priority not in _PRIORITIES or (kind == "background" and priority != "5"):
        return Refusal(400, "BadPriority")
    if len(headers.get("apns-collapse-id", "").encode()) > COLLAPSE_MAX_BYTES:
        return Refusal(400, "BadCollapseId")
    return None


def bundle_of(headers: Mapping[str, str]) -> str:
    """The bundle id in the topic of a request whose headers are good."""
    return headers["apns-topic"].removesuffix(_SUFFIXES[headers["apns-push-type"]])


def read_notice(headers: Mapping[str, str], body: bytes, id: str) -> Push | Refusal:
    """What a phone is to do; the headers are good."""
    if not body:
        return Refusal(400, "PayloadEmpty")
    if len(body) > payload_max_bytes(headers):
        return Refusal(413, "PayloadTooLarge")
    try:
        payload = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        payload = None
    # Apple has no documented word for what is no JSON object with a dictionary `aps`.
    if not isinstance(payload, dict) or not isinstance(payload.get("aps"), dict):
        return Refusal(400, "BadPayload")
    aps = payload["aps"]
    kind = headers["apns-push-type"]
    shows = "alert" in aps
    if not _fits(kind, aps):
        return Refusal(400, "InvalidPushType")
    alert = aps.get("alert", "")
    title, text = ("", alert) if isinstance(alert, str) else _texts(alert)
    clears = payload.get("collapse") if payload.get("act") == "clear" else None
    badge = aps.get("badge", -1)
    if kind == "background" and str(payload.get("badge", "")).isdecimal():
        # Apple allows no other place for it in a push that is not seen.
        badge = int(payload["badge"])
    return Push(
        id=id,
        collapse=headers.get("apns-collapse-id", ""),
        shows=shows,
        clears=clears if isinstance(clears, str) else "",
        title=title,
        body=text,
        badge=badge if isinstance(badge, int) else -1,
        headers=notice_headers(headers),
        payload=payload,
    )


def _fits(kind: str, aps: Mapping[str, Any]) -> bool:
    """Whether the payload is of the type that its header says.

    The real service does not answer this: it delays such a push, or never shows it.
    """
    if kind == "alert":
        return any(key in aps for key in _SEEN)
    if kind == "background":
        return aps.get("content-available") == 1 and not any(key in aps for key in _SEEN)
    return True


def _texts(alert: object) -> tuple[str, str]:
    if not isinstance(alert, dict):
        return "", ""
    title, body = alert.get("title", ""), alert.get("body", "")
    # Texts that the app has in its own languages are known by their keys.
    return str(title or alert.get("title-loc-key", "")), str(body or alert.get("loc-key", ""))
