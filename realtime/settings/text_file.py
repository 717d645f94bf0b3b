"""Reading a small text file whole, with reasons that an operator understands."""

from pathlib import Path
from typing import Final

TEXT_MAX_BYTES: Final = 1_048_576
"""Far more than any configuration, key or secret needs; a wrong path may name anything."""


class Unreadable(Exception):
    """The file cannot be used; the text says why, without a word of its content."""


def read_text(path: str) -> str:
    """Return a UTF-8 file's text, as it is. Raises Unreadable."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(TEXT_MAX_BYTES + 1)
        if len(content) > TEXT_MAX_BYTES:
            raise Unreadable(f"longer than {TEXT_MAX_BYTES} bytes")
        return content.decode("utf-8")
    except OSError as error:
        raise Unreadable(error.strerror or type(error).__name__) from None
    except UnicodeDecodeError:
        raise Unreadable("not UTF-8") from None
    except ValueError:
        # A path with a NUL in it.
        raise Unreadable("not a path") from None
