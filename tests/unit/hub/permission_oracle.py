"""Who may do what, written down a second time: from design 6 and protocol 4.2, not from the code.

A namespace of the table has one permission list with one grantee in it, so that a list that is
mixed up with another shows.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, get_args

from realtime.settings.schema import ChannelOptions, Grant

Operation = Literal["subscribe", "publish", "read_history", "read_presence"]
OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)
GRANTEES: Final[tuple[Grant, ...]] = get_args(Grant)

API: Final = {
    "publish",
    "broadcast",
    "subscribe",
    "unsubscribe",
    "disconnect",
    "refresh",
    "presence",
    "presence_stats",
    "history",
    "history_remove",
    "channels",
    "info",
    "rpc",
    "revoke",
    "ban",
    "unban",
}
"""The operations of the server API, which has keys in place of permissions."""

LISTED: Final = frozenset({"u7", "u9"})
"""The users whose ids are in the names of user-limited channels."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who has connected. `role` as the token says it, None for a token without one.

    `subscribed`: to every channel of the table, by the server or by a subscription token.
    """

    name: str
    user: str
    role: Literal["guest", "user", "admin"] | None = None
    has_token: bool = True
    subscribed: Literal["no", "by server", "by token"] = "no"

    @property
    def is_admin(self) -> bool:
        """Whether everything is allowed."""
        return self.role == "admin"

    @property
    def is_user(self) -> bool:
        """Whether the grantee `user` is meant: by role, or by id where the token has no role."""
        return self.role in ("user", "admin") or (self.role is None and self.user != "")


CALLERS: Final = (
    Caller("anonymous guest", "", has_token=False),
    Caller("guest by token", ""),
    Caller("guest with sub", "u7", role="guest"),
    Caller("user", "u7"),
    Caller("user by role", "u9", role="user"),
    Caller("other user", "u8"),
    Caller("subscriber", "u5", subscribed="by server"),
    Caller("guest subscriber", "g5", role="guest", subscribed="by server"),
    Caller("subscriber by token", "u6", subscribed="by token"),
    Caller("guest subscriber by token", "", subscribed="by token"),
    Caller("admin", "root", role="admin"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A channel of the table and the namespace that it is in."""

    namespace: str
    operation: Operation | None
    grantee: Grant | None
    user_limited: bool
    channel: str

    @property
    def is_private(self) -> bool:
        """Whether only a subscription token opens it."""
        return self.channel.startswith("$")

    @property
    def is_limited(self) -> bool:
        """Whether its name lists users."""
        return "#" in self.channel


def namespaces() -> dict[str, ChannelOptions]:
    """One for each list with each grantee alone, and one with all lists empty; twice.

    The second time without user-limited channels.
    """
    found: dict[str, ChannelOptions] = {}
    for limited in (True, False):
        for operation, grantee in [*itertools.product(OPERATIONS, GRANTEES), (None, None)]:
            lists = {operation: (grantee,)} if operation is not None else {}
            found[_name(operation, grantee, limited)] = ChannelOptions(
                history_size=-1,
                presence=True,
                user_limited=limited,
                **lists,  # type: ignore[arg-type]  # by the names of the lists
            )
    return found


def places() -> Iterator[Place]:
    """Every channel of the table."""
    for limited in (True, False):
        for operation, grantee in [*itertools.product(OPERATIONS, GRANTEES), (None, None)]:
            name = _name(operation, grantee, limited)
            for channel in (f"{name}:room", f"${name}:room", f"{name}:room#u7,u9"):
                yield Place(name, operation, grantee, limited, channel)


def may(caller: Caller, operation: Operation, place: Place, *, insecure: bool) -> bool:
    """Whether the caller may, asking for itself and without a subscription token."""
    if caller.is_admin:
        return True
    if caller.subscribed == "no" and not _passes_the_name(caller, place):
        return False
    if operation == "subscribe" and place.is_limited:
        return True  # the name says for whom it is; the list is not asked
    granted = place.operation == operation and _is(caller, place.grantee)
    return insecure or granted


def _passes_the_name(caller: Caller, place: Place) -> bool:
    if place.is_private:
        return False
    return not place.is_limited or (place.user_limited and caller.user in LISTED)


def _is(caller: Caller, grantee: Grant | None) -> bool:
    match grantee:
        case "guest":
            return True
        case "user":
            return caller.is_user
        case "subscriber":
            return caller.subscribed != "no"
        case "token":
            return caller.subscribed == "by token"
        case "admin":
            return caller.is_admin
        case _:  # member: nobody, in a channel that has none
            return False


def _name(operation: str | None, grantee: str | None, limited: bool) -> str:
    return f"{operation or 'none'}-{grantee or 'none'}-{'limited' if limited else 'open'}"
