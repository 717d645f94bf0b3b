"""Names and addresses of this machine."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`.

    A name other than "localhost" is not: what it resolves to may change.
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
