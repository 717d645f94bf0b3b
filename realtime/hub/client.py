"""One client of the hub: its session, who it is, and what it is subscribed to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from realtime.auth.identity import Identity
from realtime.channels.live import Subscription, Wire
from realtime.channels.outbox import Outbox
from realtime.errors import Disconnect
from realtime.hub.transport import Transport
from realtime.model import ClientInfo
from realtime.protocol.commands import Request
from realtime.protocol.session import Session

UNANSWERED_MAX: Final = 512
"""Publishes of one connection that may wait for the store before it is read no further."""

SESSION_SEPARATOR: Final = "."
"""Between the two parts of a session id; neither holds one."""

NO_CHANNELS: Final[frozenset[str]] = frozenset()


class Client:
    """The server's side of one connection, whichever transport carries it.

    Small on purpose: a hub holds tens of thousands of idle ones. `inbox` holds commands that wait
    for one that is being performed, None while nothing waits. `slot` belongs to the timing wheel.
    `granted` are the channels that the token, or being that user, subscribes it to. `unanswered`
    counts publishes that wait for the store. `device` is what `realtime.hub.devices` calls the
    user's device that it comes from, "" for none; `since` is when its identity was known, in
    seconds of the node's monotonic clock. `secret` is what its emulation requests must know, ""
    where it makes none. `closed` is why the server closed it, if it did; nothing is performed or
    written afterwards.
    """

    __slots__ = (
        "closed",
        "command_tat",
        "device",
        "granted",
        "id",
        "identity",
        "inbox",
        "info",
        "outbox",
        "publish_tat",
        "secret",
        "session",
        "since",
        "slot",
        "subscriptions",
        "transport",
        "unanswered",
        "wire",
    )

    def __init__(self, id: str, transport: Transport, session: Session, secret: str = "") -> None:
        self.id = id
        self.transport = transport
        self.wire: Wire = transport.wire
        self.session = session
        self.secret = secret
        self.outbox = Outbox(transport.sink, self)
        self.identity: Identity | None = None
        self.info: ClientInfo | None = None
        self.granted = NO_CHANNELS
        self.subscriptions: dict[str, Subscription] = {}
        self.inbox: deque[tuple[int, Request]] | None = None
        self.closed: Disconnect | None = None
        self.slot = -1
        self.device = ""
        self.since = 0.0
        self.unanswered = 0
        # When the rate limits' buckets are full again; see `realtime.limits.buckets`.
        self.command_tat = 0.0
        self.publish_tat = 0.0

    def __repr__(self) -> str:
        return f"<Client {self.id} {self.session!r} {len(self.subscriptions)} subscriptions>"

    def show(self, info: bytes) -> None:
        """Have others see this `conn_info` (raw JSON) from now on, in every channel."""
        self.info = ClientInfo(self.user, self.id, info)
        for subscription in self.subscriptions.values():
            chan_info = subscription.info.chan_info
            subscription.info = (
                ClientInfo(self.user, self.id, info, chan_info) if chan_info else self.info
            )

    @property
    def session_id(self) -> str:
        """What the client is told to be called in emulation requests and by its backend; or "".

        Made of the id, which everybody in a channel may see, and the secret, which nobody does.
        """
        return f"{self.id}{SESSION_SEPARATOR}{self.secret}" if self.secret else ""

    @property
    def user(self) -> str:
        """The user's id; "" for a guest, and before the connect succeeded."""
        return self.identity.user if self.identity is not None else ""


class ClientRegistry:
    """The node's connected clients, by id, by user, and by device where they name one."""

    __slots__ = ("_by_device", "_by_id", "_by_user")

    def __init__(self) -> None:
        self._by_id: dict[str, Client] = {}
        # Most users have one connection: the set is made for the second.
        self._by_user: dict[str, Client | set[Client]] = {}
        self._by_device: dict[str, Client] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Client]:
        return iter(self._by_id.values())

    def add(self, client: Client) -> None:
        """Register a client whose identity is known."""
        self._by_id[client.id] = client
        user = client.user
        if user:
            others = self._by_user.get(user)
            if others is None:
                self._by_user[user] = client
            elif isinstance(others, set):
                others.add(client)
            else:
                self._by_user[user] = {others, client}

    def remove(self, client: Client) -> None:
        """Forget a client; harmless if it is not registered."""
        if self._by_id.pop(client.id, None) is None:
            return
        if client.device and self._by_device.get(client.device) is client:
            del self._by_device[client.device]
        others = self._by_user.get(client.user)
        if isinstance(others, set):
            others.discard(client)
            if not others:
                del self._by_user[client.user]
        elif others is client:
            del self._by_user[client.user]

    def find(self, id: str) -> Client | None:
        """The client with this id, if it is on this node."""
        return self._by_id.get(id)

    def of_user(self, user: str) -> tuple[Client, ...]:
        """The user's connections on this node, in no order."""
        clients = self._by_user.get(user)
        if clients is None:
            return ()
        return tuple(clients) if isinstance(clients, set) else (clients,)

    def hold(self, client: Client) -> None:
        """Have a registered client stand for its device, in place of the one that did."""
        self._by_device[client.device] = client

    def of_device(self, device: str) -> Client | None:
        """The connected client that stands for a device on this node."""
        return self._by_device.get(device)

    def user_count(self) -> int:
        """How many different users there are; all guests count as one."""
        guests = any(not client.user for client in self._by_id.values())
        return len(self._by_user) + guests
