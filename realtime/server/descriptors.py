"""File descriptors: is there room for as many connections as the settings allow?"""

import contextlib
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
        room = hard - RESERVED
        expected = f"expected at most {room}, or" if room > 0 else "expected"
        raise SettingsError(
            [
                f"server.connections_max: {connections_max} connections need {needed} file "
                f"descriptors, this process may have {hard}; {expected} a higher limit (ulimit -n)"
            ]
        )
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    except (ValueError, OSError):
        # Some systems have a limit of their own below an unlimited hard one.
        raise SettingsError(
            [
                f"server.connections_max: {connections_max} connections need {needed} file "
                f"descriptors, the system allows fewer; expected a smaller number"
            ]
        ) from None


def allow_fewer(connections_max: int) -> int:
    """For trying the hub: as many websockets as descriptors can be had for, at least 1.

    The reserve for everything else shrinks too: one person needs few of them.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections_max + RESERVED
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    if soft == resource.RLIM_INFINITY:
        return connections_max
    return max(1, min(connections_max, soft - min(RESERVED, soft // 2)))
