"""What users are in the channels of this node, and how it stays right. See `ports.Memberships`."""

from typing import Final

from realtime.chat import channel_events, member_events
from realtime.chat.kept import Kept, KeptCopy
from realtime.chat.own_retention import OwnRetentions
from realtime.chat.ports import ChatStore, Clock
from realtime.chat.rooms import Rooms
from realtime.chat.rosters import Rosters
from realtime.chat.standing import NOBODY, Standing, standing_of
from realtime.chat.waiting import waiting
from realtime.errors import StoreUnavailable
from realtime.model import Entry, Retention
from realtime.rows import MEMBERS

STANDINGS_MAX: Final = 100_000
"""Standings that a node keeps, of all channels together; the least recently used go first."""


class KeptMemberships:
    """Standings as the rows have them and the log goes on to change them.

    The hub says when a channel begins and ceases to be live here (`opened` before it reads where
    the log is, so that no entry is between), and shows every entry of a live channel, in order
    (`passed`). Only then is a standing kept for longer than a second.
    """

    def __init__(
        self, store: ChatStore, clock: Clock, *, standings_max: int = STANDINGS_MAX
    ) -> None:
        self._store = store
        self._standings: Kept[Standing] = Kept(clock, kept_max=standings_max)
        self.rooms = Rooms(store, clock)
        """What is kept of the same channels themselves, by the same means."""
        self.rosters = Rosters(store, clock)
        """And who is in them."""
        self.retentions = OwnRetentions(store, clock)
        """And what they are set to keep."""

    def opened(self, channel: str) -> None:
        """See `ports.Memberships`."""
        self._standings.opened(channel)
        self.rooms.opened(channel)
        self.rosters.opened(channel)
        self.retentions.opened(channel)

    def closed(self, channel: str) -> None:
        """See `ports.Memberships`."""
        self._standings.closed(channel)
        self.rooms.closed(channel)
        self.rosters.closed(channel)
        self.retentions.closed(channel)

    def known(self, channel: str, user: str) -> Standing | None:
        """See `ports.Memberships`."""
        return self._standings.get(channel, user)

    def copy(self, channel: str, user: str) -> KeptCopy[Standing] | None:
        """See `ports.Memberships`."""
        return self._standings.copy(channel, user)

    async def look_up(self, channel: str, user: str) -> Standing:
        """See `ports.Memberships`. Identical look-ups at the same time are one.

        No `member` entry that passed before this returned is missing in the answer, if it is
        awaited directly. May be cancelled. Raises StoreError.
        """
        return await self._standings.look_up(channel, user, lambda: self._read(channel, user))

    async def look_anew(self, channel: str, user: str) -> Standing:
        """See `ports.Memberships`."""
        self._standings.forget(channel, user)
        return await self.look_up(channel, user)

    def known_retention(self, channel: str) -> Retention | None:
        """See `ports.Memberships`."""
        return self.retentions.known(channel)

    async def look_up_retention(self, channel: str) -> Retention:
        """See `ports.Memberships`."""
        return await self.retentions.look_up(channel)

    def passed(self, entry: Entry) -> None:
        """See `ports.Memberships`. Entries of other kinds say nothing here."""
        if entry.kind == "channel":
            self._changed(entry)
        event = member_events.read(entry) if entry.kind == "member" else None
        if event is None:
            return
        self.rosters.forget(entry.channel)
        if channel_events.changes_channel(event):
            self._changed(entry)
        kept = {}
        for user in event.concerns:
            self._standings.doubt(entry.channel, user, entry.offset)
            standing = self._standings.passing(entry.channel, user)
            if standing is not None:
                kept[user] = standing
        member_events.apply(entry, event, kept)
        for user in event.concerns:
            if user in kept:
                self._standings.put(entry.channel, user, kept[user], offset=entry.offset)
            else:
                self._standings.forget(entry.channel, user)

    def heard(self, entry: Entry) -> None:
        """See `ports.Memberships`."""
        event = member_events.read(entry) if entry.kind == "member" else None
        if entry.kind == "channel" or (event and channel_events.changes_channel(event)):
            self._changed(entry)
        if event is None:
            return
        self.rosters.forget(entry.channel)
        for user in event.concerns:
            standing = self._standings.passing(entry.channel, user)
            if standing is None or standing.offset < entry.offset:
                self._standings.doubt(entry.channel, user, entry.offset)

    def forget(self, channel: str, user: str = "") -> None:
        """See `ports.Memberships`. Also for whoever has written a row."""
        self.rosters.forget(channel)
        if user:
            self._standings.forget(channel, user)
        else:
            self._standings.forget_all(channel)
            self.rooms.forget(channel)
            self.retentions.forget(channel)

    def _changed(self, entry: Entry) -> None:
        self.rooms.forget(entry.channel)
        self.retentions.changed(entry)

    async def _read(self, channel: str, user: str) -> Standing:
        """What the row and the entries that wait to be folded into it come to.

        What waits is read first: what is folded between the two reads is then in the row.
        """
        events = member_events.read_all(await waiting(self._store, channel))
        # A transfer depends on what the one who gives is, which may hang on another transfer.
        users = {user}.union(*(event.concerns for _, event in events if event.act == "transfer"))
        rows = await self._store.get(MEMBERS, [(channel, name) for name in users])
        standings = dict.fromkeys(users, NOBODY)
        standings |= {row.user: standing_of(row) for row in rows}
        for entry, event in events:
            member_events.apply(entry, event, standings)
        if user not in standings:
            raise StoreUnavailable("two rows of a channel were read at different moments")
        return standings[user]
