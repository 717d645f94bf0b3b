"""What takes away, on every node: the revocations log is written here, followed, and carried out.

The bus only says that there is something new. Every node also reads the log by itself each second,
so that a bus that forgets, or has just died without anybody knowing, delays nothing by more.
"""

import asyncio
import logging
from typing import Final

import msgspec

from realtime.auth.revocations import Revocations
from realtime.chat.ports import Memberships
from realtime.errors import (
    FORBIDDEN,
    INTERNAL,
    INVALID_TOKEN,
    UNSUBSCRIBED_BY_SERVER,
    UNSUBSCRIBED_EXPIRED,
    CommandRefused,
    Disconnect,
    StoreError,
)
from realtime.hub.client import ClientRegistry
from realtime.hub.clock import Clock
from realtime.hub.connections import Connections, Target
from realtime.hub.delivery import Delivery
from realtime.hub.identities import Identities
from realtime.hub.joining import Joining
from realtime.hub.peers import Peers
from realtime.hub.responder import Responder
from realtime.model import Revocation
from realtime.stores.base import RevocationStore

logger = logging.getLogger(__name__)

PAGE: Final = 1000
"""Rows read at once."""

READ_TIMEOUT_S: Final = 5.0
"""How long a read of the log may take."""

WRITE_TIMEOUT_S: Final = 10.0
"""How long a row may take to be stored before whoever asked is told to try again."""

ORDER_MS: Final = 600_000
"""How long a one-time order stands in the log: longer than a node may be cut off from it."""


class LogGrew(msgspec.Struct, frozen=True):
    """What other nodes are told: the log has rows up to `seq`."""

    seq: int = 0


class Revoking:
    """Appends to the log, applies it in order of seq, and tells the other nodes of it."""

    def __init__(
        self,
        *,
        log: RevocationStore,
        revocations: Revocations,
        clients: ClientRegistry,
        connections: Connections,
        identities: Identities,
        delivery: Delivery,
        joining: Joining,
        responder: Responder,
        clock: Clock,
        peers: Peers,
        memberships: Memberships | None = None,
    ) -> None:
        self._memberships = memberships
        self._log = log
        self._revocations = revocations
        self._clients = clients
        self._connections = connections
        self._identities = identities
        self._delivery = delivery
        self._joining = joining
        self._responder = responder
        self._clock = clock
        self._peers = peers
        self._following = asyncio.Lock()
        peers.on("log", LogGrew, self._told)

    async def record(self, revocation: Revocation) -> None:
        """Store a row, carry it out here, and have the other nodes carry it out.

        Raises CommandRefused (100) where it is not known to be stored: then nothing was taken away
        yet, and the same may be asked again.
        """
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                seq = await self._log.revoke(revocation)
        except (StoreError, TimeoutError):
            raise CommandRefused(INTERNAL) from None
        self._peers.tell("log", LogGrew(seq))
        try:
            await self.follow()
        except (StoreError, TimeoutError):
            # In order it comes with the next read; what it takes away must not wait for that.
            self._apply(revocation)

    @property
    def seq(self) -> int:
        """Up to where the log is carried out here."""
        return self._revocations.seq

    async def follow(self) -> None:
        """Read what is new in the log and carry it out. Raises StoreError or TimeoutError."""
        async with self._following:
            await self._read_on()

    async def follow_to(self, seq: int) -> None:
        """`follow`, unless all up to `seq` is carried out. Raises StoreError or TimeoutError."""
        async with self._following:
            if seq > self._revocations.seq:
                await self._read_on()

    async def _read_on(self) -> None:
        # Rows whose time has passed too: a node's clock must not hide an order from it.
        while True:
            async with asyncio.timeout(READ_TIMEOUT_S):
                rows = await self._log.revocations(
                    after=self._revocations.seq, limit=PAGE, now_ms=0
                )
            for row in rows:
                self._apply(row)
            if not rows:
                return

    async def _told(self, news: LogGrew) -> None:
        await self.follow_to(news.seq)

    # Carrying it out on this node's connections.

    def _apply(self, row: Revocation) -> None:
        self._revocations.add(row)
        if row.act == "tokens":
            self._end_tokens(row)
        elif row.act == "ban":
            self._end_banned(row)
        elif row.act == "disconnect":
            self._connections.disconnect(
                Target(row.user, row.client), Disconnect(row.code, row.reason), row.whitelist
            )
        elif row.act == "truncate":
            self._delivery.truncated(row.channel)
        elif row.act == "unsubscribe":
            if self._memberships is not None and row.user and row.channel:
                self._memberships.forget(row.channel, row.user)
            self._connections.unsubscribe(Target(row.user, row.client), row.channel)
        elif row.act == "members":
            self._delivery.suspect(row.channel)

    def _end_tokens(self, row: Revocation) -> None:
        concerned = self._clients.of_user(row.user) if row.user else tuple(self._clients)
        for client in concerned:
            if client.identity is not None and self._identities.revoked(client.identity):
                self._responder.close(client, INVALID_TOKEN)
                continue
            for name, subscription in list(client.subscriptions.items()):
                if row.jti and subscription.jti == row.jti:
                    self._joining.end(client, name, UNSUBSCRIBED_EXPIRED)

    def _end_banned(self, row: Revocation) -> None:
        if not self._revocations.banned(row.user, row.channel, self._clock.wall_ms()):
            return  # its time is over already
        for client in self._clients.of_user(row.user):
            if row.channel:
                self._joining.end(client, row.channel, UNSUBSCRIBED_BY_SERVER)
            else:
                self._responder.close(client, FORBIDDEN)


async def load_revocations(store: RevocationStore, clock: Clock) -> Revocations:
    """Everything that is revoked, to be known before the first client connects."""
    revocations = Revocations()
    while page := await store.revocations(
        after=revocations.seq, limit=PAGE, now_ms=clock.wall_ms()
    ):
        for revocation in page:
            revocations.add(revocation)
    return revocations
