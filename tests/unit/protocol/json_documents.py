"""JSON as people and programs write it: odd spacing, escapes, any number, any depth, any order."""

import json
from collections.abc import Sequence
from typing import Final

from hypothesis import strategies as st

# Other than a newline, which would end the document; frames are split at it.
_SPACE: Final = st.text(" \t\r", max_size=2)

_NUMBERS: Final = st.from_regex(
    r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?", fullmatch=True
)

_PLAIN: Final = st.characters(codec="utf-8", min_codepoint=0x20, exclude_characters='"\\')
_ESCAPES: Final = st.one_of(
    st.sampled_from(["\\" + letter for letter in '"\\/bfnrt']),
    st.integers(0, 0xD7FF).map("\\u{:04x}".format),
    st.integers(0xE000, 0xFFFF).map("\\u{:04X}".format),
    st.sampled_from(["\\ud83d\\ude00", "\\uD800\\uDC00", "\\udbff\\udfff"]),
)
_STRINGS: Final = st.lists(st.one_of(_PLAIN, _ESCAPES), max_size=8).map(
    lambda pieces: '"' + "".join(pieces) + '"'
)


def _joined(opening: str, items: Sequence[str], closing: str) -> str:
    return opening + ",".join(items) + closing


def _spaced(documents: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(_SPACE, documents, _SPACE).map("".join)


def _nested(documents: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    items = _spaced(documents)
    members = st.tuples(_spaced(_STRINGS), items).map(":".join)
    return st.one_of(
        _SPACE.map(lambda space: f"[{space}]"),
        _SPACE.map(lambda space: f"{{{space}}}"),
        st.lists(items, min_size=1, max_size=4).map(lambda found: _joined("[", found, "]")),
        st.lists(members, min_size=1, max_size=4).map(lambda found: _joined("{", found, "}")),
    )


DOCUMENTS: Final = st.recursive(
    st.one_of(st.sampled_from(["null", "true", "false"]), _NUMBERS, _STRINGS),
    _nested,
    max_leaves=12,
)
"""Valid documents without a raw newline, and without white space around them."""

SPACED: Final = _spaced(DOCUMENTS)
"""The same with white space around them."""


def parsed(document: bytes) -> object:
    """The document as the strictest receiver reads it; numbers as written. Raises ValueError."""

    def refuse(constant: str) -> object:
        raise ValueError(f"{constant} is not JSON")

    text = document.decode()
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=refuse)
