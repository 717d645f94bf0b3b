"""One insert of several entries, and what is known of each of them afterwards."""

from collections.abc import Sequence
from typing import NamedTuple

from pymongo.errors import BulkWriteError, PyMongoError

from realtime.stores.mongo.client import Collection, Document
from realtime.stores.mongo.failures import (
    DUPLICATE,
    is_again,
    is_unknown,
    write_errors,
    wrote_unconcerned,
)


class Inserted(NamedTuple):
    """Indexes of the documents, by what is known of them.

    `done`: a majority has them. `refused`: a unique index has their id, key or offset already,
    and whose that is must be read. The others may be there or not, or were never tried: the same
    insert tells. `failure` says why, if it was not for a refused one before them.
    """

    done: Sequence[int]
    refused: Sequence[int]
    failure: PyMongoError | None = None


async def insert(entries: Collection, documents: Sequence[Document], *, ordered: bool) -> Inserted:
    """Insert them; `ordered` stops at the first that is refused, so that it leaves no hole.

    Raises PyMongoError for what no repetition can mend.
    """
    everything = range(len(documents))
    try:
        await entries.insert_many(documents, ordered=ordered)
    except BulkWriteError as error:
        return _partial(error, everything, ordered=ordered)
    except PyMongoError as error:
        if not is_unknown(error):
            raise
        return Inserted((), (), error)
    return Inserted(everything, ())


def _partial(error: BulkWriteError, everything: range, *, ordered: bool) -> Inserted:
    """A permanent error of one document is raised: what was done of the others stays unanswered."""
    codes = {int(item["index"]): item.get("code") for item in write_errors(error)}
    refused = [index for index, code in codes.items() if code == DUPLICATE]
    for code in codes.values():
        if code != DUPLICATE and not is_again(code):
            raise error
    if wrote_unconcerned(error):
        # Not even those that were done are known to stay.
        return Inserted((), refused, error)
    end = min(codes, default=len(everything)) if ordered else len(everything)
    done = [index for index in everything[:end] if index not in codes]
    return Inserted(done, refused, None if len(refused) == len(codes) else error)
