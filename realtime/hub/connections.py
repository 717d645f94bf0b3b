"""What a backend may have done to this node's own connections (protocol 5.2).

The server API calls it for the node that was asked; words on the bus and rows of the revocations
log have every other node do the same.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from realtime.channels.rules import Channel
from realtime.errors import (
    CHANNEL_LIMIT,
    CONNECTION_EXPIRED,
    UNSUBSCRIBED_BY_SERVER,
    CommandRefused,
    ConnectionRefused,
    Disconnect,
)
from realtime.hub.access import Access
from realtime.hub.client import SESSION_SEPARATOR, Client, ClientRegistry
from realtime.hub.connecting import Connecting
from realtime.hub.grants import Grant, Prepared
from realtime.hub.joining import Joining
from realtime.hub.responder import Responder
from realtime.model import Position
from realtime.protocol.replies import Subscribed

NOBODY: Final = SESSION_SEPARATOR
"""A `Target.client` that is no client's."""

_MARK_CHARS: Final = 32


class Target(msgspec.Struct, frozen=True):
    """Whose connections: a user's, and only the one that `client` names where that is not "".

    `client` is an id, or an id and a session's mark; see `named_by`. Without a user it alone says
    which. Neither means nobody, never everybody.
    """

    user: str = ""
    client: str = ""


def named_by(client: str, session: str) -> str:
    """What stands in a `Target`, and in a row of the revocations log, for a client and a session.

    A session is the client's id and a secret that lets its bearer speak for the client, so only a
    mark of it is stored and told to other nodes. `NOBODY` where the two do not fit together.
    """
    if not session:
        return client
    id, _, secret = session.partition(SESSION_SEPARATOR)
    if not id or not secret or (client and client != id):
        return NOBODY
    return f"{id}{SESSION_SEPARATOR}{_mark(secret)}"


def _mark(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()[:_MARK_CHARS]


class Connections:
    """Orders to the node's clients. None raises, and what finds nobody is done."""

    def __init__(
        self,
        *,
        clients: ClientRegistry,
        access: Access,
        joining: Joining,
        connecting: Connecting,
        responder: Responder,
        channels_max: int,
    ) -> None:
        self._clients = clients
        self._access = access
        self._joining = joining
        self._connecting = connecting
        self._responder = responder
        self._channels_max = channels_max

    def find(self, target: Target) -> Iterator[Client]:
        """The connections that are meant and are on this node."""
        user = target.user
        if user and not target.client:
            yield from self._clients.of_user(user)
            return
        id, _, mark = target.client.partition(SESSION_SEPARATOR)
        found = self._clients.find(id)
        if found is None or (user and found.user != user):
            return
        if not mark or (found.secret and hmac.compare_digest(_mark(found.secret), mark)):
            yield found

    async def subscribe(
        self, target: Target, channel: Channel, grant: Grant, since: Position | None
    ) -> None:
        """Subscribe them on the server's behalf; who is banned from the channel is left out."""
        await asyncio.gather(
            *(self._subscribe(client, channel, grant, since) for client in self.find(target))
        )

    async def _subscribe(
        self, client: Client, channel: Channel, grant: Grant, since: Position | None
    ) -> None:
        # Closed between the look-up and this task's turn: nobody would take the subscription away.
        if client.closed is not None or not client.session.is_connected:
            return
        if channel.name in client.subscriptions:
            return
        try:
            looking = self._access.wait_for(client, channel)
            standing = await looking if looking is not None else None
        except CommandRefused:
            return  # the store is away
        if client.closed is not None or channel.name in client.subscriptions:
            return
        if self._access.expelled(client, channel, standing):
            return
        if len(client.subscriptions) >= self._channels_max:
            self._responder.close(client, CHANNEL_LIMIT)
            return
        try:
            preparing = self._joining.prepare(client, channel, grant, since)
            prepared = preparing if isinstance(preparing, Prepared) else await preparing
        except CommandRefused:
            return  # the client left meanwhile, or the store is away: it was never promised
        except ConnectionRefused as refusal:
            self._responder.close(client, refusal.disconnect)
            return
        result = prepared.result
        self._responder.push(
            client,
            channel.name,
            Subscribed(
                result.recoverable, result.epoch, result.offset, result.positioned, result.data
            ),
        )
        # The push cannot carry what was recovered (1.5): it follows as publications.
        self._joining.send(client, prepared.entries)
        self._joining.admit(client, prepared)

    def unsubscribe(self, target: Target, channel: str) -> None:
        """End one subscription of each, or all where `channel` is ""."""
        for client in self.find(target):
            for name in [channel] if channel else list(client.subscriptions):
                self._joining.end(client, name, UNSUBSCRIBED_BY_SERVER)

    def disconnect(
        self, target: Target, disconnect: Disconnect, whitelist: Collection[str] = ()
    ) -> None:
        """Close them, but for those whose id is in `whitelist`."""
        for client in list(self.find(target)):
            if client.id not in whitelist:
                self._responder.close(client, disconnect)

    def expire(self, target: Target) -> None:
        """Close them as expired (3005): they come back with a fresh token."""
        self.disconnect(target, CONNECTION_EXPIRED)

    def refresh(self, target: Target, expires_at: float, info: bytes) -> None:
        """Move their expiry (s since 1970, 0.0 for never); `info`, where not b"", is shown."""
        for client in self.find(target):
            if info and client.identity is not None:
                client.identity = msgspec.structs.replace(client.identity, info=info)
                self._joining.show(client, info)
            self._connecting.extend(client, expires_at)
