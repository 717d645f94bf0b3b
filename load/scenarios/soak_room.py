"""A room of a soak, all of one process: its members, its log, and the checker of both."""

import asyncio
import time
from collections.abc import Sequence
from enum import Enum
from typing import Final, Protocol

import msgspec

from load.checker import LATE_S, ChannelChecker, Report
from load.wire.client import Client, Refused
from load.wire.codec import push_of
from load.wire.connection import Connection
from load.wire.listener import Listener
from load.wire.mark import mark, sent_ns
from load.wire.messages import (
    Error,
    HistoryRequest,
    Publication,
    StreamPosition,
    SubscribeRequest,
    SubscribeResult,
)

PAGE: Final = 300
"""Entries of the log that are asked for at once; a hub may give fewer."""

UNRECOVERABLE: Final = 112
"""The error for a position of another epoch."""


class Said(msgspec.Struct):
    """What of a message's data is read; `data_of` writes all of it."""

    n: int


_SAID: Final = msgspec.json.Decoder(Said)


def data_of(number: int, due_ns: int, length: int) -> bytes:
    """A message's data: its number, a time mark, and text up to so many bytes."""
    head = f'{{"n":{number},"t":"{mark(due_ns)}"'
    rest = length - len(head) - len(',"text":""}')
    return f'{head},"text":"{"x" * rest}"}}'.encode() if rest >= 0 else f"{head}}}".encode()


def number_of(data: bytes, length: int) -> int:
    """The number of a message; 0 of data that is not what `data_of` has made, byte for byte."""
    try:
        number = _SAID.decode(data).n
    except msgspec.DecodeError:
        return 0
    due_ns = sent_ns(data)
    return number if due_ns is not None and data == data_of(number, due_ns, length) else 0


class State(Enum):
    """Where a member is, as far as the hub has told it."""

    OUT = "out"
    JOINING = "joining"
    IN = "in"
    LEAVING = "leaving"


class Ear(Protocol):
    """Who a member tells of what it hears, beside its room's checker."""

    def delivered(self, wait_us: int) -> None:
        """A message has come, so long after it was due."""

    def lost(self, member: "Member", code: int, reason: str) -> None:
        """The hub or the network has ended the connection."""

    def unsubscribed(self, member: "Member", code: int) -> None:
        """The hub has ended the subscription."""

    def answered(self, due_ns: int, error: Error | None) -> None:
        """A publish was answered, or will not be."""


