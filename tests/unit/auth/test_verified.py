from realtime.auth.claims import ConnectionClaims, Lifetime
from realtime.auth.identity import GUEST
from realtime.auth.verified import VerifiedTokens


def claims() -> ConnectionClaims:
    return ConnectionClaims(GUEST, Lifetime(0, 1))


def test_the_least_recently_used_are_forgotten_first() -> None:
    verified = VerifiedTokens(2)
    a, b, c = claims(), claims(), claims()
    verified.put(b"a", a)
    verified.put(b"b", b)
    assert verified.get(b"a") is a
    verified.put(b"c", c)
    assert verified.get(b"a") is a
    assert verified.get(b"b") is None
    assert verified.get(b"c") is c
    assert len(verified) == 2


def test_nothing_is_left_after_clear() -> None:
    verified = VerifiedTokens(2)
    verified.put(b"a", claims())
    verified.clear()
    assert verified.get(b"a") is None
    assert len(verified) == 0


def test_a_size_of_zero_remembers_nothing() -> None:
    verified = VerifiedTokens(0)
    verified.put(b"a", claims())
    assert len(verified) == 0
