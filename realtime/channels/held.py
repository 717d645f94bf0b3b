"""Entries of a channel that its subscribers are about to be given, all at once.

Each has passed the cursor, so it is part of what recoveries answer; only nobody was sent it yet.
"""

from collections.abc import Sequence
from typing import Final

from realtime.channels.cursor import ENTRY_BYTES
from realtime.model import Entry

HELD_BYTES_MAX: Final = 128 * 1024
"""What is held of one channel may weigh so much, and by one entry more: it goes out as one frame,
and there are SDKs that take no larger ones than 1 MiB."""


class Held:
    """What is held of one channel, oldest first."""

    __slots__ = ("_bytes", "entries")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._bytes = 0

    def __repr__(self) -> str:
        return f"<Held {len(self.entries)} entries, {self._bytes} bytes>"

    @property
    def is_full(self) -> bool:
        """Whether nothing more is to be added."""
        return self._bytes >= HELD_BYTES_MAX

    def add(self, entry: Entry) -> None:
        """Hold an entry, which follows those that are held."""
        self.entries.append(entry)
        self._bytes += weight(entry)

    def take(self) -> Sequence[Entry]:
        """All that is held, and is no longer."""
        taken, self.entries, self._bytes = self.entries, [], 0
        return taken


def weight(entry: Entry) -> int:
    """How many bytes an entry takes in a frame, roughly."""
    size = len(entry.data) + ENTRY_BYTES
    if entry.info is not None:
        size += len(entry.info.conn_info) + len(entry.info.chan_info)
    return size
