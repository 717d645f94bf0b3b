"""Requests for streams that were damaged at random do no harm, and leave nothing behind."""

import random

import pytest

from tests.support.hub import settled, until
from tests.unit.server.stream_house import CONNECT, get, post, stream_house
from tests.unit.websocket.browser_head import browser_head

GOOD = (
    post("/connection/http_stream", CONNECT),
    post("/connection/sse", CONNECT, "Origin: https://hub"),
    post("/connection/uni_sse", b"{}"),
    get("/connection/uni_http_stream?cf_connect=%7B%7D"),
    post(
        "/connection/http_stream", b"\x04\x08\x01\x22\x00", "Content-Type: application/octet-stream"
    ),
    post("/emulation", b'{"session":"a.b","node":"","data":"{}"}'),
    b"OPTIONS /emulation HTTP/1.1\r\nHost: hub\r\nOrigin: https://hub\r\n\r\n",
    browser_head(line="GET /connection/uni_websocket?cf_connect=%7B%7D HTTP/1.1"),
)
PIECES = (b"\r\n", b"\x00", b"\xff", b"{", b"%", b" ", b"HTTP/1.0", b"chunked", b"[" * 50)


def damaged(request: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, cut out or put in."""
    for _ in range(chance.randint(0, 3)):
        at = chance.randrange(len(request))
        cut = chance.choice((0, 0, 1, 1, 5, 40))
        request = request[:at] + chance.choice((*PIECES, b"")) + request[at + cut :]
    return request or b"x"


@pytest.mark.parametrize("seed", range(8))
async def test_damaged_requests_do_no_harm(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    async with stream_house() as house:
        neighbour, _ = await house.streaming(GOOD[0])
        (client,) = house.node.hub.clients
        for _ in range(60):
            request = damaged(chance.choice(GOOD), chance)
            if chance.random() < 0.3:
                request += damaged(chance.choice(GOOD), chance)
            split = chance.randrange(len(request))
            transport = house.knock(request[:split])
            await settled(3)
            if not transport.closing:
                transport.protocol.data_received(request[split:])
            await settled(10)
            transport.protocol.connection_lost(None)
            await settled(3)
        assert house.gate.connections == 1
        # The rest of a body that was refused is waited for, for a moment.
        await until(lambda: not house.http.connections)
        house.node.hub.fanout.send(client.outbox, b"3\r\n{}\n\r\n")
        await settled()
        assert neighbour.take() == b"3\r\n{}\n\r\n"
        neighbour.protocol.connection_lost(None)
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
