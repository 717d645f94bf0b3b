"""JSON for clients that only listen (protocol 7): no SDK is needed, `curl` or EventSource will do.

The client says one thing, the bare connect request: `{"token":"…","subs":{"room:lobby":{}}}`. It
is sent pushes without their wrapper: `{"connect":{…}}`, `{"channel":"…","pub":{…}}`, `{}` for a
ping, `{"disconnect":{…}}`. Nothing is asked of it afterwards, a pong least of all.

Events have no id of their own: a connection follows any number of channels, each with its own
offsets, and what is encoded once for all could not tell how far each of them has got. So what
EventSource does by itself after a broken connection, asking for the same address again, recovers
nothing; a page that must not miss anything opens a new EventSource with `recover` and the positions
that it has seen.
"""

import msgspec

from realtime.errors import MALFORMED, ConnectionRefused, Error
from realtime.model import ClientInfo, Entry
from realtime.protocol.commands import Command, ConnectRequest
from realtime.protocol.json_codec import JsonCodec
from realtime.protocol.replies import ConnectResult, Push, Result

_decode = msgspec.json.Decoder(ConnectRequest).decode
_encode = msgspec.json.Encoder().encode

_WRAPPER = len(b'{"push":')

CONNECT_ID = 1
"""The id that the connect is known by within the hub; it is not on the wire."""


class UnidirectionalJsonCodec:
    """See `realtime.protocol.codec.Codec`."""

    name = "uni-json"
    is_binary = False
    is_unidirectional = True
    ping = JsonCodec.ping

    def __init__(self) -> None:
        self._json = JsonCodec()

    def decode(self, payload: bytes) -> list[Command]:
        """The connect request, in valid UTF-8, as a command."""
        try:
            return [Command(CONNECT_ID, _decode(payload))]
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            raise ConnectionRefused(MALFORMED) from None

    def reply(self, id: int, result: Result) -> bytes:
        """The connect's result as a push. Nothing else is asked, so nothing else is answered."""
        if isinstance(result, ConnectResult) and result.pong:
            result = msgspec.structs.replace(result, pong=False)
        return b'{"%b":%b}' % (result.method.encode(), _encode(result))

    def refusal(self, id: int, error: Error) -> bytes:
        """No client is sent one: the hub closes in its place (`realtime.hub.dispatch`)."""
        return self._json.refusal(id, error)

    def publication(self, entry: Entry) -> bytes:
        """See Codec."""
        return self._json.publication(entry)[_WRAPPER:-1]

    def push(self, channel: str, push: Push) -> bytes:
        """See Codec."""
        return self._json.push(channel, push)[_WRAPPER:-1]

    def info(self, info: ClientInfo) -> bytes:
        """See Codec."""
        return self._json.info(info)
