"""What an observer makes of leases: who is alive, and who is dead and when."""

from collections.abc import Sequence
from typing import Final

from hypothesis import example, given, settings
from hypothesis import strategies as st

from realtime.cluster.membership import ANSWER_GAP_S, BEAT_S, LEASE_S, Membership
from realtime.stores.base import NodeInfo, NodeLease

ME: Final = "me"
ANN: Final = NodeInfo("ann", "1")


def leases(*nodes: tuple[str, int]) -> list[NodeLease]:
    """Leases of nodes, and the observer's own."""
    return [NodeLease(ME, 1, ANN), *(NodeLease(node, beat, ANN) for node, beat in nodes)]


def watch(
    membership: Membership, seconds: Sequence[float], *nodes: tuple[str, int], began: float = 0.0
) -> None:
    """Read the same leases at each of these moments, in no time."""
    for second in seconds:
        now = began + second
        membership.answered(leases(*nodes), asked_at=now, now=now)


def test_who_has_a_lease_lives() -> None:
    membership = Membership()
    assert membership.living == frozenset()
    watch(membership, [0.0], ("a", 1), ("b", 7))
    assert membership.living == membership.known == {ME, "a", "b"}
    assert membership.infos["a"] == ANN
    assert list(membership.dead(but=ME)) == []


def test_a_node_whose_beat_stays_the_same_for_a_lease_is_dead() -> None:
    membership = Membership()
    watch(membership, [0, 3, 6, 9], ("a", 5))
    assert list(membership.dead(but=ME)) == []
    watch(membership, [LEASE_S], ("a", 5))
    assert list(membership.dead(but=ME)) == [("a", 5)]
    assert "a" not in membership.living
    assert membership.known == {ME, "a"}


def test_the_observer_never_finds_itself_dead() -> None:
    membership = Membership()
    watch(membership, [0, 3, 6, 9, 12])
    assert list(membership.dead(but=ME)) == []
    assert membership.next_deadline(but=ME) is None


def test_every_change_of_the_beat_begins_a_new_lease() -> None:
    membership = Membership()
    for number in range(10):
        watch(membership, [0, 3, 6], ("a", number), began=number * 9)
    watch(membership, [90, 93, 96, 99], ("a", 3))  # backwards is a change, too
    assert list(membership.dead(but=ME)) == []
    watch(membership, [100], ("a", 3))
    assert list(membership.dead(but=ME)) == [("a", 3)]


def test_a_node_that_beats_after_all_lives_again() -> None:
    membership = Membership()
    watch(membership, [0, 3, 6, 9, 12], ("a", 1))
    assert list(membership.dead(but=ME)) == [("a", 1)]
    watch(membership, [15], ("a", 2))
    assert list(membership.dead(but=ME)) == []
    assert "a" in membership.living


def test_silence_ends_when_the_read_was_asked_not_when_it_was_answered() -> None:
    membership = Membership()
    watch(membership, [0, 3, 6], ("a", 1))
    membership.answered(leases(("a", 1)), asked_at=LEASE_S - 0.1, now=LEASE_S + 0.4)
    assert list(membership.dead(but=ME)) == []


def test_after_a_failed_read_the_store_must_answer_for_a_whole_lease() -> None:
    membership = Membership()
    watch(membership, [0, 3, 6], ("a", 1))
    membership.failed()
    watch(membership, [9, 12, 15, 18], ("a", 1))
    assert list(membership.dead(but=ME)) == []
    watch(membership, [19], ("a", 1))
    assert list(membership.dead(but=ME)) == [("a", 1)]


def test_a_failed_read_takes_back_a_verdict_that_was_not_carried_out() -> None:
    membership = Membership()
    watch(membership, [0, 3, 6, 9, 12], ("a", 1))
    membership.failed()
    assert list(membership.dead(but=ME)) == []
    assert membership.next_deadline(but=ME) is None


def test_a_gap_between_answers_is_a_pause_even_if_nothing_failed() -> None:
    membership = Membership()
    watch(membership, [0, 3], ("a", 1))
    resumed = 3 + ANSWER_GAP_S + 0.1
    watch(membership, [0, 3, 6, 9], ("a", 1), began=resumed)
    assert list(membership.dead(but=ME)) == []
    watch(membership, [LEASE_S], ("a", 1), began=resumed)
    assert list(membership.dead(but=ME)) == [("a", 1)]


