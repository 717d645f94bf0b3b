"""Why a call is refused: every word that `CallRefused.why` may be, and what a client does then."""

from typing import Final, Literal

from realtime.errors import (
    ALREADY,
    DELETED,
    INVALID,
    LIMIT_EXCEEDED,
    LOCKED,
    NOT_FOUND,
    PERMISSION_DENIED,
    TOO_MANY_REQUESTS,
    CallRefused,
)

Advice = Literal["retry", "wait", "stop"]
"""What to do with a refused call: try it again soon, after `retry_after`, or not again as it is."""

WHY: Final[dict[str, tuple[int, Advice, str]]] = {
    "archived": (423, "stop", "The channel is archived: nothing is written to it."),
    "muted": (423, "wait", "The user is muted; `retry_after` says until when, if it ends."),
    "slow_mode": (423, "wait", "The user wrote a moment ago, and the channel is in slow mode."),
    "too_late": (423, "stop", "The time in which this could be changed is over."),
    "blocked": (103, "stop", "One of the two users has blocked the other."),
    "banned": (103, "stop", "The user is banned from the channel."),
    "not_a_member": (103, "stop", "Only members may do this."),
    "role": (103, "stop", "The user's role in the channel does not allow this."),
    "direct": (103, "stop", "A direct channel has no roles, and nobody comes or goes."),
    "refused_by_hook": (103, "stop", "The app's own check has refused the message."),
    "other_data": (409, "stop", "The same client_id was used for something else before."),
    "taken": (409, "stop", "The id is another channel's."),
    "owner": (409, "stop", "The owner has to give the channel to somebody else before."),
    "resolved": (409, "stop", "Somebody has resolved the report otherwise."),
    "full": (106, "stop", "There is no room for more."),
    "rate": (111, "wait", "Too many calls of this kind by this user."),
    "guest": (101, "stop", "Only users with an id may do this."),
}
"""The code, the advice and the meaning of each word."""


def denied(why: str = "role") -> CallRefused:
    """103: it is known, but not allowed."""
    return CallRefused(PERMISSION_DENIED, why=why)


def not_found(field: str = "") -> CallRefused:
    """404: there is no such thing, or the caller may not know of it."""
    return CallRefused(NOT_FOUND, field=field)


def invalid(field: str) -> CallRefused:
    """422: the parameter at this path is not what was expected."""
    return CallRefused(INVALID, field=field)


def locked(why: str, *, retry_after_s: float = 0.0) -> CallRefused:
    """423: not now."""
    return CallRefused(LOCKED, why=why, retry_after_s=retry_after_s)


def too_many(retry_after_s: float) -> CallRefused:
    """111: slower, please."""
    return CallRefused(TOO_MANY_REQUESTS, why="rate", retry_after_s=retry_after_s)


def other_data() -> CallRefused:
    """409: the same client_id with other data."""
    return CallRefused(ALREADY, why="other_data")


def conflict(why: str) -> CallRefused:
    """409: what is there does not go together with it."""
    return CallRefused(ALREADY, why=why)


def full() -> CallRefused:
    """106: as many as there may be."""
    return CallRefused(LIMIT_EXCEEDED, why="full")


def deleted() -> CallRefused:
    """410: it was there."""
    return CallRefused(DELETED)
