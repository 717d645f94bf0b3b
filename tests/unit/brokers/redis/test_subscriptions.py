"""Which topics are wanted, and how long those linger that are not any more."""

import pytest

from realtime.brokers.redis.subscriptions import Subscriptions


def make(*topics: bytes) -> Subscriptions:
    made = Subscriptions(2.0)
    for topic in topics:
        made.want(topic)
    return made


def test_what_is_wanted_is_wanted_once() -> None:
    subscriptions = make(b"a", b"a", b"b")
    assert sorted(subscriptions) == [b"a", b"b"]
    assert subscriptions.wants(b"a")
    assert not subscriptions.wants(b"c")


def test_what_is_released_lingers_but_is_not_for_anybody() -> None:
    subscriptions = make(b"a", b"b")
    subscriptions.release(b"a", 10.0)
    assert not subscriptions.wants(b"a")
    assert list(subscriptions) == [b"b"]
    assert len(subscriptions) == 2
    assert subscriptions.next_lapse() == pytest.approx(12.2)
    assert subscriptions.lapse(11.9) == []
    assert subscriptions.lapse(12.0) == [b"a"]
    assert len(subscriptions) == 1
    assert subscriptions.next_lapse() is None


def test_who_comes_back_in_time_finds_it_there() -> None:
    subscriptions = make(b"a")
    subscriptions.release(b"a", 10.0)
    subscriptions.want(b"a")
    assert subscriptions.wants(b"a")
    assert subscriptions.lapse(100.0) == []


def test_releasing_twice_does_not_start_the_time_again() -> None:
    subscriptions = make(b"a")
    subscriptions.release(b"a", 10.0)
    subscriptions.release(b"a", 11.0)
    subscriptions.release(b"unknown", 11.0)
    assert subscriptions.lapse(12.0) == [b"a"]


def test_they_lapse_in_the_order_in_which_they_were_released() -> None:
    subscriptions = make(b"a", b"b", b"c")
    for topic, now in ((b"b", 1.0), (b"a", 2.0), (b"c", 3.0)):
        subscriptions.release(topic, now)
    subscriptions.want(b"b")
    subscriptions.release(b"b", 4.0)
    assert subscriptions.next_lapse() == pytest.approx(4.2)
    assert subscriptions.lapse(5.0) == [b"a", b"c"]
    assert subscriptions.lapse(6.0) == [b"b"]


def test_those_who_leave_shortly_after_the_first_go_with_it() -> None:
    subscriptions = make(b"a", b"b")
    subscriptions.release(b"a", 10.0)
    subscriptions.release(b"b", 10.1)
    at = subscriptions.next_lapse()
    assert at is not None
    assert subscriptions.lapse(at) == [b"a", b"b"]
