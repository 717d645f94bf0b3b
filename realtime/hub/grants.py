"""Subscriptions before there are any: on what terms, and with what they begin."""

from collections.abc import Sequence

import msgspec

from realtime.auth.claims import Override
from realtime.channels.live import Subscription
from realtime.model import Entry
from realtime.protocol.replies import SubscribeResult


class Grant(msgspec.Struct, frozen=True):
    """On what terms a subscription is given.

    `chan_info` is what others see, `data` goes to the subscriber; raw JSON, b"" for none.
    `expires_at` is in seconds since 1970, 0.0 for never; `tells_expiry`: the client must refresh.
    `by_token` and `by_server` as in `Subscription`; `jti` is the subscription token's id.
    `by_list`: no token and no order of the backend's gives it, but what the user is.
    """

    by_token: bool = False
    by_server: bool = False
    chan_info: bytes = b""
    data: bytes = b""
    expires_at: float = 0.0
    tells_expiry: bool = False
    join_leave: bool = False
    override: Override | None = None
    jti: str = ""
    by_list: bool = False


class Prepared(msgspec.Struct, frozen=True):
    """A subscription that is ready to join, the result to send first, and what it recovers.

    The result has the entries too; they are here for replies that cannot carry them.
    """

    subscription: Subscription
    result: SubscribeResult
    entries: Sequence[Entry]
