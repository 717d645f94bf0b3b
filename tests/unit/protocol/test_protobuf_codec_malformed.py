"""Bytes that are no commands: refused with 3501, and with nothing else."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from realtime.errors import MALFORMED, ConnectionRefused
from realtime.protocol.commands import PONG, Command, SubscribeRequest
from realtime.protocol.protobuf import ProtobufCodec
from tests.support.protobuf_documents import command, delimited, frame, varint

ROOT: Final = Path(__file__).resolve().parents[3]
PUBLISH: Final = command(7, publish={"channel": "news", "data": b"hi"})


def refused(data: bytes) -> bool:
    try:
        ProtobufCodec().decode(data)
    except ConnectionRefused as refusal:
        return refusal.disconnect is MALFORMED
    return False


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'{"id":1,"connect":{}}',
        b"\x01",
        b"\x80",
        b"\x80\x80",
        b"\xff" * 4,
        b"\xff" * 11,
        b"\x81\x80\x80\x80\x80\x00" + PUBLISH,
        b"\x02\x08",
        b"\x01\x08",
        b"\x02\x08\x80",
        b"\x0c\x08" + b"\xff" * 11,
        b"\x01\x00",
        b"\x02\x00\x00",
        b"\x01\x0f",
        b"\x01\x0b",
        b"\x01\x0c",
        b"\x02\x0a\x05",
        b"\x04\x08\x01\x3a\x05",
        b"\x02\x3a\x00",
    ],
    ids=bytes.hex,
)
def test_what_is_no_command_is_refused(data: bytes) -> None:
    assert refused(data)


def test_a_publish_that_is_cut_off_anywhere_is_refused() -> None:
    whole = delimited(PUBLISH)
    assert not refused(whole)
    for stop in range(len(whole)):
        assert refused(whole[:stop])
        # With the length of what is left, it is another message: an id alone, or one that is cut.
        if stop > 1:
            assert refused(delimited(PUBLISH[: stop - 1]))


@pytest.mark.parametrize("length", [0, len(PUBLISH) - 1, len(PUBLISH) + 1, 2**32, 2**63, 2**70])
def test_a_length_that_is_not_the_message_s_is_refused(length: int) -> None:
    assert refused(varint(length) + PUBLISH)


@pytest.mark.parametrize("more", range(4))
def test_a_length_may_take_more_bytes_than_it_needs(more: int) -> None:
    """As in any varint, up to the five bytes that 32 bits take."""
    length = bytes((len(PUBLISH) | 0x80, *[0x80] * more, 0))
    assert not refused(length + PUBLISH)


@pytest.mark.parametrize(
    "text", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc0\x80"]
)
def test_text_that_is_not_utf_8_is_refused(text: bytes) -> None:
    size = bytes((len(text),))
    channel = b"\x0a" + size + text
    publish = channel + b"\x12\x011"
    assert refused(delimited(b"\x08\x01\x3a" + bytes((len(publish),)) + publish))
    for tag in (b"\x2a", b"\x42", b"\x52", b"\x72"):  # subscribe, presence, history, refresh
        assert refused(delimited(b"\x08\x01" + tag + bytes((len(channel),)) + channel))


def test_a_field_of_another_type_is_unknown_and_ignored() -> None:
    """As the format has it, for the sake of later versions."""
    message = command(1, subscribe={"channel": "a"}) + b"\x2a\x02\x12\x00" + b"\x2a\x02\x30\x01"
    assert ProtobufCodec().decode(delimited(message)) == [Command(1, SubscribeRequest("a"))]
    assert ProtobufCodec().decode(b"\x03\x0a\x01\x01") == [PONG]  # an id that is text is none


def test_nesting_that_is_too_deep_is_refused() -> None:
    """In what is read. A filter's inside is not, so it may be as deep as it likes."""
    deep = b""
    for _ in range(5000):
        deep = b"\x32" + varint(len(deep)) + deep
    subscribe = b"\x0a\x01a\x6a" + varint(len(deep)) + deep
    data = delimited(b"\x08\x01\x2a" + varint(len(subscribe)) + subscribe)
    [read] = ProtobufCodec().decode(data)
    assert isinstance(read.request, SubscribeRequest)
    assert read.request.tf is not None
    groups = b"\x0b" * 5000 + b"\x0c" * 5000
    assert refused(delimited(command(1, subscribe={"channel": "a"}) + groups))


def test_a_message_of_json_is_refused_like_any_other_bytes() -> None:
    assert refused(b'{"id":1,"connect":{"token":"t"}}\n{"id":2,"subscribe":{"channel":"a"}}')


def test_a_frame_that_goes_on_after_its_last_command_is_refused() -> None:
    assert refused(frame(1, connect={}) + b"\x05")
    assert refused(frame(1, connect={}) + b"\xff")


def test_without_the_library_s_part_in_c_text_that_is_not_utf_8_is_refused_too() -> None:
    """Where no wheel fits a machine the library is Python alone, with errors of its own."""
    program = (
        "from google.protobuf.internal.api_implementation import Type\n"
        "from realtime.errors import ConnectionRefused\n"
        "from realtime.protocol.protobuf import ProtobufCodec\n"
        "try:\n"
        "    ProtobufCodec().decode(b'\\x07\\x08\\x01\\x22\\x03\\x0a\\x01\\xff')\n"
        "except ConnectionRefused as refusal:\n"
        "    print(Type(), refusal.disconnect.code)\n"
    )
    environment = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    words = [sys.executable, "-c", program]
    said = subprocess.run(
        words, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    assert said.stdout == "python 3501\n"
