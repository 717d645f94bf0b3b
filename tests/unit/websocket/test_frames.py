"""What a frame reader makes of bytes, rule by rule; sections are those of RFC 6455."""

import sys

import pytest
from websockets.frames import EXTERNAL_CLOSE_CODES

from realtime.websocket.frames import (
    Close,
    Event,
    Failure,
    FrameReader,
    OtherKind,
    Ping,
    Pong,
    is_close_code,
)
from tests.unit.websocket.client_frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    client_frame,
    close_payload,
)

MAX = 70_000
HALF = "é".encode()[:1]
REST = "é".encode()[1:]


def read(data: bytes, *, message_max_bytes: int = MAX) -> list[Event]:
    """What one chunk gives, which must be the same as its bytes one by one."""
    whole = list(FrameReader(message_max_bytes).feed(data))
    reader = FrameReader(message_max_bytes)
    if len(data) < 1000:
        assert [event for byte in data for event in reader.feed(bytes((byte,)))] == whole
    return whole


def failure_code(events: list[Event]) -> int:
    """The code that the only event, or the last one, fails the connection with."""
    assert isinstance(events[-1], Failure)
    return events[-1].code


def test_the_masked_hello_of_5_7_is_read() -> None:
    assert read(bytes.fromhex("818537fa213d7f9f4d5158")) == [b"Hello"]


@pytest.mark.parametrize("size", [0, 1, 2, 125, 126, 127, 65535, 65536, MAX])
def test_text_of_any_size_is_read(size: int) -> None:
    """5.2: lengths in 7 bits, 16 bits and 64 bits."""
    assert read(client_frame(TEXT, b"x" * size)) == [b"x" * size]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65536])
def test_binary_of_any_size_is_read(size: int) -> None:
    assert read(client_frame(BINARY, b"\xff" * size)) == [OtherKind(b"\xff" * size)]


@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\0\0\0\1", b"\xff\xff\xff\xff"])
@pytest.mark.parametrize("opcode", [TEXT, PING])
def test_any_masking_key_is_taken_off(opcode: int, mask: bytes) -> None:
    """5.3."""
    (event,) = read(client_frame(opcode, b"payload", mask=mask))
    assert event in (b"payload", Ping(b"payload"))


@pytest.mark.parametrize("size", [0, 1, 2, 125, 126, 127, 65535, 65536, MAX])
def test_a_binary_reader_is_for_binary_messages(size: int) -> None:
    reader = FrameReader(MAX, is_binary=True)
    data = client_frame(BINARY, b"\xff" * size)
    assert list(reader.feed(data * 2)) == [b"\xff" * size] * 2
    fragments = client_frame(BINARY, HALF, fin=False) + client_frame(CONTINUATION, HALF)
    assert list(reader.feed(fragments + data)) == [HALF + HALF, b"\xff" * size]


def test_a_binary_reader_tells_text_apart_which_must_be_utf8_all_the_same() -> None:
    reader = FrameReader(MAX, is_binary=True)
    assert list(reader.feed(client_frame(TEXT, b"text"))) == [OtherKind(b"text")]
    assert list(reader.feed(client_frame(TEXT, HALF))) == [Failure(1007, "invalid UTF-8")]


def test_several_frames_in_one_chunk_come_in_order() -> None:
    data = (
        client_frame(TEXT, b"one")
        + client_frame(PING, b"2")
        + client_frame(BINARY, b"three")
        + client_frame(PONG, b"4")
        + client_frame(TEXT, b"five" * 40)
        + client_frame(CLOSE, close_payload(1000, b"six"))
    )
    assert read(data) == [
        b"one",
        Ping(b"2"),
        OtherKind(b"three"),
        Pong(b"4"),
        b"five" * 40,
        Close(1000, "six"),
    ]


def test_a_frame_may_end_in_the_next_chunk() -> None:
    reader = FrameReader(MAX)
    data = client_frame(TEXT, b"first") + client_frame(TEXT, b"x" * 300)
    assert reader.feed(data[:30]) == [b"first"]
    assert list(reader.feed(data[30:100])) == []
    assert reader.feed(data[100:] + client_frame(TEXT, b"third")) == [b"x" * 300, b"third"]


@pytest.mark.parametrize("wide", [2, 8])
def test_a_length_in_more_bytes_than_needed_is_read(wide: int) -> None:
    """5.2 forbids it to senders; `websockets` reads it, so we do."""
    assert read(client_frame(TEXT, b"hello", wide=wide)) == [b"hello"]
    assert read(client_frame(PING, b"hello", wide=wide)) == [Ping(b"hello")]


@pytest.mark.parametrize("opcode", [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG])
def test_a_frame_without_a_mask_is_1002(opcode: int) -> None:
    """5.1."""
    assert failure_code(read(client_frame(opcode, b"abcdefghijkl", mask=None))) == 1002


