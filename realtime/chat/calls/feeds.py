"""Feeds: posting, following, and reading what those who are followed have posted."""

from typing import Annotated, Final

import msgspec

from realtime.chat.calls import following
from realtime.chat.calls.fields import PAGE_DEFAULT, ClientId, Cursor, Limit
from realtime.chat.calls.following import AuthorId, NamespaceName
from realtime.chat.calls.messages import EMOJIS_MAX, Emoji, MessageOffset, Reaction
from realtime.chat.operations import Done, Operation, Written

UNSEEN_MAX: Final = 100
"""What `unseen` is at most: more are not counted."""

VIEWED_MAX: Final = 100
"""Posts that one `feed.view` may name."""

PostOffset = MessageOffset
PlaceName = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class Post(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`data` is any JSON that the namespace takes, and comes out byte for byte."""

    namespace: NamespaceName
    client_id: ClientId
    data: msgspec.Raw


class Posted(msgspec.Struct, frozen=True):
    """The post is stored at `offset` of `channel`, the feed that one can subscribe to, made `at`
    (ms). `place` is where it is among the posts of the namespace.

    `duplicate`: it was stored before, by an earlier try of this; nothing has happened now.
    """

    channel: str
    offset: int
    at: int
    place: str
    duplicate: bool


class EditPost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`data` takes the place of what the post at `offset` has."""

    namespace: NamespaceName
    author: AuthorId
    offset: PostOffset
    client_id: ClientId
    data: msgspec.Raw


class DeletePost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The post at `offset` is taken back."""

    namespace: NamespaceName
    author: AuthorId
    offset: PostOffset
    client_id: ClientId


class ReactToPost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`emoji` is any short text."""

    namespace: NamespaceName
    author: AuthorId
    offset: PostOffset
    emoji: Emoji
    client_id: ClientId


class ListPosts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The posts of one author."""

    namespace: NamespaceName
    author: AuthorId
    cursor: Cursor = ""
    limit: Limit = PAGE_DEFAULT


class PostView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A post as it is now: at `offset` of `channel`, made `at` (ms since 1970).

    `place` sorts all posts of a namespace by time. `views` is how often it was seen, a second or
    two ago, and `reactions` are by emoji.
    """

    channel: str
    offset: int
    place: str
    author: str
    data: msgspec.Raw
    at: int
    client_id: str = ""
    edited_at: int = 0
    reactions: dict[str, Reaction] = {}
    views: int = 0


class PostPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Posts, the newest first. A page may be shorter than `limit`, or empty, and not be the last:
    that is the one without a `cursor`."""

    posts: list[PostView]
    cursor: str = ""


class ReadTimeline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The posts of everybody whom the caller follows."""

    namespace: NamespaceName
    cursor: Cursor = ""
    limit: Limit = PAGE_DEFAULT


class TimelinePage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Posts, the newest first. A page may be shorter than `limit`, or empty, and not be the last:
    that is the one without a `cursor`.

    `seen_at`: posts made until then (ms) have been seen. `unseen`: how many have not, up to 100,
    which is to say that there are more than 99; in the first page only.
    """

    posts: list[PostView]
    cursor: str = ""
    seen_at: int = 0
    unseen: int | None = None


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The post at `place`, as it came with it, and all that are older have been seen."""

    namespace: NamespaceName
    place: PlaceName


class View(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The posts of an author at these offsets were seen."""

    namespace: NamespaceName
    author: AuthorId
    offsets: Annotated[tuple[PostOffset, ...], msgspec.Meta(min_length=1, max_length=VIEWED_MAX)]


_FEED: Final = "/feeds/{namespace}/{author}"
_POST: Final = f"{_FEED}/posts/{{offset}}"
_RETRY: Final = (
    "A retry with the same `client_id` answers the same, whatever has happened since, and changes "
    "nothing."
)

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        name="feed.post",
        method="POST",
        path="/feeds/{namespace}/posts",
        params=Post,
        result=Posted,
        who="user",
        spends="sends",
        summary="Post to one's own feed",
        errors=(102, 404, 409, 413),
        description=f"The answer means that it is stored. {_RETRY} Other data under a `client_id` "
        "that was used before is 409. Followers who are connected get a hint in their personal "
        "channels.",
    ),
    Operation(
        name="feed.edit",
        method="PATCH",
        path=_POST,
        params=EditPost,
        result=Written,
        who="sender",
        spends="edits",
        summary="Change a post",
        errors=(102, 404, 409, 410, 413, 423),
        description=f"The author may, for as long as the namespace allows. {_RETRY}",
    ),
    Operation(
        name="feed.delete",
        method="DELETE",
        path=_POST,
        params=DeletePost,
        result=Written,
        who="sender",
        spends="edits",
        summary="Take a post back",
        errors=(102, 404, 409, 410, 423),
        description="The author may, for as long as the namespace allows. It is in no timeline "
        f"any more. {_RETRY}",
    ),
    Operation(
        name="feed.react",
        method="PUT",
        path=f"{_POST}/reactions/{{emoji}}",
        params=ReactToPost,
        result=Written,
        who="user",
        spends="edits",
        summary="React to a post",
        errors=(102, 404, 409, 410, 106),
        description=f"Who may read it may. A post has {EMOJIS_MAX} different ones, at most. "
        f"{_RETRY}",
    ),
    Operation(
        name="feed.unreact",
        method="DELETE",
        path=f"{_POST}/reactions/{{emoji}}",
        params=ReactToPost,
        result=Written,
        who="user",
        spends="edits",
        summary="Take a reaction to a post back",
        errors=(102, 404, 409, 410),
        description=_RETRY,
    ),
    Operation(
        name="feed.posts",
        method="GET",
        path=f"{_FEED}/posts",
        params=ListPosts,
        result=PostPage,
        who="user",
        spends="reads",
        summary="The posts of one author",
        errors=(102, 404),
        description="By the namespace's `read_history`, where `member` means followers.",
    ),
    Operation(
        name="feed.timeline",
        method="GET",
        path="/feeds/{namespace}/timeline",
        params=ReadTimeline,
        result=TimelinePage,
        who="user",
        spends="reads",
        summary="The posts of everybody whom one follows",
        errors=(102, 404),
        description="New posts do not move a cursor. What is deleted, unfollowed or blocked is "
        "missing at once.",
    ),
    Operation(
        name="feed.seen",
        method="POST",
        path="/feeds/{namespace}/seen",
        params=Seen,
        result=Done,
        who="user",
        spends="typing",
        summary="Say how far one has seen the timeline",
        errors=(102, 404),
        description="It only ever goes on. Other devices of the user get a hint.",
    ),
    Operation(
        name="feed.view",
        method="POST",
        path=f"{_FEED}/views",
        params=View,
        result=Done,
        who="user",
        spends="typing",
        summary="Say that posts were seen",
        errors=(102, 404),
        description="Views are counted some times a minute, and roughly: a user's second view of "
        "a post counts only where the first is forgotten.",
    ),
    *following.OPERATIONS,
)
