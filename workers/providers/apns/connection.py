"""One connection to APNs: a `Session` on a socket with TLS."""

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from workers.providers.apns.session import (
    STREAMS_MAX,
    Answered,
    Dropped,
    Response,
    Session,
    SessionBroken,
    Settled,
)

CLOSE_TIMEOUT_S: Final = 2.0
"""How long the server may take to let go of a connection, in seconds."""

_READ_BYTES: Final = 65_536
"""As much as is taken from the socket at once."""

_HTTPS_PORT: Final = 443


class ConnectionFailed(Exception):
    """There is no connection, or not any more. `taken`: the request may have been done."""

    def __init__(self, why: str, *, taken: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.taken = taken


class Origin(msgspec.Struct, frozen=True):
    """Where a server is."""

    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> "Origin":
        """From the beginning of a URL. Raises ValueError where it is not https and a host."""
        parts = urlsplit(url)
        rest = (parts.path.strip("/"), parts.query, parts.fragment, parts.username)
        if parts.scheme != "https" or not parts.hostname or any(rest):
            # Without the URL, which may have a password in it.
            raise ValueError("the URL of APNs is to be https://host or https://host:port")
        # What a resolver could not even ask for is a UnicodeError, which is a ValueError.
        parts.hostname.encode("idna")
        return cls(parts.hostname, parts.port or _HTTPS_PORT)

    @property
    def authority(self) -> str:
        """As HTTP says it: without the port where it is the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _HTTPS_PORT else f"{host}:{self.port}"


class ConnectionLimits(msgspec.Struct, frozen=True):
    """What a connection may take. Seconds; `streams_max` is how many requests it carries at most.

    `ping_interval_s`: how long it may be silent before it is asked for a proof of life, which is to
    come within `ping_timeout_s`. `connect_timeout_s` is for all until the server's settings.
    """

    connect_timeout_s: float = 10.0
    ping_interval_s: float = 60.0
    ping_timeout_s: float = 10.0
    response_bytes_max: int = 16_384
    streams_max: int = STREAMS_MAX


def make_context(ca_file: str | None = None) -> ssl.SSLContext:
    """TLS for HTTP/2. `ca_file`: trust these authorities (PEM) in place of the system's."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    return context


class Connection:
    """Opened once, used by many, closed once. `run` is to be running from `open` on."""

    def __init__(
        self, origin: Origin, *, context: ssl.SSLContext, limits: ConnectionLimits
    ) -> None:
        self._origin = origin
        self._context = context
        self._limits = limits
        self._session = Session(
            response_bytes_max=limits.response_bytes_max, streams_max=limits.streams_max
        )
        self._waiting: dict[int, asyncio.Future[Response]] = {}
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.why = "closed by the server"
        """What it ends of, should it end now."""
        self._heard = 0
        self._doubted = asyncio.Event()
        self.useful = False
        """It has answered a request, and not by saying that it cannot; or it is still to."""
        self.retired = asyncio.Event()
        """It takes no more requests."""

    def __repr__(self) -> str:
        return f"<Connection {self._origin.authority} {self._session!r}>"

    # For who makes requests

    async def request(self, headers: Mapping[str, str], body: bytes) -> Response:
        """Ask, as soon as the server has room for it. Cancelling takes the request back.

        Raises ConnectionFailed. After a status of 500 or more no further requests are taken: APNs
        asks that one comes back on a new connection.
        """
        if self._session.retired:
            raise ConnectionFailed("retired")
        number = self._session.submit(headers, body)
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._flush()
            return await answer
        except asyncio.CancelledError:
            self._session.cancel(number)
            # Silence may be the request's own, or that of a connection that is no more.
            self._doubted.set()
            self._flush()
            raise
        finally:
            self._waiting.pop(number, None)

    # For who keeps it

    async def open(self) -> None:
        """Connect, until the server has said how much it takes. Raises ConnectionFailed."""
        try:
            async with asyncio.timeout(self._limits.connect_timeout_s):
                self._reader, self._writer = await asyncio.open_connection(
                    self._origin.host,
                    self._origin.port,
                    ssl=self._context,
                    server_hostname=self._origin.host,
                    ssl_handshake_timeout=self._limits.connect_timeout_s,
                    ssl_shutdown_timeout=CLOSE_TIMEOUT_S,
                )
                tls = self._writer.get_extra_info("ssl_object")
                if tls.selected_alpn_protocol() != "h2":
                    raise ConnectionFailed("the server does not speak HTTP/2")
                self._flush()
                while not self._session.ready:
                    if not await self._receive():
                        raise ConnectionFailed(self.why)
        except TimeoutError:
            self._abort()
            raise ConnectionFailed("connecting took too long") from None
        except ssl.SSLError as error:
            self._abort()
            raise ConnectionFailed(f"TLS: {error.reason or type(error).__name__}") from None
        except OSError as error:
            self._abort()
            raise ConnectionFailed(f"no connection: {type(error).__name__}") from None
        except BaseException:
            # Cancelled, or given up above: nobody else knows of the socket.
            self._abort()
            raise

    async def run(self) -> None:
        """Receive until the end, which is no error; when it is over, nobody waits any more."""
        try:
            async with asyncio.TaskGroup() as tasks:
                keeper = tasks.create_task(self._keep(), name="apns keeper")
                while await self._receive():
                    pass
                keeper.cancel()
        finally:
            self._end()
            self._abort()

    async def close(self) -> None:
        """Let go, within `CLOSE_TIMEOUT_S`; what is under way is given up. Idempotent."""
        self._settle(self._session.abandon("closed"))
        self._flush()
        if self._writer is not None:
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._writer.wait_closed()
            self._abort()

    # Inside

    async def _receive(self) -> bool:
        """Take what comes next; False at the end of the connection."""
        assert self._reader is not None and self._writer is not None, "`open` has been called"
        try:
            data = await self._reader.read(_READ_BYTES)
            if not data:
                self._end()
                return False
            self._heard += 1
            self._take(data)
            self._flush()
            # A server that does not read is not read from either, and then fails to prove its life.
            await self._writer.drain()
        except OSError as error:
            self._end(f"lost: {type(error).__name__}")
            return False
        except SessionBroken as error:
            self._settle(error.settled)
            self._end(f"broken by the server: {error.why}")
            self._send()
            return False
        return True

    def _take(self, data: bytes) -> None:
        was_retired = self._session.retired
        settled = self._session.receive(data)
        if self._session.retired and not was_retired and not self._session.finished:
            # A GOAWAY, which leaves something to be answered.
            self.useful = True
        self._settle(settled)

    def _end(self, why: str = "") -> None:
        """Nothing is received any more: whoever waits, waits in vain."""
        self.why = why or self.why
        self._settle(self._session.abandon(self.why))
        self.retired.set()

    def _settle(self, settled: list[Settled]) -> None:
        for each in settled:
            answer = self._waiting.get(each.number)
            match each:
                case Answered(response=response):
                    self._judge(response.status)
                    if answer is not None and not answer.done():
                        answer.set_result(response)
                case Dropped(why=why, taken=taken):
                    if answer is not None and not answer.done():
                        answer.set_exception(ConnectionFailed(why, taken=taken))

    def _judge(self, status: int) -> None:
        if status < 500:
            self.useful = True
        elif not self._session.retired:
            self.why = "the service is out of order"
            self._settle(self._session.retire())

    def _flush(self) -> None:
        """Send what there is, and close when nothing more is to come."""
        if self._session.exhausted and not self._session.retired:
            self._settle(self._session.retire())
            self.useful = True
        if self._session.retired:
            self.retired.set()
        if self._session.finished and self._writer is not None and not self._writer.is_closing():
            self._session.say_goodbye()
            self._send()
            # This ends the reading, too.
            self._writer.close()
            return
        self._send()

    def _send(self) -> None:
        if self._writer is None or self._writer.is_closing():
            return
        if data := self._session.data_to_send():
            # No more than there are pushes under way, so what waits here is bounded.
            self._writer.write(data)

    async def _keep(self) -> None:
        """Ask a silent connection for a proof of life, and end it where there is none."""
        while True:
            heard = self._heard
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.ping_interval_s):
                    await self._doubted.wait()
            if heard != self._heard and not self._doubted.is_set():
                continue
            self._doubted.clear()
            heard = self._heard
            self._session.ping()
            self._flush()
            await asyncio.sleep(self._limits.ping_timeout_s)
            if heard == self._heard:
                self._end("no proof of life")
                self._abort()
                return

    def _abort(self) -> None:
        """End it without waiting for anybody."""
        self.retired.set()
        if self._writer is not None:
            self._writer.transport.abort()
