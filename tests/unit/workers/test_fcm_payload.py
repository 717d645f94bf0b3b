"""What is posted to FCM."""

import json
from typing import Any

import pytest

from tests.unit.workers.google_house import ADDRESS, notice, target
from workers.providers.base import Notice, Target
from workers.providers.fcm_payload import PAYLOAD_MAX_BYTES, TTL_MAX_S, request_body

NOW = 1_700_000_000.0


def made(what: Notice, device: Target | None = None) -> dict[str, Any]:
    body = request_body(device or target(), what, now=NOW, placeholder="New message")
    message = json.loads(body)["message"]
    assert isinstance(message, dict)
    return message


def test_a_notification_replaces_the_one_before_it_on_every_system() -> None:
    told = notice()
    message = made(told)
    assert message["token"] == ADDRESS
    assert message["notification"] == {"title": "Bob", "body": "Lunch?"}
    assert message["android"]["notification"] == {"tag": told.collapse}
    assert message["apns"]["headers"]["apns-collapse-id"] == told.collapse
    assert message["webpush"]["headers"]["Topic"] == told.collapse
    assert message["webpush"]["notification"] == {"tag": told.collapse}
    assert "collapse_key" not in message["android"]


def test_the_app_learns_from_the_data_what_it_is_about() -> None:
    told = notice()
    assert made(told)["data"] == {
        "channel": "chat:1",
        "offset": "7",
        "act": "show",
        "id": told.id,
        "collapse": told.collapse,
        "badge": "3",
    }


def test_an_installation_id_is_a_target_of_its_own() -> None:
    message = made(notice(), Target("fcm", "fid", "installation-1"))
    assert message["fid"] == "installation-1"
    assert "token" not in message


def test_a_clear_is_data_alone_and_wakes_nobody() -> None:
    message = made(notice(act="clear"))
    assert "notification" not in message
    assert "notification" not in message["android"]
    assert message["data"]["act"] == "clear"
    assert message["android"]["priority"] == "NORMAL"
    assert message["apns"]["payload"] == {"aps": {"content-available": 1}}
    assert message["apns"]["headers"]["apns-push-type"] == "background"
    assert message["apns"]["headers"]["apns-priority"] == "5"


def test_without_content_an_android_app_is_woken_and_an_iphone_shows_the_placeholder() -> None:
    message = made(notice(title="", body=""))
    assert "notification" not in message
    assert message["data"]["act"] == "show"
    assert message["android"] == {"ttl": "3600s", "priority": "HIGH"}
    aps = message["apns"]["payload"]["aps"]
    assert aps["alert"] == {"body": "New message"}
    assert aps["mutable-content"] == 1


def test_the_badge_and_the_thread_are_apples() -> None:
    aps = made(notice())["apns"]["payload"]["aps"]
    assert (aps["badge"], aps["thread-id"]) == (3, "chat:1")
    message = made(notice(badge=-1))
    assert "badge" not in message["apns"]["payload"]["aps"]
    assert "badge" not in message["data"]


def test_what_is_not_urgent_does_not_wake() -> None:
    message = made(notice(urgent=False))
    assert message["android"]["priority"] == "NORMAL"
    assert message["apns"]["headers"]["apns-priority"] == "5"
    assert message["webpush"]["headers"]["Urgency"] == "normal"


@pytest.mark.parametrize(
    ("expires", "ttl_s"),
    [(NOW + 90, 90), (NOW - 5, 0), (NOW + TTL_MAX_S + 1, TTL_MAX_S)],
)
def test_it_is_kept_for_a_device_as_long_as_it_is_of_use(expires: float, ttl_s: int) -> None:
    message = made(notice(expires=int(expires)))
    assert message["android"]["ttl"] == f"{ttl_s}s"
    assert message["webpush"]["headers"]["TTL"] == str(ttl_s)


@pytest.mark.parametrize("text", ["a" * 9_000, "ü" * 9_000, '"\\\n' * 3_000, "👩‍👩‍👧" * 900])
def test_a_long_text_is_cut_to_what_fcm_takes(text: str) -> None:
    body = request_body(target(), notice(body=text), now=NOW, placeholder="")
    assert PAYLOAD_MAX_BYTES - 100 < len(body) < PAYLOAD_MAX_BYTES + 100
    shown = json.loads(body)["message"]["notification"]
    assert shown["title"] == "Bob"
    assert shown["body"].endswith("…")
    assert text.startswith(shown["body"][:-1])


def test_the_address_does_not_shorten_the_text() -> None:
    long = notice(body="a" * 9_000)
    texts = {
        made(long, Target("fcm", "token", address))["notification"]["body"]
        for address in ("a", "a" * 300)
    }
    assert len(texts) == 1
