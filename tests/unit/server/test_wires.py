"""The wires of websockets: what they are called, what they share, and who gets which."""

import pytest

from realtime.server.wires import JSON_WEBSOCKET, PROTOBUF_WEBSOCKET, websocket_wire
from realtime.websocket import Accept


@pytest.mark.parametrize(
    ("is_protobuf", "wire", "name", "ping"),
    [
        (False, JSON_WEBSOCKET, "json-websocket", b"\x81\x02{}"),
        (True, PROTOBUF_WEBSOCKET, "protobuf-websocket", b"\x82\x01\x00"),
    ],
)
def test_a_websocket_gets_the_wire_that_its_handshake_chose(
    is_protobuf: bool, wire: object, name: str, ping: bytes
) -> None:
    chosen = websocket_wire(Accept("key", None, False, "/connection/websocket", is_protobuf))
    assert chosen is wire
    assert (chosen.name, chosen.ping) == (name, ping)
    assert chosen.codec.is_binary is is_protobuf
