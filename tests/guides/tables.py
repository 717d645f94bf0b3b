"""The tables of a guide."""

import re
from collections.abc import Sequence
from typing import Final

from tests.guides.pages import pages

_RULE: Final = re.compile(r"[|\s-]+")
_NAMED: Final = re.compile(r"`([^`]+)`")
_NUMBER: Final = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")


def rows(page: str, section: str) -> list[Sequence[str]]:
    """The cells of every line of the tables in this section of a page, but for the first head."""
    _, _, rest = pages()[page].partition(f"\n## {section}\n")
    body, _, _ = rest.partition("\n## ")
    lines = [line for line in body.splitlines() if line.startswith("|")]
    found: list[Sequence[str]] = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if not _RULE.fullmatch(line)
    ]
    return found[1:]


def named(text: str) -> list[str]:
    """What is between backticks."""
    return _NAMED.findall(text)


def numbers(text: str) -> list[float]:
    """Every number in a cell."""
    return [float(found.replace(",", "").rstrip(".")) for found in _NUMBER.findall(text)]
