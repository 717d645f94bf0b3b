"""What FCM's answers mean, row by row."""

import json
from typing import Any

import pytest

from tests.unit.workers.google_house import ADDRESS, BAD_REQUEST, FCM_ERROR, QUOTA_FAILURE
from workers.providers.base import Delivered, Failed, Later, Misconfigured, Outcome, Rejected
from workers.providers.fcm_answers import (
    ACCESS_REFUSED,
    API_NOT_FOUND,
    DOUBT_WAIT_S,
    NOT_FCM,
    THIRD_PARTY_REFUSED,
    outcome_of,
)
from workers.providers.posting import Answer

INVALID_TOKEN = "The registration token is not a valid FCM registration token"


def read(
    status: int,
    body: Any = b"",
    *,
    headers: dict[str, str] | None = None,
    proven: bool = False,
) -> Outcome:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = Answer(status, headers or {}, raw)
    return outcome_of(answer, proven=proven, now=1_700_000_000.0)


def refusal(code: str = "", *, status: str = "", message: str = "", details: Any = ()) -> Any:
    own = [{"@type": FCM_ERROR, "errorCode": code}] if code else []
    return {"error": {"status": status, "message": message, "details": [*own, *details]}}


def violations(*fields: str) -> Any:
    return {"@type": BAD_REQUEST, "fieldViolations": [{"field": field} for field in fields]}


def quota(subject: str, description: str = "") -> Any:
    violation = {"subject": subject, "description": description}
    return {"@type": QUOTA_FAILURE, "violations": [violation]}


def test_what_fcm_has_taken_is_delivered_under_its_name() -> None:
    assert read(200, {"name": "projects/acme/messages/1"}) == Delivered("projects/acme/messages/1")
    assert read(200, b"not JSON") == Delivered("")


def test_an_address_that_is_not_registered_any_more_is_dead() -> None:
    assert read(404, refusal("UNREGISTERED", status="NOT_FOUND")) == Rejected("UNREGISTERED")


@pytest.mark.parametrize("body", [b"<html>Not Found</html>", refusal(status="NOT_FOUND"), b""])
def test_a_wrong_project_or_base_url_forgets_nobody(body: Any) -> None:
    assert read(404, body) == API_NOT_FOUND


def test_an_entity_that_is_not_found_where_others_are_is_the_address() -> None:
    assert read(404, refusal(status="NOT_FOUND"), proven=True) == Rejected("NOT_FOUND")


def test_an_address_of_another_project_is_parked() -> None:
    outcome = read(403, refusal("SENDER_ID_MISMATCH", status="PERMISSION_DENIED"))
    assert outcome == Rejected("SENDER_ID_MISMATCH", parked=True)


def test_an_account_without_permission_is_a_matter_of_settings() -> None:
    outcome = read(403, refusal(status="PERMISSION_DENIED"))
    assert outcome == Misconfigured("FCM refuses the service account: PERMISSION_DENIED")


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_for_apple_or_the_web_is_a_matter_of_settings(status: int) -> None:
    assert read(status, refusal("THIRD_PARTY_AUTH_ERROR")) == THIRD_PARTY_REFUSED


def test_an_access_token_that_is_refused_is_told_apart() -> None:
    assert read(401, refusal(status="UNAUTHENTICATED")) == ACCESS_REFUSED
    assert read(401, b"") == ACCESS_REFUSED


@pytest.mark.parametrize("proven", [True, False])
@pytest.mark.parametrize(
    "details",
    [
        [violations("message.data[0].value")],
        [violations("message.token", "message.android.ttl")],
        [violations()],
        [{"@type": BAD_REQUEST}],
        [{"@type": BAD_REQUEST, "fieldViolations": "all of them"}],
    ],
)
def test_a_field_that_is_ours_fails_for_good(details: Any, proven: bool) -> None:
    body = refusal(status="INVALID_ARGUMENT", message=INVALID_TOKEN, details=details)
    assert read(400, body, proven=proven) == Failed("INVALID_ARGUMENT")


def test_fcms_own_error_without_words_about_the_address_fails_for_good() -> None:
    body = refusal("INVALID_ARGUMENT", message="Invalid JSON payload received")
    assert read(400, body, proven=True) == Failed("INVALID_ARGUMENT")


@pytest.mark.parametrize(
    "body",
    [
        refusal("INVALID_ARGUMENT", message=INVALID_TOKEN),
        # With both details: this is what a token with a letter too much is answered.
        refusal("INVALID_ARGUMENT", details=[violations("message.token")]),
        refusal("INVALID_ARGUMENT", details=[violations("message.fid")]),
    ],
)
def test_a_bad_address_is_dead_once_a_payload_like_it_was_accepted(body: Any) -> None:
    assert read(400, body, proven=True) == Rejected("INVALID_ARGUMENT")
    doubtful = read(400, body, proven=False)
    assert isinstance(doubtful, Later)
    assert (doubtful.scope, doubtful.after_s) == ("device", DOUBT_WAIT_S)


@pytest.mark.parametrize(
    "details",
    [
        [quota("project:acme")],
        [quota("topic:news", "Topic message rate exceeded")],
        [{"@type": QUOTA_FAILURE, "violations": ["?"]}],
        [],
    ],
)
def test_a_quota_of_the_project_slows_the_provider(details: Any) -> None:
    body = refusal("QUOTA_EXCEEDED", details=details)
    assert read(429, body) == Later("QUOTA_EXCEEDED", 60.0, "provider")


@pytest.mark.parametrize(
    "body",
    [
        refusal("QUOTA_EXCEEDED", details=[quota("device:x")]),
        refusal("QUOTA_EXCEEDED", details=[quota("", "Device message rate exceeded")]),
        refusal("QUOTA_EXCEEDED", message="Device message rate quota exceeded"),
    ],
)
def test_a_quota_of_the_device_spares_it_alone(body: Any) -> None:
    assert read(429, body, headers={"Retry-After": "7"}) == Later("QUOTA_EXCEEDED", 7.0, "device")


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (500, refusal("INTERNAL"), "INTERNAL"),
        (503, refusal("UNAVAILABLE"), "UNAVAILABLE"),
        (502, b"<html>", "502"),
    ],
)
def test_a_service_in_trouble_is_asked_again(status: int, body: Any, why: str) -> None:
    assert read(status, body) == Later(why, 0.0)
    assert read(status, body, headers={"Retry-After": "30"}) == Later(why, 30.0)


def test_another_service_in_its_place_is_a_matter_of_settings() -> None:
    assert read(302) == NOT_FCM
    assert read(204) == NOT_FCM


def test_other_refusals_fail_for_good() -> None:
    assert read(413) == Failed("413")
    assert read(400, refusal(status="FAILED_PRECONDITION")) == Failed("FAILED_PRECONDITION")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 429, 500])
@pytest.mark.parametrize("proven", [True, False])
def test_the_texts_of_an_answer_go_nowhere(status: int, proven: bool) -> None:
    """They may quote the address."""
    body = refusal(
        f"INVALID {ADDRESS}",
        status=ADDRESS,
        message=f"{INVALID_TOKEN}: {ADDRESS}",
        details=[violations(ADDRESS), quota(ADDRESS, ADDRESS)],
    )
    assert ADDRESS not in repr(read(status, body, proven=proven))


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b'{"error": 3}',
        b'{"error": {"details": 3}}',
        b'{"error": {"details": [{"@type": ' + b"[" * 10_000,
        b'{"error": {"status": "\xff"}}',
        b"\xff",
    ],
)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 503])
def test_nonsense_in_an_answer_raises_nothing(status: int, body: bytes) -> None:
    read(status, body)
