"""Which web pages may connect: the `Origin` header against the operator's list (RFC 6455, 10.2).

This protects users of browsers, which always send the page's true origin. It is no protection
against programs, which send what they like.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

# A host name has at most 253 characters (RFC 1035, 2.3.4); the rest is for scheme and port. It
# also bounds what a pattern with several wildcards may cost.
_ORIGIN_MAX_CHARS: Final = 300
_HIERARCHICAL: Final = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#@\s]+)")
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443", "ws": ":80", "wss": ":443"}


def origin_allowed(origin: str | None, host: str, allowed: Sequence[str]) -> bool:
    """Whether a request from `origin` (the header's value, None without one) may connect.

    No origin is always allowed: it is not a web page. With an empty list so is the origin whose
    host and port are those of `host`, the value of the `Host` header. Otherwise one pattern must
    match: the origin itself, `*` for any, or one with wildcards such as `https://*.example.com`,
    where `*` stands for one or more letters, digits, dots, hyphens and underscores, so for
    neither a port nor the domain itself. Letter case does not matter.
    """
    if origin is None or "*" in allowed:
        return True
    if len(origin) > _ORIGIN_MAX_CHARS:
        return False
    origin = origin.lower()
    if not allowed:
        return _is_same_host(origin, host.lower())
    return any(_matches(origin, pattern) for pattern in allowed)


def _is_same_host(origin: str, host: str) -> bool:
    found = _HIERARCHICAL.fullmatch(origin)
    if found is None:
        return False  # "null" and the like
    scheme, authority = found.groups()
    # Browsers leave a default port out, proxies that rewrite `Host` may put it in.
    port = _DEFAULT_PORTS.get(scheme, "")
    return authority.removesuffix(port) == host.removesuffix(port)


def _matches(origin: str, pattern: str) -> bool:
    if "*" not in pattern:
        return origin == pattern.lower()
    return _compiled(pattern.lower()).fullmatch(origin) is not None


# Patterns come from the settings; more than these few only cost time.
@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("[a-z0-9._-]+".join(map(re.escape, pattern.split("*"))))
