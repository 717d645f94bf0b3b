"""What waits to be appended, counted and bounded."""

import contextlib
from collections.abc import Iterator, Sequence

from realtime.errors import StoreUnavailable
from realtime.model import NewEntry


class Pending:
    """At most `rows_max` rows and `bytes_max` bytes of data that are not answered yet."""

    def __init__(self, *, rows_max: int, bytes_max: int) -> None:
        self.rows = 0
        self.size = 0
        self._rows_max = rows_max
        self._bytes_max = bytes_max

    @contextlib.contextmanager
    def held(self, batch: Sequence[NewEntry]) -> Iterator[None]:
        """Count the batch for as long as the block lasts. Raises StoreUnavailable if it is too
        much; a batch larger than all that may wait is taken when nothing else does."""
        rows, size = len(batch), sum([len(entry.data) for entry in batch])
        if self.rows and (self.rows + rows > self._rows_max or self.size + size > self._bytes_max):
            raise StoreUnavailable(
                f"too much waits to be appended: {self.rows} rows of {self._rows_max},"
                f" {self.size} bytes of {self._bytes_max}"
            )
        self.rows += rows
        self.size += size
        try:
            yield
        finally:
            self.rows -= rows
            self.size -= size
