"""Everything that changed in a user's channels since an earlier answer: the truth behind hints.

A page is a run of the user's memberships, in order of the channels' names; of those, the channels
that changed are in the answer, and all of them in its badge. `since` holds the moment at which the
first page of the last answer was begun. Who asks with it is told what changed after that moment or
up to a minute before: rows are written a little later than what they are of, and by nodes whose
clocks differ. So a channel may come twice, and never not at all.
"""

import base64
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.markers import (
    SYNC_MAX_BYTES,
    Invitation,
    Sync,
    Synced,
    SyncedChannel,
)
from realtime.chat.channel_events import own_retention
from realtime.chat.operations import Perform
from realtime.chat.overview import CHANNELS_MAX, Overviews, peer_of
from realtime.chat.previews import Preview, short
from realtime.chat.refusals import invalid
from realtime.chat.retention import retention_of
from realtime.chat.unread import BADGE_MAX, State, badge
from realtime.errors import CommandRefused
from realtime.rows import MemberRow, UserRow

LOOK_BACK_MS: Final = 60_000
"""How long before `since` is looked at too: more than rows are late and clocks differ."""

WHOLE_FIRST: Final = 20
"""Channels whose last message comes as whole as a preview is before others get any of theirs."""

EVER: Final = -1
"""Before any change."""

_encode: Final = msgspec.json.Encoder().encode

_T = TypeVar("_T", bound=msgspec.Struct)


class _Since(msgspec.Struct, frozen=True, array_like=True):
    """What `since` holds: a moment of the store's incarnation."""

    epoch: str
    at: int


class _Cursor(msgspec.Struct, frozen=True, array_like=True):
    """What `cursor` holds: where to go on, when the first page was begun, and the badge so far.

    `changed_after`: the moment after which changes are told of; EVER for everything.
    """

    after: str
    begun: int
    badge: int
    changed_after: int


class Syncing:
    """Performs `chat.sync`."""

    def __init__(self, around: Around, overviews: Overviews) -> None:
        self._store = around.store
        self._stage = around.stage
        self._clock = around.clock
        self._overviews = overviews
        self.operations: Mapping[str, Perform] = {"chat.sync": self._sync}

    async def _sync(self, caller: Caller, params: Sync) -> Synced:
        now_ms = self._clock.wall_ms()
        cursor = self._begin(params, now_ms)
        is_full = cursor.changed_after == EVER
        run = await self._overviews.of_user(
            caller.user, after=cursor.after, limit=params.limit if is_full else CHANNELS_MAX
        )
        others = [row for row in run.others if row.changed_at > cursor.changed_after]
        page = _Page(params, cursor, sum(map(_size, others)))
        for found in run.states:
            peer = run.peers.get(peer_of(found.row, caller.user))
            if not _has_changed(found, peer, cursor.changed_after):
                page.skip(found)
            elif not page.add(found, self._shown(found, now_ms), caller.user, peer):
                break
        upto = page.upto if page.is_full else run.upto
        others = [row for row in others if row.channel <= upto]
        synced = Synced(
            page.channels(),
            [] if is_full else [row.channel for row in others if _is_over(row)],
            [
                Invitation(row.channel, row.invited_by, row.invited_at)
                for row in others
                if not _is_over(row)
            ],
            full=is_full,
        )
        if run.is_last and not page.is_full:
            since = _Since(self._store.epoch, cursor.begun)
            return msgspec.structs.replace(
                synced, badge=min(page.badge, BADGE_MAX), since=_written(since)
            )
        following = msgspec.structs.replace(cursor, after=upto, badge=page.badge)
        return msgspec.structs.replace(synced, cursor=_written(following))

    def _begin(self, params: Sync, now_ms: int) -> _Cursor:
        """Where to go on, or to begin. Raises CallRefused (422)."""
        cursor = _read(params.cursor, _Cursor, "cursor")
        if cursor is not None:
            return cursor
        since = _read(params.since, _Since, "since")
        # After a restore of the store nothing of what was known before counts.
        if since is None or since.epoch != self._store.epoch:
            return _Cursor("", now_ms, 0, EVER)
        return _Cursor("", now_ms, 0, max(since.at - LOOK_BACK_MS, 0))

    def _shown(self, found: State, now_ms: int) -> Preview | None:
        """The last message, unless retention hides it by now, or its namespace is no more."""
        last = found.last
        if last is None:
            return None
        try:
            options = self._stage.options(found.row.channel)
        except CommandRefused:
            return None
        retention = retention_of(options).within(own_retention(found.row))
        return None if retention.hides(last.offset, last.at, found.head, now_ms) else last


