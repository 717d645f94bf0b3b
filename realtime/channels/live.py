"""A channel that has subscribers on this node, and their subscriptions."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from realtime.channels.cursor import Cursor
from realtime.channels.fanout import Audience, Fanout
from realtime.channels.held import Held
from realtime.channels.outbox import Outbox
from realtime.channels.rules import ChannelRules
from realtime.model import ClientInfo, Entry
from realtime.protocol.codec import Codec
from realtime.protocol.replies import Join, Leave


class Wire:
    """A wire format over a transport: connections that share one share encoded frames.

    `codec` encodes; `frame` puts a document into the transport's framing. `between` is what stands
    between the documents of one frame; None where a frame carries only one.
    """

    __slots__ = ("between", "codec", "frame", "name", "ping")

    def __init__(
        self,
        name: str,
        codec: Codec,
        frame: Callable[[bytes], bytes],
        *,
        between: bytes | None = None,
    ) -> None:
        self.name = name
        self.codec = codec
        self.frame = frame
        self.between = between
        self.ping = frame(codec.ping)

    def frame_together(self, documents: Sequence[bytes]) -> bytes:
        """These documents in one frame, or where that cannot be in one after the other."""
        if self.between is None:
            return b"".join([self.frame(document) for document in documents])
        return self.frame(self.between.join(documents))


class Subscriber(Protocol):
    """What a channel must know of the client behind a subscription."""

    id: str
    outbox: Outbox
    wire: Wire


class Subscription:
    """One client's subscription to one channel.

    `info` is what presence and joins show. `after` is the end of the subscribe reply: publications
    at or below it are not delivered again. `expires` is a monotonic time, 0.0 for never.
    `by_server`: it came from a token, a personal channel or the server API, and insufficient state
    ends the connection rather than the subscription (protocol 1.8). `by_token`: a subscription
    token granted it, whose id is `jti`. `watches`: is told who comes and goes. `announced`:
    others are told when it comes and goes. `hidden`: is not shown in the presence.
    """

    __slots__ = (
        "after",
        "announced",
        "by_server",
        "by_token",
        "channel",
        "client",
        "expires",
        "hidden",
        "info",
        "jti",
        "watches",
    )

    def __init__(
        self,
        client: Subscriber,
        channel: "LiveChannel",
        info: ClientInfo,
        *,
        by_server: bool = False,
        by_token: bool = False,
        watches: bool = False,
        announced: bool = False,
        hidden: bool = False,
        expires: float = 0.0,
        jti: str = "",
    ) -> None:
        self.client = client
        self.channel = channel
        self.info = info
        self.by_server = by_server
        self.by_token = by_token
        self.watches = watches
        self.announced = announced
        self.hidden = hidden
        self.jti = jti
        self.expires = expires
        self.after = 0

    def __repr__(self) -> str:
        return f"<Subscription of {self.client.id} to {self.channel.name!r} after {self.after}>"


class LiveChannel:
    """The node's side of one channel: who listens, and how far they have been served.

    `cursor` is None for an ephemeral channel, and until the channel's head has been read. `held` is
    what passed it and nobody was given yet, None where nothing ever waited: `hold`, `release`.
    `joiners` counts subscribes under way, so that the channel is not closed under them.
    `truncations` counts how often some of its history may have been removed: what was read before
    may not be kept.
    """

    __slots__ = (
        "_audiences",
        "_lagging",
        "_watching",
        "cursor",
        "held",
        "joiners",
        "name",
        "rules",
        "truncations",
    )

    def __init__(self, name: str, rules: ChannelRules) -> None:
        self.name = name
        self.rules = rules
        self.cursor: Cursor | None = None
        self.held: Held | None = None
        self.joiners = 0
        self.truncations = 0
        self._audiences: list[tuple[Wire, Audience]] = []
        # Subscribers whose reply already told what nobody here was given yet: the cursor has not
        # come to it, or it is held.
        self._lagging: dict[Subscription, None] | None = None
        # Those who are told of joins and leaves, in channels where not everyone is.
        self._watching: dict[Subscription, None] | None = None

    def __repr__(self) -> str:
        return f"<LiveChannel {self.name!r} with {self.count()} {self.cursor}>"

    def count(self) -> int:
        """How many subscriptions there are on this node."""
        count = len(self._lagging) if self._lagging else 0
        for _, audience in self._audiences:  # not sum(): chat asks with every message
            count += len(audience.members)
        return count

    def is_idle(self) -> bool:
        """Whether nobody is subscribed or about to be."""
        if self.joiners or self._lagging:
            return False
        for _, audience in self._audiences:  # not any(): this runs for every subscribe
            if audience.members:
                return False
        return True

    def has(self, subscription: Subscription) -> bool:
        """Whether the subscription is served, or waits for the others to be where its reply is."""
        if self._lagging is not None and subscription in self._lagging:
            return True
        outbox = subscription.client.outbox
        return any(audience.members.get(outbox) is subscription for _, audience in self._audiences)

    def subscriptions(self) -> Iterator[Subscription]:
        """Every subscription on this node."""
        for _, audience in self._audiences:
            yield from audience.members.values()  # type: ignore[misc]  # an audience's values are ours
        yield from self._lagging or ()

    def served(self) -> Iterator[Subscription]:
        """Those who are given what is handed out, and have been since `Subscription.after`."""
        for _, audience in self._audiences:
            yield from audience.members.values()  # type: ignore[misc]  # an audience's values are ours

    def join(self, subscription: Subscription, fanout: Fanout) -> None:
        """Serve the subscription from now on; its reply must have been sent.

        Publications up to `subscription.after` are skipped for it. Those that the cursor passed
        since the reply was made must have been sent by the caller.
        """
        if subscription.watches and not self.rules.force_push_join_leave:
            if self._watching is None:
                self._watching = {}
            self._watching[subscription] = None
        if self.cursor is not None and subscription.after > self._given(self.cursor):
            if self._lagging is None:
                self._lagging = {}
            self._lagging[subscription] = None
            return
        self._admit(subscription, fanout)

    def leave(self, subscription: Subscription, fanout: Fanout) -> None:
        """Serve the subscription no longer; harmless if it was not served."""
        if self._watching is not None:
            self._watching.pop(subscription, None)
        if self._lagging is not None and subscription in self._lagging:
            del self._lagging[subscription]
            return
        outbox = subscription.client.outbox
        for _, audience in self._audiences:
            if audience.members.get(outbox) is subscription:
                fanout.settle(audience)
                del audience.members[outbox]

    def publish(self, entry: Entry, fanout: Fanout) -> None:
        """Hand an entry to everyone who is served: encoded once a codec, framed once a wire."""
        codec: Codec | None = None
        document = b""
        for wire, audience in self._audiences:
            if audience.members:
                if wire.codec is not codec:
                    codec = wire.codec
                    document = codec.publication(entry)
                fanout.broadcast(audience, wire.frame(document))

    def hold(self, entry: Entry) -> bool:
        """Keep an entry that the cursor let through until the next is delivered, or `release`.

        Whoever joins meanwhile is served from after its reply, as ever. Answers whether there is
        room for another; if not, `release` is to follow.
        """
        if self.held is None:
            self.held = Held()
        self.held.add(entry)
        return not self.held.is_full

    def release(self, fanout: Fanout) -> None:
        """Hand out what is held: in one frame, but for those who joined in its midst."""
        if self.held is None or not self.held.entries:
            return
        awaited = {subscription.after for subscription in self._lagging or ()}
        together: list[Entry] = []
        for entry in self.held.take():
            together.append(entry)
            if entry.offset in awaited:
                self._publish_together(together, fanout)
                self._catch_up(entry.offset, fanout)
                together = []
        if together:
            self._publish_together(together, fanout)

    def truncated(self) -> None:
        """Some of the history may have been removed: nothing of it is shown from memory."""
        self.truncations += 1
        if self.cursor is not None:
            self.cursor.forget_tail()

    def deliver(self, entries: Iterable[Entry], fanout: Fanout) -> None:
        """Hand out entries that the cursor let through, and admit who waited for them.

        What is held goes before them.
        """
        if self.held is not None:
            self.release(fanout)
        for entry in entries:
            self.publish(entry, fanout)
            if self._lagging:
                self._catch_up(entry.offset, fanout)

    def announce(self, event: Join | Leave, fanout: Fanout) -> None:
        """Tell those who watch that someone came or went."""
        told = (
            self.subscriptions() if self.rules.force_push_join_leave else iter(self._watching or ())
        )
        frames: dict[Wire, bytes] = {}
        for subscription in told:
            if not subscription.watches:
                continue
            client = subscription.client
            frame = frames.get(client.wire)
            if frame is None:
                frame = client.wire.frame(client.wire.codec.push(self.name, event))
                frames[client.wire] = frame
            # One by one and not with the audience: presence is among the first to be dropped.
            fanout.send(client.outbox, frame, durable=False)

    def signal(self, entry: Entry, fanout: Fanout) -> None:
        """Hand an entry that may be dropped to everyone who is subscribed."""
        frames: dict[Wire, bytes] = {}
        for subscription in self.subscriptions():
            client = subscription.client
            frame = frames.get(client.wire)
            if frame is None:
                frame = client.wire.frame(client.wire.codec.publication(entry))
                frames[client.wire] = frame
            fanout.send(client.outbox, frame, durable=False)

    def _publish_together(self, entries: Sequence[Entry], fanout: Fanout) -> None:
        codec: Codec | None = None
        documents: list[bytes] = []
        for wire, audience in self._audiences:
            if audience.members:
                if wire.codec is not codec:
                    codec = wire.codec
                    documents = [codec.publication(entry) for entry in entries]
                fanout.broadcast(audience, wire.frame_together(documents))

    def _given(self, cursor: Cursor) -> int:
        """The offset up to which everyone who is served has been given all there is."""
        waiting = self.held.entries if self.held is not None else ()
        return waiting[0].offset - 1 if waiting else cursor.position

    def _catch_up(self, position: int, fanout: Fanout) -> None:
        reached = [item for item in self._lagging or () if item.after <= position]
        for subscription in reached:
            assert self._lagging is not None  # `reached` came from it
            del self._lagging[subscription]
            self._admit(subscription, fanout)
        if not self._lagging:
            self._lagging = None

    def _admit(self, subscription: Subscription, fanout: Fanout) -> None:
        audience = self._audience(subscription.client.wire)
        fanout.settle(audience)
        audience.members[subscription.client.outbox] = subscription

    def _audience(self, wire: Wire) -> Audience:
        for known, audience in self._audiences:
            if known is wire:
                return audience
        audience = Audience(durable=self.rules.has_history)
        # Wires of one codec stand together, so that `publish` encodes for all of them at once.
        index = len(self._audiences)
        while index and self._audiences[index - 1][0].codec is not wire.codec:
            index -= 1
        self._audiences.insert(index or len(self._audiences), (wire, audience))
        return audience
