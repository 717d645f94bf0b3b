"""Mutated bytes on a real port: each connection ends as it should, its neighbour goes on."""

import json
import socket
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.sync.client import ClientConnection, connect

from tests.support.processes import HubProcess
from tests.support.raw_socket import (
    HANDSHAKE,
    Received,
    frame,
    open_raw,
    open_upgraded,
    parse,
    read_all,
    text_frame,
)
from tests.support.tokens import connection_token

_TOKEN: Final = connection_token("mutant")

# What the hub may say to who garbles: RFC 6455 (7.4.1) and protocol 1.8.
CLOSE_CODES: Final = {1000, 1002, 1003, 1005, 1007, 1009, 3500, 3501, 3505, 3506}
STATUSES: Final = {101, 400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 417, 426, 431, 501, 505}

COMMANDS: Final = [
    {"id": 1, "connect": {"token": _TOKEN, "name": "test"}},
    {"id": 2, "subscribe": {"channel": "chat:mutant", "recover": True, "offset": 3, "epoch": "x"}},
    {"id": 3, "publish": {"channel": "live:mutant", "data": {"text": "grüße"}}},
    {"id": 4, "history": {"channel": "chat:mutant", "limit": 3, "since": {"offset": 1}}},
    {"id": 5, "presence": {"channel": "chat:mutant"}},
    {"id": 6, "unsubscribe": {"channel": "chat:mutant"}},
    {"id": 7, "rpc": {"method": "m", "data": None}},
    {},
]
SESSION: Final = b"".join(text_frame(json.dumps(command)) for command in COMMANDS)


@pytest.fixture(scope="module")
def neighbour(hub: HubProcess) -> Iterator[ClientConnection]:
    """A connection that does nothing wrong."""
    with connect(hub.websocket_url, proxy=None) as connection:
        connection.send(json.dumps({"id": 1, "connect": {"token": connection_token("good")}}))
        assert "connect" in json.loads(connection.recv(10, decode=True))
        yield connection


def assert_goes_on(connection: ClientConnection) -> None:
    """The connection answers a command, and a ping if one came."""
    connection.send('{"id":2,"presence_stats":{"channel":"chat:good"}}')
    while True:
        for line in connection.recv(10, decode=True).split("\n"):
            if line == "{}":
                connection.send("{}")
            elif json.loads(line).get("id") == 2:
                assert "presence_stats" in json.loads(line)
                return


@st.composite
def mutated(draw: st.DrawFn, original: bytes) -> bytes:
    """Change, insert, drop, repeat or cut off a few pieces of the original."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(1, 16))
        match draw(st.sampled_from(("flip", "insert", "drop", "repeat", "cut"))):
            case "flip" if data:
                data[at] ^= draw(st.integers(1, 255))
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=length))
            case "drop":
                del data[at : at + length]
            case "repeat":
                data[at:at] = data[at : at + length]
            case _:
                del data[at:]
    return bytes(data)


def exchange(connection: socket.socket, data: bytes, pieces: int) -> bytes:
    """Send in so many pieces, say that this was all, and read to the end."""
    size = max(1, -(-len(data) // pieces))
    try:
        for start in range(0, len(data), size):
            connection.sendall(data[start : start + size])
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        # Closed on us while we were still sending.
        pass
    return read_all(connection)


def assert_proper(frames: list[Received]) -> None:
    """Text frames of JSON lines, perhaps a close at last, with a code that fits the deed."""
    for received in frames:
        if received.opcode == 1:
            for line in received.payload.decode().split("\n"):
                json.loads(line)
        elif received.opcode == 8:
            assert received.close_code in CLOSE_CODES
    assert 8 not in [received.opcode for received in frames[:-1]]


EXAMPLES = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def test_nothing_follows_the_close_frame(hub: HubProcess) -> None:
    with open_upgraded(hub.port) as connection:
        frames = list(parse(exchange(connection, text_frame("{") + frame(0x9, b"ping"), 1)))
    assert [received.opcode for received in frames] == [0x8]
    assert frames[0].close_code == 3501


@EXAMPLES
@given(data=mutated(SESSION), pieces=st.integers(1, 9))
def test_mutated_frames_hurt_nobody_else(
    hub: HubProcess, neighbour: ClientConnection, data: bytes, pieces: int
) -> None:
    with open_upgraded(hub.port) as connection:
        frames = list(parse(exchange(connection, data, pieces)))
    assert_proper(frames)
    assert_goes_on(neighbour)


@EXAMPLES
@given(
    text=st.sampled_from(COMMANDS)
    .map(lambda command: json.dumps(command).encode())
    .flatmap(mutated),
    connected=st.booleans(),
)
def test_mutated_commands_hurt_nobody_else(
    hub: HubProcess, neighbour: ClientConnection, text: bytes, connected: bool
) -> None:
    with open_upgraded(hub.port) as connection:
        before = text_frame(json.dumps(COMMANDS[0])) if connected else b""
        frames = list(parse(exchange(connection, before + frame(1, text), 1)))
    assert_proper(frames)
    assert_goes_on(neighbour)


@EXAMPLES
@given(data=mutated(HANDSHAKE), pieces=st.integers(1, 9))
def test_mutated_handshakes_hurt_nobody_else(
    hub: HubProcess, neighbour: ClientConnection, data: bytes, pieces: int
) -> None:
    with open_raw(hub.port) as connection:
        answer = exchange(connection, data, pieces)
    if answer:
        version, status = answer.split(b" ", 2)[:2]
        assert version in {b"HTTP/1.1", b"HTTP/1.0"}
        assert int(status) in STATUSES
    assert_goes_on(neighbour)


WRONG: Final = {
    "not utf-8": (frame(1, b"\xff\xfe"), 1007),
    "binary": (frame(2, b"{}"), 3501),
    "empty": (frame(1, b""), 3501),
    "empty line": (frame(1, b"\n"), 3501),
    "list": (frame(1, b"[]"), 3501),
    "null": (frame(1, b"null"), 3501),
    "id 0": (frame(1, b'{"id":0,"connect":{}}'), 3501),
    "no method": (frame(1, b'{"id":1}'), 3501),
    "unknown method": (frame(1, b'{"id":1,"dance":{}}'), 3501),
    "subscribe first": (frame(1, b'{"id":1,"subscribe":{"channel":"chat:x"}}'), 3501),
    "no token": (frame(1, b'{"id":1,"connect":{}}'), 3501),
    "bad token": (frame(1, b'{"id":1,"connect":{"token":"x"}}'), 3500),
    "deep": (frame(1, b"[" * 60_000), 3501),
    "continuation of nothing": (frame(0, b"x"), 1002),
    "fragmented ping": (b"\x09\x80\0\0\0\0", 1002),
    "unmasked": (b"\x81\x02{}", 1002),
    "reserved bits": (b"\xf1\x80\0\0\0\0", 1002),
    "reserved opcode": (b"\x83\x80\0\0\0\0", 1002),
}


@pytest.mark.parametrize(("sent", "code"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_gets_its_code(hub: HubProcess, sent: bytes, code: int) -> None:
    with open_upgraded(hub.port) as connection:
        connection.sendall(sent)
        frames = list(parse(read_until_close(connection)))
    assert frames[-1].close_code == code


def read_until_close(connection: socket.socket) -> bytes:
    """Read until a close frame is there, then answer it, as RFC 6455 (7.1.1) wants it."""
    data = bytearray()
    while not any(received.opcode == 8 for received in parse(bytes(data))):
        piece = connection.recv(4096)
        assert piece, f"closed without a close frame after {bytes(data)!r}"
        data += piece
    return bytes(data)
