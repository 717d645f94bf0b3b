"""The life of one hub process: listen, serve, drain when told to, and end."""

import asyncio
import logging
import signal
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp import web

from realtime.errors import RealtimeError
from realtime.hub.hub import Hub
from realtime.server import garbage
from realtime.server.door import Doorway
from realtime.server.gate import CLOSE_TIMEOUT_S, Gate
from realtime.server.parent import Parent
from realtime.server.ports import cannot_listen
from realtime.settings.schema import ServerSettings

logger = logging.getLogger(__name__)

BACKLOG: Final = 4096
"""Connections that the kernel completes before they are accepted; uvloop's own default is 100."""

TLS_HANDSHAKE_S: Final = 10.0
"""How long a TLS handshake may take."""

HTTP_SHUTDOWN_S: Final = 5.0
"""How long requests under way may take when the process ends."""

HTTP_CLEANUP_S: Final = 2 * HTTP_SHUTDOWN_S + 1.0
"""How long ending HTTP may take: aiohttp waits as long again for requests that it cancelled."""


class Process:
    """Runs a hub and its listeners until SIGTERM or SIGINT.

    `public` and `internal` are the HTTP applications; `internal` has a listener of its own where
    it is set. `reload` is called on SIGHUP. `parent` is set where this is one of several workers:
    then the public port is shared with the others, and the parent says that all listen.
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        hub: Hub,
        gate: Gate,
        public: web.AppRunner,
        internal: web.AppRunner | None,
        doorway: Callable[[web.Server], Doorway],
        reload: Callable[[], None],
        parent: Parent | None = None,
    ) -> None:
        self._settings = settings
        self._hub = hub
        self._gate = gate
        self._public = public
        self._internal = internal
        self._doorway = doorway
        self._reload = reload
        self._parent = parent
        self._tls: ssl.SSLContext | None = None
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Serve until told to stop.

        Raises OSError where it cannot listen, and what a part of the process died of.
        """
        loop = asyncio.get_running_loop()
        await self._public.setup()
        if self._internal is not None:
            await self._internal.setup()
        listeners: list[asyncio.Server] = []
        try:
            await self._listen(listeners)
            for name in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(name, self._stop.set)
            loop.add_signal_handler(signal.SIGHUP, self._reloaded)
            if self._parent is not None:
                # Whoever replaces the parent starts workers of its own.
                self._parent.watch(self._stop.set)
            async with asyncio.TaskGroup() as tasks:
                parts = [
                    tasks.create_task(self._hub.run(), name="hub"),
                    tasks.create_task(self._gate.run(), name="gate"),
                    tasks.create_task(garbage.collect(self._client_count), name="collector"),
                ]
                await self._serve(listeners)
                # While the hub runs: requests under way wait for its commits.
                await finished(self._end_http(listeners), HTTP_CLEANUP_S)
                for part in parts:
                    part.cancel()
        finally:
            await self._end_http(listeners)
            if self._parent is not None:
                self._parent.close()

    async def _serve(self, listeners: Sequence[asyncio.Server]) -> None:
        for listener in listeners:
            await listener.start_serving()
        garbage.freeze()  # what exists now stays until the end
        if self._parent is None:
            self._say("listening on", listeners[0])
        else:
            self._parent.listening()
        for internal in listeners[1:]:
            self._say("internal listener on", internal)
        await self._stop.wait()
        logger.info("stopping: closing %s connections", self._gate.connections)
        self._gate.closed = True
        listeners[0].close()
        await self._hub.drain(self._settings.drain_s)
        await self._gate.emptied(CLOSE_TIMEOUT_S)

    async def _end_http(self, listeners: Sequence[asyncio.Server]) -> None:
        """Accept nothing more, and let requests under way end. Idempotent."""
        for listener in listeners:
            listener.close()
        for runner in (self._internal, self._public):
            if runner is not None and runner.server is not None:
                await runner.cleanup()

    def _client_count(self) -> int:
        return len(self._hub.clients)

    async def _listen(self, listeners: list[asyncio.Server]) -> None:
        """Bind the ports, the public one first, without accepting anything yet."""
        settings = self._settings
        self._tls = make_tls(settings)
        assert self._public.server is not None  # made by `setup`
        listeners.append(
            await self._bind(
                self._doorway(self._public.server), settings.port, shared=self._parent is not None
            )
        )
        if self._internal is not None and settings.internal_port is not None:
            assert self._internal.server is not None  # made by `setup`
            listeners.append(
                await self._bind(self._internal.server, settings.internal_port, key="internal_port")
            )

    async def _bind(
        self,
        factory: Callable[[], asyncio.Protocol],
        port: int,
        *,
        key: str = "port",
        shared: bool = False,
    ) -> asyncio.Server:
        tls = self._tls
        host = self._settings.host
        try:
            server = await asyncio.get_running_loop().create_server(
                factory,
                host,
                port,
                backlog=BACKLOG,
                ssl=tls,
                ssl_handshake_timeout=TLS_HANDSHAKE_S if tls is not None else None,
                ssl_shutdown_timeout=CLOSE_TIMEOUT_S if tls is not None else None,
                reuse_address=True,
                reuse_port=shared,
                start_serving=False,
            )
        except OSError as error:
            raise cannot_listen(host, port, error, key) from None
        for bound in server.sockets:
            # The kernel finds half-open peers of idle HTTP connections; TCP_NODELAY is uvloop's.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return server

    def _say(self, what: str, listener: asyncio.Server) -> None:
        scheme = "https" if self._tls is not None else "http"
        for bound in listener.sockets:
            host, port = bound.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            # For whoever started it, whatever the log level is.
            print(f"realtime: {what} {scheme}://{shown}:{port}", file=sys.stderr, flush=True)  # noqa: T201

    def _reloaded(self) -> None:
        try:
            self._reload()
            if self._tls is not None and self._settings.tls_certificate is not None:
                # For connections from now on: certificates are renewed under running hubs.
                self._tls.load_cert_chain(self._settings.tls_certificate, self._settings.tls_key)
        except (RealtimeError, OSError) as error:
            logger.error("cannot read the keys again, the old ones stay: %s", error)
        else:
            logger.info("read the keys again")


def make_tls(settings: ServerSettings) -> ssl.SSLContext | None:
    """The TLS context of the listeners; None where no certificate is set. Raises OSError."""
    if settings.tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    context.set_alpn_protocols(["http/1.1"])
    return context


async def finished(closing: Awaitable[None], timeout_s: float) -> None:
    """Wait for something to close, but not for ever."""
    try:
        async with asyncio.timeout(timeout_s):
            await closing
    except TimeoutError:
        logger.warning("something did not close in %s s", timeout_s)
