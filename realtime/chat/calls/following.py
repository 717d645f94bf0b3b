"""Following authors: whom one follows, and who follows."""

from typing import Annotated, Final

import msgspec

from realtime.chat.calls.fields import PAGE_DEFAULT, Cursor, Limit, UserId
from realtime.chat.operations import Done, Operation

NamespaceName = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=100,
        pattern="^[^:$#][^:#]*$",
        description="A namespace that has feeds.",
    ),
]
AuthorId = UserId


class FeedOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The feed of an author."""

    namespace: NamespaceName
    author: AuthorId


class FeedView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A feed: its channel, its author's name and avatar, and how many follow it, roughly.

    `following`: whether the caller does. `blocked`: the author has blocked the caller.
    """

    channel: str
    author: str
    name: str = ""
    avatar: str = ""
    followers: int = 0
    following: bool = False
    blocked: bool = False


class Followed(msgspec.Struct, frozen=True):
    """The caller follows the feed with this channel, which they can subscribe to."""

    channel: str


class ListFollowers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who follows an author."""

    namespace: NamespaceName
    author: AuthorId
    cursor: Cursor = ""
    limit: Limit = PAGE_DEFAULT


class Follower(msgspec.Struct, frozen=True):
    """A user who has followed since then (ms)."""

    user: str
    since: int


class FollowerPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Followers by id."""

    followers: list[Follower]
    cursor: str = ""


class ListFollowing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom the caller follows."""

    namespace: NamespaceName
    cursor: Cursor = ""
    limit: Limit = PAGE_DEFAULT


class Following(msgspec.Struct, frozen=True):
    """An author whom the caller has followed since then (ms)."""

    author: str
    channel: str
    since: int


class FollowingPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Authors, in no order that means anything."""

    following: list[Following]
    cursor: str = ""


_FEED: Final = "/feeds/{namespace}/{author}"

OPERATIONS: Final[tuple[Operation, ...]] = (
    # Before those with an author in the same place: whoever has such an id has it here only.
    Operation(
        name="feed.following",
        method="GET",
        path="/feeds/{namespace}/following",
        params=ListFollowing,
        result=FollowingPage,
        who="user",
        spends="reads",
        summary="Whom one follows",
        errors=(102, 404),
    ),
    Operation(
        name="feed.get",
        method="GET",
        path=_FEED,
        params=FeedOf,
        result=FeedView,
        who="user",
        spends="reads",
        summary="An author's feed",
        errors=(102, 404),
        description="There is one for every user, with or without posts.",
    ),
    Operation(
        name="feed.follow",
        method="PUT",
        path=f"{_FEED}/follow",
        params=FeedOf,
        result=Followed,
        who="user",
        spends="invites",
        summary="Follow an author",
        errors=(102, 404, 106),
        description="Their posts, old ones too, are in the caller's timeline from now on. A user "
        "may follow 1,000 authors in a namespace.",
    ),
    Operation(
        name="feed.unfollow",
        method="DELETE",
        path=f"{_FEED}/follow",
        params=FeedOf,
        result=Done,
        who="user",
        spends="invites",
        summary="Follow an author no more",
        errors=(102, 404),
    ),
    Operation(
        name="feed.followers",
        method="GET",
        path=f"{_FEED}/followers",
        params=ListFollowers,
        result=FollowerPage,
        who="user",
        spends="reads",
        summary="Who follows an author",
        errors=(102, 404),
        description="For whoever may read the author's posts.",
    ),
)
