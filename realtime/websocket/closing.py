"""The closing handshake, server side, as a table (RFC 6455, 7.1).

Two rules. A close frame is sent at most once. The server ends the TCP connection as soon as both
sides have sent theirs, or when the client broke a rule and can no longer be understood.

The state is one small integer for the connection to keep; nothing here holds anything.
"""

import enum
from typing import Final

import msgspec

from realtime.websocket.frames import Close, Failure
from realtime.websocket.writing import frame_close


class State(enum.IntEnum):
    """How far a connection has got with closing."""

    OPEN = 0
    """Messages flow."""
    CLOSING = 1
    """We sent our close frame and wait, for a limited time, for the client's.

    What arrives meanwhile is no longer acted on; only a ping may still be answered."""
    CLOSED = 2
    """Write what there is, then end the TCP connection. Nothing more is read."""


class Step(msgspec.Struct, frozen=True, gc=False):
    """What to do next: go to `state` and write `frame`, if it is not empty."""

    state: State
    frame: bytes = b""


# (state, what happened) -> (next state, whether our close frame goes out)
_TRANSITIONS: Final = {
    (State.OPEN, "we close"): (State.CLOSING, True),
    (State.OPEN, Close): (State.CLOSED, True),
    (State.OPEN, Failure): (State.CLOSED, True),
    (State.CLOSING, "we close"): (State.CLOSING, False),
    (State.CLOSING, Close): (State.CLOSED, False),
    (State.CLOSING, Failure): (State.CLOSED, False),
    (State.CLOSED, "we close"): (State.CLOSED, False),
}


def close(state: State, code: int, reason: str) -> Step:
    """The server wants to close. Idempotent: only the first code and reason are sent.

    Raises `ValueError` as `frame_close` does.
    """
    following, sends = _TRANSITIONS[state, "we close"]
    return Step(following, frame_close(code, reason) if sends else b"")


def received(state: State, event: Close | Failure) -> Step:
    """The reader's last event: the client's close frame is echoed, a failure is named to it.

    The state is CLOSED afterwards, always. A reader has at most one last event, so asking again
    is a defect of the caller: `KeyError`.
    """
    following, sends = _TRANSITIONS[state, type(event)]
    # "When sending a Close frame in response, the endpoint typically echos the status code it
    # received" (5.5.1); the reason too, as `websockets` does.
    return Step(following, frame_close(event.code, event.reason) if sends else b"")
