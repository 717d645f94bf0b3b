"""What the settings say about who may come in, whichever transport they ask for."""

import asyncio
import ipaddress
from collections.abc import Collection, Sequence
from typing import Final, get_args
from urllib.parse import urlsplit

from realtime.settings.hosts import is_loopback
from realtime.settings.schema import TransportName

TRANSPORTS: Final[frozenset[str]] = frozenset(get_args(TransportName))
"""All that there are."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class DoorRules:
    """Origins, proxies and transports.

    `any_loopback` lets pages of this machine in, whichever server they come from: development.
    A transport that is not among `transports` is not there: 404.
    """

    def __init__(
        self,
        allowed_origins: Sequence[str],
        trusted_proxies: Sequence[str],
        *,
        any_loopback: bool = False,
        transports: Collection[str] = TRANSPORTS,
    ) -> None:
        self.allowed_origins = tuple(allowed_origins)
        self.any_loopback = any_loopback
        self.transports = frozenset(transports)
        self.trusted: tuple[Network, ...] = tuple(
            ipaddress.ip_network(network, strict=False) for network in trusted_proxies
        )

    def origins(self, origin: str) -> Sequence[str]:
        """Which origins are allowed, for a request from `origin`; "" where it names none."""
        if self.any_loopback and _is_loopback_origin(origin):
            return ("*",)
        return self.allowed_origins

    def forwarded(
        self, transport: asyncio.BaseTransport, forwarded_for: Sequence[str]
    ) -> str | None:
        """The client's address as trusted proxies tell it; None: the connection's own.

        `forwarded_for` are the values of X-Forwarded-For. Each proxy appends whom it heard from, so
        the list is read from its end for as long as the addresses are proxies that we trust; a
        client may have written the rest itself.
        """
        if not self.trusted:
            return None
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        hops = ",".join(forwarded_for).split(",")
        while hops and self._is_trusted(address):
            hop = hops.pop().strip()
            if not hop:
                break
            address = hop
        return address or None

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.trusted)


def _is_loopback_origin(origin: str) -> bool:
    try:
        return is_loopback(urlsplit(origin).hostname or "")
    except ValueError:
        return False
