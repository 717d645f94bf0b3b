"""The session's states (protocol 1.4) and its deadlines (1.6, 3.5), by literals."""

from itertools import product
from typing import Final

import pytest

from realtime.errors import CONNECTION_EXPIRED, MALFORMED, NO_PONG, STALE, ConnectionRefused
from realtime.protocol.commands import (
    Command,
    ConnectRequest,
    PublishRequest,
    SubscribeRequest,
    UnsubscribeRequest,
)
from realtime.protocol.json_codec import JsonCodec
from realtime.protocol.session import ACCEPTED, PING, Kind, Session, State, Timings

TIMINGS: Final = Timings(stale_close_s=10, pong_timeout_s=8, expired_close_s=20)
CONNECT: Final = b'{"id":1,"connect":{}}'
PONG: Final = b"{}"
PAYLOADS: Final = {
    Kind.CONNECT: CONNECT,
    Kind.PONG: PONG,
    Kind.OTHER: b'{"id":2,"subscribe":{"channel":"a"}}',
}

# Protocol 1.4: connect first and once, nothing after a refusal. 9.13: pongs are never too many.
TABLE: Final = {
    (State.NEW, Kind.CONNECT): State.CONNECTING,
    (State.CONNECTING, Kind.OTHER): State.CONNECTING,
    (State.CONNECTING, Kind.PONG): State.CONNECTING,
    (State.CONNECTED, Kind.OTHER): State.CONNECTED,
    (State.CONNECTED, Kind.PONG): State.CONNECTED,
}


def new(timings: Timings = TIMINGS, now: float = 100.0) -> Session:
    return Session(JsonCodec(), timings, now)


def connected(
    *,
    now: float = 100.0,
    jitter: float = 0.0,
    expires: float = 0.0,
    ping_interval_s: float = 25,
    pongs: bool = True,
) -> Session:
    session = new(now=now)
    session.receive(CONNECT)
    session.accepted(
        now, jitter=jitter, expires=expires, ping_interval_s=ping_interval_s, pongs=pongs
    )
    return session


def in_state(state: State) -> Session:
    session = new()
    if state is not State.NEW:
        session.receive(CONNECT)
    if state is State.CONNECTED:
        session.accepted(100.0, jitter=0.0, expires=0.0, ping_interval_s=25, pongs=True)
    elif state is State.REFUSED:
        session.refused(100.0)
    assert session.state is state
    return session


def receive(session: Session, payload: bytes) -> bool:
    """Whether the payload is taken; else it must be refused as malformed."""
    try:
        session.receive(payload)
    except ConnectionRefused as refusal:
        assert refusal.disconnect is MALFORMED
        return False
    return True


# States


@pytest.mark.parametrize(("state", "kind"), list(product(State, Kind)))
def test_every_kind_of_command_in_every_state(state: State, kind: Kind) -> None:
    session = in_state(state)
    following = TABLE.get((state, kind))
    assert receive(session, PAYLOADS[kind]) is (following is not None)
    assert session.state is (following or state)


def test_the_table_is_the_one_of_the_protocol() -> None:
    assert ACCEPTED == TABLE


@pytest.mark.parametrize("state", State)
def test_a_session_says_whether_it_is_connected_or_refused(state: State) -> None:
    session = in_state(state)
    assert session.is_connected is (state is State.CONNECTED)
    assert session.is_refused is (state is State.REFUSED)
    assert repr(session) == f"<Session {state.name.lower()} json>"


@pytest.mark.parametrize("state", State)
def test_what_cannot_be_decoded_is_refused_in_every_state(state: State) -> None:
    for payload in (b"", b"\n", b"{", b'{"id":1}', b'{"id":1,"ping":{}}', b"\xff"):
        assert not receive(in_state(state), payload)


def test_an_empty_message_is_refused_whatever_the_codec_makes_of_it() -> None:
    class Lenient(JsonCodec):
        def decode(self, payload: bytes) -> list[Command]:
            return []

    session = Session(Lenient(), TIMINGS, 100.0)
    assert receive(session, b" ")
    assert not receive(session, b"")


def test_commands_come_out_in_order_without_pongs() -> None:
    """SDKs send connect and their subscribes in one frame (1.11)."""
    session = new()
    assert session.receive(
        b'{"id":1,"connect":{"token":"t"}}\n{"id":2,"subscribe":{"channel":"a"}}\n{}\n'
        b'{"id":3,"publish":{"channel":"a"}}\n'
    ) == [
        (1, ConnectRequest(token="t")),
        (2, SubscribeRequest("a")),
        (3, PublishRequest("a")),
    ]
    assert session.state is State.CONNECTING
    assert session.receive(b'{"id":4,"unsubscribe":{"channel":"a"}}') == [
        (4, UnsubscribeRequest("a"))
    ]
    assert session.receive(PONG) == []


