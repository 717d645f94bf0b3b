"""What makes a message one command, in every wire format (protocol 1.2).

At most one method is expected. Where a message has several, the first in the order of `PRECEDENCE`
is the command, and the others are as if they were not there.
"""

from typing import ClassVar, Final

from realtime.errors import MALFORMED, ConnectionRefused
from realtime.protocol.commands import PONG, Command, Request, SendRequest

KEPT_INFO_BYTES_MAX: Final = 512
"""The longest user id and infos of a publisher, together, that codecs keep as they are written:
those of thousands are kept, and as long as tokens may be they would fill memory."""

COMMANDS_PER_FRAME_MAX: Final = 1024
"""More commands in one frame than any SDK batches; beyond it the frame is refused."""

PRECEDENCE: Final = (
    "connect",
    "ping",
    "subscribe",
    "unsubscribe",
    "publish",
    "presence",
    "presence_stats",
    "history",
    "rpc",
    "send",
    "refresh",
    "sub_refresh",
)
"""Every method by its name on the wire; which one counts where there are several."""


class PingRequest(Request, frozen=True, gc=False):
    """In the protocol's schema, but no server accepts it."""

    method: ClassVar[str] = "ping"


def command(id: int, request: Request | None) -> Command:
    """The command of a message with this id and this request, which is None where it has none.

    Raises ConnectionRefused (3501): an id and nothing that this server knows to answer, or a
    request that needs an id and has none.
    """
    if id:
        if request is not None and type(request) is not PingRequest:
            return Command(id, request)
    elif request is None:
        return PONG
    elif type(request) is SendRequest:
        return Command(0, request)
    raise ConnectionRefused(MALFORMED)
