"""The one place where PyMongo's errors become the store's, and where it is said what they leave.

Codes: https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml. Texts of
servers are never passed on: that of a duplicate quotes what somebody wrote.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bson.errors import BSONError
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    InvalidOperation,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteConcernError,
)

from realtime.errors import (
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)

DUPLICATE: Final = 11000
"""What every server of this kind answers where a unique index has the key already."""

_AGAIN: Final = frozenset(
    {
        1,  # InternalError: servers built on another database say it of that one's locks
        6,  # HostUnreachable
        7,  # HostNotFound
        8,  # UnknownError
        24,  # LockTimeout
        43,  # CursorNotFound: the server was restarted between two pages
        46,  # LockBusy
        50,  # MaxTimeMSExpired
        64,  # WriteConcernFailed
        89,  # NetworkTimeout
        91,  # ShutdownInProgress
        100,  # UnsatisfiableWriteConcern: too few members are up
        112,  # WriteConflict
        133,  # FailedToSatisfyReadPreference
        134,  # ReadConcernMajorityNotAvailableYet
        175,  # QueryPlanKilled
        189,  # PrimarySteppedDown
        202,  # NetworkInterfaceExceededTimeLimit
        262,  # ExceededTimeLimit
        317,  # ConnectionPoolExpired
        358,  # InternalTransactionNotSupported, said while a cluster changes its mind
        365,  # TemporarilyUnavailable
        384,  # ConnectionError
        462,  # IngressRequestRateLimitExceeded
        9001,  # SocketException
        10107,  # NotWritablePrimary
        11600,  # InterruptedAtShutdown
        11601,  # Interrupted
        11602,  # InterruptedDueToReplStateChange
        13388,  # StaleConfig
        13435,  # NotPrimaryNoSecondaryOk
        13436,  # NotPrimaryOrSecondary
        16500,  # Azure: the request rate is too large
    }
)
"""Codes that say "not now". Whether anything was done is unknown, except to who asks again."""

_LONG_REST: Final = re.compile(r" \(configured timeouts:|, Timeout: |, Topology Description: ")

_LABELS: Final = ("RetryableWriteError", "TransientTransactionError", "SystemOverloadedError")

_BY_CODE: Final[dict[int, tuple[type[StoreError], str]]] = {
    13: (StoreReadOnly, "the user may not do this"),
    18: (StoreError, "the user or the password is wrong"),
    26: (StoreCorrupt, "a collection is missing"),
    85: (StoreError, "an index exists with other options"),
    86: (StoreError, "an index exists with another key"),
    121: (StoreError, "a validator of the collection refuses what the hub writes"),
    8000: (StoreError, "the service refused"),
    10334: (StoreError, "an entry is too large for the server"),
    14031: (StoreFull, "no space is left"),
    14989: (StoreError, "an entry is too large for the server"),
}

Failure = PyMongoError | BSONError


def is_duplicate(error: PyMongoError) -> bool:
    """A unique index refused a single write."""
    return isinstance(error, DuplicateKeyError) or (
        isinstance(error, OperationFailure) and error.code == DUPLICATE
    )


def is_unknown(error: Failure) -> bool:
    """Whether the call may or may not have been done, and the same call may succeed later.

    A write concern that was not met is one of them: the write may yet be rolled back.
    """
    if isinstance(error, ConnectionFailure | WriteConcernError):
        return True
    if isinstance(error, BulkWriteError):
        errors = write_errors(error)
        if wrote_unconcerned(error) and not errors:
            return True
        return bool(errors) and all(is_again(item.get("code")) for item in errors)
    if isinstance(error, PyMongoError) and any(error.has_error_label(item) for item in _LABELS):
        return True
    return isinstance(error, OperationFailure) and is_again(error.code)


def is_again(code: object) -> bool:
    """Whether a code says "not now". An error without a code does: nothing was decided."""
    return code is None or code in _AGAIN


def write_errors(error: BulkWriteError) -> list[Mapping[str, Any]]:
    """What became of single writes: each has "index" and "code"."""
    return list(error.details.get("writeErrors") or [])


def wrote_unconcerned(error: BulkWriteError) -> bool:
    """Whether writes were done whose durability nobody has confirmed."""
    return bool(error.details.get("writeConcernErrors"))


def only_duplicates(error: BulkWriteError) -> Sequence[int]:
    """Indexes of the writes that a unique index refused. Raises the error itself where anything
    else went wrong with it."""
    errors = write_errors(error)
    if wrote_unconcerned(error) or any(item.get("code") != DUPLICATE for item in errors):
        raise error
    return [int(item["index"]) for item in errors]


def store_error(error: Failure, place: str) -> StoreError:
    """What happened at `place`, which must not have a password, as one of the store's errors."""
    if isinstance(error, DocumentTooLarge):
        return StoreError(f"{place}: an entry is too large for the server")
    if isinstance(error, InvalidOperation):
        return StoreUnavailable(f"{place}: the store is closed")
    if isinstance(error, BSONError):
        return StoreError(f"{place}: there is a value that BSON cannot hold")
    if isinstance(error, ConnectionFailure):
        return StoreUnavailable(f"{place}: it cannot be reached ({_said(error)})")
    code = _code(error)
    if is_unknown(error):
        return StoreUnavailable(f"{place}: it cannot answer now (code {code})")
    if isinstance(error, OperationFailure):
        kind, meaning = _BY_CODE.get(code or 0, (StoreError, "it reported an error"))
        return kind(f"{place}: {meaning} (code {code})")
    return StoreError(f"{place}: {type(error).__name__}")


@contextlib.contextmanager
def mapped(place: str) -> Iterator[None]:
    """Turns the driver's errors into the store's.

    Without a cause: those of bulk writes carry the documents, and whoever logs a traceback with
    its causes would log messages.
    """
    try:
        yield
    except (PyMongoError, BSONError) as error:
        raise store_error(error, place) from None


def _code(error: Failure) -> int | None:
    if isinstance(error, BulkWriteError):
        errors = write_errors(error) or list(error.details.get("writeConcernErrors") or [])
        return errors[0].get("code") if errors else None
    return error.code if isinstance(error, OperationFailure) else None


def _said(error: ConnectionFailure) -> str:
    """PyMongo's own words: hosts and what the system said of them, without the long rest."""
    if isinstance(error, ServerSelectionTimeoutError):
        return _LONG_REST.split(str(error))[0]
    if isinstance(error, NotPrimaryError):
        return "its server is not the primary"
    return str(error) or type(error).__name__
