"""What clients say whose transport only carries what the hub says (protocol 7).

A request of its own names the session, by the secret that the connect's reply told the client, and
brings a payload, which is performed like a message on a websocket. It may reach any node; the one
that has the session is then asked over the bus. What the bus loses is answered "busy", and the
client reconnects and recovers: nothing is performed twice for it.
"""

import asyncio
import contextlib
import hmac
import itertools
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Final, Literal

import msgspec

from realtime.hub.client import SESSION_SEPARATOR, Client, ClientRegistry
from realtime.hub.peers import BODY_MAX_BYTES, Peers
from realtime.hub.statistics import Statistics

LEASE_SEPARATOR: Final = "."
"""In a node's name as clients are told it, between its address on the bus and its lease's id, where
the two differ."""

HOLD_S: Final = 5.0
"""How long a request may wait for a client that has asked for more than may be under way."""

HELD_EACH_MAX: Final = 16
HELD_MAX: Final = 256
"""Requests that wait so, of one client and of all of a node."""

ANSWER_TIMEOUT_S: Final = 2.0
"""How long another node may take to answer."""

LOOK_INTERVAL_S: Final = 1.0
LOOK_TIMEOUT_S: Final = 1.0
"""How often, at most, the leases are read for the sake of a node that is not known, and how long
that may take. A hub that has just started has clients before the others have heard of it."""

FORWARDED_HOLD_S: Final = 1.5
"""`HOLD_S` for a request that another node waits for: its answer must be in time."""

FORWARDED_EACH_MAX: Final = 16
FORWARDED_NODE_MAX: Final = 128
FORWARDED_MAX: Final = 256
"""Requests that other nodes are asked for, at once: of one session, of one node, and of all.

Whether there is such a session only its node knows, and sessions may be guessed: the bound of a
node is there so that one that does not answer leaves room for the others.
"""

FORWARDED_MAX_BYTES: Final = BODY_MAX_BYTES * 3 // 4 - 1024
"""The longest payload that the bus carries; there it is base64 within JSON."""

REMEMBERED_MAX: Final = 4096
"""Words that are known to have been heeded: the bus may repeat one."""

Outcome = Literal["taken", "unknown", "malformed", "too_long", "busy"]
"""What became of a request. "busy": try again later, or, where another node was asked and did not
answer in time, nobody knows."""


class Emulate(msgspec.Struct, frozen=True, gc=False):
    """Asks another node to perform a payload. `id` is the asker's own, `asker` its address."""

    id: int
    asker: str
    session: str
    data: bytes


class Emulated(msgspec.Struct, frozen=True, gc=False):
    """What became of the request `id`."""

    id: int
    outcome: Outcome


class _Held:
    """The requests of a client that is not to be read from. `is_held`: it still is not."""

    __slots__ = ("is_held", "requests")

    def __init__(self) -> None:
        self.is_held = True
        self.requests: deque[_Request] = deque()


class _Request:
    """A payload that waits; `done` is told what became of it."""

    __slots__ = ("done", "payload")

    def __init__(self, payload: bytes, done: "asyncio.Future[Outcome]") -> None:
        self.payload = payload
        self.done = done


