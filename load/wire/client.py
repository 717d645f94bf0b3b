"""A connected client: the commands of the wire, as methods that wait for the answer."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from load.wire.codec import result_of
from load.wire.connection import Connection, Waiting
from load.wire.listener import Listener
from load.wire.messages import (
    ChannelRequest,
    Command,
    ConnectRequest,
    ConnectResult,
    Error,
    HistoryRequest,
    HistoryResult,
    PresenceResult,
    PresenceStatsResult,
    PublishRequest,
    Reply,
    RpcRequest,
    RpcResult,
    SubscribeRequest,
    SubscribeResult,
)
from load.wire.target import Target

OPEN_S: Final = 30.0
"""How long connecting may take, in seconds, with the handshake and the first commands."""

ANSWER_S: Final = 10.0
"""How long an answer may take, in seconds."""

NAME: Final = "load"
"""What clients call themselves, unless told otherwise."""

_BIND_ADDRESS_NO_PORT: Final = 24
"""Linux: choose the port at `connect`, when the other end is known, so that each may be used once
for each hub rather than once."""


class Refused(Exception):
    """The hub has answered with an error."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.code, error.message)
        self.code = error.code
        self.message = error.message
        self.temporary = error.temporary

    def __str__(self) -> str:
        return f"{self.code} {self.message}"


class Client(Connection):
    """`open_client` makes one. Methods raise Refused, Disconnected or TimeoutError.

    Each waits at most `ANSWER_S`; whoever needs another limit puts a timeout around the call.
    """

    __slots__ = ()

    async def call(self, *commands: Command) -> list[Reply]:
        """Send commands in one frame, and wait for all of their answers, errors or not.

        Where the hub refuses to connect, that is the last answer: it gives none to what came after.
        """
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[Reply]] = [loop.create_future() for _ in commands]
        waiting: list[Waiting] = [*answers]
        self.post(list(commands), waiting)
        try:
            replies: list[Reply] = []
            async with asyncio.timeout(ANSWER_S):
                for command, answer in zip(commands, answers, strict=True):
                    replies.append(await answer)
                    if command.connect is not None and replies[-1].error is not None:
                        break
            return replies
        finally:
            for answer in answers:
                # One that failed with the connection was not looked at, if another was first.
                if not answer.cancel() and not answer.cancelled():
                    answer.exception()

    async def result(self, command: Command) -> Any:
        """Send one command, and give the result in its answer."""
        (reply,) = await self.call(command)
        if reply.error is not None:
            raise Refused(reply.error)
        return result_of(reply)

    async def subscribe(self, request: SubscribeRequest | str) -> SubscribeResult:
        """Subscribe to a channel, or as a request says."""
        if isinstance(request, str):
            request = SubscribeRequest(request)
        result: SubscribeResult = await self.result(Command(0, subscribe=request))
        return result

    async def unsubscribe(self, channel: str) -> None:
        """Unsubscribe; fine where there is no subscription."""
        await self.result(Command(0, unsubscribe=ChannelRequest(channel)))

    async def publish(self, channel: str, data: bytes) -> None:
        """Publish JSON, or in Protobuf any bytes; returns when the hub has acked."""
        await self.result(Command(0, publish=PublishRequest(channel, msgspec.Raw(data))))

    async def presence(self, channel: str) -> PresenceResult:
        """Who is there."""
        result: PresenceResult = await self.result(Command(0, presence=ChannelRequest(channel)))
        return result

    async def presence_stats(self, channel: str) -> PresenceStatsResult:
        """How many are there."""
        command = Command(0, presence_stats=ChannelRequest(channel))
        result: PresenceStatsResult = await self.result(command)
        return result

    async def history(self, request: HistoryRequest) -> HistoryResult:
        """A part of a channel's history."""
        result: HistoryResult = await self.result(Command(0, history=request))
        return result

    async def rpc(self, method: str, data: bytes) -> bytes:
        """Call a method; the data, and what it answers, are JSON, or in Protobuf any bytes."""
        request = RpcRequest(msgspec.Raw(data), method)
        result: RpcResult = await self.result(Command(0, rpc=request))
        return bytes(result.data)

    def send_publish(self, channel: str, data: bytes, due_ns: int) -> None:
        """Publish without waiting: `Listener.answered` is told of the ack, with `due_ns`."""
        self.send(Command(0, publish=PublishRequest(channel, msgspec.Raw(data))), due_ns)

    def send_rpc(self, method: str, data: bytes, due_ns: int) -> None:
        """Call a method without waiting: `Listener.answered` is told, with `due_ns`."""
        self.send(Command(0, rpc=RpcRequest(msgspec.Raw(data), method)), due_ns)


class Opened(NamedTuple):
    """A new client, and what the hub has answered."""

    client: Client
    connect: ConnectResult
    subscriptions: list[SubscribeResult]
    """In the order in which they were asked for."""


async def open_client(
    target: Target,
    listener: Listener,
    connect: ConnectRequest | None = None,
    subscriptions: Sequence[SubscribeRequest] = (),
    *,
    source: str = "",
    timeout_s: float = OPEN_S,
) -> Opened:
    """Connect a client and subscribe it, in one frame; `source` is the address it comes from.

    Raises OSError (Disconnected and HandshakeRefused are some), Refused or TimeoutError; nothing
    stays open then. Pushes may reach the listener before this returns.
    """
    client = Client(target, listener)
    commands = [Command(0, connect=connect or ConnectRequest(name=NAME))]
    commands += [Command(0, subscribe=request) for request in subscriptions]
    try:
        async with asyncio.timeout(timeout_s):
            await _dial(client, target, source)
            await client.upgraded()
            replies = await client.call(*commands)
        for reply in replies:
            if reply.error is not None:
                raise Refused(reply.error)
    except BaseException:
        # Cancellation, too: a connection that nobody holds would stay open for ever.
        client.abort()
        raise
    first, *others = [result_of(reply) for reply in replies]
    return Opened(client, first, others)


async def _dial(client: Client, target: Target, source: str) -> None:
    loop = asyncio.get_running_loop()
    if target.address is None:
        await target.resolve()
    assert target.address is not None  # resolved
    dialled = socket.socket(target.family, socket.SOCK_STREAM)
    try:
        dialled.setblocking(False)
        if source:
            if target.family == socket.AF_INET:
                dialled.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
            dialled.bind((source, 0))
        await loop.sock_connect(dialled, target.address)
        if target.tls is None:
            target.sockets.add(dialled, client)
        else:
            await loop.create_connection(
                lambda: client, sock=dialled, ssl=target.tls, server_hostname=target.host
            )
    except BaseException:
        # Cancellation, too.
        dialled.close()
        raise
