"""Every code the hub may put on the wire, as tables, and the exceptions that carry them.

Errors answer a command (protocol 1.7), disconnects close a connection and unsubscribes end one
subscription (1.8). What a client should do follows from the number alone: an error may be retried
if it is `temporary`; a disconnect reconnects unless it is 3500-3999 or 4500-4999; an unsubscribe
resubscribes from 2500 on.

Texts are constant. Nothing that a client sent and nothing from inside ever becomes part of them.

    RealtimeError
    +-- CommandRefused       the answer to one command is an error
        +-- CallRefused        the same, of a call of chat or feeds, with why, where or until when
    +-- ConnectionRefused    the connection is closed with a disconnect code
    +-- SettingsError        the hub cannot start as configured; carries all problems
    +-- StoreError           something is wrong with the store
        +-- StoreUnavailable   for now: busy, locked, away. Nothing was acknowledged; try again
        +-- StoreFull          no space or quota. Nothing was acknowledged
        +-- StoreReadOnly      the database or its folder may not be written
        +-- StoreCorrupt       the database is damaged or is not one of ours
        +-- StoreTooNew        its schema is newer than this program
        +-- StoreReplaced      it is another incarnation than the running node began with
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Error:
    """The answer to one command that was refused. `temporary`: the same command may work later."""

    code: int
    message: str
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Why the server closes a connection; sent in the websocket's close frame.

    `reason` is at most 123 bytes (RFC 6455, 5.5) and must not be a JSON document, since SDKs try
    to read it as one (protocol 1.8).
    """

    code: int
    reason: str

    @property
    def reconnects(self) -> bool:
        """Whether an SDK that is told this comes back by itself."""
        return not (3500 <= self.code <= 3999 or 4500 <= self.code <= 4999)


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Why the server ends a subscription; the connection stays."""

    code: int
    reason: str

    @property
    def resubscribes(self) -> bool:
        """Whether an SDK that is told this subscribes again by itself."""
        return self.code >= 2500


INTERNAL: Final = Error(100, "internal server error", temporary=True)
UNAUTHORIZED: Final = Error(101, "unauthorized")
UNKNOWN_CHANNEL: Final = Error(102, "unknown channel")
PERMISSION_DENIED: Final = Error(103, "permission denied")
METHOD_NOT_FOUND: Final = Error(104, "method not found")
ALREADY_SUBSCRIBED: Final = Error(105, "already subscribed")
LIMIT_EXCEEDED: Final = Error(106, "limit exceeded")
BAD_REQUEST: Final = Error(107, "bad request")
NOT_AVAILABLE: Final = Error(108, "not available")
TOKEN_EXPIRED: Final = Error(109, "token expired")
EXPIRED: Final = Error(110, "expired")
TOO_MANY_REQUESTS: Final = Error(111, "too many requests", temporary=True)
UNRECOVERABLE_POSITION: Final = Error(112, "unrecoverable position")
CONFLICT: Final = Error(113, "conflict")

# What chat and feeds answer has the number that HTTP has for it.
NOT_FOUND: Final = Error(404, "not found")
ALREADY: Final = Error(409, "conflict")
DELETED: Final = Error(410, "deleted")
TOO_LARGE: Final = Error(413, "too large")
INVALID: Final = Error(422, "invalid parameters")
LOCKED: Final = Error(423, "locked")

ERRORS: Final = {
    error.code: error
    for error in (
        INTERNAL,
        UNAUTHORIZED,
        UNKNOWN_CHANNEL,
        PERMISSION_DENIED,
        METHOD_NOT_FOUND,
        ALREADY_SUBSCRIBED,
        LIMIT_EXCEEDED,
        BAD_REQUEST,
        NOT_AVAILABLE,
        TOKEN_EXPIRED,
        EXPIRED,
        TOO_MANY_REQUESTS,
        UNRECOVERABLE_POSITION,
        CONFLICT,
        NOT_FOUND,
        ALREADY,
        DELETED,
        TOO_LARGE,
        INVALID,
        LOCKED,
    )
}

CONNECTION_CLOSED: Final = Disconnect(3000, "connection closed")
SHUTDOWN: Final = Disconnect(3001, "shutdown")
INTERNAL_ERROR: Final = Disconnect(3004, "internal server error")
CONNECTION_EXPIRED: Final = Disconnect(3005, "connection expired")
SUBSCRIPTION_EXPIRED: Final = Disconnect(3006, "subscription expired")
SLOW: Final = Disconnect(3008, "slow")
WRITE_ERROR: Final = Disconnect(3009, "write error")
INSUFFICIENT_STATE: Final = Disconnect(3010, "insufficient state")
FORCE_RECONNECT: Final = Disconnect(3011, "force reconnect")
NO_PONG: Final = Disconnect(3012, "no pong")
FLOODING: Final = Disconnect(3013, "too many requests")
STATE_INVALIDATED: Final = Disconnect(3014, "state invalidated")
INVALID_TOKEN: Final = Disconnect(3500, "invalid token")
MALFORMED: Final = Disconnect(3501, "bad request")
STALE: Final = Disconnect(3502, "stale")
FORCE_DISCONNECT: Final = Disconnect(3503, "force disconnect")
CONNECTION_LIMIT: Final = Disconnect(3504, "connection limit")
CHANNEL_LIMIT: Final = Disconnect(3505, "channel limit")
INAPPROPRIATE_PROTOCOL: Final = Disconnect(3506, "inappropriate protocol")
FORBIDDEN: Final = Disconnect(3507, "permission denied")
UNSUPPORTED: Final = Disconnect(3508, "not available")
TOO_MANY_ERRORS: Final = Disconnect(3509, "too many errors")
REPLACED: Final = Disconnect(3510, "replaced")

DISCONNECTS: Final = {
    disconnect.code: disconnect
    for disconnect in (
        CONNECTION_CLOSED,
        SHUTDOWN,
        INTERNAL_ERROR,
        CONNECTION_EXPIRED,
        SUBSCRIPTION_EXPIRED,
        SLOW,
        WRITE_ERROR,
        INSUFFICIENT_STATE,
        FORCE_RECONNECT,
        NO_PONG,
        FLOODING,
        STATE_INVALIDATED,
        INVALID_TOKEN,
        MALFORMED,
        STALE,
        FORCE_DISCONNECT,
        CONNECTION_LIMIT,
        CHANNEL_LIMIT,
        INAPPROPRIATE_PROTOCOL,
        FORBIDDEN,
        UNSUPPORTED,
        TOO_MANY_ERRORS,
        REPLACED,
    )
}

UNSUBSCRIBED_BY_SERVER: Final = Unsubscribe(2000, "server unsubscribe")
UNSUBSCRIBED_INSUFFICIENT: Final = Unsubscribe(2500, "insufficient state")
UNSUBSCRIBED_EXPIRED: Final = Unsubscribe(2501, "subscription expired")
UNSUBSCRIBED_INVALIDATED: Final = Unsubscribe(2502, "state invalidated")

UNSUBSCRIBES: Final = {
    unsubscribe.code: unsubscribe
    for unsubscribe in (
        UNSUBSCRIBED_BY_SERVER,
        UNSUBSCRIBED_INSUFFICIENT,
        UNSUBSCRIBED_EXPIRED,
        UNSUBSCRIBED_INVALIDATED,
    )
}


class RealtimeError(Exception):
    """Base of everything the hub raises on purpose."""


class CommandRefused(RealtimeError):
    """One command is refused; the connection goes on."""

    def __init__(self, error: Error) -> None:
        super().__init__(error)
        self.error = error

    def __str__(self) -> str:
        return f"{self.error.code} {self.error.message}"


class CallRefused(CommandRefused):
    """One call of chat or feeds is refused, and more can be said than its code.

    `why` is a word of the table in `realtime.chat.refusals`, `field` the path of a parameter (names
    and numbers of ours only, as in `mentions[3]`), `retry_after_s` when to try again, rounded up to
    seconds. The wire's error has no place for them, so they follow its message after a semicolon:
    "locked; why=slow_mode; retry_after=3". Over HTTP they are members of the problem document.
    """

    def __init__(
        self, error: Error, *, why: str = "", field: str = "", retry_after_s: float = 0.0
    ) -> None:
        self.why = why
        self.field = field
        self.retry_after_s = math.ceil(retry_after_s)
        parts = [error.message]
        parts += [f"why={why}"] if why else []
        parts += [f"field={field}"] if field else []
        parts += [f"retry_after={self.retry_after_s}"] if retry_after_s > 0 else []
        self.title = error.message
        super().__init__(Error(error.code, "; ".join(parts), error.temporary))


class ConnectionRefused(RealtimeError):
    """The connection must be closed."""

    def __init__(self, disconnect: Disconnect) -> None:
        super().__init__(disconnect)
        self.disconnect = disconnect

    def __str__(self) -> str:
        return f"{self.disconnect.code} {self.disconnect.reason}"


class SettingsError(RealtimeError):
    """The settings cannot be used. `problems` names each with its path; never a secret's value."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


class StoreError(RealtimeError):
    """Something is wrong with the store. `detail` is for the operator, never for the wire."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


class StoreUnavailable(StoreError):
    """The store cannot answer now. Nothing was acknowledged; the same call may work later."""


class StoreFull(StoreError):
    """There is no space left. Nothing was acknowledged."""


class StoreReadOnly(StoreError):
    """The database may not be written."""


class StoreCorrupt(StoreError):
    """The database is damaged, or is not one of ours."""


class StoreTooNew(StoreError):
    """The database's schema is newer than this program knows; `found` and `known` say which."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"the store has schema version {found}; this program knows versions up to {known}"
        )
        self.found = found
        self.known = known


class StoreReplaced(StoreError):
    """The store was restored or exchanged under a running node, whose positions are void."""

    def __init__(self) -> None:
        super().__init__("the store is another than at the start (its epoch changed); start anew")
