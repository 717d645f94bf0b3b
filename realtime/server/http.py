"""The aiohttp application behind the door, and the upgrade that reached it."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from typing import Final, Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from realtime.server.api import BODY_MAX_BYTES
from realtime.server.bodies import BODIES, Bodies
from realtime.server.door import UNIDIRECTIONAL_PATH, WEBSOCKET_PATH, Doorway
from realtime.server.handling import Runner
from realtime.server.process import HTTP_SHUTDOWN_S

logger = logging.getLogger(__name__)

AIOHTTP_LOGGER: Final = logging.getLogger(f"{__name__}.aiohttp")
"""What aiohttp logs to; see `_Strangers`."""


class _Strangers(logging.Filter):
    """Drops what aiohttp says of requests that cannot be read: it repeats what was in them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See logging.Filter."""
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError)


AIOHTTP_LOGGER.addFilter(_Strangers())


class Routes(Protocol):
    """A group of routes."""

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register them."""
        ...


HTTP_KEEPALIVE_S: Final = 15.0
"""How long an idle HTTP connection stays open: there is room for few of them."""

HTTP_LINGERING_S: Final = 2.0
"""How long the rest of a body is read that was refused: a client may look for the answer last."""


def make_runner(routes: Iterable[Routes]) -> web.AppRunner:
    """What runs an application that serves these routes."""
    # No access log: a query may carry an API key.
    return Runner(
        make_application(routes),
        shutdown_timeout=HTTP_SHUTDOWN_S,
        access_log=None,
        logger=AIOHTTP_LOGGER,
        keepalive_timeout=HTTP_KEEPALIVE_S,
        lingering_time=HTTP_LINGERING_S,
        # A body of a few kilobytes could become one of many megabytes, before any limit is asked.
        auto_decompress=False,
    )


def make_application(routes: Iterable[Routes]) -> web.Application:
    """An application that serves these routes."""
    application = web.Application(client_max_size=BODY_MAX_BYTES, middlewares=[_boundary])
    application[BODIES] = Bodies()
    application.on_response_prepare.append(_anonymous)
    application.on_response_prepare.append(_brief)
    for group in routes:
        group.add_to(application.router)
    return application


async def _anonymous(request: web.Request, response: web.StreamResponse) -> None:
    """Keep the versions of what serves this to ourselves."""
    response.headers.popall("Server", None)


async def _brief(request: web.Request, response: web.StreamResponse) -> None:
    """Close the connection after an error: strangers could keep all there are with 404s."""
    if response.status >= 400:
        response.force_close()
        # aiohttp has written this header already.
        response.headers["Connection"] = "close"


@web.middleware
async def _boundary(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer defects of ours with a constant text, and log them here rather than in aiohttp."""
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception:
        logger.exception("HTTP: %s failed", request.match_info.route.name or request.method)
        return web.Response(status=500, text="There was an internal error.\n")


def free_transport(request: web.Request) -> asyncio.Transport | None:
    """The request's transport, if the connection can be taken over: see `let_go`.

    None where the client has left, or has not read earlier answers: the transport may have told
    aiohttp that it is full, and would not tell whoever comes next.
    """
    transport = request.transport
    if transport is None or transport.is_closing() or transport.get_write_buffer_size():
        return None
    return transport


def let_go(request: web.Request, transport: asyncio.Transport) -> None:
    """Take the request's connection from aiohttp, to which this looks as if the client had left.

    The caller gives the transport a protocol before anything is waited for. Whatever the route's
    handler answers afterwards is written to nobody.
    """
    handler = request.protocol
    # Without its transport aiohttp's handler has nothing to close when it is told to end.
    handler.transport = None
    handler.connection_lost(None)
    # Where it was paused for what aiohttp had not read yet. RuntimeError is uvloop's word for a
    # transport that has just closed.
    with contextlib.suppress(RuntimeError):
        transport.resume_reading()


class UpgradeRoute:
    """A websocket asked for on a connection that served HTTP before: proxies reuse connections.

    The connection is taken from aiohttp and given to the hub's own protocol with the request's
    head, as the door would have read it.
    """

    def __init__(self) -> None:
        self.doorway: Doorway | None = None

    def http_connections(self) -> int:
        """How many connections aiohttp has."""
        return len(self.doorway.http.connections) if self.doorway is not None else 0

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the routes."""
        for path in (WEBSOCKET_PATH, UNIDIRECTIONAL_PATH):
            router.add_get(path, self.upgrade)

    async def upgrade(self, request: web.Request) -> web.StreamResponse:
        """Hand the connection over; what is returned is written to nobody."""
        transport = free_transport(request)
        if transport is None or self.doorway is None:
            raise web.HTTPServiceUnavailable
        head = b"\r\n".join(
            [
                f"{request.method} {request.raw_path} HTTP/1.1".encode("latin-1", "replace"),
                *(name + b": " + value for name, value in request.raw_headers),
                b"\r\n",
            ]
        )
        let_go(request, transport)
        self.doorway.upgrade(transport, head, b"")
        return web.Response()
