"""Hints: ephemeral events for users' personal channels, wherever the users are connected.

One word to all nodes carries a hint for many users; each node looks whom of them it has. So a hint
costs no topic of the bus per user, and nothing where nobody is connected.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from realtime.channels.fanout import Fanout
from realtime.hub.access import Access
from realtime.hub.client import ClientRegistry
from realtime.hub.clock import Clock
from realtime.hub.peers import Peers
from realtime.hub.server_side import ServerSide
from realtime.hub.statistics import Statistics
from realtime.model import Entry
from realtime.protocol.json_codec import compact

HINT: Final = "hint"

WORD_USERS_MAX: Final = 1_000
"""Users in one word; more make further words. Ids of a few hundred bytes leave it room."""

DATA_MAX_BYTES: Final = 64 * 1024
"""The longest hint; a longer one is dropped, and counted as a word that was refused."""


class HintWord(msgspec.Struct, frozen=True, gc=False):
    """What other nodes are told: show `data` to these users, but not beside the channel `about`."""

    users: list[str]
    data: msgspec.Raw
    about: str = ""


class Hints:
    """Brings hints to the connections of this node, and tells the other nodes of them."""

    def __init__(
        self,
        *,
        server_side: ServerSide,
        clients: ClientRegistry,
        fanout: Fanout,
        peers: Peers,
        statistics: Statistics,
        clock: Clock,
        access: Access,
    ) -> None:
        self._server_side = server_side
        self._clients = clients
        self._fanout = fanout
        self._peers = peers
        self._statistics = statistics
        self._clock = clock
        self._access = access
        peers.on(HINT, HintWord, self._told)

    def tell(self, users: Sequence[str], data: bytes, about: str) -> None:
        """See `realtime.chat.ports.Stage.hint`. Never waits; may get lost."""
        data = compact(data)
        if not data or len(data) > DATA_MAX_BYTES:
            self._statistics.words_refused += 1
            return
        for start in range(0, len(users), WORD_USERS_MAX):
            part = list(users[start : start + WORD_USERS_MAX])
            self._peers.tell(HINT, HintWord(part, msgspec.Raw(data), about))
        self._show(users, data, about)

    async def _told(self, word: HintWord) -> None:
        self._show(word.users, compact(bytes(word.data)), word.about)

    def _show(self, users: Sequence[str], data: bytes, about: str) -> None:
        now_ms = self._clock.wall_ms()
        for user in users:
            for client in self._clients.of_user(user):
                # As a rule whoever is connected looks at what the hint is about. And before the
                # connect is answered the subscription is there, but nothing may be sent.
                if about in client.subscriptions or not client.session.is_connected:
                    continue
                if about and self._access.banned(client, about):
                    continue
                channel = self._server_side.personal(user)
                if channel is not None and channel in client.subscriptions:
                    wire = client.wire
                    entry = Entry(channel, 0, data, now_ms)
                    frame = wire.frame(wire.codec.publication(entry))
                    self._fanout.send(client.outbox, frame, durable=False)
