"""What a phone does with what it is sent: what came in, and what its user can see now.

A phone has the app that this project's providers write for: a background push, or a message of
data only, that says `act` = "clear" takes away the notification that `collapse` names.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from workers.fakepush.counting import Count

VISIBLE_MAX: Final = 1_000
"""Notifications in one notification centre; the oldest makes room."""


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One push that arrived.

    `number` counts over all phones, `at_ms` is in ms since 1970. `id` is what the service calls
    it. `collapse`: what it replaces. `shows`: whether it is one to be seen. `headers` are those
    of the service that have to do with the notice, without credentials. `payload` is as it was
    sent; of Web Push, as it was decrypted (text, where it is not JSON).
    """

    number: int
    at_ms: int
    id: str
    collapse: str
    shows: bool
    title: str
    body: str
    headers: Mapping[str, str]
    payload: Any


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """What a service hands to a phone. `clears`: the collapse id that is to be taken away.

    `badge`: the number on the icon, -1 to leave it.
    """

    id: str
    collapse: str = ""
    shows: bool = True
    clears: str = ""
    title: str = ""
    body: str = ""
    badge: int = -1
    headers: Mapping[str, str] = {}
    payload: Any = None


class Phone:
    """One device's screen. Only `Phones` delivers to it."""

    __slots__ = ("badge", "cleared", "count", "received", "visible")

    def __init__(self) -> None:
        self.received: deque[Received] = deque()
        """What arrived, oldest first; the oldest of all phones make room."""
        self.count = Count()
        """How many ever arrived."""
        self.visible: dict[str, Received] = {}
        """What can be seen now, by collapse id; what has none has its number with a "#"."""
        self.cleared = 0
        """How often a push took away something that was visible."""
        self.badge = 0

    def __repr__(self) -> str:
        return f"<Phone {len(self.visible)} visible of {self.count.value}>"

    def swipe(self, collapse: str | None = None) -> None:
        """Let the user take one notification away, or all."""
        if collapse is None:
            self.visible.clear()
        else:
            self.visible.pop(collapse, None)

    def show(self, push: Push, received: Received) -> None:
        """Change what is visible."""
        if push.badge >= 0:
            self.badge = push.badge
        if push.clears and self.visible.pop(push.clears, None) is not None:
            self.cleared += 1
        if push.shows:
            key = push.collapse or f"#{received.number}"
            # What replaces another comes last, as if it were new.
            self.visible.pop(key, None)
            self.visible[key] = received
            if len(self.visible) > VISIBLE_MAX:
                del self.visible[next(iter(self.visible))]


class Phones:
    """Delivers to phones, and keeps the last `kept_max` pushes over all of them."""

    def __init__(self, kept_max: int) -> None:
        self._kept_max = kept_max
        self._order: deque[Phone] = deque()
        self.count = Count()
        """How many ever arrived, over all phones."""

    def deliver(self, phone: Phone, push: Push, at_ms: int) -> Received:
        """Let it arrive."""
        received = Received(
            number=self.count.value + 1,
            at_ms=at_ms,
            id=push.id,
            collapse=push.collapse,
            shows=push.shows,
            title=push.title,
            body=push.body,
            headers=push.headers,
            payload=push.payload,
        )
        if len(self._order) >= self._kept_max:
            # The oldest of all is the oldest of its phone.
            self._order.popleft().received.popleft()
        self._order.append(phone)
        phone.received.append(received)
        phone.show(push, received)
        phone.count.add()
        self.count.add()
        return received
