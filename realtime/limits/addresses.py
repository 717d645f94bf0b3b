"""What counts as one address: a limit per address must not be escaped by the next address."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Final

UNKNOWN: Final = "unknown"
"""The key of whatever is not an IP address (a unix socket, a proxy's mistake): they share one."""

_ADDRESS_MAX: Final = 64
"""Longer texts are no addresses, and are not to fill the cache."""

_CACHED_MAX: Final = 4_096


def address_key(address: str) -> str:
    """Return the key to limit `address` by: an IPv4 address as it is, an IPv6 address's /64.

    One host or home network has a whole /64 of IPv6 addresses (RFC 6177, RFC 7421). An IPv4 address
    in IPv6 form ("::ffff:192.0.2.1") is the IPv4 address; a zone ("%eth0") does not matter.
    """
    return UNKNOWN if len(address) > _ADDRESS_MAX else _key(address)


@lru_cache(maxsize=_CACHED_MAX)
def _key(address: str) -> str:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((parsed, 64), strict=False))
