"""What the users of this node are, by what their connections say. Pure: time is an argument.

A connection is active until it says otherwise, and a user is the best of their connections. When
the last one is gone the user stays what they were for a while, since most come back at once.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from realtime.chat.calls.presence import DeviceState

GRACE_MS: Final = 15_000
"""How long a user without a connection is still what they were, in milliseconds."""

LEAVING_MAX: Final = 100_000
"""Users that may be between connections; of more, those that left first are gone at once."""

_RANK: Final[dict[DeviceState, int]] = {"active": 3, "background": 2, "away": 1}


class Here(msgspec.Struct, frozen=True, gc=False):
    """What a user is who is not offline, since when (ms)."""

    state: DeviceState
    since: int


def best_of(found: Iterable[Here]) -> Here | None:
    """The best state, since the first of those began who have it; None for nobody."""
    best = None
    for here in found:
        if best is None or _RANK[here.state] > _RANK[best.state]:
            best = here
        elif here.state == best.state and here.since < best.since:
            best = here
    return best


class _User:
    __slots__ = ("gone_at", "here", "states")

    def __init__(self, here: Here) -> None:
        self.states: dict[str, DeviceState] = {}
        """By connection."""
        self.here = here
        self.gone_at = 0
        """When the last connection was gone (ms), 0 while there is one."""


class Devices:
    """The connections of this node's users. Times are in milliseconds since 1970."""

    def __init__(self) -> None:
        self._users: dict[str, _User] = {}
        self._leaving: OrderedDict[str, None] = OrderedDict()
        """Who has no connection, in the order in which they left."""
        self._devices: dict[str, str] = {}
        """The device of a connection, where it has said one."""
        self._declared: set[str] = set()
        """Connections that have said what they are: few do."""

    def __repr__(self) -> str:
        return f"<Devices {len(self._users)} users, {len(self._leaving)} leaving>"

    def here(self, user: str) -> Here | None:
        """What the user is on this node; None: not here."""
        found = self._users.get(user)
        return found.here if found is not None else None

    def present(self) -> Iterator[tuple[str, Here]]:
        """Everybody who is here. Nothing may change meanwhile."""
        return ((name, user.here) for name, user in self._users.items())

    def is_foreground(self, user: str, client: str, *, undeclared: bool) -> bool:
        """Whether a connection is of a device that is being looked at, as far as it has said.

        `undeclared` is the answer for one that has never said what it is.
        """
        found = self._users.get(user)
        if found is None or found.states.get(client) != "active":
            return False
        return undeclared or client in self._declared

    def device_of(self, client: str) -> str:
        """The device of a connection that is here; "" where it has not said one."""
        return self._devices.get(client, "")

    def came(self, user: str, client: str, device: str, now: int) -> bool:
        """A connection has come. Whether the user is something else for it than before."""
        found = self._users.get(user)
        is_new = found is None
        if found is None:
            found = self._users[user] = _User(Here("active", now))
        found.states[client] = "active"
        found.gone_at = 0
        self._leaving.pop(user, None)
        if device:
            self._devices[client] = device
        return self._settle(found, now) or is_new

    def went(self, user: str, client: str, now: int) -> bool:
        """A connection is gone. Whether the user is something else for it than before."""
        self._devices.pop(client, None)
        self._declared.discard(client)
        found = self._users.get(user)
        if found is None or found.states.pop(client, None) is None:
            return False
        if found.states:
            return self._settle(found, now)
        found.gone_at = now
        self._leaving[user] = None
        return False

    def says(self, user: str, client: str, state: DeviceState, device: str, now: int) -> bool:
        """A connection says what it is. Whether the user is something else for it than before."""
        found = self._users.get(user)
        if found is None or client not in found.states:
            return False
        found.states[client] = state
        self._declared.add(client)
        if device:
            self._devices[client] = device
        return self._settle(found, now)

    def says_of(self, user: str, device: str, state: DeviceState, now: int) -> bool:
        """The same of all connections of a device, or of the user where `device` is ""."""
        found = self._users.get(user)
        if found is None or not found.states:
            return False
        for client in found.states:
            if not device or self._devices.get(client) == device:
                found.states[client] = state
                self._declared.add(client)
        return self._settle(found, now)

    def expire(self, now: int) -> list[tuple[str, int]]:
        """Users who are not here any more, and when they left."""
        gone = []
        while self._leaving:
            name = next(iter(self._leaving))
            user = self._users[name]
            if now - user.gone_at < GRACE_MS and len(self._leaving) <= LEAVING_MAX:
                break
            del self._leaving[name], self._users[name]
            gone.append((name, user.gone_at))
        return gone

    def leave(self, now: int) -> list[tuple[str, int]]:
        """Nobody is here any more: everybody who was, and when they left."""
        gone = [(name, user.gone_at or now) for name, user in self._users.items()]
        self._users.clear()
        self._leaving.clear()
        self._devices.clear()
        self._declared.clear()
        return gone

    def _settle(self, user: _User, now: int) -> bool:
        state = max(user.states.values(), key=_RANK.__getitem__)
        if state == user.here.state:
            return False
        user.here = Here(state, now)
        return True
