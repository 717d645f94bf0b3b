"""What a phone is told, and what APNs is told about it."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.providers.apns.payload import PAYLOAD_MAX_BYTES, Presentation, encode
from workers.providers.apns.requests import describe, is_device_token, is_topic
from workers.providers.base import Notice, Target

NOTICE = Notice(
    act="show",
    id="123E4567-E89B-12D3-A456-426614174000",
    collapse="c" * 32,
    title="Ann",
    body="Hello",
    badge=3,
    data={"channel": "chat:1", "offset": "17"},
    expires=1_800_000_000,
)
BESIDE = {"channel": "chat:1", "offset": "17", "id": NOTICE.id, "collapse": NOTICE.collapse}
TARGET = Target("apns", "token", "AB" * 32)
PLAIN = Presentation()


def decoded(notice: Notice, presentation: Presentation = PLAIN) -> dict[str, Any]:
    """The payload as an app reads it."""
    encoded = encode(notice, presentation)
    assert encoded is not None
    assert len(encoded) <= PAYLOAD_MAX_BYTES
    payload: dict[str, Any] = json.loads(encoded)
    return payload


def changed(**fields: object) -> Notice:
    """The notice of these tests, but for some fields."""
    return msgspec.structs.replace(NOTICE, **fields)


def test_a_notification_has_text_badge_thread_and_sound_and_data_beside() -> None:
    assert decoded(NOTICE) == {
        "aps": {
            "alert": {"title": "Ann", "body": "Hello"},
            "badge": 3,
            "thread-id": "chat:1",
            "sound": "default",
        },
        **BESIDE,
        "act": "show",
        "badge": "3",
    }


def test_what_is_not_known_is_left_out() -> None:
    payload = decoded(changed(title="", badge=-1, data={}), Presentation(sound=""))
    assert payload["aps"] == {"alert": {"body": "Hello"}}
    assert "badge" not in payload
    assert decoded(changed(badge=0))["aps"]["badge"] == 0


def test_a_content_free_notification_is_for_the_apps_extension_to_fill() -> None:
    aps = decoded(changed(title="", body=""), Presentation(placeholder="Neue Nachricht"))["aps"]
    assert aps["alert"] == {"body": "Neue Nachricht"}
    assert aps["mutable-content"] == 1
    assert "mutable-content" not in decoded(NOTICE)["aps"]


def test_a_clear_is_silent_and_says_what_was_read() -> None:
    payload = decoded(changed(act="clear", title="", body="", badge=2))
    aps = {"content-available": 1}
    assert payload == {"aps": aps, **BESIDE, "act": "clear", "badge": "2"}


def test_data_does_not_take_the_place_of_apples_part() -> None:
    payload = decoded(changed(data={"aps": "mine", "act": "mine", "a": "b"}))
    assert payload["aps"]["alert"]["title"] == "Ann"
    assert (payload["act"], payload["a"]) == ("show", "b")


@given(st.text(max_size=30), st.text(max_size=100), st.integers(0, 200), st.integers(0, 4200))
def test_every_payload_is_within_the_limit(title: str, body: str, times: int, data: int) -> None:
    notice = changed(title=title, body=body * times, data={"channel": "x", "more": "y" * data})
    encoded = encode(notice, PLAIN)
    if encoded is None:
        # Not even the placeholder goes beside so much data.
        assert data > 3700
        return
    assert len(encoded) <= PAYLOAD_MAX_BYTES
    alert = json.loads(encoded)["aps"]["alert"]
    assert alert.get("title") or alert["body"]


def test_a_long_body_fills_what_there_is() -> None:
    encoded = encode(changed(body="é" * 10_000), PLAIN)
    assert encoded is not None
    assert PAYLOAD_MAX_BYTES - 1 <= len(encoded) <= PAYLOAD_MAX_BYTES


def test_data_that_is_too_much_by_itself_has_no_payload() -> None:
    for act in ("show", "clear"):
        assert encode(changed(act=act, data={"a": "x" * PAYLOAD_MAX_BYTES}), PLAIN) is None


def test_a_push_says_when_and_for_which_app_and_what_it_replaces() -> None:
    assert describe(TARGET, NOTICE, topic="org.example.chat") == {
        ":method": "POST",
        ":path": "/3/device/" + "ab" * 32,
        "apns-topic": "org.example.chat",
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-expiration": "1800000000",
        "apns-id": "123e4567-e89b-12d3-a456-426614174000",
        "apns-collapse-id": "c" * 32,
    }


def test_only_an_urgent_notification_wakes_the_phone_at_once() -> None:
    for notice, kind, priority in (
        (changed(urgent=False), "alert", "5"),
        (changed(act="clear"), "background", "5"),
        (changed(act="clear", urgent=False), "background", "5"),
    ):
        headers = describe(TARGET, notice, topic="a")
        assert (headers["apns-push-type"], headers["apns-priority"]) == (kind, priority)


def test_headers_that_apns_would_refuse_are_left_out() -> None:
    headers = describe(TARGET, changed(id="7", collapse="é" * 33, expires=-1), topic="a")
    assert not {"apns-id", "apns-collapse-id"} & set(headers)
    assert headers["apns-expiration"] == "0"


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("ab" * 32, True),
        ("AB" * 100, True),
        ("ab" * 31, False),
        ("ab" * 32 + "a", False),
        ("ab" * 201, False),
        ("ab" * 32 + "\n", False),
        ("../" + "ab" * 32, False),
        ("ab" * 31 + "a/", False),
        ("٠" * 64, False),
        ("", False),
    ],
)
def test_only_hex_of_some_length_becomes_part_of_a_path(address: str, good: bool) -> None:
    assert is_device_token(address) is good


def test_only_the_name_of_an_app_becomes_a_topic() -> None:
    assert is_topic("org.example.Chat-2.voip")
    assert not any(is_topic(each) for each in ("", "a b", "a\r\nb", "a\n", "é", "x" * 256))
