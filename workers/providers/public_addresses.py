"""Whether an address is out on the internet: pure."""

import ipaddress
from typing import Final

_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        # What the standard library calls global, or did in one of the versions we run on.
        "100.64.0.0/10",  # carrier-grade NAT, and many a cloud's own services
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        # IPv6 that leads to an IPv4 address, which nobody has looked at.
        "::/96",  # compatible
        "::ffff:0:0/96",  # mapped
        "::ffff:0:0:0/96",  # translated
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # NAT64 within a network
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "100::/64",  # discard
        "5f00::/16",  # segment routing within a network
        "fec0::/10",  # site-local, which is what unique local was called before
        "ff00::/8",  # multicast
    )
)


def is_public(address: str) -> bool:
    """Whether it is an IP address that anybody may reach, and nobody's own network.

    Private, loopback, link-local, multicast, reserved and documentation addresses are not, nor is
    IPv6 that wraps IPv4, nor what is no address at all.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    # `in` is False for a network of the other version.
    return found.is_global and not any(found in network for network in _NOT_PUBLIC)
