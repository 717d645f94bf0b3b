"""Text is cut to what a provider takes, and never through what is seen as one character."""

import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workers.truncation import ELLIPSIS, cut, fit


def utf8(title: str, body: str) -> int:
    """Both texts as bytes."""
    return len(title.encode()) + len(body.encode())


def escaped(title: str, body: str) -> int:
    """Both texts as JSON, where a quotation mark counts two."""
    return len(json.dumps([title, body]))


@pytest.mark.parametrize(
    ("title", "body", "limit", "expected"),
    [
        ("Ann", "Hello", 8, ("Ann", "Hello")),
        ("Ann", "Hello", 7, ("Ann", "H…")),
        ("Ann", "Hello", 6, ("Ann", "")),
        ("Ann", "Hello there", 12, ("Ann", "Hello…")),
        ("Ann of Cleves", "Hello", 9, ("Ann of…", "")),
        ("Ann of Cleves", "", 7, ("Ann…", "")),
        ("Ann", "Hello", 3, ("Ann", "")),
        ("Ann", "Hello", 2, ("", "")),
        ("Ann", "Hello", -1, ("", "")),
        ("", "Grüße", 7, ("", "Grüße")),
        ("", "Grüße", 6, ("", "Gr…")),
        ("", "", 0, ("", "")),
    ],
)
def test_the_body_is_cut_first_and_then_the_title(
    title: str, body: str, limit: int, expected: tuple[str, str]
) -> None:
    assert fit(title, body, utf8, limit) == expected


@pytest.mark.parametrize(
    "together",
    [
        "e\u0301",  # e and an acute accent
        "a\u0300\u0301\u0302\u0303",
        "❤\ufe0f",  # a heart, as an emoji
        "1\ufe0f\u20e3",  # a keycap
        "👍🏽",  # a thumb with a skin tone
        "👩\u200d👩\u200d👧\u200d👦",  # a family
        "🇫🇷",  # a flag of two letters
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # Scotland's, of tags
        "\u1112\u1161\u11ab",  # a Hangul syllable in its parts
        "\r\n",
        "\ud83d\ude00",  # an emoji that a careless decoder left in halves
        "नि",  # a consonant with a vowel sign
    ],
)
def test_a_cut_never_goes_through_one_character(together: str) -> None:
    text = f"x{together}y"
    for length in range(1, 1 + len(together)):
        assert cut(text, length) == f"x{ELLIPSIS}"
    assert cut(text, 1 + len(together)) == f"x{together.rstrip()}{ELLIPSIS}"


def test_flags_in_a_row_are_cut_between_two_flags() -> None:
    flags = "🇫🇷🇩🇪🇮🇹"
    assert [cut(flags, length) for length in range(1, 6)] == ["", "🇫🇷…", "🇫🇷…", "🇫🇷🇩🇪…", "🇫🇷🇩🇪…"]


def test_a_cut_leaves_no_space_before_the_ellipsis() -> None:
    assert cut("one two", 4) == "one…"
    assert cut("   ", 2) == ""


@given(st.text(max_size=40), st.text(max_size=80), st.integers(0, 200))
@example("", "0" * 80, 4)
def test_what_fits_is_kept_and_nothing_is_too_long(title: str, body: str, limit: int) -> None:
    kept_title, kept_body = fit(title, body, escaped, limit)
    if (kept_title, kept_body) != ("", ""):
        assert escaped(kept_title, kept_body) <= limit
    for whole, kept in ((title, kept_title), (body, kept_body)):
        assert kept in {whole, ""} or whole.startswith(kept.removesuffix(ELLIPSIS))
    # The title suffers only for an empty body.
    assert kept_title == title or kept_body == ""


@given(st.text(alphabet="ab \u0301\u200d🇫🇷👍🏽", max_size=30), st.integers(0, 60))
def test_no_longer_cut_would_have_fitted(body: str, limit: int) -> None:
    _, kept = fit("", body, utf8, limit)
    if kept == body:
        return
    candidates = [cut(body, length) for length in range(len(body))]
    assert kept == max((each for each in candidates if utf8("", each) <= limit), key=len)


@given(st.text(max_size=60), st.integers(0, 60))
def test_what_was_cut_off_does_not_begin_with_a_mark(body: str, length: int) -> None:
    kept = cut(body, min(length, len(body) - 1)).removesuffix(ELLIPSIS) if body else ""
    rest = body[len(kept) :]
    if kept and rest:
        assert unicodedata.category(rest[0]) not in {"Mn", "Mc", "Me"}


def test_a_long_text_is_measured_about_as_often_as_its_length_has_digits() -> None:
    calls = 0

    def measure(title: str, body: str) -> int:
        nonlocal calls
        calls += 1
        return utf8(title, body)

    _, body = fit("Ann", "word " * 200_000, measure, 4000)
    assert len(body.encode()) <= 3997
    assert calls < 30
