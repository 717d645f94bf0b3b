"""Frames of a server are told apart, however they are cut."""

import pytest
from websockets.frames import Close, Frame, Opcode

from tests.support.raw_socket import Received, frame, parse, text_frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_every_length_is_parsed(size: int) -> None:
    sent = Frame(Opcode.BINARY, b"x" * size).serialize(mask=False)
    assert list(parse(sent * 2)) == [Received(2, b"x" * size)] * 2


def test_an_incomplete_frame_is_left_out() -> None:
    sent = Frame(Opcode.TEXT, b"hello").serialize(mask=False)
    for cut in range(len(sent)):
        assert list(parse(sent + sent[:cut])) == [Received(1, b"hello")]


def test_the_close_code_is_told() -> None:
    assert Received(8, Close(3501, "bad request").serialize()).close_code == 3501
    assert Received(8, b"").close_code == 1005
    assert Received(1, b"\x0d\xad").close_code == 0


def test_frames_of_a_client_are_masked() -> None:
    for sent in (text_frame("x"), frame(2, b"x")):
        assert sent[1] & 0x80
