"""What the hub needs of whatever carries a client's session."""

from typing import Protocol

from realtime.channels.live import Wire
from realtime.channels.outbox import Sink
from realtime.errors import Disconnect


class Transport(Protocol):
    """One client's connection. Its owner calls `Hub.received`, `Hub.left` and the rest.

    `wire` is the format that its frames have. `frame_pings`: the transport's own pings stand in
    for the protocol's (protocol 1.6). `pongs`: the client answers pings, in whichever form.
    `is_emulated`: what the client says comes in requests of their own, which name the session that
    the connect's reply tells it (protocol 7); its owner hands them to `Hub.emulation`.
    """

    wire: Wire
    frame_pings: bool
    pongs: bool
    is_emulated: bool

    @property
    def address(self) -> str:
        """The client's address, "" if it cannot be told."""
        ...

    @property
    def sink(self) -> Sink:
        """Where frames are written that are already in the transport's framing. Never waits."""
        ...

    def ping(self) -> None:
        """Send the transport's own ping."""
        ...

    def close(self, disconnect: Disconnect, last: bytes = b"") -> None:
        """Send the last frames and the code, and end the connection in bounded time. Idempotent."""
        ...

    def pause_reading(self) -> None:
        """Read no more for now: the client has asked for more than may wait."""
        ...

    def resume_reading(self) -> None:
        """Read again."""
        ...
