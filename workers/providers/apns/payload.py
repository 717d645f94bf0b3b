"""What is told to a device, as APNs takes it. Pure: a notice in, JSON out."""

from typing import Any, Final

import msgspec
import orjson

from workers.providers.base import Notice
from workers.truncation import fit

PAYLOAD_MAX_BYTES: Final = 4096
"""What APNs takes, but for calls and live activities, which are not sent from here."""

_THREAD_KEY: Final = "channel"
"""Which of the app's data names the conversation, by which a phone puts notifications together."""

_APPLES_KEY: Final = "aps"
"""Apple's own part of a payload, whose place an app's data may not take."""


class Presentation(msgspec.Struct, frozen=True):
    """How notifications sound, and what they say where they may not say anything.

    `sound` is the name of a sound in the app, "" for none. `placeholder` stands in a content-free
    notification until the app's extension has put its own text there: without any text a phone
    would neither show it nor wake the extension.
    """

    sound: str = "default"
    placeholder: str = "New message"


def encode(notice: Notice, presentation: Presentation) -> bytes | None:
    """The payload, at most `PAYLOAD_MAX_BYTES`; None where the app's data alone is too much.

    A long body is cut, then the title (`workers.truncation`). Where nothing is left of either, it
    is a content-free notification. Beside Apple's part is what the app needs to know: all of the
    notice's own data, and `act`, `id`, `collapse` and, where there is one, `badge`.
    """
    data = _data(notice)
    if notice.act == "clear":
        # Apple asks that a background push has neither alert nor badge nor sound.
        return _bounded({"aps": {"content-available": 1}, **data})

    def whole(title: str, body: str) -> dict[str, Any]:
        return {"aps": _shown(notice, title, body, presentation), **data}

    title, body = fit(
        notice.title,
        notice.body,
        lambda title, body: len(orjson.dumps(whole(title, body))),
        PAYLOAD_MAX_BYTES,
    )
    return _bounded(whole(title, body))


def _data(notice: Notice) -> dict[str, str]:
    """The same for every provider, so that an app reads it in one way."""
    data = {**notice.data, "act": notice.act, "id": notice.id, "collapse": notice.collapse}
    if notice.badge >= 0:
        data["badge"] = str(notice.badge)
    data.pop(_APPLES_KEY, None)
    return data


def _bounded(payload: dict[str, Any]) -> bytes | None:
    encoded = orjson.dumps(payload)
    return encoded if len(encoded) <= PAYLOAD_MAX_BYTES else None


def _shown(notice: Notice, title: str, body: str, presentation: Presentation) -> dict[str, Any]:
    """Apple's part of a notification that is seen."""
    aps: dict[str, Any] = {"alert": {"title": title, "body": body}}
    if not title:
        del aps["alert"]["title"]
    if not title and not body:
        aps["alert"]["body"] = presentation.placeholder
        aps["mutable-content"] = 1
    if notice.badge >= 0:
        aps["badge"] = notice.badge
    if thread := notice.data.get(_THREAD_KEY):
        aps["thread-id"] = thread
    if presentation.sound:
        aps["sound"] = presentation.sound
    return aps
