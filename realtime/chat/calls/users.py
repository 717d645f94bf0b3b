"""Users: who they are to others, and whom they want nothing of."""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, UnsetType

from realtime.chat.calls.fields import PAGE_DEFAULT, ClientId, Cursor, Limit, UserId
from realtime.chat.operations import Done, Operation

LISTED_MAX: Final = 100
"""Users that one `user.list` may name."""

NAME_MAX: Final = 100
"""Characters of a user's name."""

AVATAR_MAX: Final = 1024
"""Characters of an avatar's address."""

CUSTOM_MAX_BYTES: Final = 2048
"""Of a user's `custom`, without the spaces between its parts."""


class GetUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to look up."""

    user: UserId


class ListUsers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to look up; ids that nobody has are left out of the answer."""

    ids: Annotated[tuple[UserId, ...], msgspec.Meta(min_length=1, max_length=LISTED_MAX)]


class UpdateUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not given stays as it is; "" and {} take away what was there.

    `avatar` is an address that begins with https or http. `locale` is a language tag (BCP 47), as
    `pt-BR`; `time_zone` a name of the IANA database, as `Europe/Berlin`. `custom` is an object of
    the app's, which everybody can see. `receipts_off`: others are not told what this user has read.
    `hides_last_seen`: nor when the user was here.
    """

    user: UserId
    client_id: ClientId
    name: Annotated[str, msgspec.Meta(max_length=NAME_MAX)] | UnsetType = UNSET
    avatar: Annotated[str, msgspec.Meta(max_length=AVATAR_MAX)] | UnsetType = UNSET
    locale: Annotated[str, msgspec.Meta(max_length=64)] | UnsetType = UNSET
    time_zone: Annotated[str, msgspec.Meta(max_length=64)] | UnsetType = UNSET
    custom: msgspec.Raw | UnsetType = UNSET
    receipts_off: bool | UnsetType = UNSET
    hides_last_seen: bool | UnsetType = UNSET


class UserProfile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A user. What follows `custom` is told to the user alone, and to admins."""

    user: str
    name: str = ""
    avatar: str = ""
    custom: msgspec.Raw | UnsetType = UNSET
    locale: str = ""
    time_zone: str = ""
    receipts_off: bool = False
    hides_last_seen: bool = False


class UserProfiles(msgspec.Struct, frozen=True):
    """In no order."""

    users: list[UserProfile]


class BlockUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to block."""

    user: UserId


class UnblockUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom not to block any more."""

    user: UserId


class ListBlocks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page of whom the caller blocks."""

    limit: Limit = PAGE_DEFAULT
    cursor: Cursor = ""


class BlockedUser(msgspec.Struct, frozen=True):
    """The caller blocks `user` since `at` (ms)."""

    user: str
    at: int


class BlockPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """In the order of ids. Without `cursor` it is the last page."""

    blocks: list[BlockedUser]
    cursor: str = ""


OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        "user.get",
        "GET",
        "/users/{user}",
        GetUser,
        UserProfile,
        who="user",
        spends="reads",
        summary="Look up one user.",
        errors=(404,),
        description="Any user's name, avatar and custom object. Oneself is always found.",
    ),
    Operation(
        "user.list",
        "GET",
        "/users",
        ListUsers,
        UserProfiles,
        who="user",
        spends="reads",
        summary="Look up several users.",
    ),
    Operation(
        "user.update",
        "PATCH",
        "/users/{user}",
        UpdateUser,
        UserProfile,
        who="self",
        spends="edits",
        summary="Change what is known of a user.",
        errors=(409, 413),
        description=(
            "A token's `info` sets `name` and `avatar`, too, when it says something else than the "
            "one before; what is set here stays until it does."
        ),
    ),
    Operation(
        "user.block",
        "PUT",
        "/blocks/{user}",
        BlockUser,
        Done,
        who="user",
        spends="invites",
        summary="Want nothing of a user any more.",
        errors=(106,),
        description=(
            "Neither can write to the other in a channel of two, or make one, and neither sees "
            "whether the other is here. Rooms that both are members of stay as they are."
        ),
    ),
    Operation(
        "user.unblock",
        "DELETE",
        "/blocks/{user}",
        UnblockUser,
        Done,
        who="user",
        spends="invites",
        summary="Take a block back.",
    ),
    Operation(
        "user.blocks",
        "GET",
        "/blocks",
        ListBlocks,
        BlockPage,
        who="user",
        spends="reads",
        summary="Whom the caller blocks.",
    ),
)
