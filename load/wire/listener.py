"""Who is told what clients hear. One listener serves any number of clients."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from load.recording import Recorder
from load.wire.mark import MARK_BYTES, MARK_START
from load.wire.messages import Error

if TYPE_CHECKING:
    from load.wire.connection import Connection


class Listener:
    """Does nothing; scenarios override what they care for.

    Called from within the loop, and must not raise: what is raised here ends the connection.
    """

    counts_alike: ClassVar[bool] = False
    """Whether it need not know which client got a push: then `pushed_alike` is called in place of
    `pushed`, as far as several clients get the same bytes. A fan-out sends those to all, and they
    cost a fraction of what others do."""

    def pushed(self, client: "Connection", document: bytes) -> None:
        """The hub has sent a push. It is not parsed; `push_of(client.codec, document)` does."""

    def pushed_alike(self, documents: Sequence[bytes], reads: Sequence[tuple[int, int]]) -> None:
        """Clients of this listener got all of these pushes: by each time, in ns, so many more."""

    def answered(self, client: "Connection", due_ns: int, error: Error | None) -> None:
        """What `send` has sent was answered, or will never be (`error.code` is 0 then).

        `due_ns` is what was given to `send`.
        """

    def closed(self, client: "Connection", code: int, reason: str) -> None:
        """The hub or the network has ended the connection; not called after `close` and `abort`.

        `code` is 1006 where the hub sent none.
        """


class Deliveries(Listener):
    """Counts what is received and how long it took, by time marks, and what is acked.

    Counts `received`, `published` and `unmarked` (what has no mark: joins, messages of others);
    waits `delivery` and `ack`; errors are `publish: …` and `connection: …`. Adds up the time marks
    of what is `received`, each times `weight`: clients that are to hear different messages have
    listeners of different weights, so that who hears another's is found out. `use` begins a phase.
    """

    counts_alike = True

    def __init__(self, recorder: Recorder, weight: int = 1) -> None:
        self.weight = weight
        self.use(recorder)

    def use(self, recorder: Recorder) -> None:
        """Record there from now on."""
        self.recorder = recorder
        self._deliveries = recorder.counted_waits("delivery")
        self._acks = recorder.waits("ack")

    def pushed(self, client: "Connection", document: bytes) -> None:
        """See base."""
        self.pushed_alike([document], [(time.monotonic_ns(), 1)])

    def pushed_alike(self, documents: Sequence[bytes], reads: Sequence[tuple[int, int]]) -> None:
        """See base."""
        marked, clients, marks, waits = 0, 0, 0, self._deliveries
        for _, count in reads:
            clients += count
        for document in documents:
            at = document.find(MARK_START)
            if at < 0:
                continue
            marked += 1
            sent_ns = int(document[at + 2 : at + MARK_BYTES])
            marks += sent_ns
            for time_ns, count in reads:
                us = (time_ns - sent_ns) // 1_000
                waits[us] = waits.get(us, 0) + count
        counts = self.recorder.counts
        if marked:
            counts["received"] += marked * clients
            self.recorder.mark_sums["received"] += marks * clients * self.weight
        if marked < len(documents):
            counts["unmarked"] += (len(documents) - marked) * clients

    def answered(self, client: "Connection", due_ns: int, error: Error | None) -> None:
        """See base."""
        if error is None:
            self._acks.append((time.monotonic_ns() - due_ns) // 1_000)
            self.recorder.counts["published"] += 1
        else:
            self.recorder.error(f"publish: {error.code} {error.message}")

    def closed(self, client: "Connection", code: int, reason: str) -> None:
        """See base."""
        self.recorder.error(f"connection: {code} {reason}")
