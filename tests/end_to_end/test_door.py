"""One port for everything: websockets and HTTP, one after the other on a connection, too."""

import http.client
import socket

import pytest

from tests.support.processes import HubProcess
from tests.support.raw_socket import HANDSHAKE, open_raw, parse, text_frame
from tests.support.tokens import connection_token

HEALTH = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def answer(connection: socket.socket, request: bytes) -> tuple[int, bytes]:
    """Send a request; the status and the body of its answer."""
    connection.sendall(request)
    response = http.client.HTTPResponse(connection)
    response.begin()
    if response.status == 101:
        return 101, b""
    return response.status, response.read()


def assert_speaks(connection: socket.socket) -> None:
    """The websocket on the connection answers."""
    connection.sendall(text_frame(f'{{"id":1,"connect":{{"token":"{connection_token("ann")}"}}}}'))
    [received] = parse(connection.recv(4096))
    assert b'{"id":1,"connect":' in received.payload


def test_an_upgrade_may_come_after_http_on_the_same_connection(hub: HubProcess) -> None:
    """As from a proxy that keeps its connections."""
    with open_raw(hub.port) as connection:
        for _ in range(3):
            assert answer(connection, HEALTH) == (200, b"{}")
        assert answer(connection, HANDSHAKE)[0] == 101
        assert_speaks(connection)


def test_frames_may_come_right_behind_the_handshake(hub: HubProcess) -> None:
    """In one packet, as a client may that need not wait for the answer to know it."""
    command = f'{{"id":1,"connect":{{"token":"{connection_token("ann")}"}}}}'
    with open_raw(hub.port) as connection:
        connection.sendall(HANDSHAKE + text_frame(command))
        data = b""
        while b'{"id":1,"connect":' not in data:
            piece = connection.recv(4096)
            assert piece, data
            data += piece


@pytest.mark.parametrize("before", [b"", HEALTH], ids=["fresh", "reused"])
def test_who_does_not_upgrade_is_told_so(hub: HubProcess, before: bytes) -> None:
    plain = b"GET /connection/websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    old = HANDSHAKE.replace(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 8")
    for request in (plain, old):
        with open_raw(hub.port) as connection:
            if before:
                assert answer(connection, before)[0] == 200
            status, body = answer(connection, request)
            assert status in {400, 426}
            assert body


@pytest.mark.parametrize("before", [b"", HEALTH], ids=["fresh", "reused"])
def test_a_foreign_origin_is_refused_on_every_connection(hub: HubProcess, before: bytes) -> None:
    with open_raw(hub.port) as connection:
        if before:
            assert answer(connection, before)[0] == 200
        request = HANDSHAKE[:-2] + b"Origin: https://evil.example\r\n\r\n"
        assert answer(connection, request)[0] == 403


def test_what_is_nowhere_is_not_found(hub: HubProcess) -> None:
    for path in (b"/nothing", b"/connection/websocket/x", b"/../etc/passwd"):
        with open_raw(hub.port) as connection:  # an error ends its connection
            request = b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            assert answer(connection, request)[0] == 404


def test_an_upgrade_elsewhere_is_not_taken(hub: HubProcess) -> None:
    with open_raw(hub.port) as connection:
        request = HANDSHAKE.replace(b"/connection/websocket", b"/health")
        assert answer(connection, request)[0] != 101
