"""Texts as servers keep them: no NUL, Python's order, and keys that cannot be confused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.stores.mongo.text import escape, key, unescape, unkey
from tests.contract.test_stores import HOSTILE

TEXTS = st.text(st.one_of(st.sampled_from("\x00\x01\x02\x03:a"), st.characters(codec="utf-8")))


@given(TEXTS)
def test_every_text_comes_back(text: str) -> None:
    assert unescape(escape(text)) == text
    assert unkey(key(text)) == text


@given(TEXTS)
def test_no_nul_reaches_the_server(text: str) -> None:
    """NX-27017 cuts a string at NUL, so "a\\0b" and "a\\0c" were one channel to it."""
    assert "\x00" not in escape(text)
    assert "\x00" not in key(text, text)


@given(TEXTS, TEXTS)
def test_what_the_server_sorts_is_sorted_as_python_sorts_it(one: str, other: str) -> None:
    """By bytes of UTF-8, as servers compare: MongoDB, FerretDB and NX-27017 alike."""
    for stored in (escape, key):
        assert (stored(one).encode() < stored(other).encode()) == (one < other)


@given(st.lists(TEXTS, min_size=2, max_size=2), st.lists(TEXTS, min_size=2, max_size=2))
def test_different_texts_make_different_keys(one: list[str], other: list[str]) -> None:
    assert (key(*one) == key(*other)) == (one == other)


def test_a_key_is_never_empty_and_never_looks_like_a_number() -> None:
    for text in ("", "1", "0x10", "507f1f77bcf86cd799439011"):
        assert key(text).startswith(":")


def test_ordinary_texts_are_stored_as_they_are() -> None:
    for text in HOSTILE:
        if "\x00" not in text:
            assert escape(text) == text


@pytest.mark.parametrize(
    "given_value", [{"$ne": ""}, {"$gt": ""}, ["a"], None, 1, b"a", {"$where": "1"}]
)
def test_what_is_not_a_text_is_refused_before_the_server_sees_it(given_value: object) -> None:
    with pytest.raises(TypeError, match="a text was expected"):
        escape(given_value)  # type: ignore[arg-type]  # what a caller without types may do
    with pytest.raises(TypeError, match="a text was expected"):
        key("a", given_value)  # type: ignore[arg-type]
