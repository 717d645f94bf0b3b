"""What a push service's answers mean, row by row."""

import pytest

from workers.providers.base import Delivered, Failed, Later, Misconfigured, Outcome, Rejected
from workers.providers.posting import Answer
from workers.providers.push_origins import Fault
from workers.providers.webpush_answers import DOUBT_WAIT_S, THROTTLED_WAIT_S, outcome_of


def read(
    status: int,
    body: bytes = b"",
    *,
    headers: dict[str, str] | None = None,
    fault: Fault = "ours",
) -> Outcome:
    return outcome_of(Answer(status, headers or {}, body), fault=fault, now=1_700_000_000.0)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_what_was_taken_is_delivered_and_its_secret_location_is_not_kept(status: int) -> None:
    headers = {"Location": "https://push.example.com/m/secret"}
    assert read(status, headers=headers) == Delivered()


@pytest.mark.parametrize("status", [404, 410])
def test_a_subscription_that_is_gone_is_forgotten(status: int) -> None:
    assert read(status) == Rejected(str(status))


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_forgets_nobody(status: int) -> None:
    assert read(status) == Misconfigured(f"a push service refuses our key: {status}")
    doubtful = read(status, fault="unknown")
    assert isinstance(doubtful, Later)
    assert (doubtful.after_s, doubtful.scope) == (DOUBT_WAIT_S, "device")
    parked = read(status, fault="subscription")
    assert isinstance(parked, Rejected)
    assert parked.parked


@pytest.mark.parametrize("status", [406, 429])
def test_a_service_that_slows_us_down_is_obeyed_for_this_device(status: int) -> None:
    assert read(status, headers={"Retry-After": "900"}) == Later(str(status), 900.0, "device")
    assert read(status) == Later(str(status), THROTTLED_WAIT_S, "device")
    date = {"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"}
    assert read(status, headers=date) == Later(str(status), 30.0, "device")


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_service_in_trouble_holds_up_no_other(status: int) -> None:
    assert read(status) == Later(str(status), 0.0, "device")
    assert read(status, headers={"Retry-After": "5"}) == Later(str(status), 5.0, "device")


@pytest.mark.parametrize("status", [302, 400, 405, 413, 418])
def test_what_it_will_never_take_fails_for_good(status: int) -> None:
    assert read(status) == Failed(str(status))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"reason": "BadJwtToken"}', "400 BadJwtToken"),
        (b'{"code": 400, "errno": 109, "message": "x"}', "400 109"),
        (b'{"reason": "https://push.example.com/secret"}', "400"),
        (b'{"reason": 5, "errno": "x"}', "400"),
        (b'{"errno": 123456789}', "400"),
        (b"[]", "400"),
        (b"https://push.example.com/secret", "400"),
        (b"[" * 4_096, "400"),
    ],
)
def test_a_word_or_a_number_of_the_service_is_told_and_nothing_longer(
    body: bytes, why: str
) -> None:
    assert read(400, body) == Failed(why)
