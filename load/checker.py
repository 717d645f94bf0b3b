"""What one channel promises, checked while it happens, for hours: promises A to E of a soak. Pure.

    A  what was acked is stored, and every reader got it
    B  no reader got an entry twice
    C  offsets strictly rise at each reader
    D  nothing was delivered that was not sent, or not to who may not have it
    E  what was not acked is absent or stored once

All who publish into the channel, all who read it, and who reads its log, tell one `ChannelChecker`.
Messages are numbered as they are sent, from 1. What is settled is forgotten: a message once it is
stored and acked, or `FATE_S` after it was sent; an entry once every reader has passed it. At most
`KEPT_MAX` of each are kept, some 200 bytes apiece: beyond that the oldest are given up, which
`given_up` counts. Times are seconds of any clock that does not go back.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal

FATE_S: Final = 300.0
"""How long after it was sent a message that was not acked may still come to be stored, in seconds:
hubs go on trying for a while when the publisher has been told to try again."""

LATE_S: Final = 120.0
"""How long what is acked may take to be in the log, and what is in the log to be with a reader that
is connected, in seconds: longer than a hub takes to find out by itself that it has missed some, on
a machine that has too much to do."""

BEHIND_S: Final = 10.0
"""How long a reader may be without what the log has before one should ask whether its connection is
there at all, in seconds."""

KEPT_MAX: Final = 10_000
"""How many messages of a channel, and how many entries, are remembered at most."""

GAPS_MAX: Final = 1_000
"""How many offsets that were passed over are remembered of one reader."""

Letter = Literal["A", "B", "C", "D", "E"]
Report = Callable[[Letter, str], None]


class Fate(Enum):
    """What a publisher knows of a message."""

    UNKNOWN = "unknown"
    ACKED = "acked"
    REFUSED = "refused"
    """For good: it must not be there."""


@dataclass(slots=True)
class _Message:
    at: float
    """When it was sent; once it is acked, when that was."""
    fate: Fate = Fate.UNKNOWN
    offset: int = 0
    """Where the log has it; 0 for nowhere, as far as was read."""


@dataclass(slots=True)
class _Reader:
    start: int
    """It may have what follows this offset."""
    position: int
    """The highest offset that it got, or was told that it cannot have."""
    gaps: dict[int, float] = field(default_factory=dict)
    """Offsets below its position that it did not get, and since when."""
    mark: int = 0
    """Where the log was at `mark_at`."""
    mark_at: float = 0.0
    is_away: bool = False


class ChannelChecker:
    """Tell it everything about one channel; it tells `report` of every breach, once."""

    def __init__(self, name: str, report: Report) -> None:
        self.name = name
        self.head = 0
        """Up to where the log was read."""
        self.given_up = 0
        """What was forgotten before it was settled, since there was too much of it."""
        self._report = report
        self._last = 0
        self._messages: dict[int, _Message] = {}
        self._numbers: dict[int, int] = {}
        """The message at an offset: as the log has it, or the first reader who got it before."""
        self._forgotten = 0
        """Offsets up to this one are not remembered."""
        self._readers: dict[int, _Reader] = {}

    def __repr__(self) -> str:
        return (
            f"<ChannelChecker {self.name} head={self.head} messages={len(self._messages)}"
            f" entries={len(self._numbers)} readers={len(self._readers)}>"
        )

    # Publishers.

    def send(self, now: float) -> int:
        """The number of the next message, which is about to be sent."""
        self._last += 1
        self._messages[self._last] = _Message(now)
        if len(self._messages) > KEPT_MAX:
            del self._messages[next(iter(self._messages))]
            self.given_up += 1
        return self._last

    def acked(self, number: int, now: float) -> None:
        """The publisher was told that it is stored."""
        if (message := self._messages.get(number)) is not None:
            message.fate, message.at = Fate.ACKED, now

    def refused(self, number: int) -> None:
        """The publisher was told for good that it is not accepted."""
        message = self._messages.get(number)
        if message is None:
            return
        message.fate = Fate.REFUSED
        if message.offset:
            self._say("E", f"message {number} is stored at {message.offset} but was refused")

    # Readers.

    def joined(self, reader: int, offset: int, now: float) -> None:
        """From now on the reader must get, and may get, every entry above this offset."""
        mark = max(self.head, offset)
        self._readers[reader] = _Reader(offset, offset, mark=mark, mark_at=now)

    def left(self, reader: int) -> None:
        """From now on it may get nothing."""
        found = self._readers.pop(reader, None)
        if found is not None:
            # What it got out of order it has not got yet, and will not any more.
            self._miss(reader, found, [*found.gaps])

    def away(self, reader: int) -> None:
        """Its connection is lost. What it misses it must get when it is back."""
        if (found := self._readers.get(reader)) is not None:
            found.is_away = True

    def back(self, reader: int, now: float) -> None:
        """It is connected again, and has told its position."""
        if (found := self._readers.get(reader)) is not None:
            found.is_away, found.mark, found.mark_at = False, self.head, now

    def denied(self, reader: int, offset: int) -> None:
        """It was told that it may have missed what is up to this offset, and goes on from there."""
        found = self._readers.get(reader)
        if found is not None and offset > found.position:
            found.start = found.position = offset

    def position(self, reader: int) -> int:
        """The highest offset that a reader has; 0 for none."""
        found = self._readers.get(reader)
        return found.position if found is not None else 0

    def received(self, reader: int, offset: int, number: int, now: float) -> None:
        """A reader was handed an entry. Call it in the order of the handing."""
        found = self._readers.get(reader)
        if found is None:
            self._say("D", f"reader {reader} got {offset} but has not joined, or has left")
            return
        self._place(reader, found, offset, now)
        if not 0 < number <= self._last:
            self._say("D", f"reader {reader} got message {number}, which was never sent")
            return
        if offset <= self._forgotten:
            return
        known = self._numbers.setdefault(offset, number)
        if known != number:
            self._say("D", f"reader {reader} got message {number} at {offset}, where {known} is")

    def _place(self, reader: int, found: _Reader, offset: int, now: float) -> None:
        """What the offset alone says."""
        if offset > found.position:
            missed = range(found.position + 1, offset)
            if len(missed) + len(found.gaps) > GAPS_MAX:
                self._say("A", f"reader {reader} never got {missed[0]} to {missed[-1]}")
            else:
                found.gaps.update(dict.fromkeys(missed, now))
            found.position = offset
        elif found.gaps.pop(offset, None) is not None:
            self._say("C", f"reader {reader} got {offset} after {found.position}")
        elif offset <= found.start:
            self._say("D", f"reader {reader} got {offset}, it may have what follows {found.start}")
        else:
            self._say("B", f"reader {reader} got {offset} again")

    # The log.

    def stored(self, offset: int, number: int) -> None:
        """The log's next entry; they are told in the order in which the log has them."""
        if offset != self.head + 1:
            self._say("A", f"the log has {offset} where {self.head + 1} belongs")
        self.head = offset
        known = self._numbers.get(offset)
        if known is not None and known != number:
            self._say("D", f"readers got message {known} at {offset}, stored is {number}")
        self._numbers[offset] = number
        message = self._messages.get(number)
        if not 0 < number <= self._last:
            self._say("D", f"message {number} is stored at {offset} but was never sent")
        elif message is None:
            # Numbers are forgotten in their order, so it is one of those that were settled.
            if not self.given_up:
                self._say("E", f"message {number} is stored at {offset}, again or much too late")
        elif message.offset:
            self._say("E", f"message {number} is stored at {message.offset} and at {offset}")
        else:
            message.offset = offset
            if message.fate is Fate.REFUSED:
                self._say("E", f"message {number} is stored at {offset} but was refused")

    def skipped(self, offset: int) -> None:
        """The log keeps nothing below this offset any more: what was there cannot be checked, nor
        can what was sent and has not been found yet."""
        unfound = [number for number, message in self._messages.items() if not message.offset]
        self.given_up += offset - 1 - self.head
        self.head = offset - 1
        for number in unfound:
            del self._messages[number]

    # Time.

    @property
    def is_quiet(self) -> bool:
        """Whether all that was sent was answered or found, and every reader has the whole log."""
        return all(
            message.offset or message.fate is not Fate.ACKED for message in self._messages.values()
        ) and all(
            not found.is_away and found.position >= self.head and not found.gaps
            for found in self._readers.values()
        )

    def behind(self, now: float) -> Iterator[int]:
        """Readers that are connected and do not have what the log had `BEHIND_S` ago."""
        for reader, found in self._readers.items():
            late = now - found.mark_at > BEHIND_S and found.position < found.mark
            if late and not found.is_away:
                yield reader

    def settle(self, now: float) -> None:
        """Look for what is too late by now, and forget what is settled. Call it every few seconds,
        after the log was read."""
        for number, message in list(self._messages.items()):
            if message.fate is Fate.ACKED and not message.offset and now - message.at > LATE_S:
                self._lost(number, message)
        for reader, found in self._readers.items():
            late = [offset for offset, since in found.gaps.items() if now - since > LATE_S]
            self._miss(reader, found, late)
            if found.is_away or found.position >= found.mark:
                found.mark, found.mark_at = self.head, now
            elif now - found.mark_at > LATE_S:
                self._miss(reader, found, range(found.position + 1, found.mark + 1))
                found.start = found.position = found.mark
        self._forget(now)

    def end(self) -> None:
        """Nothing more will come: what is missing now is lost."""
        for number, message in list(self._messages.items()):
            if message.fate is Fate.ACKED and not message.offset:
                self._lost(number, message)
        for reader, found in self._readers.items():
            self._miss(reader, found, [*found.gaps])
            self._miss(reader, found, range(found.position + 1, self.head + 1))
            found.position = max(found.position, self.head)
        for offset in sorted(self._numbers):
            if offset > self.head:
                self._say("D", f"readers got {offset}, but the log ends at {self.head}")
                break
        self._readers.clear()

    def _lost(self, number: int, message: _Message) -> None:
        self._say("A", f"message {number} was acked but is not stored")
        # Said once. Should it turn up in the log, that is no second breach.
        message.fate = Fate.UNKNOWN

    def _miss(self, reader: int, found: _Reader, offsets: "list[int] | range") -> None:
        if not offsets:
            return
        more = f" and {len(offsets) - 1:,} more" if len(offsets) > 1 else ""
        number = self._numbers.get(offsets[0], 0)
        named = f" (message {number})" if number else ""
        self._say("A", f"reader {reader} never got {offsets[0]}{named}{more}")
        for offset in offsets:
            found.gaps.pop(offset, None)

    def _forget(self, now: float) -> None:
        for number, message in list(self._messages.items()):
            settled = message.offset and message.fate is not Fate.UNKNOWN
            if not settled and now - message.at < FATE_S:
                # What is later stays, too, so that a number that is not there is one of the past.
                break
            del self._messages[number]
        passed = min((found.position for found in self._readers.values()), default=self.head)
        passed = min(passed, self.head)
        for offset in sorted(self._numbers):
            beyond = len(self._numbers) > KEPT_MAX
            if offset > passed and not beyond:
                break
            self.given_up += offset > passed
            self._forgotten = max(self._forgotten, offset)
            del self._numbers[offset]

    def _say(self, letter: Letter, text: str) -> None:
        self._report(letter, f"{letter}: {text} ({self.name})")