class Emulation:
    """Performs emulation requests, and asks other nodes for theirs.

    `received` performs a payload like a message of the client. `address_of` answers what another
    hub is called on the bus, by the id of its lease; None for one that is not alive. `look` has the
    leases read anew; a node on its own knows no others. `now` is in monotonic seconds.
    """

    def __init__(
        self,
        node: str,
        *,
        clients: ClientRegistry,
        received: Callable[[Client, bytes], None],
        peers: Peers,
        statistics: Statistics,
        address_of: Callable[[str], str | None],
        look: Callable[[], Awaitable[None]],
        now: Callable[[], float],
    ) -> None:
        self._node = node
        self._clients = clients
        self._received = received
        self._peers = peers
        self._statistics = statistics
        self._address_of = address_of
        self._look = look
        self._now = now
        self._looked_at = -LOOK_INTERVAL_S
        self._looking = asyncio.Lock()
        self._held: dict[Client, _Held] = {}
        self._waiting = 0
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Outcome]] = {}
        self._asked_by: Counter[str] = Counter()
        """How many of them there are, by session."""
        self._asked_of: Counter[str] = Counter()
        """The same by the address that was asked."""
        self._heeded: dict[tuple[str, int], None] = {}
        peers.on("emulate", Emulate, self._told)
        peers.on("emulated", Emulated, self._answered)

    def __len__(self) -> int:
        """Requests that wait, for their client or for another node."""
        return self._waiting + len(self._asked)

    async def perform(self, node: str, session: str, payload: bytes) -> Outcome:
        """Have the payload performed by the node that has the session. Safe to cancel.

        `node` and `session` are as the connect's reply told them; "" is this node. Requests of one
        session are performed in the order in which they are asked for here.
        """
        address, _, lease = node.partition(LEASE_SEPARATOR)
        if not node or address == self._node:
            return await self._take(session, payload, HOLD_S)
        return await self._ask(lease or address, session, payload)

    # What the transport and the hub say of a client.

    def hold(self, client: Client) -> None:
        """Perform nothing of the client for now."""
        held = self._held.get(client)
        if held is None:
            self._held[client] = _Held()
        else:
            held.is_held = True

    def release(self, client: Client) -> None:
        """Perform what waits, and what comes."""
        held = self._held.get(client)
        if held is None:
            return
        held.is_held = False
        if held.requests:
            # The caller may be in the midst of performing something for the client.
            asyncio.get_running_loop().call_soon(self._resume, client)
        else:
            del self._held[client]

    def left(self, client: Client) -> None:
        """The client is gone; what waits for it is not performed."""
        held = self._held.pop(client, None)
        while held is not None and held.requests:
            self._settle(held.requests.popleft(), "unknown")

    # On the node that has the session.

    async def _take(self, session: str, payload: bytes, hold_s: float) -> Outcome:
        client = self._find(session)
        if client is None:
            return "unknown"
        if not client.wire.codec.is_binary and not _is_utf8(payload):
            return "malformed"
        held = self._held.get(client)
        if held is None:
            self._received(client, payload)
            return "taken"
        if len(held.requests) >= HELD_EACH_MAX or self._waiting >= HELD_MAX:
            return "busy"
        return await self._wait(held, payload, hold_s)

    async def _wait(self, held: _Held, payload: bytes, hold_s: float) -> Outcome:
        request = _Request(payload, asyncio.get_running_loop().create_future())
        held.requests.append(request)
        self._waiting += 1
        try:
            async with asyncio.timeout(hold_s):
                return await request.done
        except TimeoutError:
            # Performed in the moment in which the time was over.
            return "busy" if request.done.cancelled() else request.done.result()
        finally:
            if request in held.requests:
                held.requests.remove(request)
                self._waiting -= 1

    def _resume(self, client: Client) -> None:
        held = self._held.get(client)
        if held is None:
            return
        while held.requests and not held.is_held:
            request = held.requests.popleft()
            if not request.done.cancelled():  # else it has waited too long, just now
                self._settle(request, "taken")
                self._received(client, request.payload)
            else:
                self._waiting -= 1
        if not held.is_held and self._held.get(client) is held:
            del self._held[client]

    def _settle(self, request: _Request, outcome: Outcome) -> None:
        self._waiting -= 1
        if not request.done.done():
            request.done.set_result(outcome)

    def _find(self, session: str) -> Client | None:
        """The client that the session is of, if it knows the secret."""
        id, _, secret = session.partition(SESSION_SEPARATOR)
        client = self._clients.find(id)
        if client is None or not client.secret:
            return None
        if not hmac.compare_digest(client.secret.encode(), secret.encode("utf-8", "replace")):
            return None
        return client

    # Between nodes.

    async def _ask(self, lease: str, session: str, payload: bytes) -> Outcome:
        # What the caller says of the address may be anything: words to it might reach nobody.
        address = self._address_of(lease) or await self._look_for(lease)
        if address is None:
            return "unknown"
        if len(payload) > FORWARDED_MAX_BYTES:
            return "too_long"
        if not self._may_ask(address, session):
            return "busy"
        self._statistics.emulations_forwarded += 1
        number = next(self._numbers)
        answer = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self._asked_by[session] += 1
        self._asked_of[address] += 1
        try:
            self._peers.tell("emulate", Emulate(number, self._node, session, payload), to=address)
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                outcome: Outcome = await answer
            return outcome
        except TimeoutError:
            return "busy"
        finally:
            del self._asked[number]
            _forget_one(self._asked_by, session)
            _forget_one(self._asked_of, address)

    def _may_ask(self, address: str, session: str) -> bool:
        return (
            self._asked_by[session] < FORWARDED_EACH_MAX
            and self._asked_of[address] < FORWARDED_NODE_MAX
            and len(self._asked) < FORWARDED_MAX
        )

    async def _look_for(self, lease: str) -> str | None:
        """Look again, unless someone has just now: names may be guessed, too."""
        async with self._looking:
            is_due = self._now() - self._looked_at >= LOOK_INTERVAL_S
            if is_due and self._address_of(lease) is None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_TIMEOUT_S):
                        await self._look()
                self._looked_at = self._now()
        return self._address_of(lease)

    async def _told(self, word: Emulate) -> None:
        key = (word.asker, word.id)
        if key in self._heeded:
            return
        self._heeded[key] = None
        if len(self._heeded) > REMEMBERED_MAX:
            del self._heeded[next(iter(self._heeded))]
        outcome = await self._take(word.session, word.data, FORWARDED_HOLD_S)
        self._peers.tell("emulated", Emulated(word.id, outcome), to=word.asker)

    async def _answered(self, word: Emulated) -> None:
        answer = self._asked.get(word.id)
        if answer is not None and not answer.done():
            answer.set_result(word.outcome)


def _forget_one(counts: Counter[str], key: str) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]


def _is_utf8(payload: bytes) -> bool:
    if payload.isascii():
        return True
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
