"""What chat asks of the hub that it runs in, or of whatever stands for one (an import, a test)."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from realtime.chat.standing import Standing
from realtime.model import Entry, NewEntry, Retention
from realtime.settings.schema import ChannelOptions
from realtime.stores.base import Appended, ChangeStore, Conflict, LogStore, TableStore

Value = TypeVar("Value", covariant=True)


class ChatStore(LogStore, ChangeStore, TableStore, Protocol):
    """Logs and tables of one store."""


class Rules(Protocol):
    """What the app's settings and bans say, wherever that is asked."""

    def banned(self, user: str, channel: str) -> bool:
        """Whether the app has banned the user from the channel, or from all there is. Never waits.

        For bans of the revocations log, which every node knows of within 2 s: over any role, an
        admin's too. Costs next to nothing for whoever has none.
        """
        ...

    def options(self, channel: str) -> ChannelOptions:
        """The options of the channel's namespace. Raises CommandRefused (102, 107)."""
        ...


class Stage(Rules, Protocol):
    """Where entries and events are brought before those who are there. All nodes hear of them."""

    async def append(self, entry: NewEntry) -> Appended | Conflict:
        """Store the entry and deliver it. Raises CommandRefused (100): unknown, ask again.

        Cancelling does not take it back.
        """
        ...

    def signal(self, channel: str, kind: str, data: bytes) -> None:
        """An ephemeral event for whoever is subscribed: not stored, first to be dropped.

        Clients get it as a publication without an offset, with the tag `kind` and `data` (JSON).
        """
        ...

    def hint(self, users: Sequence[str], data: bytes, *, about: str = "") -> None:
        """An ephemeral event for the personal channels of these users, wherever they are connected.

        `data` is JSON. Connections that are subscribed to the channel `about` are left out. May get
        lost: nothing here is the only copy of anything.
        """
        ...

    async def cut(self, user: str, channel: str) -> None:
        """End the user's subscriptions to the channel, on every node, within 2 s.

        For what no `member` entry of the channel's log says: blocks, and feeds. Raises
        CommandRefused (100).
        """
        ...

    async def sign_out(self, user: str) -> None:
        """Close the user's connections, and have no token count that was made until now.

        Raises CommandRefused (100).
        """
        ...

    async def forget(self, channel: str) -> None:
        """Have every node forget what it keeps of the channel in memory; the store has it anyway.

        For what was taken out of a log other than by its own events. Raises CommandRefused (100).
        """
        ...

    def subscribers(self, channel: str) -> int:
        """How many connections are subscribed, on all nodes as far as is known. Never waits."""
        ...


class Copy(Protocol[Value]):
    """What is known at the moment, for whoever asks again and again."""

    @property
    def value(self) -> Value:
        """What it is."""
        ...

    def holds(self, now: float) -> bool:
        """Whether it still is so for sure, `now` by `Clock.monotonic`. Never waits."""
        ...


class Memberships(Protocol):
    """What users are in channels, kept per node while a room has subscribers there.

    The log of the room keeps it right: between `opened` and `closed` every `member` and every
    `channel` entry is `passed`, before any later entry is delivered here, with or without the bus.
    For a channel that is not open on this node, as feeds never are, nothing is kept for longer than
    a second. No call but the two that look waits, and no other raises.
    """

    def known(self, channel: str, user: str) -> Standing | None:
        """The user's standing if it is at hand; never waits."""
        ...

    def copy(self, channel: str, user: str) -> Copy[Standing] | None:
        """The same, with what tells how long it is so."""
        ...

    async def look_up(self, channel: str, user: str) -> Standing:
        """The user's standing, read from the store if need be; NOBODY for a stranger.

        Raises StoreError.
        """
        ...

    async def look_anew(self, channel: str, user: str) -> Standing:
        """The same, read from the store, whatever is at hand. Raises StoreError."""
        ...

    def known_retention(self, channel: str) -> Retention | None:
        """What the room's own settings let be seen of its log, if it is at hand; never waits.

        What may be seen is that `within` what its namespace lets be seen.
        """
        ...

    async def look_up_retention(self, channel: str) -> Retention:
        """The same, read from the store if need be. Raises StoreError."""
        ...

    def passed(self, entry: Entry) -> None:
        """A `member` or `channel` entry was applied: what it says holds from now on.

        In order, and all of them, from `opened` on. Entries of other kinds may be given, and say
        nothing. What is known of a user may be less afterwards: then look it up.
        """
        ...

    def heard(self, entry: Entry) -> None:
        """There is such an entry, which has not passed: those before it may not have either.

        What it may change is unknown until it is looked up. Also of channels that are not open
        here, for what this node has appended itself.
        """
        ...

    def opened(self, channel: str) -> None:
        """The node follows the room's log from here on: what is read after this can be kept.

        What was known before is not, for what was appended in between has not passed.
        """
        ...

    def closed(self, channel: str) -> None:
        """The node follows it no longer."""
        ...

    def forget(self, channel: str, user: str = "") -> None:
        """Something was missed: what is known of the user there ("": of everybody) must be read.

        Reads that are under way are of no use either.
        """
        ...


class Clock(Protocol):
    """The two clocks of a process."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that does not go back."""
        ...
