"""When a provider is left alone, with literal times."""

from workers.breaker import FAILURES_MAX, PROBE_S, REST_MIN_S, Breaker


def make() -> Breaker:
    return Breaker(random=lambda: 1.0)


def test_a_provider_is_asked_until_it_has_failed_several_times_in_a_row() -> None:
    breaker = make()
    for _ in range(FAILURES_MAX - 1):
        assert breaker.wait_s(100.0) == 0.0
        assert not breaker.failed(100.0, "503")
    assert breaker.failed(100.0, "503")
    assert breaker.wait_s(100.0) == REST_MIN_S
    assert breaker.is_resting(100.0)
    assert breaker.why == "503"


def test_a_success_in_between_begins_the_count_anew() -> None:
    breaker = make()
    for _ in range(3):
        for _ in range(FAILURES_MAX - 1):
            assert not breaker.failed(1.0, "503")
        breaker.succeeded(1.0)
    assert breaker.wait_s(1.0) == 0.0


def test_after_the_rest_one_request_finds_out_for_all() -> None:
    breaker = make()
    assert breaker.rest(10.0, 5.0, "Retry-After")
    assert breaker.wait_s(12.0) == 3.0
    assert breaker.wait_s(15.0) == 0.0
    assert breaker.wait_s(15.0) == PROBE_S
    assert not breaker.is_resting(15.0)
    breaker.succeeded(15.0)
    assert breaker.wait_s(15.0) == 0.0
    assert breaker.wait_s(15.0) == 0.0


def test_a_failure_of_that_request_is_a_longer_rest() -> None:
    breaker = make()
    for _ in range(FAILURES_MAX):
        breaker.failed(0.0, "503")
    assert breaker.wait_s(REST_MIN_S) == 0.0
    assert breaker.failed(REST_MIN_S, "503")
    assert breaker.wait_s(REST_MIN_S) == 2 * REST_MIN_S


def test_what_was_under_way_when_the_rest_began_changes_nothing() -> None:
    breaker = make()
    for _ in range(100):
        breaker.failed(0.0, "503")
    assert breaker.wait_s(0.0) == REST_MIN_S
    breaker.succeeded(0.5)
    assert breaker.wait_s(0.5) == REST_MIN_S - 0.5
    # Nor does it end what the service has asked for.
    assert breaker.rest(0.5, 30.0, "Retry-After")
    breaker.succeeded(0.6)
    assert not breaker.failed(0.6, "503")
    assert breaker.wait_s(0.5) == 30.0


def test_a_request_that_never_comes_back_is_not_waited_for_for_ever() -> None:
    breaker = make()
    breaker.rest(0.0, 5.0, "down")
    assert breaker.wait_s(5.0) == 0.0
    assert breaker.wait_s(5.0 + PROBE_S) == 0.0


def test_a_shorter_rest_that_another_worker_tells_of_is_no_news() -> None:
    breaker = make()
    assert breaker.rest(0.0, 60.0, "credentials")
    assert not breaker.rest(1.0, 5.0, "503")
    assert breaker.wait_s(1.0) == 59.0
    assert breaker.why == "credentials"
