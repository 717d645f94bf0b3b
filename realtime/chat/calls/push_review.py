"""Push, looked at afterwards: why somebody was told or was not, and what no provider will take."""

from typing import Annotated, Final

import msgspec

from realtime.chat.calls.fields import (
    PAGE_DEFAULT,
    USER_ID_MAX,
    ChannelId,
    Cursor,
    Limit,
    UserId,
)
from realtime.chat.operations import Operation
from realtime.push.reasons import Reason

NAMED_MAX: Final = 200
"""Dead letters that one call may name."""


class Explain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why was this user told, or not told, of this message?"""

    user: UserId
    channel: ChannelId
    offset: Annotated[int, msgspec.Meta(ge=1)]


class ExplainedDevice(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of it on one device, in the same words; `tries`: how often it was tried."""

    device: str
    reason: Reason
    sentence: str
    detail: str = ""
    tries: int = 0
    at: int = 0


class Explained(msgspec.Struct, frozen=True, omit_defaults=True):
    """`reason` is one of a list, `sentence` says it in words, `detail` is what it has in brackets.

    `at` is when it was decided (ms); where it was not, or is not known, there is none.
    """

    reason: Reason
    sentence: str
    detail: str = ""
    at: int = 0
    devices: list[ExplainedDevice] = []


class ListDead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page of dead letters, the oldest first; with `user`, of theirs."""

    user: Annotated[str, msgspec.Meta(max_length=USER_ID_MAX)] = ""
    limit: Limit = PAGE_DEFAULT
    cursor: Cursor = ""


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a provider will never take as it is, and why, in its words."""

    place: str
    user: str
    channel: str
    offset: int
    at: int
    why: str
    provider: str = ""
    device: str = ""


class DeadPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Without `cursor` it is the last page."""

    dead: list[DeadLetter]
    cursor: str = ""


class NameDead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead letters: those at `places`, or `all` there are, or all of a `user`'s.

    Of all, one call takes the oldest, as many as it might name: call it again while there are more.
    """

    places: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=64)], ...],
        msgspec.Meta(max_length=NAMED_MAX),
    ] = ()
    all: bool = False
    user: Annotated[str, msgspec.Meta(max_length=USER_ID_MAX)] = ""


class CountDead(msgspec.Struct, frozen=True):
    """How many it was done to, and whether there are more of those that were asked for."""

    count: int
    more: bool


OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        "push.explain",
        "GET",
        "/push/explanations/{user}/{channel}/{offset}",
        Explain,
        Explained,
        who="self",
        spends="reads",
        summary="Why somebody was, or was not, told of a message",
        errors=(404,),
        description="For members of the channel, of themselves. It is known for some days"
        " (`push.trail_ttl`).",
    ),
    Operation(
        "push.dead",
        "GET",
        "/push/dead",
        ListDead,
        DeadPage,
        who="admin",
        spends="reads",
        summary="Notifications that a provider will never take as they are",
    ),
    Operation(
        "push.replay",
        "POST",
        "/push/dead/replay",
        NameDead,
        CountDead,
        who="admin",
        spends="edits",
        summary="Try dead letters again, and keep them no more",
        description="What was settled since, or is too old by now, is not sent.",
    ),
    Operation(
        "push.purge",
        "POST",
        "/push/dead/purge",
        NameDead,
        CountDead,
        who="admin",
        spends="edits",
        summary="Throw dead letters away",
    ),
)
