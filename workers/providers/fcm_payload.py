"""The body of a request to FCM: pure, and within FCM's limit.

One message for whatever an app runs on, since a registration does not say: Android, APNs and Web
Push each read their own part and ignore the others.
"""

from typing import Any, Final

import msgspec

from workers.providers.base import Notice, Target
from workers.truncation import fit

PAYLOAD_MAX_BYTES: Final = 4_000
"""FCM takes 4,096 of keys and values. Here everything but the address counts, braces and all, so
that there is some room left whatever FCM adds for APNs."""

TTL_MAX_S: Final = 2_419_200
"""Four weeks: FCM refuses more."""

_THREAD_KEY: Final = "channel"
"""Which of the app's data names the conversation, by which a phone puts notifications together."""

_encode: Final = msgspec.json.Encoder(order="deterministic").encode


def request_body(target: Target, notice: Notice, *, now: float, placeholder: str) -> bytes:
    """The JSON to post: title and body shortened as far as it takes. `now`: seconds since 1970.

    Without text (content-free, or a clear) it is a message of data alone, which wakes an Android
    app and shows nothing by itself. What the app needs to know is in `data`: all of the notice's
    own, and `act`, `id`, `collapse` and, where there is one, `badge`. An iPhone shows nothing and
    wakes nobody without some text: it gets the `placeholder`, in the place of which the app's
    extension may put its own.
    """
    message = _message(notice, now, placeholder)
    if "notification" in message:

        def measure(title: str, body: str) -> int:
            return len(_encode({**message, "notification": {"title": title, "body": body}}))

        title, body = fit(notice.title, notice.body, measure, PAYLOAD_MAX_BYTES)
        message["notification"] = {"title": title, "body": body}
    return _encode({"message": {target.kind: target.address, **message}})


def _message(notice: Notice, now: float, placeholder: str) -> dict[str, Any]:
    """Everything but whom it is for."""
    ttl_s = max(0, min(int(notice.expires - now), TTL_MAX_S))
    is_text = notice.act == "show" and bool(notice.title or notice.body)
    # A clear is not worth waking a phone for, and Android punishes waking it with nothing to show.
    is_urgent = notice.act == "show" and notice.urgent
    android: dict[str, Any] = {"ttl": f"{ttl_s}s", "priority": "HIGH" if is_urgent else "NORMAL"}
    webpush: dict[str, Any] = {
        "headers": {
            "TTL": str(ttl_s),
            "Urgency": "high" if is_urgent else "normal",
            "Topic": notice.collapse,
        }
    }
    message: dict[str, Any] = {
        "data": _data(notice),
        "android": android,
        "apns": _clearing_apns(notice) if notice.act == "clear" else _apns(notice, placeholder),
        "webpush": webpush,
    }
    if is_text:
        message["notification"] = {"title": notice.title, "body": notice.body}
        # Not `collapse_key`: a message with a notification ignores it, and a device keeps four.
        android["notification"] = {"tag": notice.collapse}
        webpush["notification"] = {"tag": notice.collapse}
    return message


def _data(notice: Notice) -> dict[str, str]:
    data = {**notice.data, "act": notice.act, "id": notice.id, "collapse": notice.collapse}
    if notice.badge >= 0:
        data["badge"] = str(notice.badge)
    return data


def _apns(notice: Notice, placeholder: str) -> dict[str, Any]:
    """FCM makes the alert of the notification; the rest is for us to say."""
    aps: dict[str, Any] = {"sound": "default"}
    if not notice.title and not notice.body:
        aps |= {"alert": {"body": placeholder}, "mutable-content": 1}
    if notice.badge >= 0:
        aps["badge"] = notice.badge
    if thread := notice.data.get(_THREAD_KEY):
        aps["thread-id"] = thread
    headers = _apns_headers(notice, push_type="alert", priority=10 if notice.urgent else 5)
    return {"headers": headers, "payload": {"aps": aps}}


def _clearing_apns(notice: Notice) -> dict[str, Any]:
    """Apple asks that a background push has priority 5, and neither alert nor badge nor sound."""
    headers = _apns_headers(notice, push_type="background", priority=5)
    return {"headers": headers, "payload": {"aps": {"content-available": 1}}}


def _apns_headers(notice: Notice, *, push_type: str, priority: int) -> dict[str, str]:
    return {
        "apns-collapse-id": notice.collapse,
        "apns-expiration": str(notice.expires),
        "apns-priority": str(priority),
        "apns-push-type": push_type,
    }
