"""What users are on the other nodes: the port, and what it is where there are none."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from realtime.chat.calls.presence import DeviceState
from realtime.chat.devices import Here

Heard = Callable[[Collection[str] | None], None]
"""Told whose state elsewhere may have changed; None is everybody's."""

Said = Callable[[str, str, DeviceState], None]
"""Told that a user said, at another node, what a device of theirs is (`Devices.says_of`)."""


class Whereabouts(Protocol):
    """Users on other nodes. A node that dies is heard of like its users' leaving, within 15 s."""

    def begin(self, heard: Heard, said: Said) -> None:
        """Have these called from now on. Once, before `run`; neither may wait."""
        ...

    def put(self, user: str, here: Here | None) -> None:
        """What the user is on this node from now on; None: not here any more. Never waits."""
        ...

    def say(self, user: str, device: str, state: DeviceState) -> None:
        """Tell the others what a user said of a device. Never waits; may get lost."""
        ...

    async def elsewhere(self, users: Collection[str]) -> Mapping[str, Here]:
        """The best that these users are on other nodes; who is on none is left out.

        At most 500 users, one read as a rule. Raises StoreError.
        """
        ...

    async def run(self) -> None:
        """Keep it going until cancelled."""
        ...


class Alone:
    """Whereabouts of a node without others."""

    def begin(self, heard: Heard, said: Said) -> None:
        """See `Whereabouts`."""

    def put(self, user: str, here: Here | None) -> None:
        """See `Whereabouts`."""

    def say(self, user: str, device: str, state: DeviceState) -> None:
        """See `Whereabouts`."""

    async def elsewhere(self, users: Collection[str]) -> Mapping[str, Here]:
        """See `Whereabouts`."""
        return {}

    async def run(self) -> None:
        """See `Whereabouts`."""
        await asyncio.Event().wait()