@pytest.mark.parametrize("reserved", range(1, 8))
@pytest.mark.parametrize("opcode", [TEXT, BINARY, CLOSE, PING, PONG])
def test_a_reserved_bit_is_1002(opcode: int, reserved: int) -> None:
    """5.2, for no extension is ever negotiated."""
    assert failure_code(read(client_frame(opcode, b"", reserved=reserved))) == 1002


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF])
def test_an_unknown_opcode_is_1002(opcode: int) -> None:
    """5.2."""
    assert failure_code(read(client_frame(opcode, b""))) == 1002


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_a_fragmented_control_frame_is_1002(opcode: int) -> None:
    """5.5."""
    assert failure_code(read(client_frame(opcode, b"", fin=False))) == 1002


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_a_control_frame_above_125_bytes_is_1002(opcode: int) -> None:
    """5.5."""
    assert failure_code(read(client_frame(opcode, b"x" * 126))) == 1002


@pytest.mark.parametrize("event", [Ping, Pong])
def test_a_control_frame_may_have_125_bytes(event: type[Ping] | type[Pong]) -> None:
    opcode = PING if event is Ping else PONG
    assert read(client_frame(opcode, b"x" * 125)) == [event(b"x" * 125)]


# Fragmentation (5.4)


def test_fragments_are_one_message() -> None:
    data = (
        client_frame(TEXT, b"one ", fin=False)
        + client_frame(CONTINUATION, b"", fin=False)
        + client_frame(CONTINUATION, b"two ", fin=False)
        + client_frame(CONTINUATION, b"three")
        + client_frame(BINARY, b"1", fin=False)
        + client_frame(CONTINUATION, b"2")
        + client_frame(TEXT, b"whole")
    )
    assert read(data) == [b"one two three", OtherKind(b"12"), b"whole"]


def test_control_frames_may_come_between_fragments() -> None:
    data = (
        client_frame(TEXT, b"a", fin=False)
        + client_frame(PING, b"p")
        + client_frame(PONG, b"q")
        + client_frame(CONTINUATION, b"b")
    )
    assert read(data) == [Ping(b"p"), Pong(b"q"), b"ab"]


def test_empty_fragments_are_an_empty_message() -> None:
    data = client_frame(TEXT, b"", fin=False) + client_frame(CONTINUATION, b"")
    assert read(data) == [b""]


def test_a_continuation_of_nothing_is_1002() -> None:
    assert failure_code(read(client_frame(CONTINUATION, b"x"))) == 1002
    whole = client_frame(TEXT, b"x", fin=False) + client_frame(CONTINUATION, b"y")
    assert failure_code(read(whole + client_frame(CONTINUATION, b"z"))) == 1002


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fin", [True, False])
def test_a_message_within_a_message_is_1002(opcode: int, fin: bool) -> None:
    first, second = client_frame(TEXT, b"x", fin=False), client_frame(opcode, b"y" * 20, fin=fin)
    assert failure_code(read(first + second)) == 1002
    reader = FrameReader(MAX)
    reader.feed(first)
    assert failure_code(list(reader.feed(second))) == 1002


# Text is UTF-8 (8.1)


def test_text_beyond_ascii_is_read_as_sent() -> None:
    text = "Grüße, мир, 世界, 🙂".encode()
    assert read(client_frame(TEXT, text)) == [text]


@pytest.mark.parametrize(
    "payload",
    [b"\xff", HALF, b"ok so far \xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", REST],
    ids=["no lead", "cut", "cut late", "surrogate", "overlong", "above U+10FFFF", "no start"],
)
def test_text_that_is_not_utf8_is_1007(payload: bytes) -> None:
    before = client_frame(TEXT, b"good")
    assert read(before + client_frame(TEXT, payload)) == [b"good", Failure(1007, "invalid UTF-8")]
    assert failure_code(read(client_frame(TEXT, b"x" * 65_536 + payload))) == 1007


def test_a_character_may_be_cut_between_fragments() -> None:
    data = client_frame(TEXT, HALF, fin=False) + client_frame(CONTINUATION, REST)
    assert read(data) == ["é".encode()]


def test_fragments_that_are_not_utf8_together_are_1007_at_the_end() -> None:
    first = client_frame(TEXT, HALF, fin=False)
    assert read(first) == []
    assert failure_code(read(first + client_frame(CONTINUATION, b"x"))) == 1007


def test_binary_messages_need_not_be_utf8() -> None:
    data = client_frame(BINARY, HALF, fin=False) + client_frame(CONTINUATION, HALF)
    assert read(data) == [OtherKind(HALF + HALF)]


# Limits


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("limit", [10, 125, 126, 1000, 65535, 65536])
def test_a_message_above_the_limit_is_1009(opcode: int, limit: int) -> None:
    """7.4.1; protocol 1.1: 65,536 bytes by default."""
    (event,) = read(client_frame(opcode, b"x" * limit), message_max_bytes=limit)
    assert event in (b"x" * limit, OtherKind(b"x" * limit))
    over = client_frame(opcode, b"x" * (limit + 1))
    assert failure_code(read(over, message_max_bytes=limit)) == 1009


@pytest.mark.parametrize(
    "header",
    ["81fe0401", "81ff0000000000000401", "81ffffffffffffffffff", "82ff8000000000000000"],
)
def test_the_limit_is_judged_before_the_payload_comes(header: str) -> None:
    assert failure_code(read(bytes.fromhex(header), message_max_bytes=1024)) == 1009


