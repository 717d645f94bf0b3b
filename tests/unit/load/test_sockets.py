"""What comes over real sockets is heard whole, whatever is remembered of earlier reads."""

import asyncio
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from load.wire.connection import Connection
from load.wire.listener import Listener
from load.wire.messages import ChannelRequest, Command
from load.wire.sockets import ALIKE_AT_ONCE, ASKED_BYTES_MIN, BACKLOG_BYTES_MAX, Sockets
from load.wire.target import Target

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
CLIENTS = ALIKE_AT_ONCE + 3


class Counted(Listener):
    """Counts what it hears, by document."""

    counts_alike = True

    def __init__(self) -> None:
        self.heard: Counter[bytes] = Counter()
        self.ends: list[Connection] = []

    def pushed(self, client: Connection, document: bytes) -> None:
        self.heard[document] += 1

    def pushed_alike(self, documents: Sequence[bytes], reads: Sequence[tuple[int, int]]) -> None:
        assert sorted(reads) == list(reads)
        for document in documents:
            self.heard[document] += sum(count for _, count in reads)

    def closed(self, client: Connection, code: int, reason: str) -> None:
        self.ends.append(client)


class Each(Counted):
    """The same, told of one client at a time."""

    counts_alike = False

    def pushed_alike(self, documents: Sequence[bytes], reads: Sequence[tuple[int, int]]) -> None:
        raise AssertionError("asked to be told of each")


def frame(*documents: bytes) -> bytes:
    payload = b"\n".join(documents)
    if len(payload) < 126:
        return bytes((0x81, len(payload))) + payload
    return b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload


def push(number: int, length: int = 0) -> bytes:
    return b'{"push":{"n":%d,"text":"%s"}}' % (number, b"x" * length)


@asynccontextmanager
async def opened(
    listeners: Sequence[Listener],
) -> AsyncIterator[list[tuple[Connection, socket.socket]]]:
    """A connection for each listener, its handshake over, and the hub's end of each."""
    sockets = Sockets(asyncio.get_running_loop())
    target = Target("ws://127.0.0.1:1")
    pairs = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        for listener in listeners:
            ours = socket.create_connection(server.getsockname())
            hub, _ = server.accept()
            hub.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ours.setblocking(False)
            connection = Connection(target, listener)
            sockets.add(ours, connection)
            hub.sendall(SWITCHED)
            await asyncio.wait_for(connection.upgraded(), 5)
            pairs.append((connection, hub))
    try:
        yield pairs
    finally:
        sockets.close()
        await asyncio.sleep(0)
        for _, hub in pairs:
            hub.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - sockets are read by the loop, which tells nobody
            await asyncio.sleep(0)