class _Page:
    """Channels of one answer, as many as fit in it."""

    def __init__(self, params: Sync, cursor: _Cursor, taken_bytes: int) -> None:
        self._limit = params.limit
        self._of_messages = params.badge == "messages"
        self._found: list[tuple[SyncedChannel, Preview | None]] = []
        self._left_bytes = SYNC_MAX_BYTES - taken_bytes
        self.badge = cursor.badge
        self.upto = cursor.after
        self.is_full = False
        """Whether something was left for the next page."""

    def skip(self, found: State) -> None:
        """A channel that has not changed counts for the badge."""
        self.badge += badge((found.unread,), of_messages=self._of_messages)
        self.upto = found.row.channel

    def add(self, found: State, last: Preview | None, user: str, peer: UserRow | None) -> bool:
        """Whether there is room for a channel, at least without its last message."""
        channel = _synced(found, peer_of(found.row, user), peer)
        size = len(_encode(channel)) + (len(_encode(_bare(last))) + LAST_BYTES if last else 1)
        if self._found and (len(self._found) >= self._limit or size > self._left_bytes):
            self.is_full = True
            return False
        self._left_bytes -= size
        self._found.append((channel, last))
        self.skip(found)
        return True

    def channels(self) -> list[SyncedChannel]:
        """The channels, with as much of their last messages as there is room for.

        Those that were written in lately come first: they are what an app shows first.
        """
        lasts = [_bare(last) for _, last in self._found]
        places = [place for place, last in enumerate(lasts) if last is not None]
        places.sort(key=lambda place: -(self._at(place)))
        for form, some in ((_whole, places[:WHOLE_FIRST]), (short, places), (_whole, places)):
            self._fill(lasts, some, form)
        return [
            channel if last is None else msgspec.structs.replace(channel, last=last)
            for (channel, _), last in zip(self._found, lasts, strict=True)
        ]

    def _fill(
        self,
        lasts: list[Preview | None],
        places: Sequence[int],
        form: Callable[[Preview], Preview],
    ) -> None:
        for place in places:
            last, there = self._found[place][1], lasts[place]
            assert last is not None and there is not None, "places are of those that have one"
            if there == last:
                continue
            wanted = form(last)
            more = len(_encode(wanted)) - len(_encode(there))
            if more <= self._left_bytes:
                lasts[place] = wanted
                self._left_bytes -= more

    def _at(self, place: int) -> int:
        last = self._found[place][1]
        return last.at if last else 0


LAST_BYTES: Final = len(b'"last":,') + 1
"""What a last message takes besides itself, with the comma behind a channel."""


def _synced(found: State, other: str, peer: UserRow | None) -> SyncedChannel:
    row, member = found.row, found.member
    is_direct = row.kind == "direct"
    return SyncedChannel(
        row.channel,
        found.head,
        found.head_n,
        # What is the default is left out only if it is the same object.
        sys.intern(row.kind),
        sys.intern(member.role),
        (peer.name if peer else "") if is_direct else row.title,
        (peer.avatar if peer else "") if is_direct else row.avatar,
        other if is_direct else "",
        found.unread,
        found.mentions,
        None,
        found.read,
        found.delivered if found.delivered > found.read else 0,
        member.unread,
        row.archived_at != 0,
    )


def _has_changed(found: State, peer: UserRow | None, after: int) -> bool:
    """Whether anything that is told of a channel changed after that moment.

    Where its row is behind the log, that has been a moment ago.
    """
    return (
        found.head > found.row.head
        or max(found.row.changed_at, found.member.changed_at) > after
        or (peer is not None and peer.changed_at > after)
    )


def _size(row: MemberRow) -> int:
    """What the end of a membership, or an invitation, may take."""
    return len(_encode(Invitation(row.channel, row.invited_by, row.invited_at))) + 1


def _is_over(row: MemberRow) -> bool:
    """Whether it is a membership that has ended, and no invitation."""
    return row.role == "banned" or not row.invited_at


def _bare(last: Preview | None) -> Preview | None:
    return None if last is None else Preview(last.offset)


def _whole(last: Preview) -> Preview:
    return last


def _written(value: msgspec.Struct) -> str:
    return base64.urlsafe_b64encode(_encode(value)).decode().rstrip("=")


def _read(text: str, kind: type[_T], field: str) -> _T | None:
    """What one of our texts holds; None for "". Raises CallRefused (422)."""
    if not text:
        return None
    try:
        return msgspec.json.decode(
            base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=kind
        )
    except (ValueError, msgspec.DecodeError):
        raise invalid(field) from None
