"""What `store.url` names."""

from typing import Final

MEMORY: Final = "sqlite://:memory:"
_FILE: Final = "sqlite:///"

FORMS: Final = '"sqlite:///path" or "sqlite://:memory:"'
"""What `database_path` takes, for messages."""


def database_path(url: str) -> str | None:
    """Return the path of the database file; None if it is in memory only.

    The path is all after the third slash, as it is: relative to the working directory, or absolute
    if it begins with a slash of its own. Raises ValueError for any other url.
    """
    if url == MEMORY:
        return None
    path = url.removeprefix(_FILE)
    if path == url or not path or path.endswith("/") or any(sign in path for sign in "?#\0"):
        raise ValueError(f"expected {FORMS}")
    return path
