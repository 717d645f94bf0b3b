"""Ports that several processes listen on together."""

import errno
import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack

_TRIES = 20
"""How many free ports are tried where a name has several addresses: one may be taken on another."""


class Reservation:
    """Addresses that are bound and not listened on, for the processes that will.

    The kernel hands a connection to whoever listens, never to these sockets (Linux: socket(7),
    SO_REUSEPORT), and no other user's process can bind the port while they are open.
    """

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self._sockets = sockets

    @property
    def port(self) -> int:
        """The port, the same on every address."""
        return int(self._sockets[0].getsockname()[1])

    @property
    def hosts(self) -> Sequence[str]:
        """The addresses."""
        return [str(each.getsockname()[0]) for each in self._sockets]

    def close(self) -> None:
        """Let go of them. Idempotent."""
        for each in self._sockets:
            each.close()


def reserve(host: str, port: int) -> Reservation:
    """Reserve `port`, 0 for any that is free, on every address of `host`.

    Raises OSError where it cannot be had. Somebody else who shares the port already, as a second
    parent would, is found too: the kernel would give each a part of the connections.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        addresses = list(dict.fromkeys((family, address) for family, *_, address in found))
        for _ in range(_TRIES if port == 0 and len(addresses) > 1 else 1):
            try:
                return Reservation(_bind_all(addresses))
            except OSError as error:
                failure = error
        raise failure
    except OSError as error:
        raise cannot_listen(host, port, error) from None


def cannot_listen(host: str, port: int, error: OSError, key: str = "port") -> OSError:
    """The error as an operator understands it; `key` of the section `server` names the port."""
    why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    if error.errno == errno.EADDRINUSE and key == "port":
        why += "; --port takes another"
    return OSError(f"server.{key}: cannot listen on {host}:{port}: {why}")


def _bind_all(addresses: Sequence[tuple[int, tuple[object, ...]]]) -> Sequence[socket.socket]:
    with ExitStack() as undone:
        bound: list[socket.socket] = []
        for family, (host, port, *rest) in addresses:
            port = port or (bound[0].getsockname()[1] if bound else 0)
            # Alone first: with SO_REUSEPORT it could be bound beside a stranger.
            alone = undone.enter_context(_bind(family, (host, port, *rest), shared=False))
            port = alone.getsockname()[1]
            alone.close()
            bound.append(undone.enter_context(_bind(family, (host, port, *rest), shared=True)))
        undone.pop_all()
    return bound


def _bind(family: int, address: tuple[object, ...], *, shared: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # As asyncio binds it: "::" leaves IPv4 alone.
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except BaseException:
        made.close()
        raise
    return made
