"""Cutting the text of a notification to what its provider takes. Pure: see `fit`."""

import unicodedata
from collections.abc import Callable
from typing import Final

ELLIPSIS: Final = "…"
"""Stands at the end of whatever was cut: three bytes of UTF-8."""

_JOINER: Final = "\u200d"
"""Zero width joiner: what is before it and what is behind it are drawn as one."""

_EXTENDING_CATEGORIES: Final = frozenset({"Mn", "Mc", "Me"})
"""Unicode's combining marks, the variation selectors and the keycap among them."""

_EXTENDING_RANGES: Final = (
    ("\u200c", "\u200d"),  # zero width non-joiner and joiner
    ("\u1160", "\u11ff"),  # vowels and finals of a Hangul syllable that is written in its parts
    ("\uff9e", "\uff9f"),  # half-width marks of voiced Katakana
    ("\U0001f3fb", "\U0001f3ff"),  # skin tones
    ("\U000e0020", "\U000e007f"),  # tags, which spell the flags of regions
)
"""First and last of what belongs to the character before it, and is no combining mark."""


def fit(title: str, body: str, measure: Callable[[str, str], int], limit: int) -> tuple[str, str]:
    """Cut the body, and then the title, until `measure(title, body)` is at most `limit`.

    As much as fits is kept, and what was cut ends in an ellipsis, without a space before it. A cut
    never goes through what is seen as one character: a base and its marks, an emoji of several
    parts, a flag. The title is cut only where it is too long for an empty body. `measure` is in
    whatever unit `limit` is, and must not answer less for more text; it is called about as often
    as the texts' lengths have binary digits. Where even two empty texts are too long those are
    what is answered, and the caller has to measure again.
    """
    if measure(title, body) <= limit:
        return title, body
    if measure(title, "") <= limit:
        return title, _longest(body, lambda text: measure(title, text) <= limit)
    return _longest(title, lambda text: measure(text, "") <= limit), ""


def cut(text: str, length: int) -> str:
    """At most so many of the code points at the beginning, and an ellipsis; "" if none are left."""
    while length > 0 and not _may_cut(text, length):
        length -= 1
    kept = text[:length].rstrip()
    return kept + ELLIPSIS if kept else ""


def _longest(text: str, fits: Callable[[str], bool]) -> str:
    """The longest cut that fits, by bisection; "" where none does."""
    good, bad = 0, len(text)
    while bad - good > 1:
        middle = (good + bad) // 2
        if fits(cut(text, middle)):
            good = middle
        else:
            bad = middle
    return cut(text, good)


def _may_cut(text: str, at: int) -> bool:
    """Whether what is before and behind this place is seen as two characters (UAX 29, roughly)."""
    before, behind = text[at - 1], text[at]
    if before == _JOINER or _extends(behind) or (before, behind) == ("\r", "\n"):
        return False
    if _is_regional(before) and _is_regional(behind):
        return _regionals_before(text, at) % 2 == 0
    # A text that came through a careless decoder may have a character in two halves.
    return not ("\ud800" <= before <= "\udbff" and "\udc00" <= behind <= "\udfff")


def _extends(character: str) -> bool:
    """Whether it is drawn upon the character before it."""
    if character < "\u0300":
        return False
    return unicodedata.category(character) in _EXTENDING_CATEGORIES or any(
        first <= character <= last for first, last in _EXTENDING_RANGES
    )


def _is_regional(character: str) -> bool:
    """Whether it is one of the letters of which two make a flag."""
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _regionals_before(text: str, at: int) -> int:
    """How many letters of flags stand in a row before this place."""
    begin = at
    while begin > 0 and _is_regional(text[begin - 1]):
        begin -= 1
    return at - begin
