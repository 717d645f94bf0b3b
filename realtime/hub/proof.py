"""Which messages clients have shown to have, by answering a ping: for SDKs that tell nothing.

Somebody who reads a room in a plain SDK must not be told of its messages on their phone, and one
whose phone has just left the network must. No SDK acknowledges what it is given, and presence knows
neither: a socket stays open for long after the phone is gone, or asleep. But a connection keeps
order. So a ping that is written after a message is answered by who has read the message, and by
nobody else; and since a regular ping may be half a minute away, an extra one is sent at once.

A connection *owes* an answer for messages of others, young ones, in rooms whose members are
notified (`ChannelRules.push`), while its device is in the foreground, as far as it has said. Who
owes one is found out once for each channel and interval, not with each delivery: `delivered` only
notes the channel, and `ask`, which the fan-out calls before it writes, goes through those who are
served there. At most one ping is on its way to a connection, so that the next pong answers that
one; what is delivered meanwhile is owed next. A client is asked at most once an interval.

What proves nothing: the pongs of websockets themselves, which a browser answers where the page may
be frozen; connections that only listen; clients that are told not to answer. The pong of an
emulated connection proves as much as any, for the ping came behind the message; but it costs a
request, so these are asked less often.

Nothing here is promised. What is not shown in time, or gets lost on its way to the store, costs a
notification too many, never one too few.
"""

from collections.abc import Callable, Sequence
from typing import Final

from realtime.channels.fanout import Fanout
from realtime.channels.live import LiveChannel
from realtime.hub.chatting import Chat
from realtime.hub.client import Client
from realtime.hub.clock import Clock
from realtime.hub.responder import Responder
from realtime.model import Entry
from realtime.settings.push_schema import PushSettings

INTERVAL_S: Final = 1.0
"""The least time between two looks through the subscribers of a channel, and between two extra
pings of a connection, in seconds."""

EMULATED_INTERVAL_S: Final = 2.0
"""The same between two pings of a client that answers by a request of its own (protocol 7)."""

_USERS: Final = "u:"
"""What the sender of a user's entries begins with."""


class _Note:
    """The newest message that a channel handed out, when it was made (ms), and who made them all.

    `user` is "" where several did, or somebody who is no user.
    """

    __slots__ = ("at", "offset", "user")

    def __init__(self, entry: Entry) -> None:
        self.offset = entry.offset
        self.at = entry.at
        self.user = _user(entry)

    def add(self, entry: Entry) -> None:
        """There is another one."""
        self.offset = entry.offset
        self.at = entry.at
        if self.user and self.user != _user(entry):
            self.user = ""


class _Owing:
    """What a client has been given and not shown to have: channels, with an offset and its time.

    `asked` is what the ping that is on its way will prove, None where none is. `again_at` is when
    the next may be sent. `is_timed`: its deadline is known to the wheel.
    """

    __slots__ = ("again_at", "asked", "is_timed", "waiting")

    def __init__(self) -> None:
        self.asked: dict[str, tuple[int, int]] | None = None
        self.waiting: dict[str, tuple[int, int]] = {}
        self.again_at = 0.0
        self.is_timed = False


