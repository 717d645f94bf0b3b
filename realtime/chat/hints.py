"""News of channels for members who are not looking at them: hints on their personal channels.

A hint may get lost, or come late, and `chat.sync` is the truth; so hints are never waited for. A
channel has at most one a second, of the newest entry, and from a number of members on it has none.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final, Literal

import msgspec

from realtime.chat.around import Around
from realtime.chat.pacing import Pace, Paced
from realtime.chat.previews import Preview
from realtime.chat.rosters import Rosters
from realtime.chat.views import mentions_of
from realtime.model import Entry

CHANGED_MAX: Final = 20
"""Messages that one hint says are edited, and deleted; an app asks `chat.sync` anyway."""


MENTIONED_MAX: Final = 100
"""Users whom one hint says to be mentioned; `chat.sync` tells the others."""


class ChannelHint(msgspec.Struct, frozen=True, omit_defaults=True):
    """A channel's log has reached `offset`; `n` entries count up to there.

    `last` is the last message, where there is a new one. `mentions` says of users how many of the
    new messages mention them, in threads too. `edited` and `deleted` are messages, by their
    offsets, that an app may still be showing. `updated`: the channel is called or set to something
    else, as `chat.channel` and `chat.sync` tell.
    """

    type: Literal["channel"]
    channel: str
    offset: int
    n: int
    last: Preview | None = None
    edited: tuple[int, ...] = ()
    deleted: tuple[int, ...] = ()
    mentions: dict[str, int] = {}
    updated: bool = False


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
    mentioned = mentions_of(entry) if entry.kind == "message" else ()
    if last is not None and not mentioned:
        return ChannelHint("channel", entry.channel, entry.offset, entry.n, last)
    changed = (entry.ref,)
    return ChannelHint(
        "channel",
        entry.channel,
        entry.offset,
        entry.n,
        last,
        changed if entry.kind == "edit" else (),
        changed if entry.kind == "delete" else (),
        dict.fromkeys(mentioned, 1),
        updated=entry.kind == "channel",
    )


def _merged(before: ChannelHint, after: ChannelHint) -> ChannelHint:
    if after.offset < before.offset:
        before, after = after, before
    is_plain = not (before.edited or before.deleted or before.mentions or before.updated)
    if after.last is not None and is_plain:
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
        _sum_of(before.mentions, after.mentions),
        updated=before.updated or after.updated,
    )


def _last_of(offsets: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(offsets))[-CHANGED_MAX:]


def _sum_of(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    counts = Counter(before)
    counts.update(after)
    return dict(islice(counts.items(), MENTIONED_MAX))
