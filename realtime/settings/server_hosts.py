"""The part of an address that says which servers, checked without any driver."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

_FORM: Final = re.compile(
    r"(?P<scheme>[a-z+]+)://(?:(?P<userinfo>[^@/?#]*)@)?(?P<hosts>[^@/?#]*)"
    r"(?:/(?P<path>[^?#]*))?(?:\?[^#]*)?"
)
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+)(?::(?P<port>[0-9]{1,5}))?")
_PORT_MAX: Final = 65_535
_MISREAD: Final = re.compile(r":.*:|%(?![0-9A-Fa-f]{2})", re.DOTALL)
_ESCAPED: Final = (
    "scheme://user:password@host, with `:`, `@`, `/`, `?`, `#` and `%` in user and password "
    "written %3A, %40, %2F, %3F, %23 and %25"
)


@dataclass(frozen=True, slots=True)
class Servers:
    """An address taken apart. `hosts` are "host" or "host:port"; `path` has no slash before it."""

    scheme: str
    hosts: tuple[str, ...]
    path: str

    @property
    def has_port(self) -> bool:
        """Whether any host names a port."""
        return any(_port(host) is not None for host in self.hosts)


def parse_servers(url: str, *, escaped: bool = False) -> Servers:
    """Take apart "scheme://user:password@host:port,host:port/path?options".

    `escaped`: every sign of the user's name and the password that could be misread must be. Raises
    ValueError, whose text shows nothing of the address.
    """
    form = _FORM.fullmatch(url)
    if form is None or (escaped and _MISREAD.search(form["userinfo"] or "")):
        raise ValueError(f"expected {_ESCAPED}")
    hosts = tuple(form["hosts"].split(",")) if form["hosts"] else ()
    for host in hosts:
        port = _port(host)
        if _HOST.fullmatch(host) is None or (port is not None and not 0 < port <= _PORT_MAX):
            raise ValueError('expected "host" or "host:port" for each server')
    return Servers(form["scheme"], hosts, unquote(form["path"] or ""))


def _port(host: str) -> int | None:
    match = _HOST.fullmatch(host)
    return None if match is None or match["port"] is None else int(match["port"])
