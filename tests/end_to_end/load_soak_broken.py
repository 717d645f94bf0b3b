"""Hubs that a soak must find wanting: `python -m <this module> NAME serve ...`.

As in `load_sabotage`, each breaks one promise, now and then.
"""

import asyncio
import itertools
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Final

import msgspec

from realtime.channels.fanout import Fanout
from realtime.channels.live import LiveChannel
from realtime.cli import main
from realtime.hub.client import Client
from realtime.hub.commits import Commits, Settle
from realtime.hub.connecting import Connecting
from realtime.hub.subscribing import Subscribing
from realtime.model import Entry, NewEntry
from realtime.protocol.commands import ConnectRequest, UnsubscribeRequest
from realtime.protocol.replies import UnsubscribeResult
from realtime.stores.base import Appended
from tests.end_to_end import load_sabotage

MODULE: Final = "tests.end_to_end.load_soak_broken"

EVERY: Final = 20
"""Of so many one goes wrong."""


def acked_unstored() -> None:
    """One publisher in twenty is told that its message is stored, and it is not."""
    add = Commits.add
    numbers = itertools.count(1)

    def add_most(self: Commits, entry: NewEntry, settle: Settle) -> None:
        if next(numbers) % EVERY:
            add(self, entry, settle)
        else:
            settle(entry, Appended(0, entry.at, duplicate=True))

    Commits.add = add_most  # type: ignore[method-assign]


def delivered_twice() -> None:
    """One message in twenty is handed out twice."""
    publish = LiveChannel.publish
    numbers = itertools.count(1)

    def publish_some_again(self: LiveChannel, entry: Entry, fanout: Fanout) -> None:
        publish(self, entry, fanout)
        if next(numbers) % EVERY == 0:
            publish(self, entry, fanout)

    LiveChannel.publish = publish_some_again  # type: ignore[method-assign]


def out_of_order() -> None:
    """One message in twenty comes after the next one of its room."""
    publish = LiveChannel.publish
    numbers = itertools.count(1)
    waiting: dict[str, Entry] = {}

    def publish_later(self: LiveChannel, entry: Entry, fanout: Fanout) -> None:
        if next(numbers) % EVERY == 0 and self.name not in waiting:
            waiting[self.name] = entry
            return
        publish(self, entry, fanout)
        if (before := waiting.pop(self.name, None)) is not None:
            publish(self, before, fanout)

    LiveChannel.publish = publish_later  # type: ignore[method-assign]


def cannot_leave() -> None:
    """Who leaves is told so, and goes on to get what is said."""

    def unsubscribe(
        self: Subscribing, client: Client, id: int, request: UnsubscribeRequest
    ) -> None:
        self._responder.reply(client, id, UnsubscribeResult())

    Subscribing.unsubscribe = unsubscribe  # type: ignore[method-assign]


def stored_twice() -> None:
    """One message in twenty is stored a second time, under another name."""
    add = Commits.add
    numbers = itertools.count(1)

    def add_some_again(self: Commits, entry: NewEntry, settle: Settle) -> None:
        add(self, entry, settle)
        if next(numbers) % EVERY == 0:
            again = msgspec.structs.replace(entry, client_id=f"{entry.client_id}~again")
            add(self, again, self._late)

    Commits.add = add_some_again  # type: ignore[method-assign]


def hoards() -> None:
    """Each connection leaves descriptors behind."""
    identify = Connecting._identify

    def identify_and_keep(
        self: Connecting, client: Client, id: int, request: ConnectRequest
    ) -> Coroutine[object, object, None] | None:
        for _ in range(5):
            os.dup(0)
        return identify(self, client, id, request)

    Connecting._identify = identify_and_keep  # type: ignore[method-assign]


def careless() -> None:
    """With one message in twenty something fails, and nobody asks what."""
    publish = LiveChannel.publish
    numbers = itertools.count(1)

    def publish_and_fail(self: LiveChannel, entry: Entry, fanout: Fanout) -> None:
        publish(self, entry, fanout)
        if next(numbers) % EVERY == 0:
            asyncio.get_running_loop().create_future().set_exception(KeyError(entry.offset))

    LiveChannel.publish = publish_and_fail  # type: ignore[method-assign]


SABOTAGES: Final[Mapping[str, Callable[[], None]]] = {
    "acked-unstored": acked_unstored,
    "lost-deliveries": load_sabotage.lost_deliveries,
    "forgetful-recovery": load_sabotage.forgetful_recovery,
    "delivered-twice": delivered_twice,
    "out-of-order": out_of_order,
    "cannot-leave": cannot_leave,
    "stored-twice": stored_twice,
    "hoards": hoards,
    "careless": careless,
}
"""What can be broken, by the name that the command line has for it."""


if __name__ == "__main__":
    name, *words = sys.argv[1:]
    SABOTAGES[name]()
    sys.exit(main(words))