@pytest.mark.parametrize("kind", [Counted, Each])
@pytest.mark.parametrize("seed", range(4))
async def test_every_push_is_counted_however_it_is_cut(kind: type[Counted], seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    listener = kind()
    expected: Counter[bytes] = Counter()
    async with opened([listener] * CLIENTS) as pairs:
        for round_number in range(60):
            documents = [
                push(round_number * 10 + number, chance.choice((0, 50, 300, ASKED_BYTES_MIN)))
                for number in range(chance.choice((1, 1, 1, 3)))
            ]
            stream = frame(*documents) if chance.random() < 0.5 else b"".join(map(frame, documents))
            cuts = [chance.choice((0, 0, 0, 1, len(stream) // 2)) for _ in pairs]
            for (_, hub), cut in zip(pairs, cuts, strict=True):
                hub.sendall(stream[:cut])
                expected.update(documents)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for (_, hub), cut in zip(pairs, cuts, strict=True):
                hub.sendall(stream[cut:])
        await until(lambda: listener.heard.total() >= expected.total())
    assert listener.heard == expected


async def test_the_inside_of_a_message_is_not_taken_for_a_frame() -> None:
    """What comes may look exactly as the last read did."""
    listener = Counted()
    inner = frame(push(1, 20))
    outer = b'{"push":{"text":"' + inner + b'"}}'
    async with opened([listener] * 2) as ((_, first), (late, second)):
        start, end = frame(outer).split(inner)
        second.sendall(start)
        await until(lambda: late.is_unfinished)
        first.sendall(inner)
        await until(lambda: listener.heard[push(1, 20)] == 1)
        second.sendall(inner)
        # Another read of its own: the inside alone has come.
        await until(lambda: len(late._rest) == len(start + inner))
        second.sendall(end)
        await until(lambda: listener.heard[outer] == 1)
    assert listener.heard == {push(1, 20): 1, outer: 1}


@pytest.mark.parametrize("length", [ASKED_BYTES_MIN - 60, ASKED_BYTES_MIN, 5_000])
async def test_more_than_the_last_read_had_is_read_to_its_end(length: int) -> None:
    """Whatever was asked for: the same, the same and more, and what is longer by a byte."""
    listener = Counted()
    async with opened([listener] * 4) as pairs:
        same, longer = (frame(push(1, length + more)) for more in (0, 1))
        for (_, hub), stream in zip(pairs, (same, same, same * 2, longer), strict=True):
            hub.sendall(stream)
        await until(lambda: listener.heard.total() == 5)
    assert listener.heard == {push(1, length): 4, push(1, length + 1): 1}


async def test_listeners_are_not_mixed_up() -> None:
    one, other = Counted(), Counted()
    async with opened([one, other, one]) as pairs:
        for _, hub in pairs:
            hub.sendall(frame(push(7)))
        await until(lambda: one.heard.total() + other.heard.total() == 3)
    assert (one.heard[push(7)], other.heard[push(7)]) == (2, 1)


async def test_the_end_of_a_connection_is_heard_and_the_others_go_on() -> None:
    listener = Counted()
    async with opened([listener] * 3) as pairs:
        pairs[0][1].close()
        await until(lambda: listener.ends == [pairs[0][0]])
        assert not pairs[0][0].is_open
        pairs[1][1].sendall(frame(push(1)))
        await until(lambda: listener.heard[push(1)] == 1)


@pytest.mark.parametrize("kind", [Counted, Each])
@pytest.mark.parametrize("cut", [0, 5])
@pytest.mark.parametrize("warm", [False, True])
async def test_an_end_that_comes_together_with_data_or_within_a_frame_is_heard(
    kind: type[Counted], cut: int, warm: bool
) -> None:
    """A hub that lets go of a slow reader closes behind half a frame, and no later event tells."""
    listener = kind()
    async with opened([listener] * 2) as ((client, hub), (_, other)):
        if warm:
            other.sendall(frame(push(1)))
            await until(lambda: listener.heard[push(1)] == 1)
        client.pause()
        whole = frame(push(1))
        hub.sendall(whole[: len(whole) - cut])
        hub.close()
        client.resume()
        await until(lambda: listener.ends == [client])
        assert listener.heard[push(1)] == warm + (cut == 0)


async def test_a_listener_may_hang_up_on_others() -> None:
    class Cruel(Counted):
        def pushed_alike(
            self, documents: Sequence[bytes], reads: Sequence[tuple[int, int]]
        ) -> None:
            super().pushed_alike(documents, reads)
            for connection, _ in pairs:
                connection.abort()

    listener = Cruel()
    async with opened([listener] * 3) as pairs:
        for number, (_, hub) in enumerate(pairs):
            hub.sendall(frame(push(number)))
        await until(lambda: not any(connection.is_open for connection, _ in pairs))
    assert 1 <= listener.heard.total() <= 3
    assert listener.ends == []


async def test_what_the_hub_does_not_read_waits_up_to_a_bound() -> None:
    class Answered(Counted):
        errors = 0

        def answered(self, client: Connection, due_ns: int, error: object) -> None:
            self.errors += error is not None

    listener = Answered()
    async with opened([listener]) as ((connection, hub),):
        hub.setblocking(False)
        command = Command(0, presence=ChannelRequest("x" * 60_000))
        for _ in range(2_000):
            connection.send(command, 1)
        assert listener.errors > 0
        refused, sent = listener.errors, 2_000 - listener.errors
        came = 0

        async def drain(total: int) -> None:
            nonlocal came
            async with asyncio.timeout(10):
                while came < total:
                    came += len(await asyncio.get_running_loop().sock_recv(hub, 1 << 20))

        request = len(Target("ws://127.0.0.1:1").request)
        await drain(request + sent * 60_000 - BACKLOG_BYTES_MAX)
        await until(lambda: not connection._is_full)
        connection.send(command, 2)
        assert listener.errors == refused
