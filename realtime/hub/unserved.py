"""Commands that nothing in this version serves, and what clients are told."""

from realtime.errors import UNSUPPORTED, ConnectionRefused
from realtime.hub.client import Client
from realtime.protocol.commands import SendRequest


def refuse_send(client: Client, id: int, request: SendRequest) -> None:
    """Close with 3508: nobody takes messages (protocol 1.4, send without a handler)."""
    raise ConnectionRefused(UNSUPPORTED)
