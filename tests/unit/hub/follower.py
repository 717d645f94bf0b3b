"""What an SDK does with one subscription (protocol 2.5), and what it must never see."""

from tests.support.hub import Node
from tests.support.peer import Document, Peer


class Follower:
    """One user's subscription to one channel with a log, over as many connections as it takes.

    It keeps the position, asks to recover from it, and notes in `breaches` whatever a client that
    trusts the server would not survive: a repeat, a gap, a step back, or something unasked for.
    `seen` are the payloads by offset; `denied` counts recoveries that were refused honestly.
    """

    def __init__(self, node: Node, channel: str, user: str) -> None:
        self.node = node
        self.channel = channel
        self.user = user
        self.seen: dict[int, object] = {}
        self.breaches: list[str] = []
        self.denied = 0
        self.ended = 0
        self.offset: int | None = None
        self.epoch = ""
        self._peer: Peer | None = None
        self._asked: int | None = None
        self._unasked: int | None = None
        self._subscribed = False
        self._read = 0

    def connect(self, node: Node | None = None) -> None:
        """Open a connection, to another node if one is given, unless there is one."""
        if node is not None:
            self.node = node
        if self._peer is None:
            self._peer = self.node.peer()
            self._read = 0
            self._peer.send("connect", token=self.node.token(self.user))

    def drop(self) -> None:
        """Lose the connection. What had come counts: an SDK hands on what it has read."""
        self.read()
        if self._peer is not None:
            self._peer.leave()
        self._forget()

    def subscribe(self) -> None:
        """Ask for the channel, from the position if there is one; does nothing if it was asked."""
        self.connect()
        self.read()
        if self._peer is None or self._subscribed or self._asked is not None:
            return
        fields: Document = {"channel": self.channel}
        if self.offset is not None:
            fields |= {"recover": True, "epoch": self.epoch, "offset": self.offset}
        self._asked = self._peer.send("subscribe", **fields)

    def unsubscribe(self) -> None:
        """Want the channel no longer; what had come counts."""
        self.read()
        if self._peer is not None and self._asked is None and self._subscribed:
            self._unasked = self._peer.send("unsubscribe", channel=self.channel)
            self._subscribed = False

    @property
    def is_subscribed(self) -> bool:
        """Whether the subscription stands, as far as was read."""
        return self._subscribed

    def read(self) -> None:
        """Take in what came since."""
        peer = self._peer
        if peer is None:
            return
        documents = peer.transport.documents
        while self._read < len(documents):
            document = documents[self._read]
            self._read += 1
            if self._asked is not None and document.get("id") == self._asked:
                self._replied(document)
            elif self._unasked is not None and document.get("id") == self._unasked:
                self._unasked = None
            elif document.get("push", {}).get("channel") == self.channel:
                self._pushed(document["push"])
        if peer.code is not None:
            self.ended += 1
            self._forget()

    def _forget(self) -> None:
        self._peer = None
        self._asked = self._unasked = None
        self._subscribed = False

    def _replied(self, document: Document) -> None:
        self._asked = None
        if "error" in document:
            if not document["error"].get("temporary"):
                self.breaches.append(f"refused: {document}")
            return
        reply = document["subscribe"]
        self._subscribed = True
        self.epoch = reply["epoch"]
        offset = reply.get("offset", 0)
        if self.offset is None:
            self.offset = offset
        elif not reply.get("recovered"):
            self.denied += 1
            self.offset = offset
        elif offset != self.offset:
            self.breaches.append(f"recovered from {self.offset}, answered {offset}")
        for publication in reply.get("publications", ()):
            self._publication(publication)

    def _pushed(self, push: Document) -> None:
        if "pub" in push:
            if self._subscribed:
                self._publication(push["pub"])
            elif self._unasked is None:  # else it crossed our unsubscribe
                self.breaches.append(f"a publication without a subscription: {push['pub']}")
        elif "unsubscribe" in push:
            if push["unsubscribe"]["code"] != 2500:
                self.breaches.append(f"unsubscribed: {push}")
            self.ended += 1
            self._subscribed = False

    def _publication(self, publication: Document) -> None:
        offset = publication["offset"]
        if self.offset is None or offset != self.offset + 1:
            self.breaches.append(f"{offset} came after {self.offset}")
        self.offset = offset
        self.seen[offset] = publication["data"]
