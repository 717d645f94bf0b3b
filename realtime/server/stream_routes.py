"""Requests for a stream: judged and read here, then served without aiohttp (protocol 7)."""

import asyncio
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Handler

from realtime.channels.live import Wire
from realtime.hub.hub import Hub
from realtime.server.bodies import PROTOBUF_TYPE, Refusal, is_protobuf, read_body
from realtime.server.chunks import FIRST_EVENT
from realtime.server.cors import Cors
from realtime.server.door import CONNECT_PARAMETER
from realtime.server.door_rules import DoorRules
from realtime.server.gate import Gate
from realtime.server.http import free_transport, let_go
from realtime.server.stream import StreamConnection, UnidirectionalStream
from realtime.server.stream_wires import (
    JSON_HTTP_STREAM,
    JSON_SSE,
    JSON_UNI_HTTP_STREAM,
    JSON_UNI_SSE,
    PROTOBUF_HTTP_STREAM,
)

EVENT_STREAM: Final = "text/event-stream"
JSON_LINES: Final = "application/x-ndjson"

NOT_HTTP_1_1: Final = Refusal(
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
    "A stream needs HTTP/1.1. Where this came through nginx: proxy_http_version 1.1;",
)
NO_PROTOBUF: Final = Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Here is JSON only.")
FULL: Final = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "There are too many connections. Try again later."
)
NOT_READ: Final = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "Earlier answers on this connection have not been read."
)
NO_CONNECT: Final = Refusal(
    HTTPStatus.BAD_REQUEST,
    "The connect command is missing: the body of a POST, or the parameter cf_connect of a GET.",
)
TOO_LONG: Final = Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The connect command is too long.")
NOT_UTF8: Final = Refusal(HTTPStatus.BAD_REQUEST, "The connect command must be JSON in UTF-8.")


class Stream(msgspec.Struct, frozen=True):
    """A path that is answered with a stream. `protobuf` is None where it speaks JSON only."""

    name: str
    methods: tuple[str, ...]
    content_type: str
    json: Wire
    protobuf: Wire | None = None
    opening: bytes = b""


STREAMS: Final = (
    Stream("http_stream", ("POST",), JSON_LINES, JSON_HTTP_STREAM, PROTOBUF_HTTP_STREAM),
    Stream("sse", ("GET", "POST"), EVENT_STREAM, JSON_SSE, opening=FIRST_EVENT),
    Stream("uni_http_stream", ("GET", "POST"), JSON_LINES, JSON_UNI_HTTP_STREAM),
    Stream("uni_sse", ("GET", "POST"), EVENT_STREAM, JSON_UNI_SSE, opening=FIRST_EVENT),
)


class StreamRoutes:
    """`/connection/<name>` of each stream that is on, and `/connection/init`."""

    def __init__(self, hub: Hub, gate: Gate, rules: DoorRules) -> None:
        self._hub = hub
        self._gate = gate
        self._rules = rules
        self._cors = Cors(rules)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the routes."""
        for stream in STREAMS:
            if stream.name in self._rules.transports:
                router.add_route("*", f"/connection/{stream.name}", self._serving(stream))
        router.add_route("*", "/connection/init", self.init)

    async def init(self, request: web.Request) -> web.Response:
        """Nothing but an answer: who balances load by a cookie may set it before a connection."""
        if request.method == "OPTIONS":
            return self._cors.preflight(request)
        headers = self._cors.headers(request)
        if request.method != "GET":
            return not_allowed(("GET",), headers)
        return web.json_response({}, headers=headers)

    def _serving(self, stream: Stream) -> Handler:
        async def serve(request: web.Request) -> web.StreamResponse:
            if request.method == "OPTIONS":
                return self._cors.preflight(request)
            headers = self._cors.headers(request)
            if request.method not in stream.methods:
                return not_allowed(stream.methods, headers)
            try:
                wire = _wire(stream, request)
                payload = await self._connect_command(request)
                self._open(stream, wire, request, payload, headers)
            except Refusal as refusal:
                self._hub.statistics.refused_handshakes += 1
                return refusal.answer(headers)
            return web.Response()  # to nobody

        return serve

    async def _connect_command(self, request: web.Request) -> bytes:
        """What the request begins the session with. Raises Refusal."""
        if not self._gate.has_room:
            raise FULL
        limit = self._hub.settings.client.message_max_bytes
        if request.method == "GET":
            # What a POST has in its body.
            payload = request.query.get(CONNECT_PARAMETER, "").encode("utf-8", "replace")
            if len(payload) > limit:
                raise TOO_LONG
        else:
            payload = await read_body(request, limit)
        if not payload:
            raise NO_CONNECT
        return payload

    def _open(
        self,
        stream: Stream,
        wire: Wire,
        request: web.Request,
        payload: bytes,
        headers: Mapping[str, str],
    ) -> None:
        """Take the connection over and serve it. Does not wait. Raises Refusal."""
        if not wire.codec.is_binary:
            try:
                payload.decode()
            except UnicodeDecodeError:
                raise NOT_UTF8 from None
        transport = free_transport(request)
        if transport is None:
            raise NOT_READ
        if not self._gate.admit(asyncio.get_running_loop().time()):
            raise FULL
        forwarded_for = request.headers.getall("X-Forwarded-For", [])
        address = self._rules.forwarded(transport, forwarded_for)
        let_go(request, transport)
        kind = UnidirectionalStream if wire.codec.is_unidirectional else StreamConnection
        connection = kind(
            self._hub,
            self._gate,
            transport,
            wire,
            address=address,
            head=_head(stream, wire, headers),
        )
        transport.set_protocol(connection)
        connection.begin(payload)


def not_allowed(methods: Iterable[str], headers: Mapping[str, str]) -> web.Response:
    """The answer to a method that a path does not have."""
    return web.Response(
        status=HTTPStatus.METHOD_NOT_ALLOWED, headers={**headers, "Allow": ", ".join(methods)}
    )


def _wire(stream: Stream, request: web.Request) -> Wire:
    """The format that the request asks for. Raises Refusal."""
    if request.version < HttpVersion11:
        raise NOT_HTTP_1_1
    if request.method != "POST" or not is_protobuf(request):
        return stream.json
    if stream.protobuf is None:
        raise NO_PROTOBUF
    return stream.protobuf


def _head(stream: Stream, wire: Wire, headers: Mapping[str, str]) -> bytes:
    content_type = PROTOBUF_TYPE if wire.codec.is_binary else stream.content_type
    lines = [
        "HTTP/1.1 200 OK",
        f"Content-Type: {content_type}",
        "Transfer-Encoding: chunked",
        # Nothing on the way is to keep it, or to wait for its end.
        "Cache-Control: private, no-cache, no-store, must-revalidate, max-age=0",
        "X-Accel-Buffering: no",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
        "\r\n",
    ]
    return "\r\n".join(lines).encode("latin-1", "replace") + stream.opening
