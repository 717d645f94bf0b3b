"""What the law asks for: a user's data, and its end."""

from typing import Annotated, Any, Final

import msgspec

from realtime.chat.calls.fields import UserId
from realtime.chat.erasure import ErasureReport
from realtime.chat.operations import Operation


class ExportParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose data."""

    user: UserId


class ExportLine(msgspec.Struct, frozen=True):
    """One thing that is kept of the user; `type` says what, and which other fields there are."""

    type: str
    fields: dict[str, Any] = {}


class EraseParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is to be erased."""

    user: UserId


class ErasureParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which erasure, by the id that `user.erase` answered."""

    erasure: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Erasure(msgspec.Struct, frozen=True, omit_defaults=True):
    """An erasure: `done`, or still under way. The report counts what is gone so far."""

    erasure: str
    done: bool = False
    report: ErasureReport | None = None


OPERATIONS: Final = (
    Operation(
        "user.export",
        "GET",
        "/users/{user}/export",
        ExportParams,
        ExportLine,
        "self",
        "reads",
        "All that is kept of a user, as lines of JSON",
        description="Streamed, and as long as it is (application/x-ndjson). The first line says"
        " whose data it is; a last line of the type `end` says that nothing is missing.",
        streams=True,
    ),
    Operation(
        "user.erase",
        "POST",
        "/users/{user}/erase",
        EraseParams,
        Erasure,
        "self",
        "invites",
        "Erase a user: what they wrote, and their name wherever it is kept",
        description="Answers at once; the work goes on in the background, also after a restart."
        " The user is signed out, and no token of theirs counts that was made until now: whoever"
        " asks for the report later is somebody else, as a rule the app's backend. Asked again, it"
        " answers the same erasure until it is done.",
    ),
    Operation(
        "user.erasure",
        "GET",
        "/erasures/{erasure}",
        ErasureParams,
        Erasure,
        "user",
        "reads",
        "How far an erasure is, and its report",
        (404,),
        description="Whoever knows the id may ask. The report is kept for a year.",
    ),
)
