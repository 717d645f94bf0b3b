"""Every breach the checker knows is found, and what is right is left alone."""

from tests.support.checker import Checker, Stored


def good() -> Checker:
    """Two messages acked, one with an unknown fate that is stored, one that is not."""
    checker = Checker()
    for client_id in ("a", "b", "c", "d"):
        checker.sent("room", client_id)
    checker.acked("room", "a", 1)
    checker.acked("room", "b")
    checker.stored("room", [Stored(1, "a"), Stored(2, "b"), Stored(3, "c")])
    checker.entitled("room", "early")
    checker.entitled("room", "late", after=2)
    for offset, client_id in ((1, "a"), (2, "b"), (3, "c")):
        checker.received("room", "early", offset, client_id)
    checker.received("room", "late", 3, "c")
    return checker


def test_what_is_right_is_not_reported() -> None:
    assert good().check() == []


def test_the_counts_are_told() -> None:
    assert good().counts() == "4 sent, 2 acked, 3 stored, 4 received"


def test_an_acked_message_that_is_not_stored_is_found() -> None:
    checker = good()
    checker.acked("room", "d")
    assert checker.check() == ["A: d was acked but is not stored in room"]


def test_an_ack_with_another_offset_is_found() -> None:
    checker = good()
    checker.acked("room", "b", 7)
    assert checker.check() == ["A: b was acked at 7 but is stored at 2 in room"]


def test_a_client_that_missed_an_acked_message_is_found() -> None:
    checker = good()
    checker.entitled("room", "deaf", after=1)
    checker.received("room", "deaf", 3, "c")
    assert checker.check() == ["A: deaf never got 2 (b, acked) in room"]


def test_a_client_that_missed_a_message_nobody_acked_is_found() -> None:
    checker = good()
    checker.entitled("room", "deaf", after=2)
    assert checker.check() == ["A: deaf never got 3 (c, not acked, but stored) in room"]


def test_a_hole_in_the_log_is_found() -> None:
    checker = Checker()
    checker.sent("room", "a")
    checker.sent("room", "b")
    checker.stored("room", [Stored(1, "a"), Stored(3, "b")])
    assert checker.check() == ["A: the log has offset 3 where 2 belongs in room"]


def test_an_offset_delivered_twice_is_found() -> None:
    checker = good()
    checker.received("room", "late", 3, "c")
    assert checker.check() == [
        "B: late got offset 3 2 times in room",
        "B: late got c 2 times in room",
    ]


def test_a_message_delivered_at_two_offsets_is_found() -> None:
    checker = good()
    checker.received("room", "late", 4, "c")
    assert checker.check() == [
        "B: late got c 2 times in room",
        "D: late got c at 4, stored is nothing in room",
    ]


def test_an_offset_that_falls_is_found() -> None:
    checker = Checker()
    checker.sent("room", "a")
    checker.sent("room", "b")
    checker.stored("room", [Stored(1, "a"), Stored(2, "b")])
    checker.entitled("room", "client")
    checker.received("room", "client", 2, "b")
    checker.received("room", "client", 1, "a")
    assert checker.check() == ["C: client got 1 after 2 in room"]


def test_a_delivery_nobody_sent_is_found() -> None:
    checker = good()
    checker.received("room", "late", 4, "x")
    assert checker.check() == ["D: late got x at 4, stored is nothing in room"]


def test_a_delivery_under_another_messages_offset_is_found() -> None:
    checker = good()
    checker.entitled("room", "confused", after=2)
    checker.received("room", "confused", 3, "b")
    assert checker.check() == ["D: confused got b at 3, stored is c in room"]


def test_a_delivery_from_before_the_entitlement_is_found() -> None:
    checker = Checker()
    checker.sent("room", "a")
    checker.stored("room", [Stored(1, "a")])
    checker.entitled("room", "late", after=1)
    checker.received("room", "late", 1, "a")
    assert checker.check() == ["D: late got 1 but may have only what follows 1 in room"]


def test_a_delivery_to_a_stranger_is_found() -> None:
    checker = good()
    checker.received("room", "stranger", 1, "a")
    assert checker.check() == ["D: stranger got 1 entries but was not entitled in room"]


def test_a_stored_message_nobody_sent_is_found() -> None:
    checker = Checker()
    checker.stored("room", [Stored(1, "x")])
    assert checker.check() == ["D: x is stored but was never sent in room"]


def test_an_ack_for_a_message_nobody_sent_is_found() -> None:
    checker = Checker()
    checker.acked("room", "x")
    assert checker.check() == ["D: x was acked but never sent in room"]


def test_a_message_stored_twice_is_found() -> None:
    checker = Checker()
    checker.sent("room", "a")
    checker.stored("room", [Stored(1, "a"), Stored(2, "a")])
    assert checker.check() == ["E: a is stored 2 times in room"]


def test_a_refused_message_that_is_stored_is_found() -> None:
    checker = good()
    checker.refused("room", "c")
    assert checker.check() == ["E: c is stored but was refused in room"]


def test_channels_are_compared_apart() -> None:
    checker = good()
    checker.sent("other", "a")
    checker.acked("other", "a", 1)
    assert checker.check() == ["A: a was acked but is not stored in other"]


def test_what_a_client_was_told_it_missed_is_no_loss() -> None:
    checker = good()
    checker.entitled("room", "moved", after=0)
    checker.received("room", "moved", 3, "c")
    checker.admitted("room", "moved", 0, 1)
    # One more than was admitted.
    assert checker.check() == ["A: moved never got 2 (b, acked) in room"]
    checker.admitted("room", "moved", 1, 2)
    assert checker.check() == []
