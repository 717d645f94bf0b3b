"""A websocket whose client only listens: its first message is the connect request (protocol 7)."""

import asyncio
from collections.abc import Sequence

from realtime.errors import Disconnect
from realtime.hub.hub import Hub
from realtime.protocol.replies import Disconnected
from realtime.server.gate import Gate
from realtime.server.stream_wires import JSON_UNI_WEBSOCKET
from realtime.server.websocket import WebsocketConnection
from realtime.websocket import Event, OtherKind, Pong


class UnidirectionalWebsocket(WebsocketConnection):
    """See WebsocketConnection. What the client says after its connect request is ignored.

    Pings go out in both forms: the protocol's, which tells the program that the connection lives,
    and a native one, which every peer answers by itself, so that one that is gone is noticed.
    """

    __slots__ = ("_has_begun",)

    def __init__(
        self, hub: Hub, gate: Gate, transport: asyncio.Transport, *, address: str | None
    ) -> None:
        super().__init__(
            hub, gate, transport, wire=JSON_UNI_WEBSOCKET, address=address, frame_pings=False
        )
        self._has_begun = False

    def begin(self, payload: bytes) -> None:
        """Perform the connect request."""
        self._has_begun = True
        self._hub.received(self._client, payload)

    def close(self, disconnect: Disconnect, last: bytes = b"") -> None:
        """Say it in a push as well: to a program that shows messages, not how a socket ended."""
        push = self.wire.codec.push("", Disconnected(disconnect.code, disconnect.reason))
        super().close(disconnect, last + self.wire.frame(push))

    def _act_on(self, events: Sequence[Event]) -> None:
        heeded: list[Event] = []
        for event in events:
            if type(event) is Pong:
                self._client.session.pong()
            elif type(event) is bytes or type(event) is OtherKind:
                if not self._has_begun:
                    self._has_begun = True
                    heeded.append(event)
            else:
                heeded.append(event)
        super()._act_on(heeded)