def test_the_condemned_are_not_condemned_again_and_are_to_be_swept() -> None:
    membership = Membership()
    watch(membership, [0, 3, 6, 9, 12], ("a", 1))
    membership.was_condemned("a")
    membership.was_condemned("nobody")
    assert list(membership.dead(but=ME)) == []
    assert list(membership.condemned) == ["a"]
    assert "a" not in membership.living
    membership.departed("a")
    membership.departed("a")
    assert list(membership.condemned) == []
    assert membership.known == {ME}


def test_what_others_condemned_is_dead_at_once() -> None:
    membership = Membership()
    membership.answered([*leases(), NodeLease("a", 4, ANN, condemned=True)], asked_at=0.0, now=0.0)
    assert "a" not in membership.living
    assert list(membership.condemned) == ["a"]
    assert membership.next_deadline(but=ME) is None


def test_who_departed_is_gone() -> None:
    membership = Membership()
    watch(membership, [0], ("a", 1))
    watch(membership, [3])
    assert membership.living == membership.known == {ME}


def test_the_deadline_is_when_the_first_may_be_dead() -> None:
    membership = Membership()
    watch(membership, [0], ("a", 1), ("b", 1))
    watch(membership, [3], ("a", 1), ("b", 2))
    assert membership.next_deadline(but=ME) == LEASE_S
    watch(membership, [6, 9, LEASE_S], ("a", 1), ("b", 2))
    assert list(membership.dead(but=ME)) == [("a", 1)]
    assert membership.next_deadline(but=ME) == 3 + LEASE_S


def test_two_gaps_fit_in_a_lease_and_a_beat_in_a_gap() -> None:
    assert BEAT_S < ANSWER_GAP_S
    assert 2 * ANSWER_GAP_S < LEASE_S


# Whatever the store does

TICK_S: Final = 0.1
TIMEOUT_S: Final = 5.0


class Call:
    """One round of a process: it is taken in one moment of the store, answered in a later one."""

    def __init__(self, now: float) -> None:
        self.asked_at = now
        self.found: list[NodeLease] | None = None
        self.is_lost = False


class Process:
    """A node that raises its beat and reads all leases, as the keeper does, tick by tick."""

    def __init__(self, node: str, beats: dict[str, int]) -> None:
        self.node = node
        self.membership = Membership()
        self._beats = beats
        self._call: Call | None = None
        self._next_at = 0.0

    def lose(self) -> None:
        """The connection is broken: the call under way is not answered any more."""
        if self._call is not None:
            self._call.is_lost = True

    def tick(self, now: float, *, is_open: bool) -> None:
        """One moment; the store serves only when it is open."""
        call = self._call
        if call is not None and now - call.asked_at >= TIMEOUT_S:
            self.membership.failed()
            self._call, self._next_at = None, call.asked_at + 1.0
        elif call is not None and is_open and not call.is_lost:
            if call.found is None:
                self._beats[self.node] = self._beats.get(self.node, 0) + 1
                call.found = [NodeLease(node, beat, ANN) for node, beat in self._beats.items()]
            else:
                self.membership.answered(call.found, asked_at=call.asked_at, now=now)
                self._call, self._next_at = None, call.asked_at + BEAT_S
        deadline = self.membership.next_deadline(but=self.node)
        due = min(self._next_at, deadline) if deadline is not None else self._next_at
        if self._call is None and now >= due:
            self._call = Call(now)


GLIMPSE: Final = 4
"""An opening of so many ticks is too short for everybody to be served all the time."""

NEVER, PERHAPS, SURELY, LOST = range(4)


def turns(runs: Sequence[tuple[int, int]]) -> list[int]:
    """For each tick whether the store serves, by pairs of how long it is open and how long not.

    When it opens it serves everything that waits, but after a long pause, which ends connections:
    then a call may be lost. What comes in while it is open for a moment only may be served or not.
    """
    served: list[int] = []
    before = 0
    for length, pause in runs:
        served.append(LOST if before * TICK_S > TIMEOUT_S else SURELY)
        served += [PERHAPS if length <= GLIMPSE else SURELY] * (length - 1) + [NEVER] * pause
        before = pause
    return served


pauses = st.lists(
    st.tuples(
        st.one_of(st.integers(1, GLIMPSE), st.integers(1, 150)),
        st.one_of(st.just(0), st.integers(25, 60), st.integers(0, 300)),
    ),
    min_size=1,
    max_size=25,
)

