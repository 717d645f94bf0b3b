"""Moving whole logs and tables from one store into another. See `realtime.stores.base`."""

from collections.abc import Sequence
from typing import Protocol

from realtime.model import Entry, Revocation
from realtime.stores.base.tables import Key, Row, Table


class CopySource(Protocol):
    """A store whose logs can be copied whole, as `realtime store copy` does, with it at rest.

    Its tables are found as any are, by `TableStore.find`.
    """

    async def channels(self, *, after: str, limit: int) -> Sequence[str]:
        """Names of channels that have a log, those greater than `after`, in order."""
        ...

    async def entries(self, channel: str, *, after: int, limit: int) -> Sequence[Entry]:
        """Entries after the offset, in order, as they are kept: stubs too, blanked ones as such."""
        ...


class CopyTarget(Protocol):
    """A store that another one's logs and tables can be moved into."""

    async def begin_copy(self, epoch: str) -> None:
        """Take over `epoch`, and refuse every hub until `finish_copy`. Safe to repeat.

        Raises StoreError unless the store is empty, or was begun to be copied into from the same
        epoch: then the copy is resumed.
        """
        ...

    async def copied_to(self, channel: str) -> int:
        """The highest offset of the channel that is there already, 0 for none."""
        ...

    async def put_entries(self, entries: Sequence[Entry]) -> None:
        """Keep entries of one channel at their own offsets, which follow `copied_to`.

        In order: if it fails or is interrupted, what is there is a beginning of them, so that
        `copied_to` says where to go on.
        """
        ...

    async def put_revocations(self, rows: Sequence[Revocation]) -> None:
        """Keep rows of the revocations log at their own seqs. Safe to repeat."""
        ...

    async def rows_copied_to(self, table: Table[Row]) -> Key | None:
        """The highest key of a row that is there already, None for none."""
        ...

    async def put_rows(self, table: Table[Row], rows: Sequence[Row]) -> None:
        """Keep rows as they are, in order of their keys, which follow `rows_copied_to`.

        If it fails or is interrupted, what is there is a beginning of them, as of entries.
        """
        ...

    async def finish_copy(self) -> None:
        """Everything is there: hubs may use the store from now on."""
        ...