def test_fragments_above_the_limit_together_are_1009() -> None:
    first = client_frame(TEXT, b"x" * 600, fin=False)
    fits = first + client_frame(CONTINUATION, b"y" * 400)
    assert read(fits, message_max_bytes=1000) == [b"x" * 600 + b"y" * 400]
    # Each message is counted anew.
    assert len(read(fits * 3, message_max_bytes=1000)) == 3
    header = client_frame(CONTINUATION, b"y" * 401)[:4]
    assert failure_code(read(first + header, message_max_bytes=1000)) == 1009


# Close frames (5.5.1, 7.4)


def test_a_close_frame_without_payload_has_code_1005() -> None:
    assert read(client_frame(CLOSE)) == [Close(1005, "")]


def test_a_close_frame_carries_code_and_reason() -> None:
    payload = close_payload(4321, "tschüß".encode())
    assert read(client_frame(CLOSE, payload)) == [Close(4321, "tschüß")]
    longest = close_payload(1000, b"x" * 123)
    assert read(client_frame(CLOSE, longest)) == [Close(1000, "x" * 123)]


def test_a_close_payload_of_one_byte_is_1002() -> None:
    assert read(client_frame(CLOSE, b"\x03")) == [Failure(1002, "close frame too short")]


def test_a_close_reason_that_is_not_utf8_is_1007() -> None:
    assert failure_code(read(client_frame(CLOSE, close_payload(1000, b"\xff")))) == 1007


@pytest.mark.parametrize(
    "code",
    [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535],
)
def test_a_close_code_that_must_not_travel_is_1002(code: int) -> None:
    assert failure_code(read(client_frame(CLOSE, close_payload(code)))) == 1002


def test_close_codes_are_those_of_the_library() -> None:
    """7.4.2: 3000-3999 are registered with IANA, 4000-4999 are anyone's."""
    for code in range(65536):
        assert is_close_code(code) == (code in EXTERNAL_CLOSE_CODES or 3000 <= code < 5000)


def test_a_close_frame_within_a_message_is_1002() -> None:
    first = client_frame(TEXT, b"x", fin=False)
    assert failure_code(read(first + client_frame(CLOSE, close_payload(1000)))) == 1002
    # What is wrong within the close frame counts first, as in `websockets`.
    broken = client_frame(CLOSE, close_payload(1000, b"\xff"))
    assert failure_code(read(first + broken)) == 1007


@pytest.mark.parametrize(
    "last",
    [client_frame(CLOSE), client_frame(TEXT, b"\xff"), client_frame(3), client_frame(CONTINUATION)],
    ids=["close", "invalid text", "unknown opcode", "continuation"],
)
def test_nothing_is_read_after_the_end(last: bytes) -> None:
    """7.1.7, and 1.4: a peer discards what comes after a close frame."""
    reader = FrameReader(MAX)
    assert not reader.ended
    more = client_frame(TEXT, b"more")
    assert len(reader.feed(last + more)) == 1
    assert reader.ended
    assert list(reader.feed(more)) == []
    assert list(reader.feed(client_frame(CLOSE))) == []


# Memory


def held(reader: FrameReader) -> int:
    """Bytes of the reader and of what it alone holds."""
    parts = [getattr(reader, name) for name in ("_pending", "_message")]
    return sys.getsizeof(reader) + sum(sys.getsizeof(part) for part in parts if part is not None)


def test_an_idle_reader_holds_nothing() -> None:
    reader = FrameReader(MAX)
    fresh = held(reader)
    assert fresh <= 120
    assert not hasattr(reader, "__dict__")
    data = client_frame(TEXT, b"x" * 300, fin=False) + client_frame(CONTINUATION, b"y" * 300)
    for size in (7, 400, len(data)):
        for start in range(0, len(data), size):
            reader.feed(data[start : start + size])
        assert held(reader) == fresh


def test_empty_fragments_without_end_take_no_memory() -> None:
    reader = FrameReader(MAX)
    reader.feed(client_frame(TEXT, b"x", fin=False))
    before = held(reader)
    reader.feed(client_frame(CONTINUATION, b"", fin=False) * 10_000)
    assert held(reader) == before


def test_a_reader_that_has_ended_holds_nothing() -> None:
    reader = FrameReader(MAX)
    fresh = held(reader)
    reader.feed(client_frame(TEXT, b"x" * 5000, fin=False))
    assert held(reader) > 5000
    reader.feed(client_frame(TEXT, b"")[:2] + b"\0" * 10_000)
    assert reader.ended
    assert held(reader) == fresh


def test_a_reader_tells_what_it_holds() -> None:
    reader = FrameReader(MAX)
    assert repr(reader) == "<FrameReader pending=0 bytes message=none ended=False>"
    reader.feed(client_frame(TEXT, b"abc", fin=False) + b"\x80")
    assert repr(reader) == "<FrameReader pending=1 bytes message=3 bytes ended=False>"
