"""What `broker.url` names."""

from typing import Final, Literal

from realtime.settings.server_hosts import parse_servers

MEMORY: Final = "memory://"
_SENTINEL: Final = ("redis+sentinel", "rediss+sentinel")
_SCHEMES: Final = ("redis", "rediss", "unix", *_SENTINEL)

FORMS: Final = (
    '"memory://", "redis://host:6379/0", "rediss://…", "unix:///path" or '
    '"redis+sentinel://host:26379/service", "rediss+sentinel://…"'
)
"""What there is, for messages."""

BrokerKind = Literal["memory", "redis"]


def broker_kind(url: str) -> BrokerKind:
    """Which broker the address is one of. Raises ValueError, whose text shows nothing of it.

    It says what is plainly no address; the driver, which knows the options, has the last word.
    """
    if url == MEMORY:
        return "memory"
    scheme = url.partition("://")[0]
    if scheme not in _SCHEMES or "://" not in url:
        raise ValueError(f"expected {FORMS}")
    servers = parse_servers(url)
    if scheme == "unix":
        if servers.hosts or not servers.path:
            raise ValueError('expected a path after three slashes, "unix:///run/redis.sock"')
    elif not servers.hosts:
        raise ValueError(f"expected {FORMS}; a host is missing")
    elif scheme in _SENTINEL:
        if not servers.path.split("/")[0]:
            raise ValueError("expected the service's name after the sentinels, as in /mymaster")
    return "redis"
