"""A hub with one promise taken away: `python -m tests.faults.broken_build NAME serve ...`.

Each sabotage is a mistake that somebody could make. None shows itself until its fault comes.
"""

import asyncio
import itertools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from realtime.brokers.redis.links import Link
from realtime.brokers.redis.routes import Routes
from realtime.channels.live import LiveChannel
from realtime.cli import main
from realtime.hub import hub
from realtime.hub.catching_up import CatchingUp, CaughtUp
from realtime.hub.commits import Commits, Settle
from realtime.hub.delivery import Delivery
from realtime.model import NewEntry
from realtime.stores.base import Appended, Conflict
from realtime.stores.mongo.appending import Appender
from realtime.stores.mongo.heads import Head, Heads

STORED_LATER_S: Final = 0.2


def ack_before_store() -> None:
    """Publishers are told at once, and the entry is stored in a while."""
    add = Commits.add

    def acked_at_once(self: Commits, entry: NewEntry, settle: Settle) -> None:
        def store() -> None:
            add(self, entry, self._late)

        asyncio.get_running_loop().call_later(STORED_LATER_S, store)
        # Called a duplicate, for it is delivered when it is stored.
        settle(entry, Appended(0, entry.at, duplicate=True))

    Commits.add = acked_at_once  # type: ignore[method-assign]


def no_dedupe() -> None:
    """A retry is a new message."""
    append = Appender.append
    numbers = itertools.count()

    async def renamed(self: Appender, entries: Sequence[NewEntry]) -> list[Appended | Conflict]:
        fresh = [
            msgspec.structs.replace(entry, client_id=f"{entry.client_id}~{id(self)}{next(numbers)}")
            for entry in entries
        ]
        return await append(self, fresh)

    Appender.append = renamed  # type: ignore[method-assign]


def no_position_check() -> None:
    """Positions are never compared with the store, and gaps never filled from it."""

    def repair(self: Delivery, live: LiveChannel) -> None:
        """Nothing."""

    async def check_positions(self: Delivery) -> None:
        """Nothing."""

    Delivery._repair = repair  # type: ignore[method-assign]
    Delivery.check_positions = check_positions  # type: ignore[method-assign]


def no_resubscribe() -> None:
    """A connection to Redis that is made anew is not subscribed to what the last one was."""
    wanted = Routes._wanted

    def only_at_first(self: Routes, link: Link) -> list[bytes]:
        return [] if link._has_been_well else wanted(self, link)

    Routes._wanted = only_at_first  # type: ignore[method-assign]


def wrong_head() -> None:
    """Who lost the race for an offset guesses the head, and does not read it."""

    async def guess(self: Heads, channels: Iterable[str]) -> None:
        for channel in channels:
            self.rise(channel, Head(self.known(channel) + 2, 0))

    Heads.catch_up = guess  # type: ignore[method-assign]


def never_denied() -> None:
    """Who cannot be given what it missed is told that there was nothing."""

    def proven(self: CatchingUp, end: int) -> CaughtUp:
        return CaughtUp([], end)

    def silent(self: Delivery, live: LiveChannel, head: int) -> None:
        assert live.cursor is not None
        live.cursor.skip(head)

    CatchingUp._denied = proven  # type: ignore[method-assign]
    Delivery._admit_gap = silent  # type: ignore[method-assign]


def rushed_drain() -> None:
    """All clients of a hub that is told to stop are closed at once."""
    hub.DRAIN_RATE = 1_000_000_000  # type: ignore[misc]


SABOTAGES: Final[Mapping[str, Callable[[], None]]] = {
    "ack-before-store": ack_before_store,
    "no-dedupe": no_dedupe,
    "no-position-check": no_position_check,
    "no-resubscribe": no_resubscribe,
    "wrong-head": wrong_head,
    "never-denied": never_denied,
    "rushed-drain": rushed_drain,
}
"""What can be taken away, by the name that the command line has for it."""


if __name__ == "__main__":
    name, *words = sys.argv[1:]
    SABOTAGES[name]()
    sys.exit(main(words))
