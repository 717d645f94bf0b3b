"""News of channels for members who are not looking at them: hints on their personal channels.

A hint may get lost, or come late, and `chat.sync` is the truth; so hints are never waited for. A
channel has at most one a second, of the newest entry, and from a number of members on it has none.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from realtime.chat.around import Around
from realtime.chat.pacing import Pace, Paced
from realtime.chat.previews import Preview
from realtime.chat.rosters import Rosters
from realtime.model import Entry

CHANGED_MAX: Final = 20
"""Messages that one hint says are edited, and deleted; an app asks `chat.sync` anyway."""


class ChannelHint(msgspec.Struct, frozen=True, omit_defaults=True):
    """A channel's log has reached `offset`; `n` entries count up to there.

    `last` is the last message, where there is a new one. `edited` and `deleted` are messages, by
    their offsets, that an app may still be showing.
    """

    type: Literal["channel"]
    channel: str
    offset: int
    n: int
    last: Preview | None = None
    edited: tuple[int, ...] = ()
    deleted: tuple[int, ...] = ()


class Hints:
    """Tells members of what this node has appended; `run` must be running for that."""

    def __init__(self, around: Around, rosters: Rosters) -> None:
        self._stage = around.stage
        self._members_max = around.settings.inbox_members_max
        self._rosters = rosters
        self._encode = msgspec.json.Encoder().encode
        pace: Pace[str, ChannelHint] = Pace(_merged)
        self._paced = Paced("hints", pace, around.clock, self._send)
        self.run = self._paced.run
        self.send_due = self._paced.send_due

    def committed(self, entry: Entry, last: Preview | None) -> None:
        """This node has appended an entry to a room; `last` if it is a message that counts.

        Never waits.
        """
        if self._members_max:
            self._paced.add(entry.channel, hint_of(entry, last))

    async def _send(self, notes: Sequence[tuple[str, ChannelHint]]) -> None:
        for channel, hint in notes:
            roster = await self._rosters.look_up(channel, self._members_max)
            if roster.users:
                self._stage.hint(roster.users, self._encode(hint), about=channel)


def hint_of(entry: Entry, last: Preview | None) -> ChannelHint:
    """What is to be said of an entry."""
    if last is not None:
        return ChannelHint("channel", entry.channel, entry.offset, entry.n, last)
    changed = (entry.ref,)
    return ChannelHint(
        "channel",
        entry.channel,
        entry.offset,
        entry.n,
        None,
        changed if entry.kind == "edit" else (),
        changed if entry.kind == "delete" else (),
    )


def _merged(before: ChannelHint, after: ChannelHint) -> ChannelHint:
    if after.offset < before.offset:
        before, after = after, before
    if after.last is not None and not before.edited and not before.deleted:
        return after  # as almost always
    last = after.last or before.last
    # What was taken back a moment after it was said is not told any more.
    if last is not None and last.offset in after.deleted:
        last = Preview(last.offset, last.user, last.at, deleted=True)
    elif last is not None and last.offset in after.edited:
        last = Preview(last.offset, last.user, last.at, edited=True)
    return ChannelHint(
        "channel",
        after.channel,
        after.offset,
        after.n,
        last,
        _last_of(before.edited + after.edited),
        _last_of(before.deleted + after.deleted),
    )


def _last_of(offsets: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(offsets))[-CHANGED_MAX:]
