"""Subscribers that tell the checker what their SDK handed them, and what they were told."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

from tests.faults.clients import Clients
from tests.support.checker import Checker
from tests.support.sdk import Event, SdkClient

SUBSCRIBERS: Final = 6

_POLL_S: Final = 0.02


class Listener:
    """One SDK client, subscribed to every channel from before the first message."""

    def __init__(self, name: str, sdk: SdkClient, checker: Checker) -> None:
        self.name = name
        self.sdk = sdk
        self.positions: dict[str, int] = {}
        """The offset up to which it has everything, or was told that it has not, by channel."""
        self.denied: list[str] = []
        """Channels where it was told to reload, as often as it was."""
        self.moves = 0
        """How often it has subscribed again."""
        self.ended: list[str] = []
        """What ended for good, and should not have."""
        self._checker = checker
        self._noted = 0

    def __repr__(self) -> str:
        return f"<Listener {self.name} {self.positions}>"

    async def join(self, channels: Sequence[str]) -> None:
        """Connect and subscribe."""
        await self.sdk.joined()
        for channel in channels:
            await self.sdk.subscribed(channel)
        self.note()

    def note(self) -> None:
        """Tell the checker what has happened since the last call."""
        events = self.sdk.journal.events
        for event in events[self._noted :]:
            match event.name:
                case "publication":
                    self._received(event)
                case "subscribed":
                    self._subscribed(event)
                case "disconnected" | "unsubscribed":
                    self.ended.append(f"{self.name} was {event.name}: {event.fields}")
        self._noted = len(events)

    def _received(self, event: Event) -> None:
        channel, offset = event.channel, event["offset"]
        self._checker.received(channel, self.name, offset, event["data"]["id"])
        self.positions[channel] = max(self.positions[channel], offset)

    def _subscribed(self, event: Event) -> None:
        channel, offset = event.channel, event["offset"]
        if channel not in self.positions:
            self._checker.entitled(channel, self.name, after=offset)
            self.positions[channel] = offset
            return
        self.moves += 1
        if not event["recovered"]:
            self.denied.append(channel)
            self._checker.admitted(channel, self.name, self.positions[channel], offset)
            self.positions[channel] = max(self.positions[channel], offset)


class Audience:
    """`SUBSCRIBERS` listeners behind one address, once they have joined."""

    def __init__(self, clients: Clients, checker: Checker) -> None:
        self.listeners: list[Listener] = []
        self._clients = clients
        self._checker = checker

    async def join(self, channels: Sequence[str]) -> None:
        """Connect and subscribe all of them."""
        for number in range(SUBSCRIBERS):
            name = f"subscriber{number}"
            sdk = await self._clients.subscriber(number, name)
            self.listeners.append(Listener(name, sdk, self._checker))
        async with asyncio.TaskGroup() as group:
            for listener in self.listeners:
                group.create_task(listener.join(channels))

    async def reached(self, heads: Mapping[str, int], *, patience_s: float) -> bool:
        """Wait until everybody has these offsets; False once none of it has come for so long."""
        seen, since = -1, time.monotonic()
        while True:
            for listener in self.listeners:
                listener.note()
            places = [
                (listener.positions[channel], head)
                for listener in self.listeners
                for channel, head in heads.items()
            ]
            if all(position >= head for position, head in places):
                return True
            total = sum(position for position, _ in places)
            if total != seen:
                seen, since = total, time.monotonic()
            elif time.monotonic() - since > patience_s:
                return False
            await asyncio.sleep(_POLL_S)

    async def close(self) -> None:
        """Take everybody's last word, and close them."""
        for listener in self.listeners:
            listener.note()
            await listener.sdk.close()
