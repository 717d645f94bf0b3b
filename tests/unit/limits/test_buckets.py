from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.limits.buckets import FULL, UNLIMITED, KeyedBuckets, Rate, admit, retry_after

TEN = Rate(10, 3)


def admitted(tat: float, now: float, rate: Rate, cost: float = 1.0) -> float:
    found = admit(tat, now, rate, cost)
    assert found is not None
    return found


def test_a_new_bucket_admits_its_burst_and_no_more() -> None:
    tat = FULL
    for _ in range(3):
        tat = admitted(tat, 100.0, TEN)
    assert admit(tat, 100.0, TEN) is None
    assert retry_after(tat, 100.0, TEN) == pytest.approx(0.1)


def test_a_bucket_fills_at_its_rate_up_to_its_burst() -> None:
    tat = FULL
    for _ in range(3):
        tat = admitted(tat, 100.0, TEN)
    tat = admitted(tat, 100.1, TEN)
    assert admit(tat, 100.1, TEN) is None
    for _ in range(3):
        tat = admitted(tat, 200.0, TEN)
    assert admit(tat, 200.0, TEN) is None


def test_who_keeps_exactly_to_the_rate_is_never_refused() -> None:
    """Neither 1/3 nor the sums of it are exact."""
    rate = Rate(3, 1)
    tat = FULL
    for number in range(10_000):
        tat = admitted(tat, 1_000_000 + number / 3, rate)


def test_who_is_a_little_too_fast_is_refused_in_the_end() -> None:
    rate = Rate(10, 1)
    tat = FULL
    refused = 0
    for number in range(1_000):
        found = admit(tat, 100 + number * 0.099, rate)
        refused += found is None
        tat = tat if found is None else found
    assert refused >= 9


def test_a_command_may_cost_more_than_one() -> None:
    tat = admitted(FULL, 100.0, TEN, 2.0)
    assert admit(tat, 100.0, TEN, 2.0) is None
    assert retry_after(tat, 100.0, TEN, 2.0) == pytest.approx(0.1)
    admitted(tat, 100.0, TEN)


def test_what_costs_more_than_the_burst_is_never_admitted() -> None:
    assert admit(FULL, 100.0, TEN, 4.0) is None
    assert retry_after(FULL, 100.0, TEN, 4.0) == inf


def test_without_a_limit_everything_is_admitted() -> None:
    tat = FULL
    for _ in range(1_000):
        tat = admitted(tat, 100.0, UNLIMITED, 1e9)
    assert not UNLIMITED.enabled
    assert retry_after(tat, 100.0, UNLIMITED, 1e9) == 0.0


def test_a_burst_is_at_least_one() -> None:
    tat = admitted(FULL, 100.0, Rate(10, 0))
    assert admit(tat, 100.0, Rate(10, 0)) is None


@pytest.mark.parametrize(
    ("per_s", "burst"), [(-1, 1), (1, -1), (inf, 1), (1, inf), (nan, 1), (1, nan)]
)
def test_a_rate_is_finite_and_not_negative(per_s: float, burst: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Rate(per_s, burst)


class NaiveBucket:
    """A bucket as textbooks have it: a level that is filled up, in exact steps of 1/64 s."""

    def __init__(self, per_s: int, burst: int) -> None:
        self.per_s, self.capacity = per_s, burst * 64
        self.level, self.at = self.capacity, 0

    def admit(self, now: int, cost: int) -> bool:
        self.level = min(self.capacity, self.level + (now - self.at) * self.per_s)
        self.at = now
        if self.level < cost * 64:
            return False
        self.level -= cost * 64
        return True


@given(
    st.integers(1, 50),
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(0, 100), st.integers(1, 4)), max_size=100),
)
def test_it_admits_what_a_naive_bucket_admits(
    per_s: int, burst: int, steps: list[tuple[int, int]]
) -> None:
    rate, naive = Rate(per_s, burst), NaiveBucket(per_s, burst)
    tat, now = FULL, 0
    for pause, cost in steps:
        now += pause
        seconds = now / 64
        found = admit(tat, seconds, rate, cost)
        assert (found is not None) == naive.admit(now, cost)
        if found is None:
            wait = retry_after(tat, seconds, rate, cost)
            assert wait > 0
            if wait != inf:
                assert admit(tat, seconds + wait, rate, cost) is not None
                assert admit(tat, seconds + wait - 1e-4, rate, cost) is None
            else:
                assert cost > burst
        else:
            tat = found


