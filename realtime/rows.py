"""The rows that are kept beside the logs: channels, members, markers, users, feeds, moderation.

A log says what was said and who may say it; most rows here follow from its entries and can be made
again from them. Those that follow have the offset of the last entry folded into them, so entries
may be applied late, twice, and in any order. Times are in milliseconds since 1970, 0 for never.
Truth values are 0 or 1. See `realtime.stores.base.tables` for what a table is.

Adding a field with a default needs nothing else. A field is never renamed, and never changes its
type: stores that were made by an older version have it.
"""

from typing import Any, Final

import msgspec

from realtime.push.rows import DEAD, DEVICES, JOBS, TRAIL
from realtime.stores.base.tables import Table


class ChannelRow(msgspec.Struct, frozen=True):
    """A chat channel or a feed.

    `kind`: "room", "direct" or "feed"; "" in a row that has only a head: nobody has made the
    channel. `title`, `avatar` and `custom` (raw JSON) are the app's. `settings` is JSON, see
    `realtime.chat.channel_events`. `owner` is a user. `digest` is of the command that made the
    channel. `offset`: of the last `member` or `channel` entry
    folded into `kind` … `archived_at`. `members` is how many there are, roughly while some come
    and go: the background check recounts.

    `head`, `head_n` and `head_at` are of a recent entry, the newest as a rule; the log may be
    further. `last` is a preview of the last message, JSON; `last_offset` is where it is, `last_by`
    the offset of what it is of, that or an edit. `deleted` is the highest offset of an entry that
    counted and was deleted. `changed_at`: when anything here changed. `peer` is the user of a
    direct channel who is not `created_by`. Entries up to `hidden` are hidden by retention, or were
    removed, and `hidden_n` is the number of the last of them; more may be by now. `keeps_less`:
    1 where the `settings` let less of the log be seen than all.
    """

    channel: str
    kind: str = ""
    title: str = ""
    avatar: str = ""
    custom: bytes = b""
    settings: bytes = b""
    owner: str = ""
    created_by: str = ""
    created_at: int = 0
    archived_at: int = 0
    offset: int = 0
    members: int = 0
    head: int = 0
    head_n: int = 0
    head_at: int = 0
    last: bytes = b""
    last_offset: int = 0
    changed_at: int = 0
    checked_at: int = 0
    digest: bytes = b""
    last_by: int = 0
    deleted: int = 0
    peer: str = ""
    hidden: int = 0
    hidden_n: int = 0
    keeps_less: int = 0


class MemberRow(msgspec.Struct, frozen=True):
    """A user in a channel: role and markers. The row stays when the user leaves, with role "".

    `role`: "owner", "moderator", "member", "reader" (may not write), "follower" (of a feed),
    "banned", "" (left, or only invited: `invited_at`). `muted_until` and `banned_until`: -1 is for
    ever. `offset`: of the last `member` entry folded in. A marker is an offset and its n;
    `delivered` is never behind `read`. `unread`: from where it was marked as unread by hand.
    `blocks`: in a direct channel, that the user blocks the other one; follows from BLOCKS.
    `joined` is the offset of the entry by which they came at `joined_at`, 0 where an older version
    has written that.
    `sent_at` and `sent_id` are of the last message in a channel in slow mode: when (ms), and its
    client id.

    A follower's row: `copied` says that posts of this feed are copied to their timeline, those from
    `covered_from` (ms) on. The owner's row in their own feed has what belongs to their timeline of
    that namespace: until when (ms) they have seen it, when they last looked (to a day or so), and
    in `covered_from` from when on anything is copied to it, 0 for nothing.

    `seen`: up to this offset a device in the foreground has it (`seen_by` says which), as far as
    push needed to know. `push_level` ("all", "mentions", "none", "" for the user's own) and
    `push_until` (muted until then, -1 for ever) are what the user wants to be notified of, since
    `push_at`.
    """

    channel: str
    user: str
    role: str = ""
    invited_by: str = ""
    invited_at: int = 0
    joined_at: int = 0
    muted_until: int = 0
    banned_until: int = 0
    offset: int = 0
    changed_at: int = 0
    delivered: int = 0
    delivered_n: int = 0
    read: int = 0
    read_n: int = 0
    unread: int = 0
    receipts_off: int = 0
    covered_from: int = 0
    sent_at: int = 0
    sent_id: str = ""
    copied: int = 0
    seen_at: int = 0
    looked_at: int = 0
    blocks: int = 0
    seen: int = 0
    seen_by: str = ""
    push_level: str = ""
    push_until: int = 0
    push_at: int = 0
    joined: int = 0


class UserRow(msgspec.Struct, frozen=True):
    """What is known of a user. `custom` is raw JSON, `by_token` a digest of the info last taken.

    `receipts_off`: reads are not shown to others. `hides_last_seen`: nor when they were here.
    """

    user: str
    name: str = ""
    avatar: str = ""
    locale: str = ""
    time_zone: str = ""
    custom: bytes = b""
    receipts_off: int = 0
    hides_last_seen: int = 0
    last_seen: int = 0
    changed_at: int = 0
    by_token: bytes = b""


class BlockRow(msgspec.Struct, frozen=True):
    """`user` wants nothing of `blocked`."""

    user: str
    blocked: str
    at: int = 0


class MentionRow(msgspec.Struct, frozen=True):
    """`user` is mentioned in the entry at `offset`, by `by`.

    With the user "" it counted when it was sent and has been deleted since (`EVERYBODY`). What
    changes somebody's unread beside the log is in one table, so that it is found in one read.
    """

    user: str
    channel: str
    offset: int
    by: str = ""


EVERYBODY: Final = ""
"""`MentionRow.user` of what was deleted for everybody."""


