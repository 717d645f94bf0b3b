"""What the log of a room takes away on this node: carried out in the log's order.

A node hands out nothing that follows a `member` entry before everyone is gone whom that entry has
removed, wherever the entry came from: this node's commits, the bus, or the store. The removed ones
still get the entry itself, which tells them by whom, and nothing after it.
"""

from typing import Final

from realtime.channels.live import LiveChannel
from realtime.channels.rules import RuleBook
from realtime.chat import channel_events, member_events
from realtime.chat.ports import Memberships
from realtime.errors import UNSUBSCRIBED_BY_SERVER
from realtime.hub.access import Access
from realtime.hub.client import Client, ClientRegistry
from realtime.hub.joining import Joining
from realtime.model import Entry, Kind

ENDING: Final = frozenset({"leave", "kick", "ban"})
"""Acts after which somebody may not be subscribed any more."""

TAKING: Final = ENDING | {"mute", "role", "transfer"}
"""Acts after which somebody may do less than before."""


class Expulsions:
    """Keeps memberships right as the log goes by, and ends the subscriptions of who is out.

    A subscription token, or a connection token that names the channel, gives a subscription that
    only a ban ends. Whatever else gave one, what counts is whether its user could subscribe now.
    """

    def __init__(
        self,
        *,
        memberships: Memberships,
        rules: RuleBook,
        access: Access,
        clients: ClientRegistry,
        joining: Joining,
    ) -> None:
        self._memberships = memberships
        self._rules = rules
        self._access = access
        self._clients = clients
        self._joining = joining

    def opened(self, live: LiveChannel) -> None:
        """The node knows where the channel's log is: what follows will pass."""
        if live.rules.chat == "room":
            self._memberships.opened(live.name)

    def closed(self, live: LiveChannel) -> None:
        """The node follows the channel no longer."""
        if live.rules.chat == "room":
            self._memberships.closed(live.name)

    def appended(self, entry: Entry) -> None:
        """Something is known of a chat channel's log of which not all has passed, or nothing."""
        self._memberships.heard(entry)

    def passed(self, live: LiveChannel, entry: Entry) -> None:
        """An entry that is no message was handed out; the next one was not yet."""
        self._memberships.passed(entry)
        if entry.kind == "channel":
            # Where the room keeps more again, what was freed meanwhile is gone for good.
            live.truncated()
        if entry.kind != "member":
            return
        event = member_events.read(entry)
        if event is None:  # erased since, or of a later version: it may have been about anybody
            self.missed(live)
            for client in list(self._clients):
                subscription = client.subscriptions.get(live.name)
                if subscription is not None:
                    self._joining.insufficient(client, subscription)
        elif event.act in ENDING:
            for user in event.concerns:
                for client in self._clients.of_user(user):
                    self._judge(client, live)

    def missed(self, live: LiveChannel) -> None:
        """Some of the log will never pass here: everyone is looked up anew."""
        self._memberships.forget(live.name)

    def _judge(self, client: Client, live: LiveChannel) -> None:
        name = live.name
        subscription = client.subscriptions.get(name)
        if subscription is None:
            return
        channel = self._rules.resolve(name)
        by_token = subscription.by_token or name in client.granted
        if not self._access.knows(client, channel):
            # Not at hand, and nothing here may wait: the client comes again, and that may.
            self._joining.insufficient(client, subscription)
        elif not self._access.may_subscribe(client, channel, by_token=by_token):
            self._joining.end(client, name, UNSUBSCRIBED_BY_SERVER)


def takes_away(kind: Kind, data: bytes) -> bool:
    """Whether other nodes must know soon of an entry of a chat channel, bus or no bus."""
    entry = Entry("", 0, data, 0, kind)
    if kind == "channel":
        return channel_events.changes_retention(entry)
    if kind != "member":
        return False
    event = member_events.read(entry)
    return event is None or event.act in TAKING
