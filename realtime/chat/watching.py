"""Telling watchers what has become of those whom they watch, once a second for all changes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from realtime.chat.around import Around
from realtime.chat.calls.presence import WATCH_MAX_S, State, UserPresence
from realtime.chat.devices import Here
from realtime.chat.ports import ChatStore
from realtime.chat.watch_list import WatchList
from realtime.cluster.outage import Outage
from realtime.errors import StoreError
from realtime.rows import BLOCKS, USERS, UserRow
from realtime.stores.base import SPANS_MAX

logger = logging.getLogger(__name__)

LOOKED_AT_MAX: Final = 500
"""Users whose presence is looked at together."""

RECHECK_S: Final = 5.0
"""How often some of the watched are looked at though nobody said that they have changed."""

HINTED_MAX: Final = 500
"""Watchers that are told by one hint."""

PAIRS_READ_MAX: Final = SPANS_MAX // 2
"""Pairs of users for which one read tells whether one blocks the other."""

LOOK_TIMEOUT_S: Final = 10.0
"""How long it may take to find out about some of the changes."""

WATCH_MAX_MS: Final = WATCH_MAX_S * 1000

States = Callable[[Collection[str]], Awaitable[Mapping[str, Here]]]


class PresenceHint(msgspec.Struct, frozen=True, tag="presence", tag_field="type"):
    """What a watcher is told on the personal channel."""

    users: list[UserPresence]


class Watching:
    """Watches of one node, and what their watchers were told last.

    `states` answers what users are, everywhere; who is left out is offline.
    """

    def __init__(self, around: Around, states: States) -> None:
        self.is_shared = False
        """Whether a change may happen where only a word tells of it, which can get lost."""
        self.watches = WatchList()
        self._store = around.store
        self._stage = around.stage
        self._clock = around.clock
        self._states = states
        self._told: dict[str, State] = {}
        """By who is watched."""
        self._dirty: dict[str, None] = {}
        self._recheck: list[str] = []
        self._recheck_at = 0.0
        self._encode = msgspec.json.Encoder().encode
        self._outage = Outage(logger, "presence for watchers")

    def __repr__(self) -> str:
        return f"<Watching {self.watches!r}, {len(self._dirty)} to look at>"

    def changed(self, users: Iterable[str] | None) -> None:
        """These may be something else now; None: everybody. Never waits."""
        for user in self.watches.watched() if users is None else users:
            if user in self.watches:
                self._dirty[user] = None

    def answered(self, users: Iterable[str], states: Mapping[str, Here]) -> None:
        """Somebody has been told these states of users; the other watchers are, where needed."""
        for user in users:
            state = _state(states.get(user))
            if user in self.watches and self._told.setdefault(user, state) != state:
                self._dirty[user] = None

    async def round(self) -> None:
        """Tell of all that has changed. Whoever runs it calls it once a second.

        What cannot be found out now is left for the next round.
        """
        now = self._clock.monotonic()
        self.watches.sweep(now)
        self._add_unasked(now)
        # What changes meanwhile is for the next round, so that each is told of once in each.
        users = list(self._dirty)
        self._dirty.clear()
        try:
            while users:
                async with asyncio.timeout(LOOK_TIMEOUT_S):
                    await self._look(users[:LOOKED_AT_MAX])
                del users[:LOOKED_AT_MAX]
        except (StoreError, TimeoutError) as error:
            self._outage.failed(error)
        else:
            self._outage.ended()
        finally:
            self.changed(users)
        if len(self._told) > 2 * len(self.watches) + LOOKED_AT_MAX:
            self._told = {user: told for user, told in self._told.items() if user in self.watches}

    def _add_unasked(self, now: float) -> None:
        """Where words can get lost, all are looked at in turn."""
        if not self.is_shared or now < self._recheck_at:
            return
        self._recheck_at = now + RECHECK_S
        if not self._recheck:
            self._recheck = list(self.watches.watched())
        self.changed(self._recheck[:LOOKED_AT_MAX])
        del self._recheck[:LOOKED_AT_MAX]

    async def _look(self, users: Sequence[str]) -> None:
        states = await self._states(users)
        changed = {
            user: states.get(user)
            for user in users
            if user in self.watches and self._told.get(user) != _state(states.get(user))
        }
        if changed:
            await self._tell(changed)

    async def _tell(self, changed: Mapping[str, Here | None]) -> None:
        now = self._clock.monotonic()
        watchers = {user: self.watches.watchers(user, now) for user in changed}
        blocked = await self._blocked(watchers)
        rows = await absent_rows(self._store, changed)
        news: dict[str, list[str]] = {}
        for user, names in watchers.items():
            for watcher in names:
                if (user, watcher) not in blocked:
                    news.setdefault(watcher, []).append(user)
        # Many watchers of the same users are told with the same bytes.
        groups: dict[tuple[str, ...], list[str]] = {}
        for watcher, users in news.items():
            groups.setdefault(tuple(users), []).append(watcher)
        valid_until = self._clock.wall_ms() + WATCH_MAX_MS
        for group, told in groups.items():
            presences = [
                presence_of(user, changed[user], rows.get(user), valid_until) for user in group
            ]
            data = self._encode(PresenceHint(presences))
            for start in range(0, len(told), HINTED_MAX):
                self._stage.hint(told[start : start + HINTED_MAX], data)
        self._told |= {user: _state(here) for user, here in changed.items()}

    async def _blocked(self, watchers: Mapping[str, Collection[str]]) -> set[tuple[str, str]]:
        """Who is watched by whom, of those two of whom one blocks the other."""
        pairs = [(user, watcher) for user, names in watchers.items() for watcher in names]
        found = set()
        for start in range(0, len(pairs), PAIRS_READ_MAX):
            part = pairs[start : start + PAIRS_READ_MAX]
            keys = [key for user, other in part for key in ((user, other), (other, user))]
            for row in await self._store.get(BLOCKS, keys):
                found |= {(row.user, row.blocked), (row.blocked, row.user)}
        return found


async def absent_rows(store: ChatStore, states: Mapping[str, Here | None]) -> Mapping[str, UserRow]:
    """The rows of those who are offline, to say since when. At most one read. Raises StoreError."""
    absent = [(user,) for user, here in states.items() if here is None]
    rows = await store.get(USERS, absent) if absent else ()
    return {row.user: row for row in rows}


def presence_of(
    user: str, here: Here | None, row: UserRow | None, valid_until: int
) -> UserPresence:
    """What others are told of a user; `row` is of who is offline, None where there is none."""
    if here is not None:
        return UserPresence(user, here.state, valid_until, here.since)
    hides = row is None or row.hides_last_seen
    return UserPresence(user, "offline", valid_until, 0 if row is None or hides else row.last_seen)


def _state(here: Here | None) -> State:
    return "offline" if here is None else here.state