class ReactionRow(msgspec.Struct, frozen=True):
    """What `user` last said with `emoji` about the message at `ref`; `offset` is that event's."""

    channel: str
    ref: int
    emoji: str
    user: str
    shown: int = 0
    offset: int = 0


class ReferenceRow(msgspec.Struct, frozen=True):
    """The entry at `offset` refers to the one at `ref`: a reply ("message"), an edit, a delete."""

    channel: str
    ref: int
    offset: int
    kind: str = ""
    user: str = ""


class PinRow(msgspec.Struct, frozen=True):
    """Whether the message at `ref` is pinned, and by whom; `offset` is of the last such event."""

    channel: str
    ref: int
    pinned: int = 0
    by: str = ""
    at: int = 0
    offset: int = 0


class ReportRow(msgspec.Struct, frozen=True):
    """Somebody found something wrong. `place` sorts by time and is the report's id.

    `state`: "open", "dismissed" or "acted". `reporter` reports the message at `offset` (0: the
    user) `about`. `reason` is one of a list, `text` in the reporter's words, `note` in those of
    who resolved it.
    """

    place: str
    state: str = ""
    channel: str = ""
    offset: int = 0
    about: str = ""
    reporter: str = ""
    reason: str = ""
    text: str = ""
    at: int = 0
    resolved_by: str = ""
    resolved_at: int = 0
    note: str = ""


class AuditRow(msgspec.Struct, frozen=True):
    """What a moderator or an admin did. `place` sorts by time; `detail` is JSON."""

    channel: str
    place: str
    by: str = ""
    act: str = ""
    target: str = ""
    offset: int = 0
    detail: bytes = b""
    at: int = 0


class PostRow(msgspec.Struct, frozen=True):
    """A post of a feed. `place` sorts by time; see `realtime.chat.places`. `views` counts.

    The row is gone when the post is deleted.
    """

    place: str
    channel: str = ""
    offset: int = 0
    author: str = ""
    at: int = 0
    views: int = 0


class TimelineRow(msgspec.Struct, frozen=True):
    """A copy of a post's place in a follower's timeline; there may be one of what is gone.

    With user "" it says that the post is still to be copied.
    """

    user: str
    place: str
    channel: str = ""
    offset: int = 0


class AnswerRow(msgspec.Struct, frozen=True):
    """What a write that leaves no entry was answered, for whoever tries it again.

    `digest` is of the command; `answer` is JSON. Swept after `until`.
    """

    user: str
    client_id: str
    digest: bytes = b""
    answer: bytes = b""
    until: int = 0


class WorkRow(msgspec.Struct, frozen=True):
    """Long work that is resumed where it was: an erasure, an import. `state` is JSON."""

    kind: str
    id: str
    state: bytes = b""
    at: int = 0
    done_at: int = 0


class HereRow(msgspec.Struct, frozen=True):
    """What a user is on a node, by all their connections there: "active" … "away", since when.

    `node` is the id of its lease: the row counts for as long as that lives. Where there is only one
    node there are no such rows.
    """

    user: str
    node: str
    state: str = ""
    since: int = 0


CHANNELS: Final = Table(
    "channel_rows", ChannelRow, key=("channel",), indexes=(("keeps_less", "channel"),)
)
MEMBERS: Final = Table(
    "members",
    MemberRow,
    key=("channel", "user"),
    indexes=(
        ("user", "channel"),
        ("channel", "role", "user"),
        ("user", "role", "channel"),
        ("channel", "copied", "user"),
    ),
)
USERS: Final = Table("users", UserRow, key=("user",))
BLOCKS: Final = Table("blocks", BlockRow, key=("user", "blocked"), indexes=(("blocked", "user"),))
MENTIONS: Final = Table(
    "mentions",
    MentionRow,
    key=("user", "channel", "offset"),
    indexes=(("channel", "offset"), ("by", "channel", "offset")),
)
REACTIONS: Final = Table(
    "reactions",
    ReactionRow,
    key=("channel", "ref", "emoji", "user"),
    indexes=(("user", "channel", "ref"),),
)
REFERENCES: Final = Table(
    "entry_references",
    ReferenceRow,
    key=("channel", "ref", "offset"),
)
PINS: Final = Table(
    "pins",
    PinRow,
    key=("channel", "ref"),
    indexes=(("by", "channel"), ("channel", "pinned", "at")),
)
REPORTS: Final = Table(
    "reports",
    ReportRow,
    key=("place",),
    indexes=(
        ("state", "place"),
        ("channel", "state", "place"),
        ("reporter", "place"),
        ("about", "place"),
        ("resolved_by", "place"),
    ),
)
AUDIT: Final = Table(
    "audit", AuditRow, key=("channel", "place"), indexes=(("by", "place"), ("target", "place"))
)
POSTS: Final = Table(
    "posts",
    PostRow,
    key=("place",),
    indexes=(("channel", "place"), ("channel", "offset"), ("author", "place")),
)
TIMELINE: Final = Table(
    "timeline", TimelineRow, key=("user", "place"), indexes=(("channel", "user", "place"),)
)
ANSWERS: Final = Table("answers", AnswerRow, key=("user", "client_id"), indexes=(("until",),))
WORK: Final = Table("work", WorkRow, key=("kind", "id"))
HERE: Final = Table("users_here", HereRow, key=("user", "node"), indexes=(("node", "user"),))

TABLES: Final[tuple[Table[Any], ...]] = (
    CHANNELS,
    MEMBERS,
    USERS,
    BLOCKS,
    MENTIONS,
    REACTIONS,
    REFERENCES,
    PINS,
    REPORTS,
    AUDIT,
    POSTS,
    TIMELINE,
    ANSWERS,
    WORK,
    HERE,
    DEVICES,
    JOBS,
    DEAD,
    TRAIL,
)
"""Every table, as drivers make them."""
