"""Request bodies of clients: bounded in bytes and in time."""

import asyncio
import contextlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from realtime.websocket import refuse_response

BODY_TIMEOUT_S: Final = 10.0
"""How long a body may take to arrive: what a client says is short."""

TOOK_TOO_LONG: Final = "The request's body took too long."

PROTOBUF_TYPE: Final = "application/octet-stream"
"""How a body says that it is Protobuf; any other type is JSON."""


READING_MAX: Final = 256
"""Bodies that are waited for, at once; one more ends the oldest of them.

A fraction of `HTTP_CONNECTIONS_MAX`: who sends slowly leaves room for who asks at once."""


class Bodies:
    """The requests of clients whose bodies are being read, in the order in which they began."""

    def __init__(self) -> None:
        # By its connection, which brings one at a time.
        self._reading: dict[web.RequestHandler, web.Request] = {}

    def begin(self, request: web.Request) -> None:
        """The request's body is waited for, until `end`."""
        if len(self._reading) >= READING_MAX:
            _cut(self._reading.pop(next(iter(self._reading))))
        self._reading[request.protocol] = request

    def end(self, request: web.Request) -> None:
        """It is there, or nobody waits for it any more. Idempotent."""
        self._reading.pop(request.protocol, None)


BODIES: Final = web.AppKey("bodies", Bodies)
"""Where an application keeps its own."""


def _cut(request: web.Request) -> None:
    """Answer 408 and close, past aiohttp, which would first read on for a while."""
    transport = request.transport
    if transport is not None and not transport.is_closing():
        # RuntimeError is uvloop's word for a transport that has just closed.
        with contextlib.suppress(RuntimeError):
            transport.write(refuse_response(HTTPStatus.REQUEST_TIMEOUT, TOOK_TOO_LONG))
        transport.close()


def is_encoded(request: web.Request) -> bool:
    """Whether the body is compressed, which nobody here undoes."""
    encodings = ",".join(request.headers.getall("Content-Encoding", [])).lower().split(",")
    return any(encoding.strip() not in ("", "identity") for encoding in encodings)


def is_protobuf(request: web.Request) -> bool:
    """Whether the body says so; aiohttp says it of one that says nothing, too."""
    return request.content_type == PROTOBUF_TYPE and "Content-Type" in request.headers


class Refusal(Exception):
    """The request is refused: a status, and a constant text for whoever reads the answer."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text

    def answer(self, headers: Mapping[str, str]) -> web.Response:
        """As an answer with these headers."""
        return web.Response(status=self.status, text=f"{self.text}\n", headers=headers)


ENCODED: Final = Refusal(
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The request's body must not be compressed."
)


async def read_body(request: web.Request, max_bytes: int) -> bytes:
    """The whole body, which is not compressed.

    Raises Refusal for one that is, that is too long or takes too long, or that breaks.
    """
    if is_encoded(request):
        raise ENCODED
    too_long = Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request's body is too long.")
    if (request.content_length or 0) > max_bytes:
        raise too_long
    body = bytearray()
    bodies = request.app[BODIES]
    if not request.content.is_eof():
        bodies.begin(request)
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while piece := await request.content.readany():
                body += piece
                if len(body) > max_bytes:
                    raise too_long
    except TimeoutError:
        raise Refusal(HTTPStatus.REQUEST_TIMEOUT, TOOK_TOO_LONG) from None
    except (web.RequestPayloadError, HttpProcessingError, OSError):
        # Badly encoded, or its sender went: then nobody reads the answer.
        raise Refusal(HTTPStatus.BAD_REQUEST, "The request's body is not well-formed.") from None
    finally:
        bodies.end(request)
    return bytes(body)
