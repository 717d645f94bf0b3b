"""A connection cuts what the hub sends into documents, however the network cut it before."""

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.histogram import Histogram
from load.measured import SaturationFacts
from load.recording import Recorder
from load.wire.connection import (
    LOST,
    NO_ANSWER,
    NOT_SENT,
    Connection,
    Disconnected,
    HandshakeRefused,
)
from load.wire.listener import Deliveries, Listener
from load.wire.mark import mark, sent_ns
from load.wire.messages import ChannelRequest, Command, Error
from load.wire.target import Target

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = ""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = self.closed or "closed"

    def abort(self) -> None:
        self.closed = self.closed or "aborted"


class Heard(Listener):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def pushed(self, client: Connection, document: bytes) -> None:
        self.events.append(document)

    def answered(self, client: Connection, due_ns: int, error: Error | None) -> None:
        self.events.append((due_ns, error))

    def closed(self, client: Connection, code: int, reason: str) -> None:
        self.events.append((code, reason))


def frame(payload: bytes, head: int = 0x81) -> bytes:
    if len(payload) < 126:
        return bytes((head, len(payload))) + payload
    if len(payload) < 65_536:
        return bytes((head, 126)) + len(payload).to_bytes(2, "big") + payload
    return bytes((head, 127)) + len(payload).to_bytes(8, "big") + payload


def connected(listener: Listener, url: str = "ws://127.0.0.1:1") -> tuple[Connection, Wire]:
    connection, wire = Connection(Target(url), listener), Wire()
    connection.connection_made(wire)
    connection.data_received(SWITCHED)
    wire.written = b""
    return connection, wire


PUSHES = st.lists(
    st.integers(0, 70_000).map(lambda size: b'{"push":{"%s":{}}}' % (b"x" * size)),
    max_size=4,
)


@given(PUSHES, st.lists(st.integers(1, 200_000), max_size=6))
def test_pushes_are_the_same_wherever_reads_end(pushes: list[bytes], cuts: list[int]) -> None:
    async def play() -> None:
        heard = Heard()
        connection = Connection(Target("ws://127.0.0.1:1"), heard)
        connection.connection_made(Wire())
        stream = SWITCHED + b"".join(frame(push) for push in pushes)
        edges = [0, *sorted(cut % len(stream) for cut in cuts), len(stream)]
        for start, end in itertools.pairwise(edges):
            connection.data_received(stream[start:end])
        assert heard.events == pushes
        assert not connection.is_unfinished

    asyncio.run(play())


async def test_several_documents_in_one_frame_are_told_apart() -> None:
    heard = Heard()
    connection, wire = connected(heard)
    connection.send(Command(0, presence=ChannelRequest("a")), 55)
    wire.written = b""
    connection.data_received(frame(b'{"push":{"a":1}}\n{"id":1,"presence":{}}\n{}\n{"push":{}}'))
    assert heard.events == [b'{"push":{"a":1}}', (55, None), b'{"push":{}}']
    assert wire.written == b"\x81\x82\0\0\0\0{}"


async def test_pings_of_the_wire_and_of_websockets_are_answered() -> None:
    connection, wire = connected(Heard())
    connection.data_received(frame(b"{}") + frame(b"abc", 0x89))
    assert wire.written == b"\x81\x82\0\0\0\0{}" + b"\x8a\x83\0\0\0\0abc"


async def test_a_message_in_pieces_is_put_together() -> None:
    heard = Heard()
    connection, _ = connected(heard)
    connection.data_received(frame(b'{"push"', 0x01) + frame(b":{}", 0x00))
    assert heard.events == []
    connection.data_received(frame(b"}", 0x80))
    assert heard.events == [b'{"push":{}}']


async def test_a_close_frame_says_why() -> None:
    heard = Heard()
    connection, wire = connected(heard)
    connection.data_received(frame((3008).to_bytes(2, "big") + b"slow", 0x88))
    assert (wire.closed, connection.ended, connection.is_open) == ("closed", (3008, "slow"), False)
    connection.connection_lost(None)
    assert heard.events == [(3008, "slow")]
    with pytest.raises(Disconnected, match="3008 slow"):
        connection.post([], [])


async def test_what_was_sent_is_answered_for_when_the_connection_is_lost() -> None:
    heard = Heard()
    connection, _ = connected(heard)
    connection.send(Command(0, presence=ChannelRequest("a")), 55)
    connection.connection_lost(None)
    connection.send(Command(0, presence=ChannelRequest("a")), 66)
    assert heard.events == [(55, LOST), (1006, "connection lost"), (66, LOST)]


async def test_a_hub_that_does_not_read_is_sent_no_more() -> None:
    heard = Heard()
    connection, _ = connected(heard)
    connection.pause_writing()
    connection.send(Command(0, presence=ChannelRequest("a")), 55)
    assert heard.events == [(55, NOT_SENT)]
    connection.resume_writing()
    connection.send(Command(0, presence=ChannelRequest("a")), 66)
    assert connection.unanswered == 1
    assert connection.give_up() == 1
    assert heard.events[1:] == [(66, NO_ANSWER)]
    assert connection.unanswered == 0


async def test_goodbye_is_not_told_as_a_loss() -> None:
    heard = Heard()
    connection, wire = connected(heard)
    connection.close()
    connection.connection_lost(None)
    assert wire.written == b"\x88\x82\0\0\0\0\x03\xe8"
    assert heard.events == []


async def test_a_refused_handshake_says_how_it_was_answered() -> None:
    connection = Connection(Target("ws://127.0.0.1:1"), Heard())
    connection.connection_made(Wire())
    connection.data_received(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
    with pytest.raises(HandshakeRefused, match="503 Service Unavailable"):
        await connection.upgraded()


@pytest.mark.parametrize("sent", [b"\x81\x7f" + b"\xff" * 8, frame(b"[1"), frame(b'{"id":[]}')])
async def test_what_is_not_of_the_wire_ends_the_connection(sent: bytes) -> None:
    connection, wire = connected(Heard())
    connection.data_received(sent)
    assert wire.closed == "aborted"
    assert connection.ended is not None and connection.ended[0] == 1006


async def test_a_read_that_is_all_pushes_is_told_from_any_other() -> None:
    connection, _ = connected(Heard())
    short, long = b'{"push":{}}', b'{"push":{"%s":1}}' % (b"x" * 300)
    data = frame(short) + frame(long) + frame(short + b"\n" + long)
    assert connection.pushes(data) == [short, long, short, long]
    assert connection.pushes(data[:-1]) is None
    assert connection.pushes(data + b"\x81") is None
    assert connection.pushes(data + frame(short, 0x89)) is None
    assert connection.pushes(frame(short + b'\n{"id":1,"publish":{}}')) is None
    assert connection.pushes(frame(b"{}")) is None


async def test_deliveries_are_timed_by_their_marks() -> None:
    recorder = Recorder("steady")
    deliveries = Deliveries(recorder)
    connection, _ = connected(deliveries)
    document = b'{"push":{"pub":{"data":"%s"}}}' % mark(1_000_000).encode()
    assert sent_ns(document) == 1_000_000
    assert sent_ns(b"@T12") is None
    connection.data_received(frame(document))
    deliveries.pushed_alike([document, document], [(3_000_000, 1), (4_000_000, 1)])
    connection.data_received(frame(b'{"push":{"join":{}}}'))
    measured = recorder.measured(SaturationFacts())
    assert measured.counts == {"received": 5, "unmarked": 1}
    assert measured.histograms["delivery"].min == 2_000
    assert measured.histograms["delivery"].count == 5
    assert isinstance(measured.histograms["delivery"], Histogram)
