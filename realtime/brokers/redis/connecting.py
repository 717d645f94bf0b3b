"""Opening and closing connections: redis-py's own, with every timeout said."""

import asyncio
import math
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from hiredis import pack_command
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    UnixDomainSocketConnection,
)
from redis.exceptions import RedisError

from realtime.brokers.redis.address import RedisAddress, Server
from realtime.brokers.redis.doubt import Doubt

FAILURES: Final = (RedisError, OSError, TimeoutError, EOFError, Doubt)
"""What the outside may do to us; anything else is a defect of this program, and flies."""

pack: Final = cast(Callable[[tuple[bytes, ...]], bytes], pack_command)
"""Write a command as Redis reads it; a tenth of what redis-py's own packing costs."""

_READ_BYTES: Final = 262_144


class Connector:
    """Opens connections as an address says, within a deadline each."""

    def __init__(self, address: RedisAddress, connect_s: float) -> None:
        self.address = address
        self._connect_s = connect_s
        self._tls: ssl.SSLContext | None = None

    async def open(
        self, server: Server, *, authenticate: bool = True, db: bool = True
    ) -> AbstractConnection:
        """Open, authenticate and choose the database. Raises what is in FAILURES.

        Who opens a connection calls `close` for it. Cancelling leaves nothing open.
        """
        connection = self._make(server, authenticate=authenticate, db=db)
        try:
            async with asyncio.timeout(self._connect_s):
                await connection.connect()  # type: ignore[no-untyped-call]  # redis-py's types are partial
        except BaseException:
            await close(connection)
            raise
        return connection

    def _make(self, server: Server, *, authenticate: bool, db: bool) -> AbstractConnection:
        address = self.address
        options: dict[str, Any] = {
            "db": address.db if db else 0,
            "username": (address.username or None) if authenticate else None,
            "password": (address.password or None) if authenticate else None,
            # Every wait has its deadline here, around a whole step: redis-py's own for each read
            # and write would start a task for every write.
            "socket_timeout": None,
            "socket_connect_timeout": self._connect_s,
            "socket_read_size": _READ_BYTES,
            "retry": None,
            "health_check_interval": 0,
            # What is pushed arrives as any other reply does, on every server since 2.8.
            "protocol": 2,
            "maint_notifications_config": None,
        }
        if server.path:
            return _UnixConnection(path=server.path, **options)
        tls = self._tls_context() if address.tls else None
        return _TcpConnection(tls=tls, host=server.host, port=server.port, **options)

    def _tls_context(self) -> ssl.SSLContext:
        """Made once: reading the system's authorities takes longer than a handshake."""
        if self._tls is None:
            address = self.address
            self._tls = ssl.create_default_context(cafile=address.ca_certs or None)
            if address.certfile:
                self._tls.load_cert_chain(address.certfile, address.keyfile or None)
        return self._tls


class _Aborting(AbstractConnection):
    """A connection whose abrupt end is one: a server that has stopped takes nothing any more.

    redis-py's own, also when a write is cancelled, waits in the background until all is written.
    """

    async def disconnect(self, nowait: bool = False, *args: Any, **options: Any) -> None:
        """As redis-py's; with `nowait` what is still to be written is thrown away."""
        if nowait and self._writer is not None:
            self._writer.transport.abort()
        await super().disconnect(nowait, *args, **options)


class _UnixConnection(_Aborting, UnixDomainSocketConnection):
    pass


class _TcpConnection(_Aborting, Connection):
    """redis-py makes an SSL context for each connection; here all share one."""

    def __init__(self, *, tls: ssl.SSLContext | None, **options: Any) -> None:
        super().__init__(**options)
        self._tls = tls

    def _connection_arguments(self) -> Mapping[str, Any]:
        arguments = super()._connection_arguments()
        return arguments if self._tls is None else {**arguments, "ssl": self._tls}


async def close(connection: AbstractConnection) -> None:
    """Close at once, whatever is still to be written; nothing is waited for."""
    await connection.disconnect(nowait=True)
    # The transport lets go of its socket in the loop's next turn.
    await asyncio.sleep(0)


async def ask(connection: AbstractConnection, deadline_s: float, *command: str) -> Any:
    """Send one command and answer the reply. Raises what is in FAILURES."""
    async with asyncio.timeout(deadline_s):
        await connection.send_command(*command)
        return await connection.read_response(timeout=math.inf, disconnect_on_error=False)


def reason(error: BaseException) -> str:
    """What to tell an operator: the first cause inside, and what kind of error it is."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, Doubt):
        return str(error)
    text = str(error).rstrip(".")
    if not text and isinstance(error, TimeoutError):
        return "no answer in time"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
