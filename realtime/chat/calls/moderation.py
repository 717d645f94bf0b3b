"""Moderation: what users report, what becomes of it, and what moderators have done."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from realtime.chat.calls.fields import (
    PAGE_DEFAULT,
    ChannelId,
    ClientId,
    Cursor,
    Limit,
    UserId,
)
from realtime.chat.operations import Operation

TEXT_MAX: Final = 1_000
"""Characters of what somebody says to a report."""

Reason = Literal["spam", "abuse", "hate", "sexual", "violence", "self_harm", "illegal", "other"]
ReportState = Literal["open", "dismissed", "acted"]
ReportId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Text = Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]


class MakeReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message, by its `channel` and `offset`, or a `user`.

    A user is reported to the moderators of the `channel`, where one is given, of which both are
    members; otherwise to the admins.
    """

    client_id: ClientId
    reason: Reason
    text: Text = ""
    channel: ChannelId | None = None
    offset: Annotated[int, msgspec.Meta(ge=1, le=1 << 53)] | None = None
    user: UserId | None = None


class MadeReport(msgspec.Struct, frozen=True):
    """The report's id."""

    report: str


class ListReports(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Reports of a channel, or, for admins, of everything."""

    channel: ChannelId | None = None
    state: ReportState = "open"
    limit: Limit = PAGE_DEFAULT
    cursor: Cursor = ""


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """`reporter` says that something is wrong with the message at `offset`, or with a user.

    `about` is that user, or who sent the message. Times are in ms since 1970. `note` is what was
    said when it was resolved.
    """

    report: str
    state: str
    reason: str
    reporter: str
    at: int
    channel: str = ""
    offset: int = 0
    about: str = ""
    text: str = ""
    resolved_by: str = ""
    resolved_at: int = 0
    note: str = ""


class ReportPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """The oldest first, of those that are open; the newest first, of others."""

    reports: list[Report]
    cursor: str = ""


class ResolveReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That there was nothing to do, or that something was done, and what (`note`)."""

    report: ReportId
    state: Literal["dismissed", "acted"]
    note: Text = ""


class ListAudit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which channel."""

    channel: ChannelId
    limit: Limit = PAGE_DEFAULT
    cursor: Cursor = ""


class Act(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a moderator or an admin did, to the user or with the message named.

    `act` is "kick", "ban", "unban", "mute", "unmute", "role", "transfer", "delete_message",
    "edit_message", "update", "archive", "unarchive" or "resolve"; `detail` says more, as an object.
    """

    id: str
    by: str
    act: str
    at: int
    user: str = ""
    offset: int = 0
    detail: msgspec.Raw | UnsetType = UNSET


class AuditPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest first."""

    acts: list[Act]
    cursor: str = ""


OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        name="chat.report",
        method="POST",
        path="/reports",
        params=MakeReport,
        result=MadeReport,
        who="user",
        spends="invites",
        summary="Say that something is wrong",
        errors=(102, 404, 409, 410),
        description="With a message that one can see, or with a user. Moderators of the channel "
        "are shown it, and admins; whom it is about is not. A retry with the same `client_id` "
        "answers the same, for a week at least.",
    ),
    Operation(
        name="chat.reports",
        method="GET",
        path="/reports",
        params=ListReports,
        result=ReportPage,
        who="moderator",
        spends="reads",
        summary="What was reported",
        errors=(102, 404),
        description="Without a channel it is for admins. A page may be shorter than `limit` and "
        "not be the last: moderators are not shown what is about themselves.",
    ),
    Operation(
        name="chat.resolve",
        method="POST",
        path="/reports/{report}/resolve",
        params=ResolveReport,
        result=Report,
        who="moderator",
        spends="invites",
        summary="Be done with a report",
        errors=(404, 409),
        description="It says what was done, and does nothing by itself. The same again answers the "
        "same; otherwise a report that is resolved stays as it is (409, why=resolved). Whoever may "
        "not resolve it is told nothing of it (404), and so is whom it is about.",
    ),
    Operation(
        name="chat.audit",
        method="GET",
        path="/channels/{channel}/audit",
        params=ListAudit,
        result=AuditPage,
        who="moderator",
        spends="reads",
        summary="What moderators have done",
        errors=(102, 404),
    ),
)
