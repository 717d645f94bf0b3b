"""Whom a user follows, and which of their posts are copied to the user's timeline.

**A timeline is the posts of everybody followed**, in the order of time. To read it is to merge the
feeds, which costs a look at each; so posts of authors with few followers are copied to their
timelines when they are made, and what is sure to be there need not be looked for in the feeds.

What is sure is kept with the rows that every page reads first. A post is in the timeline, or still
waits to be copied (`TIMELINE`, user ""), if it was made after both `covered_from`s: that of the
follow, where this is `copied` at all, and that of the timeline as a whole, which is 0 while its
user is away. A copy that is too many does no harm: a page shows what `POSTS` has. Times are set
`COVER_AFTER_MS` ahead, so that whoever copies a post made after them has seen them, however far the
clocks of nodes are apart.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from realtime.chat.places import NEVER, begin_of, end_of, feed_of
from realtime.chat.ports import ChatStore
from realtime.rows import MEMBERS, MemberRow
from realtime.stores.base import Span

FOLLOWS_MAX: Final = 1_000
"""Feeds of one namespace that a user may follow: as many as a page can merge."""

COVER_AFTER_MS: Final = 60_000
"""How long after it is written a coverage begins: longer than that write takes, and than clocks
differ."""

_BY: Final = ("user", "role", "channel")


class Follows(msgspec.Struct, frozen=True):
    """What a user follows in a namespace, by channel, and the row of their own feed there."""

    namespace: str
    user: str
    feeds: Mapping[str, MemberRow]
    own: MemberRow | None = None

    @property
    def covered_from(self) -> int:
        """From when on (ms) posts are copied to this timeline at all."""
        return (self.own.covered_from if self.own else 0) or NEVER

    def feed_covered_from(self, channel: str) -> int:
        """From when on (ms) every post of a feed is in the timeline, or waits to be copied."""
        row = self.feeds[channel]
        return max(row.covered_from, self.covered_from) if row.copied else NEVER


async def read_follows(store: ChatStore, namespace: str, user: str) -> Follows:
    """Read them. One read. Raises StoreError."""
    begin, end = begin_of(namespace), end_of(namespace)
    rows = await store.find(
        MEMBERS,
        *[Span((user, role), after=begin, before=end) for role in ("follower", "owner")],
        by=_BY,
        # Some more than there should be: several that are begun at once can pass the limit.
        limit=2 * FOLLOWS_MAX,
    )
    own = feed_of(namespace, user)
    return Follows(
        namespace,
        user,
        {row.channel: row for row in rows if row.role == "follower"},
        next((row for row in rows if row.channel == own), None),
    )
