"""When a canary is due, lost, late or not ours."""

import pytest

from realtime.brokers.redis.canary import Canary
from realtime.brokers.redis.doubt import Doubt


def make(first: int = 7) -> Canary:
    return Canary(first=first, interval_s=1.0, deadline_s=5.0)


def test_the_first_is_due_at_once_and_each_next_one_after_the_interval() -> None:
    canary = make()
    assert canary.release(100.0) == b"7"
    assert canary.release(100.9) is None
    assert canary.release(101.0) == b"8"
    assert canary.next == 9


def test_its_way_is_measured() -> None:
    canary = make()
    canary.release(100.0)
    assert canary.returned(b"7", 100.25) == 0.25
    assert canary.returned(b"7", 100.5) is None  # a copy says nothing


@pytest.mark.parametrize("payload", [b"6", b"8", b"", b"x", b"-7", b"\xb2", b"7.0"])
def test_what_is_not_ours_says_nothing(payload: bytes) -> None:
    canary = make()
    canary.release(100.0)
    assert canary.returned(payload, 100.1) is None


def test_one_that_comes_before_an_older_one_proves_that_lost() -> None:
    canary = make()
    canary.release(100.0)
    canary.release(101.0)
    with pytest.raises(Doubt, match="lost"):
        canary.returned(b"8", 101.1)


def test_one_that_is_away_for_too_long_is_told() -> None:
    canary = make()
    canary.release(100.0)
    canary.check(105.0)
    with pytest.raises(Doubt, match="5 s"):
        canary.check(105.1)
    canary.returned(b"7", 105.1)
    canary.check(1000.0)
