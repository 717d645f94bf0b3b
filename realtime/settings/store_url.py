"""What `store.url` names."""

import re
from typing import Final, Literal

from realtime.settings.server_hosts import parse_servers

MEMORY: Final = "sqlite://:memory:"
_FILE: Final = "sqlite:///"
_DATABASE: Final = re.compile(r"[A-Za-z0-9_-]{0,63}")
"""What MongoDB allows everywhere in a database's name; "" is the default name."""

FORMS: Final = (
    '"sqlite:///path", "sqlite://:memory:", "mongodb://host/database" or "mongodb+srv://…"'
)
"""What there is, for messages."""

StoreKind = Literal["sqlite", "mongodb"]


def store_kind(url: str) -> StoreKind:
    """Which store the address is one of. Raises ValueError, whose text shows nothing of it."""
    if not url.startswith(("mongodb://", "mongodb+srv://")):
        database_path(url)
        return "sqlite"
    servers = parse_servers(url, escaped=True)
    if not servers.hosts:
        raise ValueError(f"expected {FORMS}; a host is missing")
    if servers.scheme == "mongodb+srv" and (len(servers.hosts) > 1 or servers.has_port):
        raise ValueError("expected one name without a port after mongodb+srv://")
    if not _DATABASE.fullmatch(servers.path):
        raise ValueError("expected a database's name after the host: letters, digits, `_` and `-`")
    return "mongodb"


def database_path(url: str) -> str | None:
    """Return the path of SQLite's file; None if it is in memory only.

    The path is all after the third slash, as it is: relative to the working directory, or absolute
    if it begins with a slash of its own. Raises ValueError for any other url.
    """
    if url == MEMORY:
        return None
    path = url.removeprefix(_FILE)
    if path == url or not path or path.endswith("/") or any(sign in path for sign in "?#\0"):
        raise ValueError(f"expected {FORMS}")
    return path
