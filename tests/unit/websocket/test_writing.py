"""Frames that the server sends, read back by the library as a client would."""

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from realtime.websocket.writing import (
    EMPTY_CLOSE,
    EMPTY_PING,
    frame_binary,
    frame_close,
    frame_ping,
    frame_pong,
    frame_text,
)

SIZES = [0, 1, 125, 126, 127, 65535, 65536, 100_000]


def as_client(data: bytes) -> Frame:
    """The one frame in `data`, which must be acceptable to a client."""
    client = ClientProtocol(parse_uri("ws://localhost/"), state=OPEN)
    client.receive_data(data)
    (frame,) = client.events_received()
    assert isinstance(frame, Frame)
    return frame


@pytest.mark.parametrize("size", SIZES)
def test_a_text_frame_is_what_the_library_would_send(size: int) -> None:
    """RFC 6455, 5.2: unmasked, the length in the fewest bytes."""
    payload = b"x" * size
    assert frame_text(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)
    assert as_client(frame_text(payload)).data == payload


@pytest.mark.parametrize("size", SIZES)
def test_a_binary_frame_is_what_the_library_would_send(size: int) -> None:
    payload = b"\xff" * size
    assert frame_binary(payload) == Frame(Opcode.BINARY, payload).serialize(mask=False)


def test_the_unmasked_hello_of_5_7_is_written() -> None:
    assert frame_text(b"Hello") == bytes.fromhex("810548656c6c6f")


def test_pings_and_pongs_carry_their_payload() -> None:
    assert frame_ping(b"Hello") == bytes.fromhex("890548656c6c6f")
    assert frame_pong(b"Hello") == bytes.fromhex("8a0548656c6c6f")
    assert frame_ping() == EMPTY_PING == b"\x89\x00"
    assert frame_pong(b"x" * 125) == b"\x8a\x7d" + b"x" * 125


def test_a_close_frame_carries_code_and_reason() -> None:
    frame = as_client(frame_close(3501, "bad request"))
    assert frame.opcode is Opcode.CLOSE
    assert frame.data == b"\x0d\xadbad request"
    assert frame_close(1000) == b"\x88\x02\x03\xe8"


def test_code_1005_stands_for_a_close_frame_without_payload() -> None:
    assert frame_close(1005) == EMPTY_CLOSE == Frame(Opcode.CLOSE, b"").serialize(mask=False)


@pytest.mark.parametrize("code", [0, 999, 1004, 1006, 1015, 2999, 5000, 70_000, -1])
def test_a_close_code_that_must_not_travel_is_not_sent(code: int) -> None:
    with pytest.raises(ValueError, match=f"^close code: {code} must not be sent$"):
        frame_close(code)


def test_a_reason_without_a_code_is_not_sent() -> None:
    with pytest.raises(ValueError, match="close code"):
        frame_close(1005, "why")


def test_control_frames_above_125_bytes_are_not_sent() -> None:
    message = "^control frame: 126 bytes of payload, at most 125 fit$"
    with pytest.raises(ValueError, match=message):
        frame_ping(b"x" * 126)
    with pytest.raises(ValueError, match=message):
        frame_pong(b"x" * 126)
    with pytest.raises(ValueError, match=message):
        frame_close(1000, "é" * 62)
    assert len(frame_close(1000, "x" * 123)) == 127