class Proofs:
    """Asks clients whether they have what they were given, and tells chat what they have.

    A message is young while anybody who is to be told of it may have to wait for it. `rescheduled`
    is called when a client's next deadline may have moved. Nothing here waits; a client that owes
    nothing has no object here. `chat` is set before there are clients, where there is chat.
    """

    def __init__(
        self,
        push: PushSettings,
        *,
        fanout: Fanout,
        responder: Responder,
        clock: Clock,
        rescheduled: Callable[[Client], None],
    ) -> None:
        self._responder = responder
        self._clock = clock
        self._young_ms = push.ack_wait.ms + push.max_wait.ms
        self._rescheduled = rescheduled
        self.chat: Chat | None = None
        # Channels that `ask` is to go through.
        self._fresh: dict[LiveChannel, _Note] = {}
        # Channels that were gone through less than an interval ago: until when, in that order; and
        # what they have handed out since.
        self._cooling: dict[LiveChannel, float] = {}
        self._later: dict[LiveChannel, _Note] = {}
        self._owing: dict[Client, _Owing] = {}
        fanout.settled = self.ask

    def __len__(self) -> int:
        """Clients that owe an answer, or have given one less than an interval ago."""
        return len(self._owing)

    def __repr__(self) -> str:
        return f"<Proofs {len(self._owing)} clients, {len(self._cooling)} channels>"

    # What is given to clients.

    def delivered(self, live: LiveChannel, entry: Entry) -> None:
        """A message was handed out to everybody who is served in a channel that has `push`."""
        notes = self._later if live in self._cooling else self._fresh
        note = notes.get(live)
        if note is None:
            notes[live] = _Note(entry)
        else:
            note.add(entry)

    def recovered(self, client: Client, channel: str, entries: Sequence[Entry]) -> None:
        """A client was given entries of a channel that has `push`, in order, by itself."""
        user = client.user
        for entry in reversed(entries):
            if entry.kind == "message" and _user(entry) != user:
                if self._may_owe(client) and self._is_young(entry.at):
                    self._owe(client, channel, entry.offset, entry.at)
                return

    # What becomes of it.

    def ask(self, now: float) -> None:
        """Ask those who were given something just now: in one write with it, and behind it."""
        if not self._fresh:
            return
        fresh, self._fresh = self._fresh, {}
        for live, note in fresh.items():
            self._cooling[live] = now + INTERVAL_S
            if self._is_young(note.at):
                self._ask_served(live, note, now)

    def _ask_served(self, live: LiveChannel, note: _Note, now: float) -> None:
        for subscription in live.served():
            client = subscription.client
            assert isinstance(client, Client)  # every subscriber of a hub is one
            # At or below `after` it had it in its reply, or before it asked.
            if subscription.after < note.offset and client.user != note.user:
                owing = self._owing.get(client)
                if owing is not None or self._may_owe(client):
                    owing = self._owe(client, live.name, note.offset, note.at)
                    self._ask(client, owing, now)

    def advance(self, now: float) -> None:
        """See what has been answered, and ask those who had to wait; a few times a second."""
        while self._cooling:
            live, until = next(iter(self._cooling.items()))
            if now < until:
                break
            del self._cooling[live]
            note = self._later.pop(live, None)
            if note is not None:
                self._fresh[live] = note
        self.ask(now)
        for client, owing in list(self._owing.items()):
            self._look_at(client, owing, now)

    def _look_at(self, client: Client, owing: _Owing, now: float) -> None:
        if client.closed is not None:
            del self._owing[client]
            return
        if owing.asked is not None:
            if client.session.is_asked:
                if not owing.is_timed:
                    # Few are this slow: only they are worth the wheel's time.
                    owing.is_timed = True
                    self._rescheduled(client)
                return
            self._shown(client, owing)
        for channel, (_, at) in list(owing.waiting.items()):
            if not self._is_young(at):
                del owing.waiting[channel]
        if owing.waiting:
            self._ask(client, owing, now)
        elif now >= owing.again_at:
            del self._owing[client]

    def left(self, client: Client) -> None:
        """The client is about to be gone; what it has shown until now counts."""
        owing = self._owing.get(client)
        if owing is not None:
            if owing.asked is not None and not client.session.is_asked:
                self._shown(client, owing)
            del self._owing[client]

    # Parts of it.

    def _may_owe(self, client: Client) -> bool:
        """Whether the client's pongs say something about a user who might be looking."""
        return (
            client.user != ""
            and self.chat is not None
            and client.session.is_answering
            and not client.transport.frame_pings
            and not client.wire.codec.is_unidirectional
            and self.chat.is_foreground(client.user, client.id)
        )

    def _is_young(self, at: int) -> bool:
        return self._clock.wall_ms() - at <= self._young_ms

    def _owe(self, client: Client, channel: str, offset: int, at: int) -> _Owing:
        owing = self._owing.get(client)
        if owing is None:
            owing = self._owing[client] = _Owing()
        owing.waiting[channel] = (offset, at)
        return owing

    def _ask(self, client: Client, owing: _Owing, now: float) -> None:
        """Send the ping, unless it has to wait: for its time, a pong, or room in the transport."""
        if owing.asked is not None or now < owing.again_at or client.outbox.backlog is not None:
            return
        if not client.session.ask(now):
            return
        is_emulated = client.transport.is_emulated
        owing.again_at = now + (EMULATED_INTERVAL_S if is_emulated else INTERVAL_S)
        owing.asked, owing.waiting = owing.waiting, {}
        owing.is_timed = False
        self._responder.ping(client)

    def _shown(self, client: Client, owing: _Owing) -> None:
        asked, owing.asked = owing.asked or {}, None
        # Asked again: the device may have gone to the background in the meantime, and say so first.
        if self.chat is not None and self.chat.is_foreground(client.user, client.id):
            for channel, (offset, _) in asked.items():
                self.chat.seen_by(client.user, client.id, channel, offset)


def _user(entry: Entry) -> str:
    sender = entry.sender
    return sender[len(_USERS) :] if sender.startswith(_USERS) else ""