def test_each_key_has_its_own_bucket() -> None:
    buckets = KeyedBuckets[str](Rate(1, 1), 10)
    assert buckets.admit("a", 100.0) == 0.0
    assert buckets.admit("a", 100.5) == pytest.approx(0.5)
    assert buckets.admit("b", 100.5) == 0.0
    assert buckets.admit("a", 101.0) == 0.0
    assert len(buckets) == 2


def test_what_is_to_be_spare_is_not_spent() -> None:
    buckets = KeyedBuckets[str](TEN, keys_max=10)
    assert buckets.admit("ann", 100.0, cost=1.0, spare=2.0) == 0.0
    assert buckets.admit("ann", 100.0, cost=1.0, spare=2.0) == pytest.approx(0.1)
    assert buckets.admit("ann", 100.0, cost=2.0) == 0.0
    assert buckets.admit("ann", 100.0) > 0


def test_what_was_admitted_elsewhere_may_be_owed() -> None:
    buckets = KeyedBuckets[str](TEN, keys_max=10)
    buckets.charge("ann", 100.0, 5.0, debt_max=2.0)
    assert buckets.admit("ann", 100.2) > 0
    assert buckets.admit("ann", 100.3) == 0.0
    assert buckets.admit("bob", 100.0) == 0.0


def test_a_debt_has_an_end() -> None:
    buckets = KeyedBuckets[str](TEN, keys_max=10)
    for _ in range(10):
        buckets.charge("ann", 100.0, 1e9, debt_max=2.0)
    assert buckets.admit("ann", 100.3) > 0
    assert buckets.admit("ann", 100.4) == 0.0
    assert len(buckets) == 1


def test_nothing_is_owed_without_a_limit() -> None:
    buckets = KeyedBuckets[str](UNLIMITED, keys_max=10)
    buckets.charge("ann", 100.0, 5.0, debt_max=2.0)
    assert len(buckets) == 0


def test_without_a_limit_nothing_is_kept() -> None:
    buckets = KeyedBuckets[str](UNLIMITED, 1)
    assert all(buckets.admit(key, 100.0) == 0.0 for key in "abcabc")
    assert len(buckets) == 0


def test_full_buckets_go_first_and_nobody_notices() -> None:
    buckets = KeyedBuckets[str](Rate(1, 1), 2)
    buckets.admit("a", 100.0)
    buckets.admit("b", 100.5)
    assert buckets.admit("c", 101.2) == 0.0
    assert buckets.forgotten == 0
    assert buckets.admit("b", 101.2) > 0
    assert len(buckets) == 2


def test_with_nothing_but_active_keys_the_least_recent_is_forgotten() -> None:
    buckets = KeyedBuckets[str](Rate(1, 1), 2)
    buckets.admit("flood", 100.0)
    buckets.admit("b", 100.1)
    assert buckets.admit("flood", 100.2) > 0
    assert buckets.admit("c", 100.3) == 0.0
    assert buckets.forgotten == 1
    assert len(buckets) == 2
    assert buckets.admit("flood", 100.4) > 0, "each attempt counts as asking"
    assert buckets.admit("b", 100.5) == 0.0, "a new bucket"


def test_a_new_key_that_is_refused_is_kept_too() -> None:
    buckets = KeyedBuckets[str](Rate(1, 2), 2)
    assert buckets.admit("a", 100.0, 3.0) == inf
    assert len(buckets) == 1


def test_the_map_shrinks_to_the_keys_in_use() -> None:
    """Down to a few thousand, which cost less to keep than to make again and again."""
    buckets = KeyedBuckets[int](Rate(1, 1), 10_000)
    for key in range(9_000):
        buckets.admit(key, 100.0)
    for key in range(9_000, 14_000):
        buckets.admit(key, 200.0)
    assert len(buckets) == 5_000
    assert buckets.forgotten == 0


@given(st.integers(1, 4), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8)), max_size=80))
def test_there_are_never_too_many_keys_and_only_forgetting_is_lenient(
    keys_max: int, steps: list[tuple[int, int]]
) -> None:
    buckets = KeyedBuckets[int](Rate(1, 2), keys_max)
    reference: dict[int, NaiveBucket] = {}
    now = 0
    for pause, key in steps:
        now += pause * 16
        found = buckets.admit(key, now / 64) == 0.0
        assert len(buckets) <= keys_max
        if buckets.forgotten == 0:
            assert found == reference.setdefault(key, NaiveBucket(1, 2)).admit(now, 1)


@pytest.mark.parametrize("keys_max", [0, -1])
def test_there_is_room_for_one_key_at_least(keys_max: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        KeyedBuckets[str](TEN, keys_max)
