"""One HTTP/2 connection as its client sees it, without the network. Sans-IO, over `h2`.

Requests are given in at any time and opened as the server lets us: after its settings have come,
never more at once than it says, and never more bytes than its windows take. What becomes of each
is answered once, by `Answered` or `Dropped`.
"""

import contextlib
import logging
from collections.abc import Mapping
from typing import Final

import msgspec
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes, Settings
from hpack.struct import HeaderTuple, NeverIndexedHeaderTuple

from workers.providers.apns.goaway import Goaway, GoawayFilter

STREAMS_MAX: Final = 2**30 - 1
"""How many requests one connection can carry, for its streams have the odd numbers below 2**31."""

# At its lowest level `hpack` writes every header down that it packs: addresses and our token.
logging.getLogger("hpack").setLevel(logging.INFO)

_UNIQUE_HEADERS: Final = frozenset({":path", "apns-id", "apns-collapse-id", "apns-expiration"})
"""Headers that differ from push to push: kept out of the table that compresses the others."""


_CONFIGURATION: Final = H2Configuration(
    client_side=True,
    header_encoding=None,
    # Ours are well formed, see `requests`. And `h2` would keep `authorization` out of the table,
    # which Apple asks to have in it: it is the same for 50 minutes, and longer than all others.
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
)

_SETTINGS: Final = {
    # Nobody pushes anything to us.
    SettingCodes.ENABLE_PUSH: 0,
    SettingCodes.MAX_HEADER_LIST_SIZE: 16_384,
}
"""What we tell the server about ourselves."""


