"""Bodies of emulation requests, in literals (protocol 7)."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from realtime.protocol.emulation import EmulationRequest, read_json, read_protobuf

ROOT: Final = Path(__file__).resolve().parents[3]


def test_a_json_body_has_its_commands_in_a_text() -> None:
    body = b'{"session":"c.s","node":"n","data":"{\\"id\\":1}\\n{}"}'
    assert read_json(body) == EmulationRequest("c.s", b'{"id":1}\n{}', "n")
    assert read_json('{"session":"c","data":"é\\ud83d\\ude00","other":1}'.encode()) == (
        EmulationRequest("c", "é😀".encode())
    )


def test_a_protobuf_body_has_its_commands_in_bytes() -> None:
    body = b"\x0a\x01n\x12\x03c.s\x1a\x02\x00\xff"
    assert read_protobuf(body) == EmulationRequest("c.s", b"\x00\xff", "n")
    assert read_protobuf(b"") == EmulationRequest("", b"")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"session":"c"}',
        b'{"session":"c","data":{}}',
        b'{"session":1,"data":""}',
        b'{"session":"c","data":"\\ud800"}',
        b'{"session":"c","data":"\xff"}',
        b'{"session":"c","data":"","node":' + b"[" * 100_000,
    ],
)
def test_what_is_no_json_body_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="not an emulation request"):
        read_json(body)


@pytest.mark.parametrize("body", [b"\x0a\x05n", b"\x0a\x01\xff", b"\x07", b"{}"])
def test_what_is_no_protobuf_body_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="not an emulation request"):
        read_protobuf(body)


def test_without_the_library_s_part_in_c_text_that_is_not_utf_8_is_refused_too() -> None:
    """A UnicodeDecodeError is a ValueError as well, so it is the text that tells."""
    program = (
        "from realtime.protocol.emulation import read_protobuf\n"
        "try:\n"
        "    read_protobuf(b'\\x0a\\x01\\xff')\n"
        "except ValueError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    environment = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    words = [sys.executable, "-c", program]
    said = subprocess.run(
        words, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    assert said.stdout == "ValueError not an emulation request\n"
