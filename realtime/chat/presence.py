"""Whether users are here, what they do here, and who wants to know.

What a user is on this node the connections say (`devices`), and on other nodes the rows of those
that live (`shared_whereabouts`); both together are what the user is. Changes are told to whoever
watches the user, on whichever node (`watching`).

Anybody who knows a user's id may ask, as with a profile: ids are what the app's backend has given
out, and whether two users share a channel costs reads that grow with both. Who blocks somebody, and
who is blocked, sees the other offline. Who hides when they were last here is seen while they are.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import Final

from realtime.auth.device_names import device_name
from realtime.chat.around import Around
from realtime.chat.blocks import Blocks
from realtime.chat.caller import Caller
from realtime.chat.calls.presence import (
    DeviceState,
    GetPresence,
    Presences,
    SetPresence,
    UnwatchPresence,
    UserPresence,
    WatchedPresences,
    WatchPresence,
)
from realtime.chat.devices import Devices, Here, best_of
from realtime.chat.last_seen import LastSeen
from realtime.chat.operations import DONE, Done, Perform
from realtime.chat.others import Others
from realtime.chat.shared_whereabouts import SharedWhereabouts
from realtime.chat.watching import Watching, absent_rows, presence_of
from realtime.chat.whereabouts import Alone, Whereabouts
from realtime.cluster.outage import Outage
from realtime.errors import LIMIT_EXCEEDED, CallRefused, StoreError

logger = logging.getLogger(__name__)

ROUND_S: Final = 1.0
"""How long changes are gathered before watchers are told of them, in seconds."""

GET_VALID_MS: Final = 60_000
"""How long an answer is believed that nobody will take back."""

HTTP: Final = "http"
"""What has seen something is called where it is no connection, and has not said its device."""

LEAVE_TIMEOUT_S: Final = 5.0
"""How long it may take to write when users were here, when the node stops."""


class Presence:
    """Performs `presence.*`; `run` must be running for anybody to be told, or to be offline.

    `undeclared`: whether a connection that never says what it is counts as of a device in the
    foreground, for push; to others it is active in any case. Without `join` there are no other
    nodes. The hub says who comes and goes: `connected` and `departed`, once each for every
    connection of a user.
    """

    def __init__(self, around: Around, blocks: Blocks, *, undeclared: bool = True) -> None:
        self._store = around.store
        self._clock = around.clock
        self._blocks = blocks
        self._devices = Devices()
        self._undeclared = undeclared
        self._last_seen = LastSeen(around.store, around.clock)
        self._whereabouts: Whereabouts = Alone()
        self._watching = Watching(around, self.states)
        self._outage = Outage(logger, "when users were last here")
        self.operations: Mapping[str, Perform] = {
            "presence.set": self.set,
            "presence.get": self.get,
            "presence.watch": self.watch,
            "presence.unwatch": self.unwatch,
        }

    def __repr__(self) -> str:
        return f"<Presence {self._devices!r} {self._watching!r} {self._whereabouts!r}>"

    def join(self, others: Others) -> None:
        """Be one of several nodes. Call once, before anybody comes."""
        self._whereabouts = SharedWhereabouts(
            self._store, self._clock, others, present=self._devices.present
        )
        self._whereabouts.begin(self._watching.changed, self._said_elsewhere)
        self._watching.is_shared = True

    # What the hub says.

    def connected(self, caller: Caller) -> None:
        """A connection of a user has come. Never waits."""
        now = self._clock.wall_ms()
        if self._devices.came(caller.user, caller.client, caller.device, now):
            self._changed(caller.user)

    def departed(self, caller: Caller) -> None:
        """A connection that had come is gone. Never waits."""
        if self._devices.went(caller.user, caller.client, self._clock.wall_ms()):
            self._changed(caller.user)
        self._watching.watches.unwatch((caller.user, caller.client))

    def is_foreground(self, user: str, client: str) -> bool:
        """Whether a connection is of a device in the foreground. Never waits."""
        return self._devices.is_foreground(user, client, undeclared=self._undeclared)

    def name_of(self, client: str) -> str:
        """What a connection is called in notes: the device that it has said, or itself."""
        return self._devices.device_of(client) or client

    def seer(self, caller: Caller, marker: str) -> str:
        """Which device, or what else, has seen what a marker is moved past; "" for none.

        Whoever reads sees. But what is only delivered may have gone to a device in the background,
        or, over HTTP, to the part of an app that wakes up for notifications.
        """
        if not caller.client:
            return (caller.device or HTTP) if marker == "read" else ""
        if marker == "read" or (
            marker == "delivered" and self.is_foreground(caller.user, caller.client)
        ):
            return self.name_of(caller.client)
        return ""

    # What callers ask for.

    async def set(self, caller: Caller, params: SetPresence) -> Done:
        """Say what the caller's device is doing."""
        user, state = caller.user, params.state
        device = device_name(user, params.device_id)
        if caller.client:
            if self._devices.says(user, caller.client, state, device, self._clock.wall_ms()):
                self._changed(user)
        else:
            self._said_elsewhere(user, device, state)
            self._whereabouts.say(user, device, state)
        return DONE

    async def get(self, caller: Caller, params: GetPresence) -> Presences:
        """What these users are. At most three reads. Raises StoreError."""
        users = tuple(dict.fromkeys(params.users))
        states = await self.states(users)
        valid_until = self._clock.wall_ms() + GET_VALID_MS
        return Presences(await self._described(caller, users, states, valid_until))

    async def watch(self, caller: Caller, params: WatchPresence) -> WatchedPresences:
        """The same, and when it changes. Raises CommandRefused: 106. Raises StoreError."""
        users = tuple(dict.fromkeys(params.users))
        now = self._clock.monotonic()
        watcher = (caller.user, caller.client)
        # First, so that no change falls between what is read and what is told.
        if not self._watching.watches.watch(watcher, users, now + params.ttl, now):
            raise CallRefused(LIMIT_EXCEEDED, why="full")
        until = self._clock.wall_ms() + params.ttl * 1000
        states = await self.states(users)
        described = await self._described(caller, users, states, until)
        self._watching.answered(users, states)
        return WatchedPresences(until, described)

    async def unwatch(self, caller: Caller, params: UnwatchPresence) -> Done:
        """Watch these no more, or nobody."""
        self._watching.watches.unwatch((caller.user, caller.client), params.users)
        return DONE

    async def states(self, users: Collection[str]) -> Mapping[str, Here]:
        """What these users are, on all nodes; who is left out is offline. At most 500.

        One read, or none where there is only one node. Raises StoreError and TimeoutError.
        """
        elsewhere = await self._whereabouts.elsewhere(users)
        states = {}
        for user in users:
            found = [here for here in (self._devices.here(user), elsewhere.get(user)) if here]
            best = best_of(found)
            if best is not None:
                states[user] = best
        return states

    # What goes on by itself.

    async def run(self) -> None:
        """Tell watchers, and let users go who have left, until cancelled; then `leave`.

        Cancel it after the last connection is closed and before the store is.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._whereabouts.run(), name="whereabouts")
                tasks.create_task(self._run_rounds(), name="presence of users")
        finally:
            await self.leave()

    async def round(self) -> None:
        """Once a second; `run` calls it."""
        gone = self._devices.expire(self._clock.wall_ms())
        for user, at in gone:
            self._last_seen.seen(user, at)
        try:
            # Before others hear of it, who then read when it was.
            await self._last_seen.write()
        except (StoreError, TimeoutError) as error:
            self._outage.failed(error)
        else:
            self._outage.ended()
        for user, _ in gone:
            self._changed(user)
        await self._watching.round()

    async def leave(self) -> None:
        """Everybody is gone from here, for the node stops. Never raises; takes LEAVE_TIMEOUT_S."""
        for user, at in self._devices.leave(self._clock.wall_ms()):
            self._last_seen.seen(user, at)
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._last_seen.write()
        except (StoreError, TimeoutError) as error:
            logger.warning("it is not written when users were last here: %s", error)

    async def _run_rounds(self) -> None:
        while True:
            await asyncio.sleep(ROUND_S)
            await self.round()

    # Parts of it.

    def _changed(self, user: str) -> None:
        self._whereabouts.put(user, self._devices.here(user))
        self._watching.changed((user,))

    def _said_elsewhere(self, user: str, device: str, state: DeviceState) -> None:
        if self._devices.says_of(user, device, state, self._clock.wall_ms()):
            self._changed(user)

    async def _described(
        self,
        caller: Caller,
        users: Collection[str],
        states: Mapping[str, Here],
        valid_until: int,
    ) -> list[UserPresence]:
        """What the caller may know of these users."""
        blocked = await self._blocks.among(caller.user, users)
        seen = {user: None if user in blocked else states.get(user) for user in users}
        rows = await absent_rows(self._store, seen)
        return [
            presence_of(user, here, None if user in blocked else rows.get(user), valid_until)
            for user, here in seen.items()
        ]
