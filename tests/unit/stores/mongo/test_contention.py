"""Who holds back on a contended channel, and for how long."""

from realtime.stores.mongo.contention import (
    CHANNELS_MAX,
    CONTENDED_S,
    STREAK_APPENDS,
    STREAK_S,
    Contention,
)

APPEND_S = 0.01


class Time:
    """A clock that stands still, and a chance that is always the same."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.chance = 0.5
        self.contention = Contention(clock=lambda: self.now, random=lambda: self.chance)

    def append(self, seconds: float = APPEND_S) -> float:
        """Append to "a" for so long; how long to hold back afterwards."""
        self.now += seconds
        self.contention.appended("a", seconds)
        return self.contention.pause_s("a")


def test_a_channel_that_nobody_else_writes_is_not_held_back() -> None:
    time = Time()
    assert time.append() == 0.0
    assert not time.contention.is_contended("a")


def test_after_a_success_on_a_contended_channel_the_others_have_their_turn() -> None:
    time = Time()
    time.contention.seen("a")
    assert time.contention.is_contended("a")
    assert time.contention.pause_s("a") == 0.0
    for chance, appends in ((0.0, 0.0), (0.5, 1.0), (1.0, 2.0)):
        time.chance = chance
        assert abs(time.append() - appends * APPEND_S) < 1e-9
    assert time.contention.pause_s("b") == 0.0


def test_the_pause_is_counted_from_the_success_on() -> None:
    time = Time()
    time.contention.seen("a")
    time.append()
    time.now += APPEND_S * 3
    assert time.contention.pause_s("a") == 0.0


def test_a_channel_that_the_others_left_is_no_longer_contended() -> None:
    time = Time()
    time.contention.seen("a")
    time.now += CONTENDED_S + 0.01
    assert not time.contention.is_contended("a")
    assert time.append() == 0.0


def test_a_node_that_always_wins_leaves_a_gap_now_and_then() -> None:
    """It never sees those that lose to it, so it must not wait for a sign of them."""
    time = Time()
    pauses = 0
    began = time.now
    for _ in range(1000):
        pause_s = time.append()
        pauses += pause_s > 0
        time.now += pause_s
    elapsed_s = time.now - began
    assert elapsed_s * 0.8 / max(STREAK_S, STREAK_APPENDS * APPEND_S) <= pauses
    # And loses little by it.
    assert elapsed_s < 1000 * APPEND_S * 1.1


def test_a_node_that_leaves_gaps_by_itself_is_not_held_back() -> None:
    time = Time()
    for _ in range(1000):
        assert time.append() == 0.0
        time.now += 3 * APPEND_S


def test_losers_wait_longer_and_longer_but_not_for_long() -> None:
    time = Time()
    waits = [time.contention.jitter_s(lost, APPEND_S) for lost in range(1, 50)]
    assert waits == sorted(waits)
    assert 0.0 < waits[0] < APPEND_S
    assert waits[-1] <= 2 * APPEND_S
    time.chance = 0.0
    assert time.contention.jitter_s(5, APPEND_S) == 0.0


def test_only_so_many_channels_are_remembered() -> None:
    time = Time()
    for number in range(CHANNELS_MAX + 100):
        time.contention.seen(f"{number}")
    assert len(time.contention) == CHANNELS_MAX
    assert not time.contention.is_contended("99")
    assert time.contention.is_contended("100")
