"""Sending to one client: replies, errors, pushes, and the close."""

import logging
from collections.abc import Callable

from realtime.channels.fanout import Fanout
from realtime.errors import Disconnect, Error
from realtime.hub.client import Client
from realtime.hub.statistics import Statistics
from realtime.protocol.replies import Push, Result

logger = logging.getLogger(__name__)


class Responder:
    """Encodes for the client's wire and queues on its outbox. Never waits.

    `departed` is called once for each client that the server closes, to undo what it holds.
    """

    __slots__ = ("_departed", "_fanout", "_statistics")

    def __init__(
        self, fanout: Fanout, statistics: Statistics, departed: Callable[[Client], None]
    ) -> None:
        self._fanout = fanout
        self._statistics = statistics
        self._departed = departed

    def reply(self, client: Client, id: int, result: Result) -> None:
        """Answer command `id`."""
        if client.closed is not None:  # while the answer was read: nothing may follow the close
            return
        wire = client.wire
        self._fanout.send(client.outbox, wire.frame(wire.codec.reply(id, result)))

    def refuse(self, client: Client, id: int, error: Error) -> None:
        """Answer command `id` with an error; a `send` (id 0) is not answered."""
        self._statistics.errors[error.code] += 1
        if id and client.closed is None:
            wire = client.wire
            self._fanout.send(client.outbox, wire.frame(wire.codec.refusal(id, error)))

    def push(self, client: Client, channel: str, push: Push, *, durable: bool = True) -> None:
        """Push something other than a publication; nothing comes before the connect's reply."""
        if client.closed is not None or not client.session.is_connected:
            return
        wire = client.wire
        self._fanout.send(client.outbox, wire.frame(wire.codec.push(channel, push)), durable)

    def ping(self, client: Client) -> None:
        """Send a ping, in whichever form the transport has."""
        if client.transport.frame_pings:
            client.transport.ping()
        else:
            self._fanout.send(client.outbox, client.wire.ping, False)

    def close(self, client: Client, disconnect: Disconnect) -> None:
        """Send what was queued, then the code, and let go of the client. Idempotent."""
        if client.closed is not None:
            return
        client.closed = disconnect
        logger.debug("client %s: closing with %s", client.id, disconnect.code)
        self._statistics.disconnects[disconnect.code] += 1
        self._departed(client)
        frames = client.outbox.take()
        # A client whose transport is full would not get them before the close is due anyway.
        client.transport.close(disconnect, frames if client.outbox.backlog is None else b"")