class Response(msgspec.Struct, frozen=True):
    """What was answered. `body` may be the beginning of a body that was too long."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Answered(msgspec.Struct, frozen=True):
    """The request with this number has its response."""

    number: int
    response: Response


class Dropped(msgspec.Struct, frozen=True):
    """There is no response. `taken`: the server may have done what was asked, or may not."""

    number: int
    taken: bool
    why: str


Settled = Answered | Dropped


class SessionBroken(Exception):
    """The server has not kept to the protocol. What is to be sent ends the connection.

    `settled` is what had come before.
    """

    def __init__(self, why: str, settled: list[Settled]) -> None:
        super().__init__(why)
        self.why = why
        self.settled = settled


class _Exchange:
    """A request, and as much of its response as has come."""

    __slots__ = ("body", "headers", "number", "received", "response", "status")

    def __init__(self, number: int, headers: Mapping[str, str], body: bytes) -> None:
        self.number = number
        self.headers = headers
        self.body = body
        """What of it is still to be sent."""
        self.status = 0
        self.response: Mapping[str, str] = {}
        self.received = bytearray()


class Session:
    """See the module. After each call, what is to be sent is at `data_to_send`.

    `response_bytes_max` bounds each response's body, and `streams_max` the requests of a lifetime.
    """

    def __init__(self, *, response_bytes_max: int, streams_max: int = STREAMS_MAX) -> None:
        self._h2 = H2Connection(_CONFIGURATION)
        self._h2.local_settings = Settings(client=True, initial_values=_SETTINGS)
        self._filter = GoawayFilter()
        self._response_bytes_max = response_bytes_max
        self._streams_left = streams_max
        self._last_number = 0
        self._queue: dict[int, _Exchange] = {}
        self._open: dict[int, _Exchange] = {}
        self._streams: dict[int, int] = {}
        self._sending: dict[int, _Exchange] = {}
        self.ready = False
        """The server's settings have come."""
        self.retired = False
        """No request is taken any more."""
        self._over = False
        self._h2.initiate_connection()

    def __repr__(self) -> str:
        state = "retired" if self.retired else "ready" if self.ready else "new"
        return f"<Session {state} open={len(self._open)} queued={len(self._queue)}>"

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to come of it."""
        return self.retired and not self._open

    @property
    def exhausted(self) -> bool:
        """Whether it has carried as many requests as it can: it is to be retired."""
        return self._streams_left <= 0

    def data_to_send(self) -> bytes:
        """What is to be sent, once."""
        return self._h2.data_to_send()

    def submit(self, headers: Mapping[str, str], body: bytes) -> int:
        """Ask, now or as soon as there is room; answers the request's number.

        Not to be called once `retired`. `headers` begin with the pseudo-headers.
        """
        assert not self.retired, "who asks looks at `retired` first, without an await between"
        self._last_number += 1
        self._queue[self._last_number] = _Exchange(self._last_number, headers, body)
        self._pump()
        return self._last_number

    def cancel(self, number: int) -> None:
        """Nobody waits for this request any more, whatever has become of it."""
        if self._queue.pop(number, None) is None and number in self._streams:
            self._forget(self._streams[number], reset=True)
            self._pump()

    def retire(self) -> list[Settled]:
        """Take no more requests, and give back those that have not been sent."""
        self.retired = True
        queued, self._queue = self._queue, {}
        return [Dropped(number, taken=False, why="not sent") for number in queued]

    def abandon(self, why: str) -> list[Settled]:
        """The connection is gone: give everything back."""
        self._over = True
        settled = self.retire()
        while self._open:
            # A request whose end was never sent has not been done either.
            stream = next(iter(self._open))
            taken = stream not in self._sending
            settled.append(Dropped(self._forget(stream).number, taken=taken, why=why))
        return settled

    def ping(self) -> None:
        """Ask for a proof of life, unless it is over; whatever is received next is one."""
        if not self._over:
            self._h2.ping(bytes(8))

    def say_goodbye(self) -> None:
        """Tell the server that we are closing the connection."""
        self._over = True
        self._h2.close_connection()

    def receive(self, data: bytes) -> list[Settled]:
        """Take what has come. Raises SessionBroken, after which there is only `abandon`."""
        settled: list[Settled] = []
        for part in self._filter.feed(data):
            if isinstance(part, Goaway):
                settled += self._leave(part)
                continue
            try:
                happened = self._h2.receive_data(part)
            except ProtocolError as error:
                self._over = True
                raise SessionBroken(type(error).__name__, settled) from error
            for event in happened:
                settled += self._handle(event)
        self._pump()
        return settled

    # What has come

    def _handle(self, event: events.Event) -> list[Settled]:
        match event:
            case events.RemoteSettingsChanged():
                self.ready = True
            case events.ResponseReceived(stream_id=stream) if stream in self._open:
                self._begin_response(self._open[stream], event)
            case events.DataReceived(stream_id=int(stream)):
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
                if stream in self._open:
                    return self._add_data(stream, event.data or b"")
            case events.StreamEnded(stream_id=stream) if stream in self._open:
                # A server may answer before it has heard all, and then it need not hear the rest.
                return [self._answer(stream, reset=stream in self._sending)]
            case events.StreamReset(stream_id=stream) if stream in self._open:
                # RFC 9113, 8.7: a refused stream has not been processed in any way.
                taken = event.error_code != ErrorCodes.REFUSED_STREAM
                why = "stream reset" if taken else "stream refused"
                return [Dropped(self._forget(stream).number, taken=taken, why=why)]
            case events.ConnectionTerminated():
                raise AssertionError("h2 never sees a GOAWAY")
            case _:
                # Windows are looked at whenever something is sent; the rest asks nothing of us.
                pass
        return []

    def _begin_response(self, exchange: _Exchange, event: events.ResponseReceived) -> None:
        headers = {
            bytes(name).decode("ascii", "replace"): bytes(value).decode("ascii", "replace")
            for name, value in event.headers or ()
        }
        status = headers.pop(":status", "")
        exchange.status = int(status) if status.isdecimal() else 0
        exchange.response = headers

    def _add_data(self, stream: int, data: bytes) -> list[Settled]:
        exchange = self._open[stream]
        room = self._response_bytes_max - len(exchange.received)
        exchange.received += data[:room]
        if len(data) <= room:
            return []
        # The status says what has become of the request, however long the server goes on.
        return [self._answer(stream, reset=True)]

    def _answer(self, stream: int, *, reset: bool) -> Settled:
        exchange = self._forget(stream, reset=reset)
        response = Response(exchange.status, exchange.response, bytes(exchange.received))
        return Answered(exchange.number, response)

    def _leave(self, goaway: Goaway) -> list[Settled]:
        settled = self.retire()
        for stream in [stream for stream in self._open if stream > goaway.last]:
            number = self._forget(stream).number
            settled.append(Dropped(number, taken=False, why="not taken"))
        return settled

    # What is sent

    def _pump(self) -> None:
        """Send as much of what waits as the server takes now."""
        # Who was first is served first: nothing is opened while a body waits for a window.
        self._send_bodies()
        while self._queue and not self._sending and self._has_room():
            self._begin(self._queue.pop(next(iter(self._queue))))
            self._send_bodies()

    def _has_room(self) -> bool:
        most = self._h2.remote_settings.max_concurrent_streams
        return self.ready and not self.exhausted and len(self._open) < most

    def _begin(self, exchange: _Exchange) -> None:
        stream = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream, _packed(exchange.headers))
        self._open[stream] = self._sending[stream] = exchange
        self._streams[exchange.number] = stream
        self._streams_left -= 1

    def _send_bodies(self) -> None:
        for stream, exchange in list(self._sending.items()):
            while True:
                window = self._h2.local_flow_control_window(stream)
                size = min(len(exchange.body), window, self._h2.max_outbound_frame_size)
                if size <= 0 < len(exchange.body):
                    break
                chunk, exchange.body = exchange.body[:size], exchange.body[size:]
                self._h2.send_data(stream, chunk, end_stream=not exchange.body)
                if not exchange.body:
                    del self._sending[stream]
                    break

    def _forget(self, stream: int, *, reset: bool = False) -> _Exchange:
        """Be done with a stream; `reset`: and tell the server, which is not done with it."""
        exchange = self._open.pop(stream)
        self._sending.pop(stream, None)
        del self._streams[exchange.number]
        if reset:
            with contextlib.suppress(StreamClosedError):
                # Closed by the server with the same bytes that made us give it up.
                self._h2.reset_stream(stream, ErrorCodes.CANCEL)
        return exchange


def _packed(headers: Mapping[str, str]) -> list[HeaderTuple]:
    return [
        (NeverIndexedHeaderTuple if name in _UNIQUE_HEADERS else HeaderTuple)(
            name.encode(), value.encode()
        )
        for name, value in headers.items()
    ]
