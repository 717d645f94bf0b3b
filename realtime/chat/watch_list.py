"""Who watches whom, until when. Pure: time is an argument, in seconds that do not go back.

A watcher is a user and one of their connections, "" for none: what was asked for over a connection
ends with it.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterator
from typing import Final

WATCHED_PER_USER_MAX: Final = 1_000
"""Users that one user may watch, those of all their connections on a node together."""

WATCHES_MAX: Final = 200_000
"""Watches that a node has at once."""

LOOKED_AT: Final = 2_000
"""Watches that one `sweep` looks at, roughly."""

Watcher = tuple[str, str]
"""A user, and the connection."""


class WatchList:
    """Watches by who is watched, and by who watches."""

    def __init__(self) -> None:
        self._by_watched: dict[str, dict[Watcher, float]] = {}
        # Whoever was swept longest ago first.
        self._by_watcher: OrderedDict[Watcher, set[str]] = OrderedDict()
        self._per_user: dict[str, int] = {}
        self._count = 0

    def __repr__(self) -> str:
        return f"<WatchList {self._count} watches of {len(self._by_watched)} users>"

    def __len__(self) -> int:
        """Watches, those included that are over and not swept yet."""
        return self._count

    def __contains__(self, user: str) -> bool:
        return user in self._by_watched

    def watched(self) -> Iterator[str]:
        """Everybody who is watched. Nothing may change meanwhile."""
        return iter(self._by_watched)

    def watch(self, watcher: Watcher, users: Collection[str], until: float, now: float) -> bool:
        """Watch these users until then, whether they were watched before or not.

        False: there is no room, and nothing has changed.
        """
        if not self._has_room(watcher, users):
            # What is over takes room until it is swept.
            self._drop(watcher, now)
            if not self._has_room(watcher, users):
                return False
        mine = self._by_watcher.setdefault(watcher, set())
        for user in users:
            watchers = self._by_watched.setdefault(user, {})
            if watcher not in watchers:
                mine.add(user)
                self._counted(watcher, 1)
            watchers[watcher] = until
        return True

    def unwatch(self, watcher: Watcher, users: Collection[str] = ()) -> None:
        """End these watches; () is all of the watcher's."""
        for user in list(users or self._by_watcher.get(watcher, ())):
            self._remove(watcher, user)

    def watchers(self, user: str, now: float) -> set[str]:
        """The users who watch this one now."""
        watchers = self._by_watched.get(user, {})
        return {watcher[0] for watcher, until in watchers.items() if until > now}

    def sweep(self, now: float) -> None:
        """Drop some of what is over. After some calls nothing is left that was over before."""
        looked_at = 0
        for _ in range(len(self._by_watcher)):
            if looked_at >= LOOKED_AT:
                break
            watcher = next(iter(self._by_watcher))
            looked_at += len(self._by_watcher[watcher])
            self._by_watcher.move_to_end(watcher)
            self._drop(watcher, now)

    def _has_room(self, watcher: Watcher, users: Collection[str]) -> bool:
        mine = self._by_watcher.get(watcher, set())
        added = sum(user not in mine for user in users)
        return (
            self._per_user.get(watcher[0], 0) + added <= WATCHED_PER_USER_MAX
            and self._count + added <= WATCHES_MAX
        )

    def _drop(self, watcher: Watcher, now: float) -> None:
        for user in list(self._by_watcher.get(watcher, ())):
            if self._by_watched[user][watcher] <= now:
                self._remove(watcher, user)

    def _remove(self, watcher: Watcher, user: str) -> None:
        watchers = self._by_watched.get(user)
        if watchers is None or watchers.pop(watcher, None) is None:
            return
        if not watchers:
            del self._by_watched[user]
        mine = self._by_watcher[watcher]
        mine.discard(user)
        if not mine:
            del self._by_watcher[watcher]
        self._counted(watcher, -1)

    def _counted(self, watcher: Watcher, change: int) -> None:
        self._count += change
        count = self._per_user.get(watcher[0], 0) + change
        if count:
            self._per_user[watcher[0]] = count
        else:
            del self._per_user[watcher[0]]
