"""A session against a model that keeps its deadlines by name, for any order of events."""

from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from realtime.errors import (
    CONNECTION_EXPIRED,
    MALFORMED,
    NO_PONG,
    STALE,
    ConnectionRefused,
    Disconnect,
)
from realtime.protocol.json_codec import JsonCodec
from realtime.protocol.session import PING, Session, Timings

TIMINGS: Final = Timings(stale_close_s=10, pong_timeout_s=8, expired_close_s=20)
SECONDS: Final = st.integers(0, 60).map(float)

# What each deadline leads to, the gravest first: if several have passed, that one counts.
OUTCOMES: Final = {
    "stale": STALE,
    "expired": CONNECTION_EXPIRED,
    "no pong": NO_PONG,
    "ping": PING,
}


class SessionMachine(RuleBasedStateMachine):
    """`due` is when each thing happens if nothing else does before."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.begin()

    def begin(self) -> None:
        self.session = Session(JsonCodec(), TIMINGS, self.now)
        self.state = "new"
        self.due = {"stale": self.now + 10.0}
        self.closed: Disconnect | None = None

    @precondition(lambda self: self.closed is not None)
    @rule()
    def come_back(self) -> None:
        self.begin()

    @precondition(lambda self: self.closed is None and self.state == "new")
    @rule()
    def connect(self) -> None:
        self.session.receive(b'{"id":1,"connect":{}}')
        self.state = "connecting"

    @precondition(lambda self: self.closed is None and self.state in ("connecting", "connected"))
    @rule()
    def command(self) -> None:
        assert len(self.session.receive(b'{"id":2,"history":{"channel":"a"}}')) == 1

    @precondition(lambda self: self.closed is None and self.state in ("connecting", "connected"))
    @rule(by_transport=st.booleans())
    def pong(self, by_transport: bool) -> None:
        if by_transport:
            self.session.pong()
        else:
            assert self.session.receive(b"{}") == []
        self.due.pop("no pong", None)

    @precondition(
        lambda self: self.closed is None and self.state not in ("connecting", "connected")
    )
    @rule()
    def command_out_of_place(self) -> None:
        with pytest.raises(ConnectionRefused) as refusal:
            self.session.receive(b'{"id":2,"history":{"channel":"a"}}')
        assert refusal.value.disconnect is MALFORMED

    @precondition(lambda self: self.closed is None and self.state == "connecting")
    @rule(jitter=st.sampled_from([0.0, 0.25, 0.75]), lasts=st.one_of(st.none(), SECONDS))
    def accept(self, jitter: float, lasts: float | None) -> None:
        expires = 0.0 if lasts is None else self.now + lasts
        self.session.accepted(
            self.now, jitter=jitter, expires=expires, ping_interval_s=25, pongs=True
        )
        self.state = "connected"
        self.due = {"ping": self.now + 12.5 + 12.5 * jitter}
        if expires:
            self.due["expired"] = expires + 20.0

    @precondition(lambda self: self.closed is None and self.state == "connecting")
    @rule()
    def refuse(self) -> None:
        self.session.refused(self.now)
        self.state = "refused"
        self.due = {"stale": self.now + 10.0}

    @precondition(lambda self: self.closed is None and self.state == "connected")
    @rule(lasts=st.one_of(st.none(), SECONDS))
    def refresh(self, lasts: float | None) -> None:
        self.session.expire(0.0 if lasts is None else self.now + lasts)
        self.due.pop("expired", None)
        if lasts is not None:
            self.due["expired"] = self.now + lasts + 20.0

    @precondition(lambda self: self.closed is None)
    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        passed = [name for name in OUTCOMES if self.due.get(name, self.now + 1.0) <= self.now]
        outcome = self.session.tick(self.now)
        assert outcome is (OUTCOMES[passed[0]] if passed else None)
        if outcome is PING:
            self.due |= {"ping": self.now + 25.0, "no pong": self.now + 8.0}
        elif isinstance(outcome, Disconnect):
            self.closed = outcome

    @invariant()
    def the_next_deadline_is_the_first_of_all(self) -> None:
        if self.closed is None:
            assert self.session.next_deadline() == min(self.due.values(), default=0.0)
            assert self.session.is_connected is (self.state == "connected")
            assert self.session.is_refused is (self.state == "refused")


TestSession = SessionMachine.TestCase
TestSession.settings = settings(max_examples=150, stateful_step_count=30)
