"""Which notifications came, and when: what a push service keeps of a run's messages. Pure.

A message's text says when it was to leave, in which play (a stretch of sending, numbered alike in
all processes of the load) and where to; devices' addresses say whose they are. So nothing has to be
asked of whoever sent the message, which is another process as often as not.
"""

import re
from typing import Final

import msgspec

from load.recording import Recorder
from load.wire.mark import mark

LARGE: Final = -1
"""The number of the large channel, in the place of a room's."""

PROBE: Final = 0
"""The play of a message that only finds out whether notifications come at all."""

EARLY_MAX: Final = 1_000_000
"""Notifications of plays that have not begun here which are kept; more are dropped, and missed."""

PLAYS_KEPT: Final = 6
"""Plays, the newest ones, of which it is known what came: what comes again later is not noticed."""

_TEXT: Final = re.compile(r"@T(\d{19}) (\d+) (-?\d+)")
_ADDRESS: Final = re.compile(r"load:([^:]+):(\d+)")


def text_of(due_ns: int, play: int, room: int) -> str:
    """The text of a message."""
    return f"{mark(due_ns)} {play} {room}"


def address_of(run: str, user: int) -> str:
    """The address of a user's device: one that FCM could have given."""
    return f"load:{run}:{user}"


class Notification(msgspec.Struct, frozen=True, gc=False):
    """What a push service was asked to send, as far as it matters here."""

    address: str
    text: str
    clears: bool = False
    """It shows nothing: what is shown of its channel is to be taken away."""


class Ledger:
    """Notifications of one run; of its users the first `connected` are online, and not to be told.

    Counts go to the recorder of the play that has begun last: `notified`, `twice`, `uncalled` (who
    was connected), `late` (of an earlier play, for the first time), `cleared`, and `textless` (for
    a device of the run, without a message's text). Waits are `told` and, of the large channel,
    `crowd`. Of other runs' devices nothing is counted.
    """

    def __init__(self, run: str, connected: int) -> None:
        self._run = run
        self._connected = connected
        self._recorder = Recorder("before")
        self._play = PROBE
        self._measured: set[int] = set()
        self._early: list[tuple[int, int, int, int, int]] = []
        self._came: dict[int, set[tuple[int, int, int]]] = {}
        self.probed = False
        """Whether the message of the probe has come."""
        self.crowd_ns = 0
        """How long after its message was to leave the last notification of the play's large channel
        came, until now; 0 before there is one."""

    def begin(self, play: int, recorder: Recorder, *, measured: bool = True) -> None:
        """From now on it is this play that counts, with what has come of it already.

        Of one that is not `measured`, a warm-up, nothing that comes after it is `late`.
        """
        self._recorder, self._play = recorder, play
        if measured:
            self._measured.add(play)
        self.crowd_ns = 0
        for old in [number for number in self._came if number <= play - PLAYS_KEPT]:
            del self._came[old]
        early, self._early = self._early, []
        for call in early:
            self._take(*call)

    def take(self, notification: Notification, at_ns: int) -> None:
        """One has come, at a time of the monotonic clock. Never raises."""
        whose = _ADDRESS.fullmatch(notification.address)
        if whose is None or whose[1] != self._run:
            return
        if notification.clears:
            self._recorder.counts["cleared"] += 1
            return
        said = _TEXT.search(notification.text)
        if said is None:
            self._recorder.counts["textless"] += 1
            return
        due_ns, play, room = (int(part) for part in said.groups())
        self._take(play, room, due_ns, int(whose[2]), at_ns)

    def _take(self, play: int, room: int, due_ns: int, user: int, at_ns: int) -> None:
        if play == PROBE:
            self.probed = True
            return
        if play > self._play:
            if len(self._early) < EARLY_MAX:
                self._early.append((play, room, due_ns, user, at_ns))
            return
        counts = self._recorder.counts
        came = self._came.setdefault(play, set())
        if (user, room, due_ns) in came:
            counts["twice"] += 1
            return
        came.add((user, room, due_ns))
        if user < self._connected:
            counts["uncalled"] += 1
        elif play < self._play:
            if play in self._measured:
                counts["late"] += 1
        else:
            counts["notified"] += 1
            self._recorder.waits("crowd" if room == LARGE else "told").append(
                (at_ns - due_ns) // 1_000
            )
            if room == LARGE:
                self.crowd_ns = max(self.crowd_ns, at_ns - due_ns)
