"""What waits to be written to one client: bounded in bytes, two lanes.

While the transport takes what it is given, frames of one tick are collected and written together
at its end (see `fanout`). When the transport's buffer is full it pauses the outbox, and frames go
to a `Backlog` until it resumes. The backlog has a limit in bytes. **Ephemeral** frames (typing,
presence, live counters, publications without history) are the first to go: the oldest of them make
room for whatever comes. **Durable** frames (replies, publications from a log) are never dropped:
when they alone exceed the limit, or the oldest is too old, the client is *slow*, is closed 3008
and recovers. Nothing more is written to it then: what came after a frame that was not kept would
be a hole.
"""

from collections import deque
from typing import Final, Protocol

SLOW_AFTER_S: Final = 10.0
"""How long a durable frame may wait for a transport that takes nothing."""

FRAME_BYTES: Final = 64
"""What a waiting frame weighs besides its bytes, roughly: pongs are short, and many may come."""


class Sink(Protocol):
    """Where bytes go: an asyncio transport, or anything that has its `write`."""

    def write(self, data: bytes) -> None:
        """Take all of `data`; may call the owner's `pause` before it returns."""
        ...


class Backlog:
    """Frames that a paused transport has not taken, oldest first within each lane.

    `size`, in bytes, never exceeds the limit. `dropped` counts ephemeral frames. `overflowed`:
    there was no room for a durable frame, and nothing is kept any more.
    """

    __slots__ = ("_durable", "_ephemeral", "_limit", "dropped", "overflowed", "size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._durable: deque[tuple[float, bytes]] = deque()
        self._ephemeral: deque[bytes] = deque()
        self.size = 0
        self.dropped = 0
        self.overflowed = False

    def offer(self, frame: bytes, durable: bool, now: float) -> bool:
        """Queue a frame. False, once: it is durable and there is no room, the client is slow."""
        if self.overflowed:
            return True
        weight = len(frame) + FRAME_BYTES
        size = self.size + weight
        while size > self._limit and self._ephemeral:
            size -= len(self._ephemeral.popleft()) + FRAME_BYTES
            self.dropped += 1
        if size <= self._limit:
            if durable:
                self._durable.append((now, frame))
            else:
                self._ephemeral.append(frame)
            self.size = size
            return True
        if durable:
            self.drain()
            self.overflowed = True
            return False
        self.size = size - weight
        self.dropped += 1
        return True

    def waited(self, now: float) -> float:
        """For how many seconds the oldest durable frame has waited."""
        return now - self._durable[0][0] if self._durable else 0.0

    def drain(self) -> bytes:
        """Everything, durable frames first; the backlog is empty then."""
        frames = b"".join([frame for _, frame in self._durable] + list(self._ephemeral))
        self._durable.clear()
        self._ephemeral.clear()
        self.size = 0
        return frames


class Outbox:
    """One client's end of the fan-out; `realtime.channels.fanout.Fanout` writes to it.

    `owner` is whoever must be told that the outbox overflowed.
    """

    __slots__ = ("backlog", "frames", "owner", "sink")

    def __init__(self, sink: Sink, owner: object) -> None:
        self.sink = sink
        self.owner = owner
        # This tick's frames: None, one frame, or a list. One is so common that it gets no list.
        self.frames: bytes | list[bytes] | None = None
        self.backlog: Backlog | None = None

    def __repr__(self) -> str:
        waiting = f"{self.backlog.size} bytes wait" if self.backlog else "flowing"
        return f"<Outbox {waiting}>"

    def take(self) -> bytes:
        """This tick's frames, joined; none are left."""
        frames = self.frames
        self.frames = None
        if frames is None:
            return b""
        return b"".join(frames) if type(frames) is list else frames  # type: ignore[return-value]  # not a list: bytes
