"""The closing handshake (RFC 6455, 7.1), every cell of the table."""

import pytest

from realtime.websocket.closing import State, Step, close, received
from realtime.websocket.frames import Close, Failure
from realtime.websocket.writing import frame_close

CLIENT_CLOSE = Close(4001, "bye")
FAILURE = Failure(1002, "unknown opcode")


def test_our_close_frame_goes_out_and_the_answer_is_awaited() -> None:
    step = close(State.OPEN, 3001, "shutdown")
    assert step == Step(State.CLOSING, frame_close(3001, "shutdown"))


def test_only_the_first_close_is_sent() -> None:
    assert close(State.CLOSING, 3008, "slow") == Step(State.CLOSING)
    assert close(State.CLOSED, 3008, "slow") == Step(State.CLOSED)


def test_the_clients_close_frame_is_echoed() -> None:
    """5.5.1."""
    assert received(State.OPEN, CLIENT_CLOSE) == Step(State.CLOSED, frame_close(4001, "bye"))


def test_an_empty_close_frame_is_echoed_empty() -> None:
    assert received(State.OPEN, Close(1005, "")) == Step(State.CLOSED, b"\x88\x00")


def test_the_answer_to_our_close_frame_is_not_answered() -> None:
    assert received(State.CLOSING, CLIENT_CLOSE) == Step(State.CLOSED)


def test_a_failure_is_named_to_the_client() -> None:
    """7.1.7."""
    step = received(State.OPEN, FAILURE)
    assert step == Step(State.CLOSED, frame_close(1002, "unknown opcode"))


def test_a_failure_after_our_close_frame_only_ends_the_connection() -> None:
    assert received(State.CLOSING, FAILURE) == Step(State.CLOSED)


@pytest.mark.parametrize("event", [CLIENT_CLOSE, FAILURE])
def test_a_second_last_event_is_a_defect_of_the_caller(event: Close | Failure) -> None:
    with pytest.raises(KeyError):
        received(State.CLOSED, event)
