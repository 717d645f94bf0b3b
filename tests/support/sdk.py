"""What the published SDKs have in common, so that one suite can drive them all.

An SDK is wrapped, never patched: a wrapper only renames. Whatever it tells its application becomes
an `Event` with these fields:

    connected                          client
    connecting, disconnected           code, reason
    subscribing, unsubscribed          code, reason
    error                              code
    get_token                          (channel is "" for the connection's token)
    subscribed                         recovered, was_recovering, recoverable, positioned,
                                       offset, epoch, data
    publication                        data, offset, user, client, tags
    join, leave                        user, client, conn_info, chan_info
"""

import abc
import asyncio
import enum
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

WAIT_S: Final = 10.0
"""Longest wait for an event, in seconds."""


SHOWN: Final = 10
"""Events in the message of a wait that was in vain."""


class SdkError(Exception):
    """The SDK's call failed with a code of the server's (protocol 1.7) or, below 100, its own."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(code, message)
        self.code = code


class Payloads(enum.Enum):
    """What an SDK's application gives and gets as payloads, and what tests see in their place."""

    VALUES = "values of JSON, as they are"
    JSON = "bytes, being JSON; tests see values"
    BYTES = "bytes, as they are"

    def given(self, data: Any) -> Any:
        """What the SDK is given for what a test publishes."""
        return json.dumps(data, ensure_ascii=False).encode() if self is Payloads.JSON else data

    def seen(self, payload: Any) -> Any:
        """What a test sees of what the SDK handed over; None is an empty one in Protobuf."""
        if self is Payloads.BYTES:
            return payload or b""
        return self.info(payload)

    def info(self, payload: Any) -> Any:
        """The same for what came out of a token: that is always JSON."""
        if self is Payloads.VALUES:
            return payload
        return json.loads(payload) if payload else None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the SDK told its application; `channel` is "" where there is none."""

    name: str
    channel: str
    fields: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]


@dataclass(frozen=True, slots=True)
class Person:
    """A presence entry."""

    user: str
    conn_info: Any = None
    chan_info: Any = None


@dataclass(frozen=True, slots=True)
class History:
    """A page of history: (offset, data) in the order it came, and the stream's position."""

    entries: Sequence[tuple[int, Any]]
    offset: int
    epoch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeOptions:
    """How to subscribe; `tokens` are handed out one by one as the SDK asks for them."""

    token: str = ""
    tokens: Sequence[str] = ()
    recoverable: bool = False
    positioned: bool = False
    join_leave: bool = False


@dataclass(slots=True, repr=False)
class Journal:
    """Everything an SDK told its application, in order; and a way to wait for more."""

    events: list[Event] = field(default_factory=list)
    _pending: list[Event] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def record(self, event: Event) -> None:
        """Add what has just happened."""
        self.events.append(event)
        self._pending.append(event)
        self._changed.set()

    def __repr__(self) -> str:
        return f"<Journal of {len(self.events)} events>"

    async def next(self, name: str, channel: str = "", *, within_s: float = WAIT_S) -> Event:
        """Wait for the oldest such event that no earlier call has answered."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    for event in self._pending:
                        if event.name == name and event.channel == channel:
                            self._pending.remove(event)
                            return event
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(
                f"no {name} of {channel or 'the client'} in {within_s} s, "
                f"at last came {self.events[-SHOWN:]}"
            ) from None

    def all(self, name: str, channel: str = "") -> list[Event]:
        """Every such event so far, waited for or not."""
        return [event for event in self.events if (event.name, event.channel) == (name, channel)]


class SdkClient(abc.ABC):
    """One client of a published SDK. Calls raise SdkError; whoever makes one closes it."""

    def __init__(self) -> None:
        self.journal = Journal()

    async def next(self, name: str, channel: str = "", *, within_s: float = WAIT_S) -> Event:
        """Wait for an event, as `Journal.next` does."""
        return await self.journal.next(name, channel, within_s=within_s)

    async def joined(self) -> str:
        """Connect and wait until it is; the connection's id."""
        await self.connect()
        client: str = (await self.next("connected"))["client"]
        return client

    async def subscribed(self, channel: str, options: SubscribeOptions | None = None) -> Event:
        """Subscribe and wait until it is."""
        await self.subscribe(channel, options or SubscribeOptions())
        return await self.next("subscribed", channel)

    async def publications(self, channel: str, count: int) -> list[Any]:
        """Wait for that many more publications; their data."""
        return [(await self.next("publication", channel))["data"] for _ in range(count)]

    @abc.abstractmethod
    async def connect(self) -> None:
        """Begin to connect; `connected` or `disconnected` follows."""

    @abc.abstractmethod
    async def disconnect(self) -> None:
        """Begin to disconnect; `disconnected` follows."""

    @abc.abstractmethod
    async def subscribe(self, channel: str, options: SubscribeOptions) -> None:
        """Begin to subscribe; options count only the first time for a channel."""

    @abc.abstractmethod
    async def unsubscribe(self, channel: str) -> None:
        """Unsubscribe; `unsubscribed` follows."""

    @abc.abstractmethod
    async def publish(self, channel: str, data: Any) -> None:
        """Publish and wait for the answer."""

    @abc.abstractmethod
    async def presence(self, channel: str) -> dict[str, Person]:
        """Who is there, by connection id."""

    @abc.abstractmethod
    async def presence_stats(self, channel: str) -> tuple[int, int]:
        """How many connections and users are there."""

    @abc.abstractmethod
    async def history(
        self,
        channel: str,
        *,
        limit: int = 0,
        since: tuple[int, str] | None = None,
        reverse: bool = False,
    ) -> History:
        """Read history; `since` is (offset, epoch)."""

    @abc.abstractmethod
    async def rpc(self, method: str, data: Any) -> Any:
        """Call a method of the server's."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Disconnect and let go of everything. Idempotent."""
