"""Commands that nothing in this version serves, and what clients are told."""

from realtime.errors import NOT_AVAILABLE, UNSUPPORTED, CommandRefused, ConnectionRefused
from realtime.hub.client import Client
from realtime.protocol.commands import RpcRequest, SendRequest


def refuse_rpc(client: Client, id: int, request: RpcRequest) -> None:
    """Answer 108: no method is registered (protocol 1.4, RPC without a handler)."""
    raise CommandRefused(NOT_AVAILABLE)


def refuse_send(client: Client, id: int, request: SendRequest) -> None:
    """Close with 3508: nobody takes messages (protocol 1.4, send without a handler)."""
    raise ConnectionRefused(UNSUPPORTED)
