"""Texts as servers keep them: any string, in Python's order, without the two that some spoil.

A server that keeps its documents in SQLite cuts a string at NUL, and then takes two channels for
one. So NUL never reaches a server. The escape keeps the order of code points, which is also that
of UTF-8, so a server that sorts what it was given sorts what was meant.
"""

import re
from typing import Final

_MEANING: Final = {"\x01\x01": "\x00", "\x01\x02": "\x01"}
_ESCAPE: Final = str.maketrans({meant: stored for stored, meant in _MEANING.items()})
_ESCAPED: Final = re.compile("\x01[\x01\x02]")
_SEPARATOR: Final = "\x01\x03"
"""Comes out of no text, so texts joined by it can be told apart."""

_FIRST: Final = ":"
"""Begins every key: an empty one, or one that looks like a number, is a trap in some servers."""


def escape(text: str) -> str:
    """The text as it is stored. Raises TypeError for anything but a string.

    What is not a string could be an operator to the server: `{"$ne": ""}` matches everything.
    """
    if not isinstance(text, str):
        raise TypeError(f"a text was expected, not {type(text).__name__}")
    if "\x00" in text or "\x01" in text:
        return text.translate(_ESCAPE)
    return text


def unescape(stored: str) -> str:
    """What `escape` was given."""
    if "\x01" in stored:
        return _ESCAPED.sub(lambda found: _MEANING[found[0]], stored)
    return stored


def key(*texts: str) -> str:
    """An `_id` made of texts: different texts have different keys, and one text keeps its order."""
    return _FIRST + _SEPARATOR.join([escape(text) for text in texts])


def unkey(stored: str) -> str:
    """The text that a key of one was made of."""
    return unescape(stored.removeprefix(_FIRST))
