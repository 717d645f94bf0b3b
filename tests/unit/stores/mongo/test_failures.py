"""What the driver's errors mean, and that none of them tells a secret or quotes a message."""

import pytest
from bson.errors import InvalidDocument
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    DocumentTooLarge,
    DuplicateKeyError,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WTimeoutError,
)

from realtime.errors import (
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from realtime.stores.mongo.failures import (
    Failure,
    is_duplicate,
    is_unknown,
    mapped,
    only_duplicates,
    store_error,
)

PLACE = "MongoDB db1/realtime"


def bulk(*codes: int | None, concern: bool = False) -> BulkWriteError:
    """A bulk write of which these documents failed; the documents are in it, as in real ones."""
    errors = [
        {"index": index, "code": code, "errmsg": "SECRET", "op": {"data": b"SECRET"}}
        for index, code in enumerate(codes)
    ]
    concerns = [{"code": 64, "errmsg": "SECRET"}] if concern else []
    return BulkWriteError({"writeErrors": errors, "writeConcernErrors": concerns})


UNKNOWN: list[PyMongoError] = [
    AutoReconnect("db1:27017: connection closed"),
    NetworkTimeout("db1:27017: timed out"),
    NotPrimaryError("not primary"),
    ServerSelectionTimeoutError("db1:27017: refused, Timeout: 5.0s, Topology Description: <…>"),
    WaitQueueTimeoutError("pool"),
    WTimeoutError("SECRET", 64),
    WriteConcernError("SECRET", 100),
    OperationFailure("SECRET", 10107),
    OperationFailure("SECRET", 91),
    OperationFailure("SECRET", 11602),
    OperationFailure("SECRET", 112),
    OperationFailure("SECRET", 16500),
    OperationFailure("SECRET", 1),
    OperationFailure("SECRET"),
    OperationFailure("SECRET", 4242, {"errorLabels": ["RetryableWriteError"]}),
    bulk(concern=True),
    bulk(91, 16500),
]


@pytest.mark.parametrize("error", UNKNOWN, ids=repr)
def test_an_outcome_that_nobody_knows_is_asked_for_again(error: PyMongoError) -> None:
    assert is_unknown(error)
    assert type(store_error(error, PLACE)) is StoreUnavailable


PERMANENT: list[tuple[Failure, type[StoreError]]] = [
    (OperationFailure("SECRET", 13), StoreReadOnly),
    (OperationFailure("SECRET", 18), StoreError),
    (OperationFailure("SECRET", 8000), StoreError),
    (OperationFailure("SECRET", 85), StoreError),
    (OperationFailure("SECRET", 121), StoreError),
    (OperationFailure("SECRET", 14031), StoreFull),
    (OperationFailure("SECRET", 26), StoreCorrupt),
    (OperationFailure("SECRET", 4242), StoreError),
    (DuplicateKeyError("SECRET", 11000), StoreError),
    (DocumentTooLarge("SECRET"), StoreError),
    (ConfigurationError("SECRET"), StoreError),
    (InvalidDocument("SECRET"), StoreError),
    (bulk(11000), StoreError),
    (bulk(91, 121), StoreError),
]


@pytest.mark.parametrize(("error", "kind"), PERMANENT, ids=lambda item: repr(item)[:40])
def test_what_no_repetition_can_mend_is_said_at_once(
    error: Failure, kind: type[StoreError]
) -> None:
    assert not is_unknown(error)
    assert type(store_error(error, PLACE)) is kind


@pytest.mark.parametrize("error", [*UNKNOWN, *[error for error, _ in PERMANENT]], ids=repr)
def test_no_error_quotes_the_server_or_what_was_written(error: Failure) -> None:
    said = str(store_error(error, PLACE))
    assert said.startswith(PLACE)
    assert "SECRET" not in said
    assert "Topology" not in said


def test_a_connection_that_failed_says_which_and_why() -> None:
    error = ServerSelectionTimeoutError(
        "db1:27017: [Errno 111] Connection refused, Timeout: 5.0s, Topology Description: <T>"
    )
    assert str(store_error(error, PLACE)) == (
        f"{PLACE}: it cannot be reached (db1:27017: [Errno 111] Connection refused)"
    )


def test_a_closed_client_is_unavailable() -> None:
    said = store_error(InvalidOperation("Cannot use AsyncMongoClient after close"), PLACE)
    assert type(said) is StoreUnavailable


def test_a_duplicate_is_known_by_its_code_alone() -> None:
    """Servers have messages and index names of their own."""
    assert is_duplicate(OperationFailure("UNIQUE constraint failed", 11000))
    assert is_duplicate(DuplicateKeyError("E11000 …", 11000))
    assert not is_duplicate(OperationFailure("E11000 duplicate key", 1))


def test_the_original_error_is_not_shown_behind_the_mapped_one() -> None:
    """Its text has the documents, and a traceback prints the texts of causes."""
    with pytest.raises(StoreError) as caught, mapped(PLACE):
        raise bulk(121)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_bulk_write_may_have_been_refused_as_duplicates_alone() -> None:
    assert only_duplicates(bulk(11000, 11000)) == [0, 1]
    for error in (bulk(11000, 121), bulk(None), bulk(11000, concern=True), bulk(concern=True)):
        with pytest.raises(BulkWriteError) as raised:
            only_duplicates(error)
        assert raised.value is error
