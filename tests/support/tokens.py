"""Tokens as an application's backend would make them."""

import math
import time
from typing import Any

import jwt

from tests.support.configuration import HMAC_SECRET


def connection_token(
    user: str, *, ttl_s: float | None = 3600, secret: str = HMAC_SECRET, **claims: Any
) -> str:
    """Make a connection token of `user`; `ttl_s` from now, None for no expiry, may be negative."""
    return _encode({"sub": user, **claims}, ttl_s, secret)


def subscription_token(
    user: str,
    channel: str,
    *,
    ttl_s: float | None = 3600,
    secret: str = HMAC_SECRET,
    **claims: Any,
) -> str:
    """Make a subscription token of `user` for `channel`; `ttl_s` as in `connection_token`."""
    return _encode({"sub": user, "channel": channel, **claims}, ttl_s, secret)


def seconds_left(token: str) -> float:
    """Seconds until a token expires; negative where it has."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return float(claims["exp"] - time.time())


def _encode(claims: dict[str, Any], ttl_s: float | None, secret: str) -> str:
    claims.setdefault("iat", int(time.time()))
    if ttl_s is not None:
        # Up, so that a token lives for `ttl_s` at least.
        claims["exp"] = math.ceil(time.time() + ttl_s)
    return jwt.encode(claims, secret, algorithm="HS256")
