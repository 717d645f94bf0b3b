"""One websocket connection that costs its process next to nothing: frames, pings and answers.

It lives on the loop's own reads: no task, no timer and no queue of its own. What the hub sends is
cut into documents; pushes go to the listener unparsed, answers to whoever waits for them.
"""

import asyncio
from typing import Final, cast

from load.wire.codec import Codec
from load.wire.listener import Listener
from load.wire.messages import Command, Error, Reply
from load.wire.target import Target

FRAME_BYTES_MAX: Final = 16 * 1024 * 1024
"""A frame longer than this ends the connection: no hub sends that."""

HEAD_BYTES_MAX: Final = 16 * 1024
"""How long the answer to the handshake may be."""

WAITING_MAX: Final = 100_000
"""How many answers one connection waits for; what is sent beyond that fails at once."""

NOT_SENT: Final = Error(0, "not sent: the hub does not read")
LOST: Final = Error(0, "connection lost before the answer")
NO_ANSWER: Final = Error(0, "no answer in time")

ABNORMAL: Final = 1006
"""The code of a connection that ended without one."""

_FINAL: Final = 0x80
_CONTINUATION, _CLOSE, _PING, _PONG = 0x0, 0x8, 0x9, 0xA


class Disconnected(ConnectionError):
    """The connection has ended; with the hub's code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.code} {self.reason}"


class HandshakeRefused(ConnectionError):
    """The hub did not switch to the websocket protocol; has the status it answered with."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status

    def __str__(self) -> str:
        return f"the handshake was answered with {self.status}"


Waiting = asyncio.Future[Reply] | int
"""Who waits for an answer: a future, or the time at which the command was due, in ns."""


