"""What the passing of time means to clients: pings, missing pongs, expiries."""

from realtime.channels.wheel import Wheel
from realtime.errors import Disconnect
from realtime.hub.client import Client
from realtime.hub.joining import Joining
from realtime.hub.proof import Proofs
from realtime.hub.responder import Responder
from realtime.protocol.session import PING


class Timers:
    """The wheel that all clients of a node are on, and what is done with those that come up."""

    def __init__(self, now: float, responder: Responder, joining: Joining, proofs: Proofs) -> None:
        self._wheel = Wheel(now)
        self._responder = responder
        self._joining = joining
        self._proofs = proofs

    def begin(self, client: Client) -> None:
        """A new client: the session's own deadline is all there is yet."""
        self._wheel.schedule(client, client.session.next_deadline())

    def schedule(self, client: Client) -> None:
        """Look at the client again when its next deadline comes."""
        if client.closed is not None:
            return
        deadline = client.session.next_deadline()
        for subscription in client.subscriptions.values():
            expires = subscription.expires
            # Looked at from the moment of expiry on; `Joining.expire` knows the grace.
            if expires and (not deadline or expires < deadline):
                deadline = expires
        if deadline:
            self._wheel.schedule(client, deadline)
        else:
            self._wheel.cancel(client)

    def cancel(self, client: Client) -> None:
        """The client is about to be gone."""
        self._wheel.cancel(client)
        self._proofs.left(client)

    def clients(self) -> list[Client]:
        """Every client, connected or not: each has a next deadline."""
        return [item for item in self._wheel if isinstance(item, Client)]

    def advance(self, now: float) -> None:
        """Do what has become due; to be called a few times a second."""
        for item in self._wheel.advance(now):
            assert isinstance(item, Client)  # nothing else is put on this wheel
            self._tick(item, now)
        self._proofs.advance(now)

    def _tick(self, client: Client, now: float) -> None:
        due = client.session.tick(now)
        if due is PING:
            self._responder.ping(client)
        elif isinstance(due, Disconnect):
            self._responder.close(client, due)
            return
        deadline = client.session.next_deadline()
        if client.subscriptions:
            expiry = self._joining.expire(client, now)
            if expiry and (not deadline or expiry < deadline):
                deadline = expiry
        if deadline and client.closed is None:
            self._wheel.schedule(client, deadline)
