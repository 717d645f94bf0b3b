"""What a value looks like without what it says, for messages about it."""

import datetime
from typing import Final

_NAME_MAX: Final = 64


def shape(value: object) -> str:
    """Say a value's type and size, never its content: it may be a secret in the wrong place."""
    match value:
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a number with a fraction"
        case str():
            return f"a text of {_count(len(value), 'character')}" if value else "an empty text"
        case list() | tuple():
            return f"a list of {_count(len(value), 'value')}" if value else "an empty list"
        case dict():
            return "a table"
        case datetime.date() | datetime.time():
            return "a date or time"
        case None:
            return "nothing"
        case _:
            return "something else"


def shown(name: str) -> str:
    """A key as a message may have it: on one line, and not endless."""
    cut = name if len(name) <= _NAME_MAX else name[:_NAME_MAX] + "…"
    return cut if cut.isprintable() and cut else ascii(cut)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
