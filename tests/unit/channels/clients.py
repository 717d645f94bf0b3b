"""A node without a hub: a fan-out, outboxes whose sink remembers, and clients for channels."""

from realtime.channels.fanout import Audience, Fanout
from realtime.channels.live import LiveChannel, Subscription, Wire
from realtime.channels.outbox import Outbox
from realtime.model import ClientInfo, Entry
from realtime.protocol.json_codec import JsonCodec
from realtime.protocol.replies import Push


class Sink:
    """Remembers each write; raises if told to, as a transport that is lost."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.error: Exception | None = None

    def write(self, data: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.writes.append(data)

    @property
    def text(self) -> str:
        """All that was written."""
        return b"".join(self.writes).decode()


class Wakes:
    """Counts how often a flush was asked for."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


class Node:
    """A fan-out with clients: `sinks` by outbox."""

    def __init__(self, limit: int = 1 << 20) -> None:
        self.wakes = Wakes()
        self.fanout = Fanout(self.wakes, limit)
        self.now = 0.0

    def client(self, *audiences: Audience) -> tuple[Outbox, Sink]:
        """A new client in these audiences."""
        sink = Sink()
        outbox = Outbox(sink, None)
        for audience in audiences:
            self.fanout.settle(audience)
            audience.members[outbox] = None
        return outbox, sink

    def tick(self) -> None:
        """The end of a tick."""
        self.now += 1.0
        self.fanout.flush(self.now)


class CountingCodec(JsonCodec):
    """Counts how often a publication or a push is encoded."""

    def __init__(self) -> None:
        self.publications = 0
        self.pushes = 0

    def publication(self, entry: Entry) -> bytes:
        """A short form, easy to compare: the offset, or the data where there is none."""
        self.publications += 1
        return b"%d" % entry.offset if entry.offset else entry.data

    def push(self, channel: str, push: Push) -> bytes:
        """As JSON."""
        self.pushes += 1
        return super().push(channel, push)


def make_wire(name: str) -> Wire:
    """A wire whose frames are told from those of another: `name<document>`."""
    return Wire(name, CountingCodec(), lambda document: b"%b<%b>" % (name.encode(), document))


class Client:
    """A `realtime.channels.live.Subscriber`."""

    def __init__(self, id: str, wire: Wire) -> None:
        self.id = id
        self.wire = wire
        self.sink = Sink()
        self.outbox = Outbox(self.sink, self)

    def to(self, channel: LiveChannel, *, after: int = 0, watches: bool = False) -> Subscription:
        """A subscription whose reply went up to `after`."""
        info = ClientInfo("user-" + self.id, self.id)
        subscription = Subscription(self, channel, info, watches=watches)
        subscription.after = after
        return subscription
