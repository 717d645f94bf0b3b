"""What a wire format must be able to do; one object of each serves the whole process."""

from typing import Protocol

from realtime.errors import Error
from realtime.model import ClientInfo, Entry
from realtime.protocol.commands import Command
from realtime.protocol.replies import Push, Result


class Codec(Protocol):
    """Commands from bytes, replies and pushes to bytes. Stateless, and never does I/O.

    `is_binary`: payloads may be any bytes; where it is False they are JSON. `is_unidirectional`:
    the client says nothing but its connect, so that errors at connect close the connection, and no
    pongs are waited for. A document, `ping` included, is as it travels but for the transport's own
    framing.
    """

    name: str
    is_binary: bool
    is_unidirectional: bool
    ping: bytes

    def decode(self, payload: bytes) -> list[Command]:
        """The commands of one frame, in order. Raises ConnectionRefused (3501) if any is bad."""
        ...

    def reply(self, id: int, result: Result) -> bytes:
        """The answer to command `id`."""
        ...

    def refusal(self, id: int, error: Error) -> bytes:
        """The error that answers command `id`."""
        ...

    def publication(self, entry: Entry) -> bytes:
        """The push that carries an entry to subscribers; made once for all of them."""
        ...

    def push(self, channel: str, push: Push) -> bytes:
        """Any other push; `channel` is "" for those about the connection."""
        ...

    def info(self, info: ClientInfo) -> bytes:
        """The encoded `ClientInfo`, to be made once per connection and channel."""
        ...
