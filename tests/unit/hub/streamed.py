"""Clients over streams, whose requests go through the emulation of any node."""

import json
from typing import Any

from realtime.brokers.memory import MemoryBroker
from realtime.hub.emulation import Outcome
from tests.support.hub import Node
from tests.support.peer import Peer
from tests.unit.hub.pair import Pair


class Streamed:
    """A client over a stream: what it says goes through the emulation of any node."""

    def __init__(self, peer: Peer, session: str, node: str) -> None:
        self.peer = peer
        self.session = session
        self.node = node
        self._ids = 100

    async def say(self, by: Node, *commands: dict[str, Any], session: str = "") -> Outcome:
        """Have them performed by way of a node."""
        payload = "\n".join(map(json.dumps, commands)).encode()
        return await by.hub.emulation.perform(self.node, session or self.session, payload)

    def publish(self, channel: str, data: object) -> dict[str, Any]:
        """A command with an id of its own."""
        self._ids += 1
        return {"id": self._ids, "publish": {"channel": channel, "data": data}}


async def streamed(node: Node, user: str = "alice") -> Streamed:
    """A client of the node over a stream, connected and subscribed to chat:1."""
    peer = node.peer(is_emulated=True)
    transport = peer.transport
    # What a stream does in place of reading no more.
    transport.pause_reading = lambda: node.hub.emulation.hold(peer.client)  # type: ignore[method-assign]
    transport.resume_reading = lambda: node.hub.emulation.release(peer.client)  # type: ignore[method-assign]
    told = await peer.connect(node.token(user))
    await peer.subscribe("chat:1")
    return Streamed(peer, told["session"], told["node"])


def know_each_other(pair: Pair) -> None:
    """Have both hubs count the other as alive, as a shared store would tell them, and the bus find
    each by its name."""
    for hub in (pair.here.hub, pair.there.hub):
        broker = getattr(hub._broker, "_inner", hub._broker)
        assert isinstance(broker, MemoryBroker)
        broker.bus.brokers[broker] = hub.node
        hub.emulation._address_of = {
            pair.here.hub.node: pair.here.hub.node,
            pair.there.hub.node: pair.there.hub.node,
            "reborn": pair.here.hub.node,
        }.get