@pytest.mark.parametrize(
    "payload",
    [
        b'{"id":1,"subscribe":{"channel":"a"}}\n{"id":2,"connect":{}}',
        b'{"id":1,"connect":{}}\n{"id":2,"connect":{}}',
        b'{}\n{"id":1,"connect":{}}',
    ],
)
def test_one_command_out_of_place_refuses_the_whole_message(payload: bytes) -> None:
    assert not receive(new(), payload)


# Deadlines


def test_who_does_not_connect_in_time_is_stale() -> None:
    session = new()
    assert session.next_deadline() == 110.0
    assert session.tick(109.9) is None
    assert session.tick(110.0) is STALE


def test_a_connect_that_is_not_decided_yet_does_not_stop_the_clock() -> None:
    session = in_state(State.CONNECTING)
    assert session.next_deadline() == 110.0
    assert session.tick(110.0) is STALE


def test_who_was_refused_has_as_long_again_to_go_away() -> None:
    session = new()
    session.receive(CONNECT)
    session.refused(103.0)
    assert session.next_deadline() == 113.0
    assert session.tick(112.9) is None
    assert session.tick(113.0) is STALE


@pytest.mark.parametrize(("jitter", "first"), [(0.0, 112.5), (0.5, 118.75), (0.999, 124.9875)])
def test_the_first_ping_falls_into_the_second_half_of_an_interval(
    jitter: float, first: float
) -> None:
    session = connected(jitter=jitter)
    assert session.next_deadline() == pytest.approx(first)
    assert session.tick(first - 0.001) is None
    assert session.tick(first + 0.001) is PING


def test_pings_go_on_at_the_interval_where_they_are_answered() -> None:
    session = connected()
    now = 112.5
    for _ in range(3):
        assert session.tick(now) is PING
        assert session.next_deadline() == now + 8.0
        session.receive(PONG)
        assert session.next_deadline() == now + 25.0
        assert session.tick(now + 24.9) is None
        now += 25.0


def test_a_ping_that_comes_late_does_not_bring_the_next_one_forward() -> None:
    session = connected()
    assert session.tick(115.0) is PING
    session.receive(PONG)
    assert session.next_deadline() == 140.0


def test_who_does_not_answer_a_ping_in_time_is_closed() -> None:
    session = connected()
    assert session.tick(112.5) is PING
    assert session.tick(120.4) is None
    assert session.tick(120.5) is NO_PONG


def test_other_commands_are_no_answer_to_a_ping() -> None:
    session = connected()
    assert session.tick(112.5) is PING
    session.receive(PAYLOADS[Kind.OTHER])
    assert session.tick(120.5) is NO_PONG


def test_the_transport_s_own_pong_is_an_answer() -> None:
    session = connected()
    assert session.tick(112.5) is PING
    session.pong()
    assert session.next_deadline() == 137.5
    assert session.tick(120.5) is None


def test_a_pong_before_the_ping_answers_nothing() -> None:
    session = connected()
    session.receive(PONG)
    assert session.tick(112.5) is PING
    assert session.tick(120.5) is NO_PONG


def test_a_ping_that_needs_no_answer_is_repeated_for_ever() -> None:
    session = connected(pongs=False)
    assert session.tick(112.5) is PING
    assert session.next_deadline() == 137.5
    assert session.tick(137.5) is PING


def test_where_pings_are_off_nothing_is_ever_due() -> None:
    session = connected(ping_interval_s=0)
    assert session.next_deadline() == 0.0
    assert session.tick(1e9) is None


def test_who_does_not_refresh_is_closed_some_time_after_the_expiry() -> None:
    session = connected(ping_interval_s=0, expires=160.0)
    assert session.next_deadline() == 180.0
    assert session.tick(179.9) is None
    assert session.tick(180.0) is CONNECTION_EXPIRED


def test_pings_go_on_until_the_expiry() -> None:
    session = connected(expires=105.0)
    assert session.next_deadline() == 112.5
    assert session.tick(112.5) is PING
    session.receive(PONG)
    assert session.next_deadline() == 125.0
    assert session.tick(125.0) is CONNECTION_EXPIRED


def test_of_what_has_become_due_at_once_the_gravest_counts() -> None:
    """After a stall of the node, say: a client told of its expiry brings a new token."""
    session = connected(expires=112.5)
    assert session.tick(112.5) is PING
    assert session.tick(200.0) is CONNECTION_EXPIRED
    session = connected()
    assert session.tick(112.5) is PING
    assert session.tick(200.0) is NO_PONG


def test_a_refresh_moves_the_expiry() -> None:
    session = connected(ping_interval_s=0, expires=160.0)
    session.expire(260.0)
    assert session.next_deadline() == 280.0
    assert session.tick(180.0) is None
    session.expire(120.0)
    assert session.tick(140.0) is CONNECTION_EXPIRED


def test_a_refresh_may_end_the_expiry() -> None:
    session = connected(ping_interval_s=0, expires=160.0)
    session.expire(0.0)
    assert session.next_deadline() == 0.0
    assert session.tick(1e9) is None
