"""One connection a device: who comes back by another network is not there twice.

A phone that changes networks, or was asleep, opens a connection while its last one still looks open
from here: nobody said goodbye, and only a ping would find out. Where the app says which device it
runs on, the newer connection closes the older one (3510) and takes its place in one step, so that
presence never shows both and what was said meanwhile is recovered as always.

The code is one that no SDK comes back from. The phone itself never reads it: an SDK has one
transport, and has let go of the old one. Whoever does read it is another copy of the app under the
same id, and two copies that come back would throw each other out for ever.

On one node the newer of two is whose identity was known later. Nodes have no common clock to tell
that by, and words between them come late, twice, or never. So nobody is closed on hearsay; three
words pass, of which the last is an order that is right whenever it arrives:

    to all         "device"           A, who stands for this device, was connected here
    to A's node    "device_held"      that device has B here, and B's identity is known for so long
    to B's node    "device_replaced"  close B

A's node gives the order only if A is still connected, and if B was known for longer when the second
word was sent than A is when it arrives. Only durations are compared, each measured on one clock,
and the time that the word took is in B's favour. So B was surely first, and the newest connection
of a device is closed by nobody, whatever becomes of the words: of several that come at once, at
different nodes, the newest stays. Those that a word's flight cannot tell apart all stay, as does
one whose word was lost, until the next connection of the device or the ping that is not answered.

A connect that was held up on its way is newer to us than one that the phone made after it. Where
the phone has closed it, as SDKs do when they give up waiting, it does no harm between nodes: the
second word finds nobody any more. On one node it would, but there commands are read as they arrive.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from realtime.auth.claims import ConnectionClaims, DeviceId
from realtime.auth.device_names import device_name
from realtime.auth.identity import Identity
from realtime.errors import REPLACED
from realtime.hub.client import Client, ClientRegistry
from realtime.hub.clock import Clock
from realtime.hub.dispatch import Waiting
from realtime.hub.peers import Peers
from realtime.hub.responder import Responder
from realtime.protocol.commands import ConnectRequest

APPEARED: Final = "device"
HELD: Final = "device_held"
REPLACE: Final = "device_replaced"

WORD_CLIENTS_MAX: Final = 1000
"""Clients in one word: a tenth of what a word may have in bytes."""


class Appeared(msgspec.Struct, frozen=True, gc=False):
    """Clients that stand for their devices now, at `node`: pairs of device and client id."""

    node: str
    clients: list[tuple[str, str]]


class Held(msgspec.Struct, frozen=True, gc=False):
    """Clients at `node` whose devices have appeared elsewhere.

    Each is the id of the client there, the id here, and how long its identity was known here when
    this was sent, in seconds.
    """

    node: str
    clients: list[tuple[str, str, float]]


class Replace(msgspec.Struct, frozen=True, gc=False):
    """Ids of clients that are to be closed: a newer one of the same device is connected."""

    clients: list[str]


class _Data(msgspec.Struct):
    device_id: DeviceId = ""


_read_data: Final = msgspec.json.Decoder(_Data).decode


def device_of(identity: Identity, claims: ConnectionClaims | None, request: ConnectRequest) -> str:
    """What a connection's device is called between nodes: a digest of user and id, "" for none.

    The token's `device_id` counts over that of the request's `data`, which is the app's own: what
    is no JSON object there, or has no id of the right form, names no device. A guest has none,
    since others may share its id, if it has one at all.
    """
    if not identity.user or identity.role == "guest":
        return ""
    id = claims.device_id if claims is not None else ""
    if not id:
        id = _named_in(bytes(request.data))
    return device_name(identity.user, id)


def _named_in(data: bytes) -> str:
    if not data:
        return ""
    try:
        return _read_data(data).device_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


class Devices:
    """Has the newest connection of a device replace the others, on this node and elsewhere.

    `spawn` hosts a coroutine in a task that has a parent.
    """

    def __init__(
        self,
        node: str,
        *,
        clients: ClientRegistry,
        responder: Responder,
        clock: Clock,
        peers: Peers,
        spawn: Callable[[Waiting], object],
    ) -> None:
        self._node = node
        self._clients = clients
        self._responder = responder
        self._clock = clock
        self._peers = peers
        self._spawn = spawn
        self._appeared: list[tuple[str, str]] = []
        peers.on(APPEARED, Appeared, self._heard)
        peers.on(HELD, Held, self._claimed)
        peers.on(REPLACE, Replace, self._ordered)

    def other_connections(self, user: str, device: str) -> int:
        """How many connections a user has on this node, but for those of a device, if not ""."""
        clients = self._clients.of_user(user)
        if not device:
            return len(clients)
        return sum(client.device != device for client in clients)

    def take_over(self, client: Client) -> bool:
        """Have a client, in the step in which it is connected, stand for its device.

        Closes the one that did. False: a newer one was connected while this one waited for its
        subscriptions, and it is this one that was closed.
        """
        device = client.device
        if not device:
            return True
        holder = self._clients.of_device(device)
        if holder is not None:
            if holder.since > client.since:
                self._responder.close(client, REPLACED)
                return False
            self._responder.close(holder, REPLACED)
        self._clients.hold(client)
        self._appeared.append((device, client.id))
        if len(self._appeared) == 1:
            self._spawn(self._tell_next_turn())
        elif len(self._appeared) >= WORD_CLIENTS_MAX:
            self._tell()
        return True

    async def _tell_next_turn(self) -> None:
        # By then everybody has connected whose message came in the same turn of the loop.
        self._tell()

    def _tell(self) -> None:
        if self._appeared:
            appeared, self._appeared = self._appeared, []
            self._peers.tell(APPEARED, Appeared(self._node, appeared))

    # Words of other nodes.

    async def _heard(self, appeared: Appeared) -> None:
        now = self._clock.monotonic()
        held = [
            (elsewhere, holder.id, now - holder.since)
            for device, elsewhere in appeared.clients
            if (holder := self._clients.of_device(device)) is not None
        ]
        if held:
            self._peers.tell(HELD, Held(self._node, held), to=appeared.node)

    async def _claimed(self, held: Held) -> None:
        now = self._clock.monotonic()
        older = [
            elsewhere
            for id, elsewhere, known_s in held.clients
            if (client := self._clients.find(id)) is not None and known_s > now - client.since
        ]
        if older:
            self._peers.tell(REPLACE, Replace(older), to=held.node)

    async def _ordered(self, replace: Replace) -> None:
        for id in replace.clients:
            client = self._clients.find(id)
            if client is not None:
                self._responder.close(client, REPLACED)
