"""Extra pings, whose pongs show what a client has: by literals, as for the regular ones (1.6)."""

import pytest

from realtime.errors import NO_PONG
from realtime.protocol.json_codec import JsonCodec
from realtime.protocol.session import PING, Session, Timings

TIMINGS = Timings(stale_close_s=10, pong_timeout_s=8, expired_close_s=20)
PONG = b"{}"


def connected(*, ping_interval_s: float = 25, pongs: bool = True) -> Session:
    """At 100.0; the first regular ping is due at 112.5."""
    session = Session(JsonCodec(), TIMINGS, 100.0)
    session.receive(b'{"id":1,"connect":{}}')
    session.accepted(100.0, jitter=0.0, expires=0.0, ping_interval_s=ping_interval_s, pongs=pongs)
    return session


def test_a_session_that_answers_may_be_asked_at_any_time() -> None:
    session = connected()
    assert session.is_answering
    assert not session.is_asked
    assert session.ask(101.0)
    assert session.is_asked
    session.receive(PONG)
    assert not session.is_asked
    assert session.ask(101.1)


def test_a_session_is_not_asked_before_it_is_connected() -> None:
    session = Session(JsonCodec(), TIMINGS, 100.0)
    assert not session.is_answering
    assert not session.ask(101.0)
    assert session.next_deadline() == 110.0


@pytest.mark.parametrize(("ping_interval_s", "pongs"), [(0, True), (25, False)])
def test_a_session_that_does_not_answer_is_not_asked(ping_interval_s: float, pongs: bool) -> None:
    session = connected(ping_interval_s=ping_interval_s, pongs=pongs)
    deadline = session.next_deadline()
    assert not session.is_answering
    assert not session.ask(101.0)
    assert not session.is_asked
    assert session.next_deadline() == deadline


def test_there_is_never_more_than_one_ping_to_answer() -> None:
    """Or the pong for an older one would count for what was written after that."""
    session = connected()
    assert session.tick(112.5) is PING
    assert session.is_asked
    assert not session.ask(113.0)
    session.receive(PONG)
    assert session.ask(113.0)
    assert not session.ask(113.1)


def test_who_does_not_answer_an_extra_ping_is_closed_in_the_same_time() -> None:
    session = connected()
    assert session.ask(101.0)
    assert session.next_deadline() == 109.0
    assert session.tick(108.9) is None
    assert session.tick(109.0) is NO_PONG


def test_a_pong_that_came_before_is_no_answer_to_an_extra_ping() -> None:
    session = connected()
    session.receive(PONG)
    assert session.ask(101.0)
    assert session.is_asked
    assert session.tick(109.0) is NO_PONG


@pytest.mark.parametrize(
    ("asked_at", "following"),
    [
        (100.0, 116.5),  # 12.5 s before it: 8 s, and half of the other 17
        (106.25, 118.5),
        (112.5, 120.5),  # when it was due
        (113.0, 121.0),  # and when it was late
    ],
)
def test_an_extra_ping_puts_off_the_regular_one(asked_at: float, following: float) -> None:
    session = connected()
    assert session.ask(asked_at)
    session.receive(PONG)
    assert session.next_deadline() == pytest.approx(following)
    assert session.tick(following - 0.01) is None
    assert session.tick(following + 0.01) is PING


def test_a_regular_ping_never_comes_before_the_extra_one_must_be_answered() -> None:
    session = connected()
    for asked_at in (112.4, 112.5, 120.0):
        assert session.ask(asked_at)
        assert session.tick(asked_at + 7.9) is None
        session.receive(PONG)


def test_a_client_waits_no_longer_than_an_interval_for_a_ping_however_often_it_is_asked() -> None:
    """Some SDKs take a connection for dead that has none for longer (1.6)."""
    session = connected()
    now = 100.0
    for _ in range(100):
        assert session.ask(now)
        session.receive(PONG)
        assert session.next_deadline() <= now + 25.0
        now += 0.01
    assert session.next_deadline() > now + 20.0


def test_those_who_are_asked_together_are_not_pinged_together_afterwards() -> None:
    deadlines = []
    for jitter in (0.0, 0.5, 0.9):
        session = Session(JsonCodec(), TIMINGS, 100.0)
        session.receive(b'{"id":1,"connect":{}}')
        session.accepted(100.0, jitter=jitter, expires=0.0, ping_interval_s=25, pongs=True)
        assert session.ask(101.0)
        session.receive(PONG)
        deadlines.append(session.next_deadline())
    first, second, third = deadlines
    assert first + 3.0 < second < third - 2.0
