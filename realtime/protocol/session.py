"""The states of one client session, and its deadlines. No I/O and no clock: `now` is an argument.

Two rules: everything that decides what a session may do next is in this file, and this file does
not know which transport carries it.

    NEW --connect--> CONNECTING --accepted--> CONNECTED
                          |
                          +------refused----> REFUSED      (an error reply; SDKs start anew)

A command that has no place in the current state is a missing row of `ACCEPTED`, and ends the
session with 3501. Commands that arrive while the connect is being decided are accepted: SDKs send
connect and their subscribes in one frame (protocol 1.11); the caller keeps their order.
"""

import enum
from typing import Final

import msgspec

from realtime.errors import (
    CONNECTION_EXPIRED,
    MALFORMED,
    NO_PONG,
    STALE,
    ConnectionRefused,
    Disconnect,
)
from realtime.protocol.codec import Codec
from realtime.protocol.commands import ConnectRequest, Request


class State(enum.Enum):
    """Where a session is."""

    # By identity, as members are compared: an Enum's own hash is a Python function, and two of them
    # would be a quarter of what a command costs here.
    __hash__ = object.__hash__

    NEW = enum.auto()
    CONNECTING = enum.auto()
    CONNECTED = enum.auto()
    REFUSED = enum.auto()


class Kind(enum.Enum):
    """What a command is to the state machine."""

    __hash__ = object.__hash__

    CONNECT = enum.auto()
    PONG = enum.auto()
    OTHER = enum.auto()


ACCEPTED: Final = {
    (State.NEW, Kind.CONNECT): State.CONNECTING,
    (State.CONNECTING, Kind.OTHER): State.CONNECTING,
    # A pong that nobody asked for is harmless (protocol 9.13).
    (State.CONNECTING, Kind.PONG): State.CONNECTING,
    (State.CONNECTED, Kind.OTHER): State.CONNECTED,
    (State.CONNECTED, Kind.PONG): State.CONNECTED,
}
"""The next state for each command that a state accepts; any other pair is a bad request."""


# Names of this module are found faster than members of an Enum.
_CONNECT: Final = Kind.CONNECT
_PONG: Final = Kind.PONG
_OTHER: Final = Kind.OTHER


class Timings(msgspec.Struct, frozen=True):
    """How long a session may take, in seconds; one object serves all sessions.

    `stale_close_s`: until it is connected. `pong_timeout_s`: until a ping is answered.
    `expired_close_s`: after the token ran out.
    """

    stale_close_s: float
    pong_timeout_s: float
    expired_close_s: float


class Ping:
    """What `Session.tick` answers when a ping is due."""


PING: Final = Ping()


class Session:
    """One client's session.

    `receive` takes what a transport read, `tick` what the passing of time means; the caller arms
    one timer for `next_deadline`. All times are seconds of one monotonic clock.
    """

    __slots__ = (
        "_due",
        "_expires",
        "_ping_at",
        "_ping_interval_s",
        "_pong_due",
        "codec",
        "state",
        "timings",
    )

    def __init__(self, codec: Codec, timings: Timings, now: float) -> None:
        self.codec = codec
        self.timings = timings
        self.state = State.NEW
        # 0.0 stands for "not running" in each of these.
        self._due = now + timings.stale_close_s
        self._ping_at = 0.0
        # Negative where pings are not answered.
        self._ping_interval_s = 0.0
        self._pong_due = 0.0
        self._expires = 0.0

    def __repr__(self) -> str:
        return f"<Session {self.state.name.lower()} {self.codec.name}>"

    @property
    def is_connected(self) -> bool:
        """Whether the connect succeeded."""
        return self.state is State.CONNECTED

    @property
    def is_refused(self) -> bool:
        """Whether the connect was answered with an error, so that nothing more is performed."""
        return self.state is State.REFUSED

    def receive(self, payload: bytes) -> list[tuple[int, Request]]:
        """The commands of one message that must be answered, in order; pongs are dealt with here.

        Raises ConnectionRefused with 3501 for a payload that cannot be decoded or a command that
        the state does not accept; none of the message's commands is then to be performed.
        """
        if not payload:
            raise ConnectionRefused(MALFORMED)
        commands: list[tuple[int, Request]] = []
        for command in self.codec.decode(payload):
            request = command.request
            if request is None:
                kind = _PONG
                self._pong_due = 0.0
            else:
                kind = _CONNECT if type(request) is ConnectRequest else _OTHER
                commands.append((command.id, request))
            state = ACCEPTED.get((self.state, kind))
            if state is None:
                raise ConnectionRefused(MALFORMED)
            self.state = state
        return commands

    @property
    def is_answering(self) -> bool:
        """Whether each ping has to be answered, now that it is connected."""
        return self._ping_interval_s > 0

    @property
    def is_asked(self) -> bool:
        """Whether a ping has not been answered yet."""
        return self._pong_due > 0

    def ask(self, now: float) -> bool:
        """Whether a ping may go out now, beside the regular ones; if so, send it at once.

        A connection keeps order, so the pong shows that the client has what was written before. No
        ping may therefore be on its way already, or the next pong would answer that one. The next
        regular ping comes later for it, after this one must have been answered and within an
        interval; those of clients that are asked together still come one after the other.
        """
        interval_s = self._ping_interval_s
        if interval_s <= 0 or self._pong_due:
            return False
        timeout_s = self.timings.pong_timeout_s
        left = min(max(self._ping_at - now, 0.0) / interval_s, 1.0)
        self._pong_due = now + timeout_s
        self._ping_at = now + timeout_s + (interval_s - timeout_s) * left
        return True

    def pong(self) -> None:
        """The transport's own pong frame came, where it is used in place of the protocol's."""
        self._pong_due = 0.0

    def accepted(
        self, now: float, *, jitter: float, expires: float, ping_interval_s: float, pongs: bool
    ) -> None:
        """The connect succeeded.

        `jitter` in [0, 1) spreads the first ping over the second half of an interval (1.6), so
        that clients which came together do not answer together for ever. `expires` is when the
        token runs out, 0.0 for never. `ping_interval_s` is the time between pings, 0 for none;
        `pongs` says whether each must be answered.
        """
        self.state = State.CONNECTED
        self._due = 0.0
        if ping_interval_s > 0:
            self._ping_at = now + ping_interval_s * (0.5 + 0.5 * jitter)
            self._ping_interval_s = ping_interval_s if pongs else -ping_interval_s
        self.expire(expires)

    def refused(self, now: float) -> None:
        """The connect was answered with an error; the client is to go, and is closed if not."""
        self.state = State.REFUSED
        self._due = now + self.timings.stale_close_s

    def expire(self, at: float) -> None:
        """The connection's token now runs out at `at`, 0.0 for never."""
        self._expires = at + self.timings.expired_close_s if at else 0.0

    def next_deadline(self) -> float:
        """When `tick` must be called next; 0.0 for never."""
        deadline = self._due
        for other in (self._ping_at, self._pong_due, self._expires):
            if other and (not deadline or other < deadline):
                deadline = other
        return deadline

    def tick(self, now: float) -> Ping | Disconnect | None:
        """What has become due: send a ping, close the connection, or nothing yet."""
        if self._due and now >= self._due:
            return STALE
        if self._expires and now >= self._expires:
            return CONNECTION_EXPIRED
        if self._pong_due and now >= self._pong_due:
            return NO_PONG
        if self._ping_at and now >= self._ping_at:
            interval = self._ping_interval_s
            self._ping_at = now + abs(interval)
            if interval > 0:
                self._pong_due = now + self.timings.pong_timeout_s
            return PING
        return None
