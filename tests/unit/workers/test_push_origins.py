"""What is known of each push service."""

from tests.support.chat import ManualClock
from workers.providers.push_origins import (
    FAILURES_MAX,
    ORIGINS_MAX,
    PROOF_LIFE_S,
    REST_S,
    SUSPECTS_MAX,
    PushOrigins,
)

ONE, OTHER = "https://one.example.com", "https://other.example.com"


def test_a_service_that_fails_again_and_again_is_left_alone_and_no_other() -> None:
    clock = ManualClock()
    origins = PushOrigins(clock.monotonic)
    for _ in range(FAILURES_MAX - 1):
        origins.failed(ONE)
    assert origins.rest_s(ONE) == 0.0
    origins.failed(ONE)
    assert origins.rest_s(ONE) == REST_S
    assert origins.rest_s(OTHER) == 0.0
    clock.now_ms += int(REST_S * 1_000)
    assert origins.rest_s(ONE) == 0.0
    origins.failed(ONE)
    assert origins.rest_s(ONE) == REST_S


def test_an_answer_ends_the_row_of_failures() -> None:
    origins = PushOrigins(ManualClock().monotonic)
    for _ in range(3 * FAILURES_MAX):
        origins.failed(ONE)
        origins.answered(ONE)
    assert origins.rest_s(ONE) == 0.0


def test_before_anybody_accepted_our_key_a_refusal_is_ours() -> None:
    assert PushOrigins(ManualClock().monotonic).fault(ONE, "a") == "ours"


def test_a_refusal_is_the_subscriptions_once_the_service_has_accepted_others_since() -> None:
    clock = ManualClock()
    origins = PushOrigins(clock.monotonic)
    origins.accepted(ONE)
    clock.now_ms += 1_000
    assert origins.fault(ONE, "a") == "unknown"
    clock.now_ms += 1_000
    origins.accepted(OTHER)
    assert origins.fault(ONE, "a") == "unknown"
    origins.accepted(ONE)
    assert origins.fault(ONE, "a") == "subscription"
    assert origins.fault(ONE, "b") == "unknown"


def test_a_key_that_nobody_accepts_any_more_is_ours_again() -> None:
    clock = ManualClock()
    origins = PushOrigins(clock.monotonic)
    origins.accepted(ONE)
    assert origins.fault(ONE, "a") == "unknown"
    clock.now_ms += int(PROOF_LIFE_S * 1_000)
    assert origins.fault(ONE, "a") == "ours"


def test_what_clients_choose_takes_bounded_memory() -> None:
    origins = PushOrigins(ManualClock().monotonic)
    for number in range(ORIGINS_MAX + 10):
        origins.failed(f"https://{number}.example.com")
    for number in range(SUSPECTS_MAX + 10):
        origins.fault(ONE, str(number))
    assert len(origins._known) == ORIGINS_MAX
    assert len(origins._suspects) == SUSPECTS_MAX