class Member(Listener):
    """One client. `wants` says whether it is to be in the room; others see to that it is."""

    def __init__(self, number: int, room: "Room", ear: Ear) -> None:
        self.number = number
        self.room = room
        self.client: Client | None = None
        self.id = ""
        """What the hub calls the connection."""
        self.wants = True
        self.state = State.OUT
        self.lock = asyncio.Lock()
        """One change of its state at a time."""
        self.epoch = ""
        """Of its position in the log, from which it can recover; "" where it has none."""
        self._early: list[Publication] = []
        """What came before the answer to the subscription was looked at."""
        self._is_dismissed = False
        """Whether the hub has ended the subscription before the answer to it was looked at."""
        self._ear = ear

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""
        return self.client is not None and self.client.is_open

    @property
    def is_right(self) -> bool:
        """Whether it is connected, and where it wants to be."""
        return self.is_open and self.state is (State.IN if self.wants else State.OUT)

    def request(self) -> SubscribeRequest:
        """What it subscribes with: from its position on, if it has one. Begins to join."""
        self.state = State.JOINING
        self._early = []
        self._is_dismissed = False
        return SubscribeRequest(
            self.room.channel,
            recover=bool(self.epoch),
            epoch=self.epoch,
            offset=self.room.checker.position(self.number),
            positioned=True,
            recoverable=True,
        )

    def begin(self, result: SubscribeResult) -> bool:
        """Take in the answer; False where it had a position and was not given what it missed."""
        checker, now = self.room.checker, time.monotonic()
        knew = bool(self.epoch)
        if not knew:
            checker.joined(self.number, result.offset, now)
        elif not result.recovered:
            checker.denied(self.number, result.offset)
        checker.back(self.number, now)
        self.epoch = result.epoch
        self.state = State.IN
        for publication in (*result.publications, *self._early):
            self._take(publication, now)
        self._early = []
        if self._is_dismissed:
            self.suspend()
        return result.recovered or not knew

    def suspend(self) -> None:
        """It is in the room no longer, and is to come back to where it was."""
        self.room.checker.away(self.number)
        self.state = State.OUT

    def gone(self) -> None:
        """Its connection is no more; the position stays, if it was in the room."""
        self.client = None
        if self.state is State.LEAVING:
            self.forget()
        self.suspend()

    def forget(self) -> None:
        """It leaves, or its position is void: what comes next it gets as a newcomer."""
        self.room.checker.left(self.number)
        self.epoch = ""

    def pushed(self, client: Connection, document: bytes) -> None:
        """See base."""
        # Of a connection that is being made nobody knows yet, and of the last one nothing counts.
        if self.client is not None and client is not self.client:
            return
        push = push_of(client.codec, document)
        if push.unsubscribe is not None and push.channel == self.room.channel:
            self._dismissed(push.unsubscribe.code)
        elif push.pub is None:
            return
        elif push.channel != self.room.channel:
            name = push.channel[:100]
            self.room.report("D", f"D: reader {self.number} got a message of {name}, not its room")
        elif self.state is State.JOINING:
            self._early.append(push.pub)
        elif self.state is not State.LEAVING:
            now_ns = time.monotonic_ns()
            self._take(push.pub, now_ns / 1e9)
            if (due_ns := sent_ns(bytes(push.pub.data))) is not None:
                self._ear.delivered((now_ns - due_ns) // 1_000)

    def answered(self, client: Connection, due_ns: int, error: Error | None) -> None:
        """See base."""
        self._ear.answered(due_ns, error)

    def closed(self, client: Connection, code: int, reason: str) -> None:
        """See base."""
        if client is self.client:
            self._ear.lost(self, code, reason)

    def _dismissed(self, code: int) -> None:
        """The hub has ended the subscription. Who is leaving would have it so."""
        if self.state is State.JOINING:
            self._is_dismissed = True
        elif self.state is State.IN:
            self.suspend()
            self._ear.unsubscribed(self, code)

    def _take(self, publication: Publication, now: float) -> None:
        number = number_of(bytes(publication.data), self.room.length)
        self.room.checker.received(self.number, publication.offset, number, now)


class Room:
    """A channel, its members, and what is known of its log. `length` is that of messages' data."""

    def __init__(self, channel: str, *, length: int, report: Report) -> None:
        self.channel = channel
        self.length = length
        self.report = report
        self.checker = ChannelChecker(channel, report)
        self.members: list[Member] = []
        self._epoch = ""
        self._stuck_since: float | None = None

    def open_members(self) -> Sequence[Member]:
        """Those that are connected."""
        return [member for member in self.members if member.is_open]

    async def read(self, client: Client) -> int:
        """Read the log on to its end, as this client sees it; how many entries were new.

        Looks for what is settled, or too late, once that has succeeded. Raises Refused, OSError or
        TimeoutError.
        """
        checker, read = self.checker, 0
        while True:
            since = StreamPosition(checker.head, self._epoch)
            began = checker.head
            try:
                page = await client.history(HistoryRequest(self.channel, limit=PAGE, since=since))
            except Refused as error:
                if error.code == UNRECOVERABLE:
                    self._began_anew("another epoch")
                raise
            if checker.head != began:
                # Two read at once; the other has told what is on this page.
                continue
            if self._epoch and page.epoch != self._epoch:
                self._began_anew(f"epoch {page.epoch}")
            self._epoch = page.epoch
            if page.publications and page.publications[0].offset > checker.head + 1:
                await self._skip(client, page.publications[0].offset)
            for entry in page.publications:
                checker.stored(entry.offset, number_of(bytes(entry.data), self.length))
            read += len(page.publications)
            if checker.head >= page.offset:
                self._stuck_since = None
                break
            if not page.publications:
                self._stuck(page.offset)
                break
        checker.settle(time.monotonic())
        return read

    async def _skip(self, client: Client, offset: int) -> None:
        """Find out whether what is missing before this offset is gone with all that was before it:
        then it was kept for too short a time to be read, and else there is a hole."""
        since = StreamPosition(0, self._epoch)
        oldest = await client.history(HistoryRequest(self.channel, limit=1, since=since))
        if oldest.publications and oldest.publications[0].offset >= offset > self.checker.head:
            self.checker.skipped(offset)

    def _began_anew(self, what: str) -> None:
        self.report("A", f"A: the log of {self.channel} has begun anew ({what})")
        self._epoch = ""

    def _stuck(self, head: int) -> None:
        """The channel is further than what it gives; it may be just about to."""
        now = time.monotonic()
        if self._stuck_since is None:
            self._stuck_since = now
        elif now - self._stuck_since > LATE_S:
            known = self.checker.head
            self.report("A", f"A: {self.channel} gives nothing above {known}, and is at {head}")
            self._stuck_since = now