glimpses = st.lists(
    st.tuples(st.integers(1, GLIMPSE), st.integers(25, 64)), min_size=4, max_size=12
).map(lambda runs: [(100, 0), *runs])
"""A store that is open for a moment now and then, too often to be away for long."""

luck = st.lists(st.booleans(), min_size=1, max_size=20)


def beats_are_noticed(
    store: list[tuple[int, int]],
    observer: list[tuple[int, int]],
    lucks: tuple[list[bool], list[bool], list[bool]],
) -> None:
    """Three processes beat; nobody may find another one dead. `observer` stops the first."""
    beats: dict[str, int] = {}
    processes = [Process(name, beats) for name in (ME, "a", "b")]
    runs = turns(observer)
    for number, service in enumerate(turns(store)):
        now = number * TICK_S
        fortunes = [fortune[number % len(fortune)] for fortune in lucks]
        # Who is served first in a moment is luck as well.
        for process, lucky in sorted(
            zip(processes, fortunes, strict=True), key=lambda pair: pair[1], reverse=number % 2 == 0
        ):
            if process.node == ME and not runs[number % len(runs)]:
                continue
            if service == LOST and not lucky:
                process.lose()
            process.tick(now, is_open=service in (SURELY, LOST) or (service == PERHAPS and lucky))
        for process in processes:
            dead = {node for node, _ in process.membership.dead(but=process.node)}
            assert dead <= {ME}, (number, process)  # which may have been stopped
            assert process.node != ME or not dead


@given(store=st.one_of(pauses, glimpses), observer=pauses, lucks=st.tuples(luck, luck, luck))
@example(
    store=[(50, 200), (100, 0)], observer=[(45, 205), (100, 0)], lucks=([True], [False], [False])
)
@example(
    store=[(100, 0), (2, 45), (1, 45), (2, 45), (1, 45), (2, 45), (60, 0)],
    observer=[(1, 0)],
    lucks=([True], [True], [True]),
)
@settings(max_examples=200)
def test_no_node_that_beats_is_called_dead_whatever_pauses_the_store_makes(
    store: list[tuple[int, int]],
    observer: list[tuple[int, int]],
    lucks: tuple[list[bool], list[bool], list[bool]],
) -> None:
    """The observer itself may be stopped, too."""
    beats_are_noticed(store, observer, lucks)


@given(store=glimpses, lucks=st.tuples(luck, luck, luck))
@settings(max_examples=150)
def test_no_node_that_beats_is_called_dead_while_the_store_answers_for_moments_only(
    store: list[tuple[int, int]], lucks: tuple[list[bool], list[bool], list[bool]]
) -> None:
    beats_are_noticed(store, [(1, 0)], lucks)


@given(store=pauses, stops_after=st.integers(0, 100))
def test_a_node_that_stopped_is_dead_a_lease_and_two_beats_of_answering_later(
    store: list[tuple[int, int]], stops_after: int
) -> None:
    beats: dict[str, int] = {}
    watcher, victim = Process(ME, beats), Process("a", beats)
    past = turns(store)
    end = len(past) + stops_after
    for number in range(end):
        is_open = number >= len(past) or past[number] >= SURELY
        watcher.tick(number * TICK_S, is_open=is_open)
        victim.tick(number * TICK_S, is_open=is_open)
    if "a" not in beats:
        return
    # From now on the victim is silent and the store answers.
    within = round((LEASE_S + 2 * BEAT_S) / TICK_S)
    for number in range(end, end + within):
        watcher.tick(number * TICK_S, is_open=True)
    assert [node for node, _ in watcher.membership.dead(but=ME)] == ["a"]


@given(stops_at=st.integers(100, 200))
def test_with_a_store_that_answers_a_dead_node_is_found_a_beat_after_its_lease(
    stops_at: int,
) -> None:
    """Heard of at the latest a beat after it stopped, and looked at again just when it may be."""
    beats: dict[str, int] = {}
    watcher, victim = Process(ME, beats), Process("a", beats)
    for number in range(stops_at + round((LEASE_S + BEAT_S) / TICK_S) + 5):
        watcher.tick(number * TICK_S, is_open=True)
        if number < stops_at:
            victim.tick(number * TICK_S, is_open=True)
    assert [node for node, _ in watcher.membership.dead(but=ME)] == ["a"]
