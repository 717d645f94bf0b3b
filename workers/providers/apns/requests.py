"""What is asked of APNs: the path and the headers of one push. Pure."""

import re
import uuid
from typing import Final

from workers.providers.base import Notice, Target

_DEVICE_TOKEN: Final = re.compile(r"(?:[0-9a-fA-F]{2}){32,200}\Z")
"""Hex, of 32 bytes or more: Apple says that it may grow, and today's longest have about 160.

It comes from a client and becomes part of a path, so nothing else passes.
"""

_TOPIC: Final = re.compile(r"[A-Za-z0-9.-]{1,255}\Z")
"""A bundle id, with a suffix at most. It comes from a client as well, and becomes a header."""

_COLLAPSE_BYTES_MAX: Final = 64
"""The longest `apns-collapse-id`."""

_URGENT: Final = "10"
"""At once."""

_CONSIDERATE: Final = "5"
"""When it suits the phone's battery; a background push must be this."""


def is_device_token(address: str) -> bool:
    """Whether it can be a device's address at all."""
    return _DEVICE_TOKEN.match(address) is not None


def is_topic(topic: str) -> bool:
    """Whether it can be the name of an application."""
    return _TOPIC.match(topic) is not None


def describe(target: Target, notice: Notice, *, topic: str) -> dict[str, str]:
    """The headers of a push, without those of the connection and of who sends it.

    `target.address` and `topic` have been checked. `apns-id` is left out where the notice's id is
    no UUID, and `apns-collapse-id` where it is too long: APNs would refuse the push for it.
    """
    clears = notice.act == "clear"
    headers = {
        ":method": "POST",
        ":path": f"/3/device/{target.address.lower()}",
        "apns-topic": topic,
        "apns-push-type": "background" if clears else "alert",
        "apns-priority": _URGENT if notice.urgent and not clears else _CONSIDERATE,
        "apns-expiration": str(max(notice.expires, 0)),
    }
    if identity := _uuid(notice.id):
        headers["apns-id"] = identity
    if 0 < len(notice.collapse.encode()) <= _COLLAPSE_BYTES_MAX:
        headers["apns-collapse-id"] = notice.collapse
    return headers


def _uuid(text: str) -> str:
    """In the form that APNs asks for: lower case, with hyphens; "" where it is none."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return ""
