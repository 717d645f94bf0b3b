"""What the system must allow before a load starts: descriptors, and ports to come from.

A load that runs out of either in its middle has measured nothing; so both are worked out before.
"""

import ipaddress
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

SPARE: Final = 64
"""Descriptors of a process for what is no client: pipes, files, the loop."""

PORTS_SHARE_MAX: Final = 0.9
"""How much of the ports of an address a run takes: some still wait from an earlier one."""

LOOPBACK_SOURCES_MAX: Final = 250
"""How many addresses of 127.0.0.0/24 a run comes from, at most."""

_PORTS: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_PORTS_ELSEWHERE: Final = (32_768, 60_999)


class LimitError(RuntimeError):
    """The system does not allow the load; says how much is missing and what to do."""


def allow_descriptors(clients: int) -> None:
    """Let this process have so many connections, as far as that needs no rights. For the process
    that has them; children inherit it. Raises LimitError.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = wanted_soft(clients, soft, hard)
    if wanted != soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def wanted_soft(clients: int, soft: int, hard: int) -> int:
    """The soft limit that a process with so many clients sets. Raises LimitError. Pure."""
    infinite = resource.RLIM_INFINITY
    need = clients + SPARE
    if soft == infinite or soft >= need:
        return soft
    if hard != infinite and hard < need:
        raise LimitError(
            f"a process of the load needs {need:,} open files and may have {hard:,}: use more "
            f"--processes, or raise the hard limit (`ulimit -Hn {need}` as root, "
            "LimitNOFILE= in a unit, nofile in /etc/security/limits.conf)"
        )
    return need


def source_addresses(
    clients: int, hubs: Sequence[str], given: Sequence[str] = (), ports: int | None = None
) -> tuple[str, ...]:
    """The addresses that connections come from, in turn; () where the system's choice is enough.

    `hubs` are the addresses and ports of the hubs, as `127.0.0.1:8000`; each takes its part of the
    clients, and a port may be used once for each. Those that are `given` are used; else on
    loopback there are as many as it takes. Raises LimitError. Pure, if `ports` is given: how many
    ports an address has.
    """
    each = int((local_ports() if ports is None else ports) * PORTS_SHARE_MAX)
    need = -(-clients // (each * max(1, len(set(hubs)))))
    if given:
        if len(given) < need:
            raise LimitError(
                f"{clients:,} clients need {need} source addresses and {len(given)} are given"
            )
        return tuple(given)
    if need <= 1:
        return ()
    on_loopback = all(_is_loopback(hub.rpartition(":")[0]) for hub in hubs)
    if not on_loopback or need > LOOPBACK_SOURCES_MAX or sys.platform != "linux":
        raise LimitError(
            f"{clients:,} clients need {need} source addresses: an address has ports for {each:,} "
            "connections to each hub; give addresses of this machine with --source, more hubs "
            "with --url, or run the load on several machines and merge the results"
        )
    return tuple(f"127.0.0.{number}" for number in range(2, 2 + need))


def local_ports() -> int:
    """How many ports of an address connections may come from."""
    try:
        first, last = (int(word) for word in _PORTS.read_text().split())
    except (OSError, ValueError):
        first, last = _PORTS_ELSEWHERE
    return last - first + 1


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")) in ipaddress.ip_network("127.0.0.0/8")
    except ValueError:
        return host == "localhost"
