"""The checker of every fault test: what publishers, clients and the store say must agree.

Publishers report what they sent and what came of it, clients what they got, and the stored log is
read once all is quiet. `check` then names every breach of these promises:

    A  what was acked is stored, and every entitled client got it
    B  no client got an offset or a client id twice
    C  offsets strictly rise at each client
    D  nothing was delivered that was not sent, or not to who may not have it
    E  what was not acked is absent or stored once

`client_id` is the publisher's own name for a message, unique in its channel. Pure: no clock, no
network.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Stored:
    """One entry as history shows it."""

    offset: int
    client_id: str


@dataclass(slots=True)
class _Channel:
    sent: set[str] = field(default_factory=set)
    acked: dict[str, int | None] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    stored: Sequence[Stored] = ()
    entitled: dict[str, int] = field(default_factory=dict)
    admitted: dict[str, list[range]] = field(default_factory=dict)
    received: dict[str, list[Stored]] = field(default_factory=dict)


class Checker:
    """Collects what was seen, channel by channel, and compares it."""

    def __init__(self) -> None:
        self._channels: dict[str, _Channel] = {}

    def sent(self, channel: str, client_id: str) -> None:
        """A publisher is about to send; call it before the first byte leaves."""
        self._of(channel).sent.add(client_id)

    def acked(self, channel: str, client_id: str, offset: int | None = None) -> None:
        """The publisher was told that it is stored, at `offset` where the answer says so."""
        self._of(channel).acked[client_id] = offset

    def refused(self, channel: str, client_id: str) -> None:
        """The publisher was told for good that it is not accepted, so it must not be there."""
        self._of(channel).refused.add(client_id)

    def entitled(self, channel: str, client: str, after: int = 0) -> None:
        """`client` must get, and may get, every entry of the channel with an offset > `after`."""
        self._of(channel).entitled[client] = after

    def admitted(self, channel: str, client: str, after: int, until: int) -> None:
        """`client` was told that it may have missed what is above `after`, up to `until`."""
        missed = range(after + 1, until + 1)
        self._of(channel).admitted.setdefault(client, []).append(missed)

    def received(self, channel: str, client: str, offset: int, client_id: str) -> None:
        """`client` was handed an entry by its SDK; call it in the order of the handing."""
        self._of(channel).received.setdefault(client, []).append(Stored(offset, client_id))

    def stored(self, channel: str, entries: Iterable[Stored]) -> None:
        """The whole log of the channel, oldest first, read after everything is quiet."""
        self._of(channel).stored = tuple(entries)

    def counts(self) -> str:
        """How much was compared, for a test's output."""
        channels = self._channels.values()
        return (
            f"{sum(len(c.sent) for c in channels)} sent, "
            f"{sum(len(c.acked) for c in channels)} acked, "
            f"{sum(len(c.stored) for c in channels)} stored, "
            f"{sum(len(r) for c in channels for r in c.received.values())} received"
        )

    def check(self) -> list[str]:
        """Every breach found, each as one line that starts with its letter; empty is good."""
        return [
            f"{breach} in {name}"
            for name, channel in sorted(self._channels.items())
            for breach in (
                *_stored_breaches(channel),
                *_ack_breaches(channel),
                *_delivery_breaches(channel),
                *_stranger_breaches(channel),
            )
        ]

    def _of(self, channel: str) -> _Channel:
        return self._channels.setdefault(channel, _Channel())


def _stored_breaches(channel: _Channel) -> Iterable[str]:
    """The log by itself: each message once, offsets without a hole, nothing of unknown origin."""
    for client_id, times in Counter(entry.client_id for entry in channel.stored).items():
        if times > 1:
            yield f"E: {client_id} is stored {times} times"
        if client_id not in channel.sent:
            yield f"D: {client_id} is stored but was never sent"
        if client_id in channel.refused:
            yield f"E: {client_id} is stored but was refused"
    if channel.stored:
        first = channel.stored[0].offset
        for expected, entry in enumerate(channel.stored, first):
            if entry.offset != expected:
                yield f"A: the log has offset {entry.offset} where {expected} belongs"
                break


def _ack_breaches(channel: _Channel) -> Iterable[str]:
    offsets = {entry.client_id: entry.offset for entry in channel.stored}
    for client_id, offset in channel.acked.items():
        if client_id not in channel.sent:
            yield f"D: {client_id} was acked but never sent"
        elif client_id not in offsets:
            yield f"A: {client_id} was acked but is not stored"
        elif offset is not None and offset != offsets[client_id]:
            yield f"A: {client_id} was acked at {offset} but is stored at {offsets[client_id]}"


def _delivery_breaches(channel: _Channel) -> Iterable[str]:
    ids = {entry.offset: entry.client_id for entry in channel.stored}
    for client, after in channel.entitled.items():
        received = channel.received.get(client, [])
        yield from _order_breaches(client, received)
        got = {entry.offset for entry in received}
        admitted = channel.admitted.get(client, [])
        for offset in sorted(ids.keys() - got):
            if offset > after and not any(offset in missed for missed in admitted):
                acked = "acked" if ids[offset] in channel.acked else "not acked, but stored"
                yield f"A: {client} never got {offset} ({ids[offset]}, {acked})"
        for entry in received:
            if entry.offset <= after:
                yield f"D: {client} got {entry.offset} but may have only what follows {after}"
            if ids.get(entry.offset) != entry.client_id:
                where = ids.get(entry.offset, "nothing")
                yield f"D: {client} got {entry.client_id} at {entry.offset}, stored is {where}"


def _order_breaches(client: str, received: Sequence[Stored]) -> Iterable[str]:
    for offset, times in Counter(entry.offset for entry in received).items():
        if times > 1:
            yield f"B: {client} got offset {offset} {times} times"
    for client_id, times in Counter(entry.client_id for entry in received).items():
        if times > 1:
            yield f"B: {client} got {client_id} {times} times"
    for before, entry in itertools.pairwise(received):
        if entry.offset < before.offset:
            yield f"C: {client} got {entry.offset} after {before.offset}"


def _stranger_breaches(channel: _Channel) -> Iterable[str]:
    for client in channel.received.keys() - channel.entitled.keys():
        yield f"D: {client} got {len(channel.received[client])} entries but was not entitled"