class Connection(asyncio.Protocol):
    """See the module. Everything here is called from within the loop."""

    __slots__ = (
        "_ended",
        "_fragments",
        "_id",
        "_is_full",
        "_rest",
        "_target",
        "_transport",
        "_upgraded",
        "_waiting",
        "codec",
        "listener",
    )

    def __init__(self, target: Target, listener: Listener) -> None:
        self.listener = listener
        self.codec: Codec = target.codec
        self._target = target
        self._transport: asyncio.Transport | None = None
        self._upgraded: asyncio.Future[None] | None = None
        """Only as long as the handshake is not over."""
        self._rest = b""
        """The beginning of what has not wholly come."""
        self._fragments: bytearray | None = None
        self._waiting: dict[int, Waiting] | None = None
        """By the command's id; None where nobody waits: most clients of a load are idle."""
        self._id = 0
        self._is_full = False
        self._ended: tuple[int, str] | None = None

    @property
    def is_open(self) -> bool:
        """Whether commands can be sent."""
        return self._transport is not None and self._ended is None

    @property
    def ended(self) -> tuple[int, str] | None:
        """Code and reason, once it has ended; (1000, "") after `close` and `abort`."""
        return self._ended

    @property
    def unanswered(self) -> int:
        """How many commands wait for their answers."""
        return len(self._waiting) if self._waiting else 0

    @property
    def is_unfinished(self) -> bool:
        """Whether the beginning of a frame, or of the handshake's answer, has come."""
        return bool(self._rest) or self._upgraded is not None or self._fragments is not None

    def pushes(self, data: bytes) -> list[bytes] | None:
        """The documents in what was read, if that is whole frames of pushes and nothing else.

        For a read that begins where a frame does; None where it must go to `data_received`.
        """
        codec, at, size, found = self.codec, 0, len(data), []
        while at < size:
            if data[at] != codec.frame_head or size - at < 4:
                return None
            start, length = at + 2, data[at + 1]
            if length == 126:
                start, length = at + 4, (data[at + 2] << 8) + data[at + 3]
            elif length == 127:
                return None
            at = start + length
            if at > size:
                return None
            payload = data[start:at]
            if codec.is_push(payload):
                found.append(codec.document(payload))
                continue
            try:
                documents = codec.documents(payload)
            except ValueError:
                return None
            if not all(document.startswith(codec.push_start) for document in documents):
                return None
            found += documents
        return found

    # Sending.

    def post(self, commands: list[Command], waiting: list[Waiting]) -> None:
        """Send commands in one frame, and note who waits for each answer. Gives them their ids.

        Raises Disconnected.
        """
        if not self.is_open:
            raise Disconnected(*(self._ended or (ABNORMAL, "")))
        if self._waiting is None:
            self._waiting = {}
        for command, who in zip(commands, waiting, strict=True):
            self._id += 1
            command.id = self._id
            self._waiting[self._id] = who
        self._write(self.codec.frame_head, self.codec.payload(commands))

    def send(self, command: Command, due_ns: int) -> None:
        """Send a command whose answer the listener is told of; never raises.

        What cannot be sent, because the connection has ended or the hub does not read, is answered
        with an error at once.
        """
        if not self.is_open:
            self.listener.answered(self, due_ns, LOST)
        elif self._is_full or self.unanswered >= WAITING_MAX:
            self.listener.answered(self, due_ns, NOT_SENT)
        else:
            self.post([command], [due_ns])

    def give_up(self) -> int:
        """Wait no longer for what `send` has sent; tells the listener of each, and how many."""
        waiting = self._waiting or {}
        late = {number: who for number, who in waiting.items() if isinstance(who, int)}
        for number, due_ns in late.items():
            del waiting[number]
            self.listener.answered(self, due_ns, NO_ANSWER)
        return len(late)

    def pause(self) -> None:
        """Read nothing more, as a slow receiver does."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """Say goodbye and hang up."""
        if self.is_open:
            self._ended = (1000, "")
            self._write(_FINAL | _CLOSE, b"\x03\xe8")
            assert self._transport is not None  # open
            self._transport.close()

    def abort(self) -> None:
        """Hang up without a word, as a phone without a network does."""
        self._ended = self._ended or (1000, "")
        if self._transport is not None:
            self._transport.abort()

    def _write(self, head: int, payload: bytes) -> None:
        # Masked with zeros: legal, and costs this side nothing.
        size = len(payload)
        if size < 126:
            start = bytes((head, 0x80 | size))
        elif size < 65_536:
            start = b"%c\xfe%b" % (head, size.to_bytes(2, "big"))
        else:
            start = b"%c\xff%b" % (head, size.to_bytes(8, "big"))
        assert self._transport is not None  # whoever writes has looked
        self._transport.write(b"%b\0\0\0\0%b" % (start, payload))

    # What the loop calls.

    async def upgraded(self) -> None:
        """Wait for the end of the handshake. Raises HandshakeRefused or Disconnected."""
        if self._upgraded is not None:
            await self._upgraded
        if self._ended is not None:
            raise Disconnected(*self._ended)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See base."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._upgraded = asyncio.get_running_loop().create_future()
        self._transport.write(self._target.request)

    def connection_lost(self, exc: Exception | None) -> None:
        """See base."""
        by_us = self._ended is not None and self._ended[0] == 1000
        code, reason = self._ended = self._ended or (ABNORMAL, "connection lost")
        self._transport = None
        error = Disconnected(code, reason)
        if self._upgraded is not None and not self._upgraded.done():
            self._upgraded.set_exception(error)
            self._upgraded.exception()  # if the dialling was cancelled, nobody looks at it
            return
        waiting, self._waiting = self._waiting or {}, None
        for who in waiting.values():
            if isinstance(who, int):
                self.listener.answered(self, who, LOST)
            elif not who.done():
                who.set_exception(error)
        if not by_us:
            self.listener.closed(self, code, reason)

    def pause_writing(self) -> None:
        """See base."""
        self._is_full = True

    def resume_writing(self) -> None:
        """See base."""
        self._is_full = False

    def data_received(self, data: bytes) -> None:
        """See base."""
        if self._rest:
            data = self._rest + data
        if self._upgraded is not None:
            rest = self._handshake(self._upgraded, data)
            if rest is None:
                return
            data = rest
        at, size, document_head = 0, len(data), self.codec.frame_head
        while size - at >= 2:
            head, length, start = data[at], data[at + 1], at + 2
            if length == 126:
                start, length = at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
            elif length == 127:
                start, length = at + 10, int.from_bytes(data[at + 2 : at + 10], "big")
                if length > FRAME_BYTES_MAX:
                    self._fail("a frame of more than 16 MiB")
                    return
            end = start + length
            if end > size:
                break
            payload = data[start:end]
            at = end
            if head != document_head:
                self._unusual(head, payload)
            elif self.codec.is_push(payload):
                self.listener.pushed(self, self.codec.document(payload))
            else:
                self._several(payload)
        self._rest = data[at:]

    def _handshake(self, upgraded: asyncio.Future[None], data: bytes) -> bytes | None:
        """Read the answer to the handshake; gives what comes after it, None if it is not over."""
        head, end, rest = data.partition(b"\r\n\r\n")
        status = head.partition(b"\r\n")[0].decode(errors="replace")
        if not end and len(head) < HEAD_BYTES_MAX:
            self._rest = data
            return None
        if " 101 " in f"{status} ":
            self._rest = b""
            self._upgraded = None
            if not upgraded.done():
                upgraded.set_result(None)
            return rest
        if not upgraded.done():
            upgraded.set_exception(HandshakeRefused(status[:100]))
            upgraded.exception()  # as above
        self.abort()
        return None

    def _several(self, payload: bytes) -> None:
        """A frame of documents that are not all pushes."""
        codec = self.codec
        try:
            for document in codec.documents(payload):
                if document.startswith(codec.push_start):
                    self.listener.pushed(self, document)
                elif document in codec.pings:
                    if self.is_open:
                        self._write(codec.frame_head, codec.pong())
                else:
                    self._answered(codec.reply(document))
        except ValueError:
            self._fail("what the hub sent is not of the wire")

    def _answered(self, reply: Reply) -> None:
        who = self._waiting.pop(reply.id, None) if self._waiting else None
        if isinstance(who, int):
            self.listener.answered(self, who, reply.error)
        elif who is not None and not who.done():
            who.set_result(reply)
        if not self._waiting:
            self._waiting = None

    def _unusual(self, head: int, payload: bytes) -> None:
        """Control frames, and frames in pieces."""
        opcode = head & 0x0F
        if opcode == _PING:
            if self.is_open:
                self._write(_FINAL | _PONG, payload)
        elif opcode == _CLOSE:
            if self.is_open:
                code = int.from_bytes(payload[:2], "big") or 1005
                self._write(_FINAL | _CLOSE, payload[:2])
                self._ended = (code, payload[2:].decode(errors="replace"))
                assert self._transport is not None  # open
                self._transport.close()
        elif opcode != _PONG:
            self._piece(head, payload)

    def _piece(self, head: int, payload: bytes) -> None:
        if self._fragments is None:
            self._fragments = bytearray()
        self._fragments += payload
        if len(self._fragments) > FRAME_BYTES_MAX:
            self._fail("a message of more than 16 MiB")
        elif head & _FINAL:
            whole, self._fragments = bytes(self._fragments), None
            self._several(whole)

    def _fail(self, reason: str) -> None:
        """End the connection because of what the hub has sent."""
        if self._ended is None:
            self._ended = (ABNORMAL, reason)
        if self._transport is not None:
            self._transport.abort()
