"""What is wrong with where the hub listens and whom it lets in."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from realtime.settings.contradiction import Contradiction
from realtime.settings.schema import ServerSettings, Settings

_ORIGIN: Final = re.compile(r"\*|[A-Za-z][A-Za-z0-9+.-]*://(\*\.|[^\s/*?#@])+")
"""As browsers write an origin (RFC 6454, 6.2), without a path. A `*` stands for the end of a label
at least: "https://*example.com" would let notexample.com in."""

_NAME: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,100}")
PORT_MAX: Final = 65_535


def server_contradictions(settings: Settings) -> Iterator[Contradiction]:
    """Name all that is wrong in `server` and `api`."""
    server = settings.server
    yield from _internal_ports(server)
    if server.name is not None and not _NAME.fullmatch(server.name):
        text = "expected at most 100 characters, no line break or other control character"
        yield Contradiction((("server", "name"),), text)
    if (server.tls_certificate is None) != (server.tls_key is None):
        paths = (("server", "tls_certificate"), ("server", "tls_key"))
        missing = "tls_certificate" if server.tls_certificate is None else "tls_key"
        yield Contradiction(paths, f"one needs the other; {missing} is not set")
    yield from _lists(server)
    for place, key in enumerate(settings.api.keys):
        # It comes in a header, whose value cannot have these.
        if not re.fullmatch(r"[!-~]+", key.reveal()):
            text = "expected letters, digits and signs of ASCII, no space or line break"
            yield Contradiction((("api", "keys"),), text, f"[{place}]")


def _internal_ports(server: ServerSettings) -> Iterator[Contradiction]:
    first = server.internal_port
    if not first:
        return
    last = first + server.workers - 1
    if server.port and first <= server.port <= last:
        paths: tuple[tuple[str, ...], ...] = (("server", "internal_port"), ("server", "port"))
        text = "two listeners cannot share a port"
        if server.port != first:
            paths = (*paths, ("server", "workers"))
            text += f"; the workers' internal ports are {first} to {last}"
        yield Contradiction(paths, text)
    if last > PORT_MAX:
        yield Contradiction(
            (("server", "internal_port"), ("server", "workers")),
            f"worker {server.workers} would have port {last}; {PORT_MAX} is the highest there is",
        )


def _lists(server: ServerSettings) -> Iterator[Contradiction]:
    if not server.transports:
        text = "expected one at least: there would be no way in for clients"
        yield Contradiction((("server", "transports"),), text)
    for place, origin in enumerate(server.allowed_origins):
        if not _ORIGIN.fullmatch(origin):
            yield Contradiction(
                (("server", "allowed_origins"),),
                'expected an origin as browsers send it, "https://example.com", without a path or '
                'a slash at its end; "https://*.example.com", a dot after each `*`; or "*"',
                f"[{place}]",
            )
    for place, network in enumerate(server.trusted_proxies):
        try:
            ipaddress.ip_network(network)
        except ValueError:
            yield Contradiction(
                (("server", "trusted_proxies"),),
                'expected an IP address or a network without host bits, "10.0.0.0/8"',
                f"[{place}]",
            )
