"""A room whose members are notified, and connections that are asked what they have of it."""

import dataclasses
from typing import Any, Final

from realtime.settings.schema import ClientSettings, Settings
from tests.support.chat_hub import ROOM, ChatNode, chat_settings
from tests.support.peer import Peer

PING: Final[dict[str, Any]] = {}
LOUD: Final = dataclasses.replace(ROOM, push="all")
YOUNG_S: Final = 35
"""Five seconds to show that one has it, and thirty in which messages may be gathered."""


def loud_settings() -> Settings:
    """Rooms with push, and the usual pings: every 25 s, to be answered in 8."""
    settings = chat_settings({"loud": LOUD})
    client = ClientSettings(ping_interval_s=25.0, pong_timeout_s=8.0)
    return dataclasses.replace(settings, client=client)


async def reader(chat: ChatNode, user: str = "alice", **transport: Any) -> Peer:
    """A connection of a member that is subscribed to the room."""
    peer = chat.node.peer(**transport)
    await peer.connect(chat.node.token(user))
    await peer.subscribe("loud:1")
    return peer


def pings(peer: Peer) -> int:
    """How many have come."""
    return peer.transport.documents.count(PING)


def answer(peer: Peer) -> None:
    """Answer a ping."""
    peer.send_bytes(b"{}")


async def tick(chat: ChatNode, seconds: float = 0.25) -> None:
    """Let time pass; deadlines are looked at four times a second."""
    while seconds > 0:
        await chat.node.advance(0.25)
        seconds -= 0.25
