"""One connection to a fake APNs host: HTTP/2 by `h2`, in TLS.

It does to its streams what the host decides, and what only a connection can: at first one stream at
a time, GOAWAY while others are open, silence, slowness, an end without an answer.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Final, cast

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
from hyperframe.frame import GoAwayFrame

from workers.fakepush.apns import ApnsHost, Verdict
from workers.fakepush.apns_notice import VOIP_PAYLOAD_MAX_BYTES
from workers.fakepush.outcomes import Outcome
from workers.fakepush.provider_tokens import ConnectionToken
from workers.fakepush.refusals import Refusal

CONNECTIONS_MAX: Final = 1_000
"""Open ones of one host; more are closed at once."""

_CONFIG: Final = h2.config.H2Configuration(
    client_side=False,
    header_encoding="utf-8",
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
)
_MAX_STREAMS: Final = h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS
_UNLIMITED: Final = 1_000_000


class _Request:
    """A stream that was not answered yet."""

    __slots__ = ("body", "headers")

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers
        self.body = bytearray()


class ApnsConnection(asyncio.Protocol):
    """Made by the listening socket; `open` holds all of one host."""

    def __init__(self, host: ApnsHost, open: set["ApnsConnection"]) -> None:
        self._host = host
        self._open = open
        self._h2 = h2.connection.H2Connection(_CONFIG)
        self._transport: asyncio.Transport | None = None
        self._requests: dict[int, _Request] = {}
        self._waiting: dict[int, asyncio.TimerHandle] = {}
        self._token = ConnectionToken()
        self._streams_max = 1
        self._judged = 0
        self._last: int | None = None
        self._number = 0

    def __repr__(self) -> str:
        return f"<ApnsConnection {self._number} {len(self._requests)} open>"

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet with one stream, or close where nobody agreed on HTTP/2."""
        self._transport = cast(asyncio.Transport, transport)
        tls = transport.get_extra_info("ssl_object")
        if len(self._open) >= CONNECTIONS_MAX or tls.selected_alpn_protocol() != "h2":
            transport.close()
            return
        self._open.add(self)
        self._host.connections += 1
        self._number = self._host.connections
        settings = self._h2.local_settings
        settings[_MAX_STREAMS] = 1
        settings.acknowledge()
        self._h2.initiate_connection()
        # `h2` would end the connection for a second stream, also one that was sent before the
        # client could know. The limit is kept here, by a refusal that is safe to try again.
        settings[_MAX_STREAMS] = _UNLIMITED
        settings.acknowledge()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take what came in, and answer in one piece."""
        try:
            for event in self._h2.receive_data(data):
                self._take(event)
        except (h2.exceptions.ProtocolError, UnicodeDecodeError):
            self._flush()
            self.close()
            return
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        self._open.discard(self)
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()
        self._requests.clear()

    # What the host may want.

    def close(self) -> None:
        """End it, once what was written is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End it now."""
        if self._transport is not None:
            self._transport.abort()

    def go_away(self) -> None:
        """Take no more requests, finish those that are open, and close then."""
        self._send_goaway(max(self._judged, *self._requests, 0))
        self._close_if_done()

    # Streams.

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._begin(event)
        elif isinstance(event, h2.events.DataReceived):
            assert event.stream_id is not None  # every event of a stream has one
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            request = self._requests.get(event.stream_id)
            if request is not None and len(request.body) <= VOIP_PAYLOAD_MAX_BYTES:
                request.body += event.data or b""
        elif isinstance(event, h2.events.StreamEnded):
            assert event.stream_id is not None
            if event.stream_id in self._requests:
                self._decide(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            assert event.stream_id is not None
            self._forget(event.stream_id)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.close()

    def _begin(self, event: h2.events.RequestReceived) -> None:
        id = event.stream_id
        assert id is not None
        if self._last is not None and id > self._last:
            return
        # `header_encoding` makes them text.
        headers = cast(dict[str, str], dict(event.headers or ()))
        if len(self._requests) >= self._streams_max:
            self._h2.reset_stream(id, h2.errors.ErrorCodes.REFUSED_STREAM)
            verdict = Verdict("", Refusal(0, "REFUSED_STREAM"))
            self._host.log(verdict, 0, headers, self._number)
            return
        self._requests[id] = _Request(headers)

    def _decide(self, id: int) -> None:
        request = self._requests[id]
        verdict = self._host.judge(request.headers, bytes(request.body), self._token)
        what = verdict.outcome.what
        if verdict.refusal is None and what in ("hang", "goaway"):
            self._host.log(verdict, 0, request.headers, self._number)
            if what == "hang":
                self._later(id, self._host.world.rules.hang_s, self.abort)
            else:
                self._refuse_by_goaway(id)
            return
        self._judged = max(self._judged, id)
        if verdict.refusal is None and verdict.device is not None and verdict.push is not None:
            self._host.world.deliver(verdict.device, verdict.push)
        if verdict.refusal is None and what == "drop":
            self._host.log(verdict, 0, request.headers, self._number)
            self._flush()
            self.close()
        elif verdict.refusal is None and what == "slow":
            answer = self._slowly(id, verdict)
            self._later(id, verdict.outcome.delay_s, answer)
        else:
            self._answer(id, verdict)

    def _answer(self, id: int, verdict: Verdict) -> None:
        request = self._requests[id]
        refusal = verdict.refusal
        status = 200 if refusal is None else refusal.status
        self._host.log(verdict, status, request.headers, self._number)
        headers = [(":status", str(status)), ("apns-id", verdict.id)]
        try:
            if refusal is None:
                self._h2.send_headers(id, headers, end_stream=True)
            else:
                body = _reason(refusal, verdict)
                headers += [
                    ("content-type", "application/json"),
                    ("content-length", str(len(body))),
                    *_retry_after(verdict.outcome, status),
                ]
                self._h2.send_headers(id, headers)
                self._h2.send_data(id, body, end_stream=True)
        except h2.exceptions.ProtocolError:
            # The client has reset the stream, or leaves no window for a few bytes: its loss.
            pass
        self._forget(id)
        if status == 200 and self._streams_max == 1:
            self._streams_max = self._host.world.rules.apns_streams_max
            self._h2.update_settings({_MAX_STREAMS: self._streams_max})

    def _slowly(self, id: int, verdict: Verdict) -> Callable[[], None]:
        def answer() -> None:
            self._waiting.pop(id, None)
            self._answer(id, verdict)
            self._flush()

        return answer

    def _later(self, id: int, delay_s: float, act: Callable[[], None]) -> None:
        self._waiting[id] = asyncio.get_running_loop().call_later(delay_s, act)

    def _refuse_by_goaway(self, id: int) -> None:
        # Nothing at or below the last stream may be left without an answer (RFC 9113, 6.8), and
        # a later stream that was complete before this one has its own already.
        self._send_goaway(max(self._judged, id - 2))
        assert self._last is not None  # it was just set
        if id <= self._last:
            self._h2.reset_stream(id, h2.errors.ErrorCodes.REFUSED_STREAM)
        for other in [other for other in self._requests if other >= id]:
            if other == id or other > self._last:
                self._forget(other)
        self._close_if_done()

    def _send_goaway(self, last: int) -> None:
        if self._last is not None:
            return
        self._last = last
        self._flush()
        if self._transport is not None:
            # `h2` sends nothing more after a GOAWAY of its own, so this one is made beside it.
            said = json.dumps({"reason": "Shutdown"}).encode()
            frame = GoAwayFrame(0, last_stream_id=last, error_code=0, additional_data=said)
            self._transport.write(frame.serialize())

    def _forget(self, id: int) -> None:
        self._requests.pop(id, None)
        timer = self._waiting.pop(id, None)
        if timer is not None:
            timer.cancel()
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._last is not None and not self._requests:
            self._flush()
            self.close()

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def _reason(refusal: Refusal, verdict: Verdict) -> bytes:
    told: dict[str, object] = {"reason": refusal.why}
    if verdict.since_ms:
        told["timestamp"] = verdict.since_ms
    return json.dumps(told).encode()


def _retry_after(outcome: Outcome, status: int) -> list[tuple[str, str]]:
    if outcome.retry_after_s is None or status not in (429, 503):
        return []
    return [("retry-after", str(outcome.retry_after_s))]
