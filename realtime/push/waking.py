"""Waking whoever tells people of messages, who else looks once a second by itself.

A hub that has stored a message calls `Waking.called`. In the one process that does everything, this
calls back; where there are several, it is told to the others in a word on the bus, which may get
lost. Either is a hint: what is to be done is in the store.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

import msgspec

Wake = Callable[[], None]
"""Says that there may be something to do. Never waits and never raises."""

PUSH_WAKE: Final = "push_wake"
"""What the word is called (`realtime.brokers.base.ControlMessage.kind`)."""

INTERVAL_S: Final = 0.1
"""The least time between two calls, in seconds: the first comes at once, others are merged."""


Body = TypeVar("Body", bound=msgspec.Struct)


class PushWake(msgspec.Struct, frozen=True):
    """The word's body: there is nothing to say."""


class Words(Protocol):
    """Words between nodes (`realtime.hub.peers`)."""

    def on(self, kind: str, body: type[Body], handler: Callable[[Body], Awaitable[None]]) -> None:
        """Have `handler` called for words of this kind from others."""
        ...

    def tell(self, kind: str, body: msgspec.Struct) -> None:
        """Tell all others. Never waits; may get lost."""
        ...


def word_to(words: Words) -> Wake:
    """Wakes whoever hears it on other nodes."""
    body = PushWake()
    return lambda: words.tell(PUSH_WAKE, body)


def hear(words: Words, wake: Wake) -> None:
    """Have `wake` called when other nodes say so."""

    async def heard(word: PushWake) -> None:
        wake()

    words.on(PUSH_WAKE, PushWake, heard)


class Waking:
    """Calls every one of `wakes`, at most once an interval. For the thread of a running loop."""

    def __init__(self, *wakes: Wake) -> None:
        self._wakes = wakes
        self._resting: asyncio.TimerHandle | None = None
        self._is_called = False

    @property
    def is_open(self) -> bool:
        """Whether a call would change anything: there is somebody to wake, who is not sure to be
        woken soon."""
        return bool(self._wakes) and not self._is_called

    def called(self) -> None:
        """There is something to do: now, or as soon as the interval is over. Never waits."""
        if self._resting is not None:
            self._is_called = True
        elif self._wakes:
            self._wake()

    def _wake(self) -> None:
        self._resting = asyncio.get_running_loop().call_later(INTERVAL_S, self._rested)
        for wake in self._wakes:
            wake()

    def _rested(self) -> None:
        self._resting = None
        if self._is_called:
            self._is_called = False
            self._wake()
