"""The rpc command and the server API's rpc: what chat and feeds can do, called by name."""

from realtime.chat.caller import Caller
from realtime.errors import (
    METHOD_NOT_FOUND,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    CommandRefused,
)
from realtime.hub.access import Access
from realtime.hub.chatting import Chat
from realtime.hub.client import Client
from realtime.hub.dispatch import Waiting
from realtime.hub.responder import Responder
from realtime.model import ClientInfo
from realtime.protocol.calls import RpcAnswer, RpcCall
from realtime.protocol.commands import RpcRequest
from realtime.protocol.json_codec import compact
from realtime.protocol.replies import RpcResult, raw


class Calling:
    """Hands calls to the chat service and answers with what it says."""

    def __init__(self, *, access: Access, responder: Responder) -> None:
        self._access = access
        self._responder = responder
        self.chat: Chat | None = None
        """None for a hub without chat."""

    def rpc(self, client: Client, id: int, request: RpcRequest) -> Waiting:
        """A client's call (protocol 1.4); 108 where nothing can be called."""
        if self.chat is None:
            raise CommandRefused(NOT_AVAILABLE)
        if self._access.banned(client, ""):
            raise CommandRefused(PERMISSION_DENIED)
        return self._call(client, id, request, self.chat)

    async def _call(self, client: Client, id: int, request: RpcRequest, chat: Chat) -> None:
        answer = await chat.call(caller_of(client), request.name, bytes(request.data))
        self._responder.reply(client, id, RpcResult(raw(compact(answer))))

    async def call(self, call: RpcCall) -> RpcAnswer:
        """A call of the app's backend, on behalf of the user whom it names, as an admin.

        Raises CommandRefused.
        """
        if self.chat is None:
            raise CommandRefused(METHOD_NOT_FOUND)
        caller = Caller(call.user, "admin")
        return RpcAnswer(raw(await self.chat.call(caller, call.name, bytes(call.params))))


def caller_of(client: Client, info: ClientInfo | None = None) -> Caller:
    """Who a connected client is to chat; `info` is what others see of it, if not the usual."""
    identity = client.identity
    assert identity is not None  # nothing is performed before the connect
    return Caller(identity.user, identity.role, client.id, client.device, info or client.info)
