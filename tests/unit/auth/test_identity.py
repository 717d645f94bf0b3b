import gc

from realtime.auth.identity import GUEST, Identity


def test_a_guest_is_nobody() -> None:
    assert Identity("", "guest", b"", 0.0, "", None) == GUEST


def test_an_identity_costs_little_and_nothing_at_a_collection() -> None:
    identity = Identity("42", "user", b"{}", 1.0, "t1", 2.0)
    assert identity.__sizeof__() <= 80
    assert not gc.is_tracked(identity)
