"""Fan-out: one encode and one frame per publication, one write per client and tick.

A system call per delivery is what broadcasting costs most. So nothing is written at once: frames
are collected per audience (the subscribers of one channel that share a wire format), joined once
at the end of the tick, handed to each subscriber's outbox, and every outbox that got something is
written with one call. Nothing here awaits, and no task is started.

Order: what is sent to one client keeps its order, and what is broadcast in one channel keeps its
order for everyone in it. A subscriber joins an audience only after `settle`, so it sees nothing
from before its subscribe reply.
"""

from collections.abc import Callable

from realtime.channels.outbox import SLOW_AFTER_S, Backlog, Outbox


class Audience:
    """The live subscribers of one channel that share a wire format, and this tick's frames.

    `members` maps an outbox to whatever its owner keeps there. `durable` is the lane of frames.
    """

    __slots__ = ("durable", "frames", "members")

    def __init__(self, durable: bool) -> None:
        self.durable = durable
        self.members: dict[Outbox, object] = {}
        self.frames: list[bytes] = []

    def __repr__(self) -> str:
        return f"<Audience of {len(self.members)}>"


class Fanout:
    """Collects the frames of one tick; `flush` writes them.

    `wake` is called when there is something to do after a while of nothing, and must have `flush`
    called soon. `settled` is called in each flush, with its time, once all that was broadcast has
    been handed over and before any of it is written: what it sends goes out behind that, in the
    same write; it broadcasts nothing. `slow` gathers the outboxes whose durable lane overflowed;
    the owner closes them after a flush. `deliveries` and `written_bytes` count what was handed
    over, `dropped` the ephemeral frames that were not.
    """

    __slots__ = (
        "_audiences",
        "_backlog_max_bytes",
        "_outboxes",
        "_wake",
        "deliveries",
        "dropped",
        "now",
        "paused",
        "settled",
        "slow",
        "written_bytes",
    )

    def __init__(self, wake: Callable[[], object], backlog_max_bytes: int) -> None:
        self._wake = wake
        self._backlog_max_bytes = backlog_max_bytes
        self._audiences: list[Audience] = []
        self._outboxes: list[Outbox] = []
        self.slow: list[Outbox] = []
        self.paused: set[Outbox] = set()
        self.settled: Callable[[float], None] | None = None
        self.now = 0.0
        self.deliveries = 0
        self.dropped = 0
        self.written_bytes = 0

    def send(self, outbox: Outbox, frame: bytes, durable: bool = True) -> None:
        """Queue a frame for one client."""
        if outbox.backlog is not None:
            self._hold(outbox, frame, durable)
            return
        frames = outbox.frames
        if frames is None:
            if not self._outboxes and not self._audiences:
                self._wake()
            self._outboxes.append(outbox)
            outbox.frames = frame
        elif type(frames) is list:
            frames.append(frame)
        else:
            outbox.frames = [frames, frame]  # type: ignore[list-item]  # not a list: bytes

    def broadcast(self, audience: Audience, frame: bytes) -> None:
        """Queue a frame for everyone in the audience at the moment."""
        if not audience.members:
            return
        if not audience.frames:
            if not self._outboxes and not self._audiences:
                self._wake()
            self._audiences.append(audience)
        audience.frames.append(frame)

    def settle(self, audience: Audience) -> None:
        """Hand over what was broadcast so far; to be called before the membership changes."""
        frames = audience.frames
        if not frames:
            return
        count = len(frames)
        frame = frames[0] if count == 1 else b"".join(frames)
        audience.frames = []
        self.deliveries += count * len(audience.members)
        durable = audience.durable
        outboxes = self._outboxes
        # The loop of the whole product; `send`, written out.
        for outbox in audience.members:
            if outbox.backlog is not None:
                self._hold(outbox, frame, durable)
                continue
            waiting = outbox.frames
            if waiting is None:
                outboxes.append(outbox)
                outbox.frames = frame
            elif type(waiting) is list:
                waiting.append(frame)
            else:
                outbox.frames = [waiting, frame]  # type: ignore[list-item]  # not a list: bytes

    def flush(self, now: float) -> None:
        """Write everything that was queued, one call per client. `now`: monotonic seconds."""
        self.now = now
        audiences = self._audiences
        self._audiences = []
        for audience in audiences:
            self.settle(audience)
        if self.settled is not None:
            self.settled(now)
        outboxes = self._outboxes
        self._outboxes = []
        written = 0
        for outbox in outboxes:
            frames = outbox.frames
            outbox.frames = None
            if type(frames) is list:
                frames = b"".join(frames)
            elif frames is None:  # taken meanwhile, by a close
                continue
            written += len(frames)
            try:
                outbox.sink.write(frames)  # type: ignore[arg-type]  # not a list: bytes
            except RuntimeError:
                # uvloop's word for a transport that has just closed and whose owner is about to
                # be told; the others must get their frames.
                continue
        self.written_bytes += written

    def pause(self, outbox: Outbox, now: float) -> None:
        """The outbox's transport is full: what comes from now on waits. Idempotent."""
        if outbox.backlog is None:
            outbox.backlog = Backlog(self._backlog_max_bytes)
            self.paused.add(outbox)
            self.now = now

    def resume(self, outbox: Outbox) -> None:
        """The transport takes bytes again; what waited goes first. Harmless if nothing is paused.

        An outbox that overflowed stays paused: it is to be closed, not to get the rest.
        """
        backlog = outbox.backlog
        if backlog is None or backlog.overflowed:
            return
        outbox.backlog = None
        self.paused.discard(outbox)
        frames = backlog.drain()
        self.dropped += backlog.dropped
        if frames:
            self.send(outbox, frames)

    def forget(self, outbox: Outbox) -> None:
        """The client is gone; what waited for it is dropped."""
        self.paused.discard(outbox)
        if outbox.backlog is not None:
            self.dropped += outbox.backlog.dropped

    def overdue(self, now: float) -> list[Outbox]:
        """Outboxes whose transport has taken nothing for too long; see `outbox.SLOW_AFTER_S`."""
        self.now = now
        return [
            outbox
            for outbox in self.paused
            if outbox.backlog is not None and outbox.backlog.waited(now) > SLOW_AFTER_S
        ]

    def _hold(self, outbox: Outbox, frame: bytes, durable: bool) -> None:
        backlog = outbox.backlog
        assert backlog is not None  # the caller looked
        if not backlog.offer(frame, durable, self.now):
            if not self._outboxes and not self._audiences:
                self._wake()  # nothing else may be going on, and the owner looks after a flush
            self.slow.append(outbox)
