"""What no log of a healthy hub contains: traces of errors that nobody took care of."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

LINE_BYTES_MAX: Final = 64 * 1024
"""A longer line is looked at in pieces."""

FOLLOWING: Final = 30
"""How many lines after the first one belong to a complaint; most of what is said is at the end."""

COMPLAINTS_MAX: Final = 100
"""How many are told of one log."""

_COMPLAINT: Final = re.compile(
    rb"Traceback \(most recent call last\)|was never (?:retrieved|awaited)"
    rb"|Exception in callback|Task was destroyed|ResourceWarning|Fatal Python error"
    # Of hubs in other languages.
    rb"|^panic: |^fatal error: |AddressSanitizer"
)
_INDENTED: Final = (b" ", b"\t")


def complaints(log: Path) -> list[str]:
    """Each complaint in a log, in a line: how it begins, and the error's own line where there is
    one. Blocks for as long as it takes to read the file."""
    with log.open("rb") as lines:
        return list(itertools.islice(_complaints(lines), COMPLAINTS_MAX))


def _complaints(lines: BinaryIO) -> Iterator[str]:
    head, tail, left = b"", b"", 0
    while line := lines.readline(LINE_BYTES_MAX):
        if head:
            left -= 1
            tail = line
            # The line after those of the traceback is the error itself.
            if left and (line.startswith(_INDENTED) or _COMPLAINT.search(line)):
                continue
            yield _told(head, tail)
            head = b""
        elif _COMPLAINT.search(line):
            head, tail, left = line, b"", FOLLOWING
    if head:
        yield _told(head, tail)


def _told(head: bytes, tail: bytes) -> str:
    words = [part.decode(errors="replace").strip()[:300] for part in (head, tail)]
    return " … ".join(word for word in words if word)
