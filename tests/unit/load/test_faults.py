"""What is broken when: the same for the same seed, one thing at a time, and time to mend."""

import itertools

from load.faults import CLIENTS, LASTS_S, LEAD_S, TAIL_S, Fault, cuts, listed, schedule

TARGETS = {
    "one": ("kill", "drain", "freeze"),
    "two": ("kill", "drain", "freeze"),
    "three": ("freeze",),
    "redis": ("kill", "freeze"),
    "mongodb": ("kill", "freeze"),
}


def test_a_seed_makes_this_list_for_ever() -> None:
    assert schedule(7, 600.0, TARGETS, every_s=45.0) == [
        Fault(10.0, "freeze", "two", 5.6),
        Fault(74.0, "drain", "one", 1.2),
        Fault(131.2, "freeze", "redis", 8.1),
        Fault(195.2, "kill", "redis", 2.2),
        Fault(250.6, "kill", "one", 6.8),
        Fault(283.0, "freeze", "one", 7.8),
        Fault(313.3, "drain", "two", 0.6),
        Fault(346.4, "freeze", "mongodb", 6.9),
        Fault(401.1, "kill", "mongodb", 2.5),
        Fault(433.2, "kill", "two", 1.7),
        Fault(494.9, "freeze", "three", 2.0),
        Fault(539.3, "freeze", "mongodb", 4.3),
    ]


def test_cuts_follow_from_the_seed_too() -> None:
    assert cuts(7, 100.0, every_s=20.0) == [
        Fault(28.4, "cut", CLIENTS, 1.3),
        Fault(44.8, "cut", CLIENTS, 1.1),
        Fault(66.2, "cut", CLIENTS, 1.1),
        Fault(94.6, "cut", CLIENTS, 1.4),
    ]


def test_another_seed_makes_another_list() -> None:
    lists = {tuple(schedule(seed, 3_600.0, TARGETS, every_s=45.0)) for seed in range(20)}
    assert len(lists) == 20


def test_everything_is_done_to_everyone_before_anything_is_done_again() -> None:
    found = schedule(1, 3_600.0, TARGETS, every_s=45.0)
    assert 60 < len(found) < 90
    done = [(fault.target, fault.kind) for fault in found]
    every = {(name, kind) for name, kinds in TARGETS.items() for kind in kinds}
    for first in range(0, len(done) - len(every), len(every)):
        assert set(done[first : first + len(every)]) == every


def test_one_is_over_before_the_next_begins_and_the_end_is_left_alone() -> None:
    for seed in range(20):
        found = schedule(seed, 1_000.0, TARGETS, every_s=10.0)
        assert found[0].at_s == LEAD_S
        for before, after in itertools.pairwise(found):
            assert after.at_s >= before.at_s + before.lasts_s + 5.0 - 0.2
        assert all(fault.at_s + fault.lasts_s <= 1_000.0 - TAIL_S for fault in found)
        for fault in found:
            least, most = LASTS_S[fault.kind]
            assert least <= fault.lasts_s <= most


def test_nothing_is_broken_without_time_or_targets() -> None:
    assert schedule(1, 1.0, TARGETS, every_s=45.0) == []
    assert schedule(1, 3_600.0, {}, every_s=45.0) == []
    assert schedule(1, 3_600.0, {"one": ()}, every_s=45.0) == []
    assert cuts(1, 5.0, every_s=20.0) == []


def test_the_list_is_told_by_time() -> None:
    faults = [Fault(75.7, "freeze", "two", 10.5), Fault(16.2, "cut", CLIENTS, 2.0)]
    assert listed(faults) == (
        "    16.2 s  cut clients              2.0 s\n    75.7 s  freeze two               10.5 s\n"
    )
