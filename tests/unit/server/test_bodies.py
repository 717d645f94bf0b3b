"""Bodies that are slow or compressed, and requests that cannot be read at all."""

import time
import zlib

import pytest

from realtime.server import bodies
from tests.support.hub import settled
from tests.unit.server.stream_house import CONNECT, get, headers, post, status, stream_house
from tests.unit.server.transport import SocketlessTransport


@pytest.mark.parametrize("path", ["/connection/http_stream", "/emulation"])
async def test_one_slow_body_too_many_ends_the_oldest(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(bodies, "READING_MAX", 3)
    async with stream_house() as house:
        slow = []
        for _ in range(3):
            slow.append(house.knock(post(path, CONNECT)[:-5]))
            await settled()
        assert [each.take() for each in slow] == [b"", b"", b""]
        # Neither those that are whole nor those that have gone count.
        slow.pop(1).protocol.connection_lost(None)
        await settled()
        for _ in range(3):
            quick, _ = await house.streaming(post("/connection/http_stream", CONNECT))
            quick.protocol.connection_lost(None)
        slow.append(house.knock(post(path, CONNECT)[:-5]))
        await settled()
        assert [each.closing for each in slow] == [False, False, False]
        slow.append(house.knock(post(path, CONNECT)[:-5]))
        await settled()
        assert [each.closing for each in slow] == [True, False, False, False]
        answer = slow[0].take()
        assert status(answer) == 408
        assert answer.endswith(b"The request's body took too long.\n")
        slow[0].protocol.connection_lost(None)
        await settled()
        assert len(house.http.connections) == 3
        for each in slow[1:]:
            each.protocol.connection_lost(None)


@pytest.mark.parametrize("encoding", ["deflate", "gzip", "br", "identity, gzip", "x"])
@pytest.mark.parametrize("path", ["/connection/http_stream", "/emulation"])
async def test_a_compressed_body_is_not_read(path: str, encoding: str) -> None:
    async with stream_house() as house:
        body = zlib.compress(CONNECT)
        answer = await house.asked(post(path, body, f"Content-Encoding: {encoding}"))
        assert status(answer) == 415
        assert answer.endswith(b"The request's body must not be compressed.\n")
        plain = post("/connection/http_stream", CONNECT, "Content-Encoding: Identity")
        stream, _ = await house.streaming(plain)
        stream.protocol.connection_lost(None)


async def test_a_compressed_body_is_not_inflated_for_anybody() -> None:
    async with stream_house() as house:
        bomb = zlib.compress(b" " * 60_000_000, 9)
        began = time.process_time()
        request = post("/nowhere", bomb, "Content-Encoding: deflate")
        assert status(await house.asked(request)) == 404
        assert time.process_time() - began < 0.05


@pytest.mark.parametrize("is_first", [True, False])
async def test_what_cannot_be_read_is_answered_without_a_name_or_an_echo(is_first: bool) -> None:
    async with stream_house() as house:
        # As on a listener without a door.
        transport = house.knock() if not is_first else SocketlessTransport()
        if is_first:
            transport.protocol = house.http()
            transport.protocol.connection_made(transport)
        else:
            transport.protocol.data_received(get("/connection/init"))
            await settled()
            transport.take()
        transport.protocol.data_received(b"GET / HTTP/1.1\r\nHost: a\r\nsecret word: 1\r\n\r\n")
        await settled()
        answer = transport.take()
        assert status(answer) == 400
        assert answer.endswith(b"\r\n\r\nThe request is not well-formed.\n")
        assert "server" not in headers(answer)
        assert b"secret" not in answer
        assert transport.closing
        transport.protocol.connection_lost(None)
