"""A hub that counts how often entries are read from SQLite: `python -m <this module> FILE WORDS…`.

The words are those of `realtime`. The count since the start is written into the file at SIGUSR1.
Reads that ask only where a log ends are not counted: a load asks that, too, to know what to expect.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

from realtime.cli import main
from realtime.stores.sqlite import SQLiteStore

MODULE: Final = "tests.measure.counted_reads"


def install(report: Path) -> None:
    """Have every read of a log's entries counted."""
    read = SQLiteStore.read
    count = 0

    def counted(store: SQLiteStore, channel: str, **named: Any) -> Any:
        nonlocal count
        count += named["limit"] != 0
        return read(store, channel, **named)

    def tell(*_: object) -> None:
        beside = report.with_suffix(".new")
        beside.write_text(str(count))
        os.replace(beside, report)

    setattr(SQLiteStore, "read", counted)  # noqa: B010 - a type checker sees no method there
    signal.signal(signal.SIGUSR1, tell)


if __name__ == "__main__":
    install(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
