"""Who may do what in a channel (design 6, protocol 4.2), decided without looking anything up.

A permission is a list of grantees, compiled once into bits. Whoever asks has bits too, by role and
by how they are subscribed; they may if the two have a bit in common. Every list has the admin's
bit, so an empty one is for admins, and for the server API, which does not come through here.

| grantee | who that is |
|---|---|
| guest | everyone |
| user | everyone whose role is user or admin, which needs a user id |
| member | who is in the channel, where channels have members |
| subscriber | who is subscribed to the channel |
| token | who is subscribed to the channel by a subscription token |
| admin | whose role is admin |

A token may have a user id and yet say `role: guest`: its bearer gets what guests get. Otherwise the
role would say nothing.
"""

from collections.abc import Collection, Iterable
from typing import Final, Literal

from realtime.auth.identity import Role

Operation = Literal["subscribe", "publish", "read_history", "read_presence"]
"""What can be asked for in a channel."""

_GUEST: Final = 1
_USER: Final = 2
_MEMBER: Final = 4
_SUBSCRIBER: Final = 8
_TOKEN: Final = 16
_ADMIN: Final = 32

GRANTEES: Final = {
    "guest": _GUEST,
    "user": _USER,
    "member": _MEMBER,
    "subscriber": _SUBSCRIBER,
    "token": _TOKEN,
    "admin": _ADMIN,
}

_STANDING: Final[dict[Role, int]] = {
    "guest": _GUEST,
    "user": _GUEST | _USER,
    "admin": _GUEST | _USER | _ADMIN,
}


class Permissions:
    """A namespace's four lists, compiled. Immutable."""

    __slots__ = ("_grants",)

    def __init__(
        self,
        *,
        subscribe: Iterable[str] = (),
        publish: Iterable[str] = (),
        read_history: Iterable[str] = (),
        read_presence: Iterable[str] = (),
    ) -> None:
        """Each argument lists grantees; raises ValueError for what is not one."""
        self._grants: dict[str, int] = {
            "subscribe": _compile(subscribe),
            "publish": _compile(publish),
            "read_history": _compile(read_history),
            "read_presence": _compile(read_presence),
        }

    def allow(
        self,
        operation: str,
        role: Role,
        *,
        subscriber: bool = False,
        token: bool = False,
        member: bool = False,
        insecure: bool = False,
    ) -> bool:
        """Whether a caller may do `operation`. Unknown operations are denied to everyone.

        `subscriber`: is subscribed to the channel; `token`: and by a subscription token. `member`:
        is in the channel, in a role that may do such things. `insecure`: the setting that allows
        everything there is. To subscribe, `may_subscribe`.
        """
        granted = self._grants.get(operation)
        if granted is None:
            return False
        standing = _STANDING[role]
        if subscriber:
            standing |= _SUBSCRIBER | _TOKEN if token else _SUBSCRIBER
        if member:
            standing |= _MEMBER
        return insecure or granted & standing != 0


def may_subscribe(
    permissions: Permissions,
    role: Role,
    user: str,
    *,
    token: bool,
    private: bool,
    limited_to: Collection[str] | None,
    user_limited: bool,
    member: bool = False,
    insecure: bool = False,
) -> bool:
    """Whether a caller may subscribe; else the answer is error 103 (protocol 4.2).

    `token`: brought a subscription token that was verified and fits. `private`: the channel's name
    begins with `$`. `limited_to`: the users that its name lists after `#`, None without a `#`;
    `user_limited`: whether the namespace has such channels. `member`: is in the channel. The first
    rule that fits decides, so neither a list nor `insecure` opens a private or a user-limited
    channel.
    """
    if token or role == "admin":
        return True
    if private:
        return False
    if limited_to is not None:
        # "" is in the list of "name#", and is nobody's id.
        return user_limited and user != "" and user in limited_to
    return permissions.allow("subscribe", role, member=member, insecure=insecure)


def _compile(grantees: Iterable[str]) -> int:
    grants = _ADMIN
    for grantee in grantees:
        if grantee not in GRANTEES:
            raise ValueError(f"unknown grantee; expected one of {', '.join(GRANTEES)}")
        grants |= GRANTEES[grantee]
    return grants
