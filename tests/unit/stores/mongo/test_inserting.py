"""What is known of each document after an insert, whatever the server has answered."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure, PyMongoError

from realtime.stores.mongo.client import Collection
from realtime.stores.mongo.inserting import insert

DOCUMENTS: Sequence[dict[str, Any]] = [{"_id": number} for number in range(5)]


class Answering:
    """A collection that answers every insert alike."""

    def __init__(self, error: PyMongoError | None) -> None:
        self._error = error

    async def insert_many(self, documents: Sequence[object], *, ordered: bool) -> None:
        """Nothing is inserted."""
        if self._error is not None:
            raise self._error


def answering(error: PyMongoError | None) -> Collection:
    return cast(Collection, Answering(error))


def bulk(codes: dict[int, int], *, concern: bool = False) -> BulkWriteError:
    errors = [{"index": index, "code": code} for index, code in codes.items()]
    return BulkWriteError(
        {"writeErrors": errors, "writeConcernErrors": [{"code": 64}] if concern else []}
    )


async def test_all_are_done_when_nothing_was_refused() -> None:
    assert await insert(answering(None), DOCUMENTS, ordered=True) == (range(5), (), None)


@pytest.mark.parametrize(
    ("error", "ordered", "done", "refused"),
    [
        (bulk({2: 11000}), True, [0, 1], [2]),
        (bulk({0: 11000}), True, [], [0]),
        (bulk({2: 11000, 4: 11000}), False, [0, 1, 3], [2, 4]),
    ],
)
async def test_a_refused_one_ends_an_ordered_insert_and_no_other(
    error: PyMongoError, ordered: bool, done: list[int], refused: list[int]
) -> None:
    inserted = await insert(answering(error), DOCUMENTS, ordered=ordered)
    assert (list(inserted.done), list(inserted.refused)) == (done, refused)
    assert inserted.failure is None


@pytest.mark.parametrize(
    ("error", "ordered", "done", "refused"),
    [
        (AutoReconnect("lost"), False, [], []),
        (OperationFailure("stepped down", 189), True, [], []),
        (bulk({}, concern=True), False, [], []),
        (bulk({3: 11000}, concern=True), False, [], [3]),
        # Azure's rate limit refuses some of a batch.
        (bulk({1: 16500, 3: 11000}), False, [0, 2, 4], [3]),
        (bulk({1: 16500}), True, [0], []),
    ],
)
async def test_what_nobody_knows_is_neither_done_nor_refused(
    error: PyMongoError, ordered: bool, done: list[int], refused: list[int]
) -> None:
    """Above all a write concern error: the server says n inserted, and may roll them back."""
    inserted = await insert(answering(error), DOCUMENTS, ordered=ordered)
    assert (list(inserted.done), list(inserted.refused)) == (done, refused)
    assert inserted.failure is error


@pytest.mark.parametrize(
    "error", [OperationFailure("unauthorized", 13), bulk({0: 121}), bulk({0: 11000, 1: 121})]
)
async def test_what_no_repetition_can_mend_is_raised(error: PyMongoError) -> None:
    with pytest.raises(PyMongoError) as caught:
        await insert(answering(error), DOCUMENTS, ordered=False)
    assert caught.value is error
