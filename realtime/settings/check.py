"""Whether a value is what the schema wants, and turning it into that.

Values come as TOML has them or as text from the environment; `read` turns such a text into what
TOML would have had, and `convert` does the rest for both.
"""

import json
import re
from dataclasses import replace
from typing import Final

from realtime.settings.bounds import NotEmpty, Range
from realtime.settings.durations import Duration
from realtime.settings.kinds import Kind
from realtime.settings.secret import Secret
from realtime.settings.shape import shape
from realtime.settings.suggest import nearest

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,30}")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?")
_TRUTHS: Final = {"true": True, "1": True, "yes": True, "on": True} | {
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


class Mismatch(Exception):
    """A value is not of its kind. `at` says where inside it: "" or the place in a list, "[1]"."""

    def __init__(self, expected: str, got: str, at: str = "") -> None:
        super().__init__(expected, got, at)
        self.expected = expected
        self.got = got
        self.at = at

    def __str__(self) -> str:
        return f"expected {self.expected}; got {self.got}"


def read(kind: Kind, text: str) -> object:
    """Turn a text from the environment into the value it stands for.

    A text that stands for none stays as it is, so that `convert` refuses it with its shape. Lists
    are separated by commas, or JSON; so are tables, whose parts are `name=value`. An empty text is
    "not set" where that is possible.
    """
    if kind.optional and not text:
        return None
    if kind.named:
        return _read_table(replace(kind, named=False), text)
    if kind.many:
        return _read_list(text)
    if kind.base is bool:
        return _TRUTHS.get(text.strip().lower(), text)
    if kind.base is int and _WHOLE.fullmatch(text.strip()):
        return int(text)
    if kind.base is float and _NUMBER.fullmatch(text.strip()):
        return float(text)
    return text


def _read_list(text: str) -> object:
    if text.lstrip().startswith("["):
        return _read_json(text)
    return [part.strip() for part in text.split(",")] if text.strip() else []


def _read_table(kind: Kind, text: str) -> object:
    if text.lstrip().startswith("{"):
        return _read_json(text)
    table: dict[str, object] = {}
    for part in text.split(",") if text.strip() else ():
        name, equals, value = part.partition("=")
        if not equals or name.strip() in table:
            return text
        table[name.strip()] = read(kind, value.strip())
    return table


def _read_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def convert(kind: Kind, value: object) -> object:
    """Turn a value into what the schema holds. Raises Mismatch.

    What is in a table is for the caller to convert, one by one.
    """
    if value is None and kind.optional:
        return None
    if kind.named:
        if not isinstance(value, dict):
            raise Mismatch("a table", shape(value))
        return value
    if kind.many:
        return _convert_list(kind, value)
    if kind.base in (int, float):
        return _convert_number(kind, value)
    if kind.base is bool:
        if not isinstance(value, bool):
            raise Mismatch(str(kind), shape(value))
        return value
    if not isinstance(value, str):
        raise Mismatch(str(kind), shape(value))
    return _convert_text(kind, value)


def _convert_list(kind: Kind, value: object) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise Mismatch("a list", shape(value))
    single = replace(kind, many=False)
    items = []
    for place, item in enumerate(value):
        try:
            items.append(convert(single, item))
        except Mismatch as mismatch:
            raise Mismatch(mismatch.expected, mismatch.got, f"[{place}]") from None
    return tuple(items)


def _convert_number(kind: Kind, value: object) -> int | float:
    # bool is an int in Python, and a whole number is good where a fraction may be.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Mismatch(str(kind), shape(value))
    if kind.base is int and not isinstance(value, int):
        raise Mismatch(str(kind), shape(value))
    if isinstance(kind.bound, Range) and not kind.bound.allows(value):
        raise Mismatch(str(kind), f"{value}" if abs(value) < 1e15 else "a number beyond that")
    return value if kind.base is int else float(value)


def _convert_text(kind: Kind, value: str) -> object:
    if kind.choices and value not in kind.choices:
        meant = nearest(value, kind.choices)
        raise Mismatch(str(kind), shape(value) + (f"; did you mean {meant}?" if meant else ""))
    if not value and (kind.base is Secret or isinstance(kind.bound, NotEmpty)):
        raise Mismatch(str(kind), shape(value))
    if kind.base is Secret:
        return Secret(value)
    if kind.base is Duration:
        try:
            return Duration.parse(value)
        except ValueError:
            raise Mismatch(str(kind), shape(value)) from None
    return value
