"""What the other nodes are to know of this node's subscriptions (design 5)."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from realtime.channels.live import LiveChannel, Subscription
from realtime.stores.base import PresenceEntry


class Register(Protocol):
    """Where subscriptions are entered for the other nodes to read. Never waits."""

    def appeared(self, entry: PresenceEntry) -> None:
        """A subscription has begun."""
        ...

    def vanished(self, entry: PresenceEntry) -> None:
        """A subscription that had appeared is over."""
        ...


class Attendance:
    """Enters the subscriptions that others may ask about, or are told the end of.

    `register` is None for a hub that has no other nodes. `channels` are those that are live here.
    """

    __slots__ = ("_channels", "_node", "register")

    def __init__(self, node: str, channels: Callable[[], Iterable[LiveChannel]]) -> None:
        self._node = node
        self._channels = channels
        self.register: Register | None = None

    def appeared(self, subscription: Subscription) -> None:
        """The subscription is served from now on."""
        if self.register is not None and _counts(subscription):
            self.register.appeared(self._entry(subscription))

    def vanished(self, subscription: Subscription) -> None:
        """The subscription, which had appeared, is over."""
        if self.register is not None and _counts(subscription):
            self.register.vanished(self._entry(subscription))

    def changed(self, subscriptions: Iterable[Subscription]) -> None:
        """What others see of the subscriptions has changed: of those that are served."""
        for subscription in subscriptions:
            if subscription.channel.has(subscription):
                self.vanished(subscription)
                self.appeared(subscription)

    def present(self) -> Iterator[PresenceEntry]:
        """Everything that has appeared and has not vanished."""
        for live in self._channels():
            for subscription in live.subscriptions():
                if _counts(subscription):
                    yield self._entry(subscription)

    def _entry(self, subscription: Subscription) -> PresenceEntry:
        return PresenceEntry(
            self._node,
            subscription.channel.name,
            subscription.info,
            hidden=subscription.hidden,
            announced=subscription.announced,
        )


def _counts(subscription: Subscription) -> bool:
    return subscription.channel.rules.presence or subscription.announced
