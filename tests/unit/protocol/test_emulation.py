"""Bodies of emulation requests, in literals (protocol 7)."""

import pytest

from realtime.protocol.emulation import EmulationRequest, read_json, read_protobuf


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
