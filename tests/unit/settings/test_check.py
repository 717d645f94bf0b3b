"""Types: what is taken, from a file and from the environment, and what is said of the rest."""

from typing import Annotated, Literal

import pytest

from realtime.settings.bounds import NotEmpty, Range
from realtime.settings.check import Mismatch, convert, read
from realtime.settings.durations import Duration
from realtime.settings.kinds import Kind, kind_of
from realtime.settings.secret import Secret

WHOLE = kind_of(Annotated[int, Range(0, 100)])
NUMBER = kind_of(Annotated[float, Range(0, 100)])
TRUTH = kind_of(bool)
TEXT = kind_of(str)
NAME = kind_of(Annotated[str, NotEmpty()])
LEVEL = kind_of(Literal["debug", "info", "warning"])
SECRET = kind_of(Secret)
TTL = kind_of(Duration)
LEVELS = kind_of(tuple[Literal["debug", "info", "warning"], ...])
SECRETS = kind_of(tuple[Secret, ...])
PORT = kind_of(Annotated[int, Range(0, 100)] | None)
MAYBE = kind_of(Secret | None)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (WHOLE, 0, 0),
        (WHOLE, 100, 100),
        (NUMBER, 5, 5.0),
        (NUMBER, 5.5, 5.5),
        (TRUTH, False, False),
        (TEXT, "", ""),
        (NAME, "x", "x"),
        (LEVEL, "info", "info"),
        (SECRET, "x", Secret("x")),
        (TTL, "10m", Duration(600_000)),
        (LEVELS, [], ()),
        (LEVELS, ["info", "debug"], ("info", "debug")),
        (SECRETS, ["a", "b"], (Secret("a"), Secret("b"))),
        (PORT, 5, 5),
        (PORT, None, None),
    ],
)
def test_a_value_of_its_kind_is_taken(kind: Kind, value: object, expected: object) -> None:
    converted = convert(kind, value)
    assert converted == expected
    assert type(converted) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (WHOLE, "5", "expected a whole number, 0 to 100; got a text of 1 character"),
        (WHOLE, 5.0, "expected a whole number, 0 to 100; got a number with a fraction"),
        (WHOLE, True, "expected a whole number, 0 to 100; got true or false"),
        (WHOLE, 101, "expected a whole number, 0 to 100; got 101"),
        (WHOLE, -1, "expected a whole number, 0 to 100; got -1"),
        (WHOLE, 10**400, "expected a whole number, 0 to 100; got a number beyond that"),
        (NUMBER, float("nan"), "expected a number, 0 to 100; got a number beyond that"),
        (NUMBER, float("inf"), "expected a number, 0 to 100; got a number beyond that"),
        (NUMBER, False, "expected a number, 0 to 100; got true or false"),
        (TRUTH, 1, "expected true or false; got a whole number"),
        (TRUTH, "true", "expected true or false; got a text of 4 characters"),
        (TEXT, 5, "expected a text; got a whole number"),
        (TEXT, ["a"], "expected a text; got a list of 1 value"),
        (NAME, "", "expected a text, not empty; got an empty text"),
        (SECRET, 12345678, "expected a text, not empty; got a whole number"),
        (SECRET, "", "expected a text, not empty; got an empty text"),
        (PORT, {}, "expected a whole number, 0 to 100; got a table"),
        (WHOLE, None, "expected a whole number, 0 to 100; got nothing"),
        (
            LEVEL,
            "loud",
            "expected one of debug, info, warning; got a text of 4 characters",
        ),
        (
            LEVEL,
            "warn",
            "expected one of debug, info, warning; got a text of 4 characters; "
            "did you mean warning?",
        ),
        (LEVELS, "info", "expected a list; got a text of 4 characters"),
        (LEVELS, {"a": 1}, "expected a list; got a table"),
        (
            TTL,
            "5",
            'expected a whole number with a unit, "500ms", "300s", "10m", "24h" or "7d", '
            "to 100 years; got a text of 1 character",
        ),
        (
            TTL,
            300,
            'expected a whole number with a unit, "500ms", "300s", "10m", "24h" or "7d", '
            "to 100 years; got a whole number",
        ),
    ],
)
def test_a_value_of_another_kind_is_refused_by_its_shape(
    kind: Kind, value: object, message: str
) -> None:
    with pytest.raises(Mismatch) as caught:
        convert(kind, value)
    assert str(caught.value) == message
    assert caught.value.at == ""


def test_a_mismatch_in_a_list_says_where() -> None:
    with pytest.raises(Mismatch) as caught:
        convert(LEVELS, ["info", 5])
    assert caught.value.at == "[1]"
    assert caught.value.got == "a whole number"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (WHOLE, "5", 5),
        (WHOLE, " -5 ", -5),
        (WHOLE, "1_000", "1_000"),
        (WHOLE, "5.0", "5.0"),
        (WHOLE, "", ""),
        (WHOLE, "9" * 5_000, "9" * 5_000),
        (NUMBER, "5", 5.0),
        (NUMBER, "5e-1", 0.5),
        (NUMBER, "nan", "nan"),
        (NUMBER, "inf", "inf"),
        (TRUTH, "true", True),
        (TRUTH, "YES", True),
        (TRUTH, "1", True),
        (TRUTH, "on", True),
        (TRUTH, "false", False),
        (TRUTH, "no", False),
        (TRUTH, "0", False),
        (TRUTH, "Off", False),
        (TRUTH, "maybe", "maybe"),
        (TEXT, " as it is ", " as it is "),
        (SECRET, "", ""),
        (PORT, "", None),
        (PORT, "5", 5),
        (MAYBE, "", None),
        (LEVELS, "", []),
        (LEVELS, " ", []),
        (LEVELS, "info", ["info"]),
        (LEVELS, "info, debug ,", ["info", "debug", ""]),
        (LEVELS, '["info", "debug"]', ["info", "debug"]),
        (SECRETS, '["a,b", "c"]', ["a,b", "c"]),
        (SECRETS, '["a,b"', '["a,b"'),
        (SECRETS, "[" * 100_000, "[" * 100_000),
    ],
)
def test_a_text_of_the_environment_becomes_what_toml_would_have(
    kind: Kind, text: str, value: object
) -> None:
    assert read(kind, text) == value
    assert type(read(kind, text)) is type(value)
