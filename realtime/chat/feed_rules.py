"""Who may do what with feeds: by the namespace's lists, and by what the caller is to the author."""

from typing import Final

from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.places import feed_of
from realtime.chat.refusals import denied, locked
from realtime.chat.rights import Admit, Change, Judge
from realtime.model import Entry
from realtime.rows import MEMBERS, MemberRow
from realtime.settings.schema import ChannelOptions, Grant

_EVERYBODY: Final = frozenset[Grant](("guest", "user"))
"""Grants that every caller has, for guests were refused before."""

BLOCKED: Final = "banned"
"""The role, in an author's feed, of a user whom the author has blocked."""


class FeedRules:
    """Decides. Authors may read their own feeds; a user whom they have blocked may not, whatever
    the lists say; an admin may everything. Who is banned by the app may nothing."""

    def __init__(self, around: Around) -> None:
        self._store = around.store
        self._doorkeeper = around.doorkeeper
        self._clock = around.clock

    def options(self, namespace: str) -> ChannelOptions:
        """The options of a namespace that has feeds. Raises CommandRefused: 102, 107, 404."""
        return self._doorkeeper.options(feed_of(namespace, ""), "feed")

    def admit_author(self, caller: Caller, namespace: str) -> ChannelOptions:
        """Whether the caller may post; the options if so. Raises CommandRefused: 102, 103, 404."""
        options = self.options(namespace)
        self._doorkeeper.refuse_banned(caller, feed_of(namespace, caller.user))
        if not caller.is_admin and not is_for_everybody(options.create):
            raise denied()
        return options

    def admit_follower(self, caller: Caller, namespace: str) -> ChannelOptions:
        """Whether the caller may read what is followed. Raises CommandRefused: 102, 103, 404."""
        options = self.options(namespace)
        granted = options.read_history
        if not (caller.is_admin or is_for_everybody(granted) or "member" in granted):
            raise denied()
        return options

    async def admit_reader(self, caller: Caller, namespace: str, author: str) -> MemberRow | None:
        """Whether the caller may read a feed; what they are in it, if so. One read.

        Raises CommandRefused: 102, 103, 404, and StoreError.
        """
        granted = self.options(namespace).read_history
        self._doorkeeper.refuse_banned(caller, feed_of(namespace, author))
        row = await self.row(namespace, author, caller.user)
        if caller.is_admin or caller.user == author:
            return row
        if row is not None and row.role == BLOCKED:
            raise denied("blocked")
        if is_for_everybody(granted):
            return row
        if "member" not in granted:
            raise denied()
        if row is None or row.role != "follower":
            raise denied("not_a_member")
        return row

    async def row(self, namespace: str, author: str, user: str) -> MemberRow | None:
        """What a user is in an author's feed. Raises StoreError."""
        rows = await self._store.get(MEMBERS, [(feed_of(namespace, author), user)])
        return rows[0] if rows else None

    def to(self, change: Change, caller: Caller, namespace: str, author: str) -> Admit:
        """What decides whether the caller may do that to a post."""

        async def admit() -> Judge:
            options = self.options(namespace)
            self._doorkeeper.refuse_banned(caller, feed_of(namespace, author))
            if change == "react":
                await self.admit_reader(caller, namespace, author)
                return _anything
            if caller.is_admin:
                return _anything
            if caller.user != author:
                raise denied()
            within = options.edit_within if change == "edit" else options.delete_within

            def judge(post: Entry) -> None:
                if post.sender != caller.sender:
                    raise denied()
                if within.ms and self._clock.wall_ms() - post.at > within.ms:
                    raise locked("too_late")

            return judge

        return admit


def is_for_everybody(granted: tuple[Grant, ...]) -> bool:
    """Whether a list has every user in it."""
    return not _EVERYBODY.isdisjoint(granted)


def _anything(post: Entry) -> None:
    """Any post will do."""
