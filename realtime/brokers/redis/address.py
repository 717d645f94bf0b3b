"""What a Redis URL names. Pure: nothing is looked up or opened."""

import ipaddress
import re
from typing import Final, NoReturn
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec

FORMS: Final = (
    '"redis://[user:password@]host[:port][/db]", "rediss://…" for TLS, '
    '"redis://host:port,host:port" for a cluster, "unix:///path/to/redis.sock[?db=0]" or '
    '"redis+sentinel://[user:password@]host:port[,host:port]/service[/db]"'
)
"""What `parse` takes, for messages."""

PORT: Final = 6379
"""Where Redis listens if the URL names no port."""

SENTINEL_PORT: Final = 26379
"""Where Sentinel does."""

_SCHEMES: Final = {
    # scheme: (TLS, Sentinel)
    "redis": (False, False),
    "rediss": (True, False),
    "redis+sentinel": (False, True),
    "rediss+sentinel": (True, True),
}
_TLS_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_NUMBER: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f]")


class Server(msgspec.Struct, frozen=True):
    """Where one server listens: `host` and `port`, or the unix socket `path`."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.path or f"{host}:{self.port}"


class RedisAddress(msgspec.Struct, frozen=True):
    """A URL that was understood. Shown without its credentials.

    `servers` are what the URL lists: the server itself, nodes of a cluster, or Sentinels that know
    the master of `service`. `username` and `password` are "" where the URL has none. The last three
    are paths of PEM files for TLS, "" for the system's authorities and no client certificate.
    """

    servers: tuple[Server, ...]
    service: str = ""
    db: int = 0
    username: str = ""
    password: str = ""
    tls: bool = False
    ca_certs: str = ""
    certfile: str = ""
    keyfile: str = ""

    def __repr__(self) -> str:
        return f"<RedisAddress {self}>"

    def __str__(self) -> str:
        servers = ",".join(map(str, self.servers))
        return f"{servers} ({self.service})" if self.service else servers


def parse(url: str) -> RedisAddress:
    """Read a URL. Raises ValueError, whose text shows the forms and never the URL.

    Reserved characters of the user name and the password are percent-encoded, as in every URL.
    """
    if _UNPRINTABLE.search(url):
        _refuse("there is a space or a control character in it")
    try:
        parts = urlsplit(url)
    except ValueError:  # its text may quote the URL
        _refuse()
    if parts.fragment or url.endswith("#"):
        _refuse('"#" must be written %23')
    query = _query(parts.query)
    if parts.scheme == "unix":
        return _unix(parts, query)
    if parts.scheme not in _SCHEMES or not url.lower().startswith(f"{parts.scheme}://"):
        _refuse()
    return _tcp(parts, query)


def _tcp(parts: SplitResult, query: dict[str, str]) -> RedisAddress:
    tls, sentinel = _SCHEMES[parts.scheme]
    credentials, _, listed = parts.netloc.rpartition("@")
    username, password = _credentials(credentials)
    port = SENTINEL_PORT if sentinel else PORT
    servers = tuple(_server(item, port) for item in listed.split(","))
    path = parts.path.removeprefix("/").split("/")
    service = unquote(path.pop(0)) if sentinel else ""
    if sentinel and not service:
        _refuse("Sentinel needs the name of a service")
    if len(path) > 1:
        _refuse()
    db = _db(path[0]) if path and path[0] else 0
    if db and len(servers) > 1 and not sentinel:
        _refuse("a cluster has database 0 alone")
    files = {name.removeprefix("ssl_"): query.pop(name, "") for name in _TLS_FILES}
    if query:
        _refuse(f"the options are {', '.join(_TLS_FILES)}")
    if any(files.values()) and not tls:
        _refuse("ssl_ options need rediss")
    if files["keyfile"] and not files["certfile"]:
        _refuse("ssl_keyfile needs ssl_certfile")
    return RedisAddress(servers, service, db, username, password, tls, **files)


def _unix(parts: SplitResult, query: dict[str, str]) -> RedisAddress:
    credentials, at, rest = parts.netloc.rpartition("@")
    path = unquote(parts.path)
    if rest or len(path) < 2 or path.endswith("/") or "\0" in path:
        _refuse("a unix socket is named by its absolute path")
    username, password = _credentials(credentials if at else "")
    db = _db(query.pop("db", "0"))
    if query:
        _refuse("the only option of a unix socket is db")
    return RedisAddress((Server(path=path),), db=db, username=username, password=password)


def _query(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True) if text else []
    except ValueError:  # its text quotes the query
        _refuse("what follows the question mark is not name=value")
    if len(dict(pairs)) < len(pairs):
        _refuse("an option is given twice")
    return dict(pairs)


def _credentials(text: str) -> tuple[str, str]:
    username, _, password = text.partition(":")
    if username and not password:
        # Most often a password without the colon before it; sending none would hide that.
        _refuse("a user name needs a password; a password alone is written :password@")
    return unquote(username), unquote(password)


def _server(text: str, default_port: int) -> Server:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not _is_ipv6(host):
            _refuse()
    else:
        host, colon, port = text.partition(":")
        rest = colon + port
        if not _HOST.fullmatch(host):
            _refuse("a host is missing or is no host name")
    if not rest:
        return Server(host, default_port)
    if not rest.startswith(":") or not _NUMBER.fullmatch(rest[1:]):
        _refuse("a port is a number from 1 to 65535")
    if not 1 <= int(rest[1:]) <= 65_535:
        _refuse("a port is a number from 1 to 65535")
    return Server(host, int(rest[1:]))


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _db(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        _refuse("a database is a number")
    return int(text)


def _refuse(why: str = "") -> NoReturn:
    raise ValueError(f"expected {FORMS}" + (f": {why}" if why else "")) from None
