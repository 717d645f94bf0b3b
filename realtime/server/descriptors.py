"""File descriptors: is there room for as many connections as the settings allow?"""

import resource
from typing import Final

from realtime.errors import SettingsError
from realtime.server.gate import ARRIVING_MAX, HTTP_CONNECTIONS_MAX

RESERVED: Final = HTTP_CONNECTIONS_MAX + ARRIVING_MAX + 128
"""Descriptors for everything but websockets: HTTP, newcomers, the store, listeners, logs."""


def reserve_descriptors(connections_max: int) -> None:
    """Raise this process's soft limit so far that `connections_max` websockets fit.

    Raises SettingsError with the numbers where the hard limit does not allow it.
    """
    needed = connections_max + RESERVED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SettingsError(
            [
                f"server.connections_max: {connections_max} connections need {needed} file "
                f"descriptors, this process may have {hard}; expected at most {hard - RESERVED}, "
                "or a higher limit (ulimit -n)"
            ]
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def allowed_connections() -> int:
    """How many websockets the process may have at most; at least 1."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, hard - RESERVED) if hard != resource.RLIM_INFINITY else 1_000_000
