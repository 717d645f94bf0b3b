"""Which endpoints Web Push may post to: a client chooses its own, so none is trusted.

A URL must name a push service that is on the list. Its name is resolved here, what is not out on
the internet is refused, and the connection is made to the addresses that were checked: a name that
is resolved to another address a moment later gains nothing by it.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from workers.providers.posting import KEEP_ALIVE_S, AddressRefused
from workers.providers.public_addresses import is_public

PUSH_SERVICES: Final = (
    "fcm.googleapis.com",  # Chrome, Edge on Android, Opera, Samsung Internet
    "*.push.services.mozilla.com",
    "*.push.apple.com",
    "*.notify.windows.com",  # Edge on Windows
)
"""The hosts that browsers have their subscriptions at. `*.` is any name below."""

ENDPOINT_MAX_CHARS: Final = 2_048
"""Longer than any push service's."""

NAMES_KEPT_S: Final = 60
"""For how long a name that was resolved and checked is not resolved again."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, as text; an OSError if there are none."""

_PRINTABLE: Final = re.compile(r"[!-~]+")
_HOST: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:.]+")
_PATTERN: Final = re.compile(r"\*|(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*")

_Origin = tuple[str, str, int]


class EndpointRefused(Exception):
    """Nothing is posted there. `why` names no address."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class EndpointGuard:
    """The rules, and what opens connections by them.

    `allowed` lists hosts of push services, "*.example.com" for all below one and "*" for any; they
    are reached by https on port 443 and at public addresses. `own` lists the operator's own
    origins ("https://ntfy.example.com:8443"), which may be anywhere; with http only if
    `allow_http`, which is for tests. `tls` is for an authority of the operator's own. A ValueError
    says what is wrong with either list.
    """

    def __init__(
        self,
        *,
        allowed: Sequence[str] = PUSH_SERVICES,
        own: Sequence[str] = (),
        allow_http: bool = False,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        for pattern in allowed:
            if not _PATTERN.fullmatch(pattern):
                raise ValueError(f"{pattern!r} is no host, *.host or *, in lower case")
        self._any = "*" in allowed
        self._exact = frozenset(host for host in allowed if "*" not in host)
        self._below = tuple(host[1:] for host in allowed if host.startswith("*."))
        self._own = frozenset(_own_origin(text, allow_http=allow_http) for text in own)
        self._own_places = frozenset((host, port) for _, host, port in self._own)
        self._tls = tls
        self._resolve = resolve or _resolve

    def check(self, address: str) -> URL:
        """The URL to post to, its path and query as they were given. Raises `EndpointRefused`."""
        if len(address) > ENDPOINT_MAX_CHARS or not _PRINTABLE.fullmatch(address):
            raise EndpointRefused("not a URL")
        try:
            # Read once: what is checked is what is connected to, whatever the text looks like.
            url = URL(address, encoded=True)
            scheme, host, port = url.scheme, (url.raw_host or "").lower(), url.port or 0
        except ValueError:
            raise EndpointRefused("not a URL") from None
        if not _HOST.fullmatch(host):
            raise EndpointRefused("not a URL")
        if url.raw_user is not None or url.raw_password is not None:
            raise EndpointRefused("a URL with a user")
        if (scheme, host, port) in self._own:
            return url
        if scheme != "https":
            raise EndpointRefused("not https")
        if port != 443:
            raise EndpointRefused("another port than 443")
        if not self._is_allowed(host):
            raise EndpointRefused("not an allowed push service")
        if _is_literal(host) and not is_public(host):
            # Whatever connects asks no resolver about these.
            raise EndpointRefused("not a public address")
        return url

    def connector(self, *, limit: int) -> aiohttp.TCPConnector:
        """What opens up to `limit` connections, only to addresses that were checked."""
        return aiohttp.TCPConnector(
            limit=limit,
            ssl=self._tls or True,
            resolver=_GuardedResolver(self),
            use_dns_cache=True,
            ttl_dns_cache=NAMES_KEPT_S,
            keepalive_timeout=KEEP_ALIVE_S,
        )

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses that may be connected to. Raises `AddressRefused` if there are none left.

        And OSError if the name has none to begin with.
        """
        found = await self._resolve(host, port)
        if (host.lower(), port) in self._own_places:
            return list(found)
        public = [address for address in found if is_public(address)]
        if not public:
            raise AddressRefused("not a public address")
        return public

    def _is_allowed(self, host: str) -> bool:
        return self._any or host in self._exact or host.endswith(self._below)


class _GuardedResolver(AbstractResolver):
    """The place where aiohttp turns a name into the addresses that it connects to."""

    def __init__(self, guard: EndpointGuard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in await self._guard.addresses(host, port)
        ]

    async def close(self) -> None:
        """There is nothing to let go of."""


async def _resolve(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


def _own_origin(text: str, *, allow_http: bool) -> _Origin:
    try:
        url = URL(text, encoded=True)
        scheme, host, port = url.scheme, (url.raw_host or "").lower(), url.port or 0
    except ValueError:
        # Not the text: it may hold a password.
        raise ValueError("an own origin of Web Push is not a URL") from None
    if scheme not in ("https", "http") or not _HOST.fullmatch(host) or url.raw_user is not None:
        raise ValueError("an own origin of Web Push is https://host or https://host:port")
    if url.raw_path not in ("", "/") or url.raw_query_string or url.raw_fragment:
        raise ValueError(f"{text!r} has more than a host and a port")
    if scheme == "http" and not allow_http:
        raise ValueError(f"{text!r} is not https")
    return scheme, host, port


def _is_literal(host: str) -> bool:
    """Whether it is meant as an IP address, in any of the ways in which one can be written."""
    last = host.rpartition(".")[2]
    return ":" in host or last.isdigit() or last.startswith("0x")
