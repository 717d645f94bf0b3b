"""What the JSON codec refuses: what is no command, and data that no receiver could parse."""

import msgspec
import pytest

from realtime.errors import MALFORMED, ConnectionRefused
from realtime.protocol.commands import Command, PublishRequest
from realtime.protocol.json_codec import JsonCodec


def refused(text: str | bytes) -> bool:
    try:
        JsonCodec().decode(text if isinstance(text, bytes) else text.encode())
    except ConnectionRefused as refusal:
        return refusal.disconnect is MALFORMED
    return False


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "true",
        "1",
        '"connect"',
        "[]",
        '[{"id":1,"connect":{}}]',
        "{",
        "}",
        "{}{}",
        "{} {}",
        "{}x",
        "{id:1}",
        "{'id':1}",
        '{"id":1,}',
        '{"id" 1}',
        "\ufeff{}",
        "\x00{}",
        '{"id":1,"connect":[]}',
        '{"id":1,"connect":"x"}',
        '{"id":1,"connect":{"token":1}}',
        '{"id":1,"connect":{"subs":[]}}',
        '{"id":1,"connect":{"headers":{"a":1}}}',
        '{"id":1,"subscribe":{"channel":"a","recover":1}}',
        '{"id":1,"subscribe":{"channel":"a","tf":1}}',
    ],
)
def test_what_is_no_command_is_refused(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "nul",
        "NaN",
        "Infinity",
        "-",
        "01",
        "-01",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x10",
        "1_000",
        "'a'",
        '"a',
        '"\t"',
        '"\x00"',
        '"\\x41"',
        '"\\u12"',
        '"\\u12g4"',
        '"\\ud800"',
        '"\\udc00\\ud800"',
        "[1,]",
        "[,]",
        "[1 2]",
        '{"a"}',
        '{"a":}',
        '{"a":1,}',
        '{"a":1 "b":2}',
        "{1:2}",
        "\x0b1",
        "\xa01",
        "1/**/",
        "1 // c",
    ],
)
def test_data_that_a_receiver_could_not_parse_is_refused_at_the_door(value: str) -> None:
    """It goes out as it came in, so it would end every subscriber's connection."""
    assert refused(f'{{"id":1,"publish":{{"channel":"a","data":{value}}}}}')


def test_text_that_is_not_utf_8_is_refused_where_it_is_read() -> None:
    """The transport has checked already; this is about what may be raised."""
    assert refused(b'{"id":1,"publish":{"channel":"\xff","data":1}}')


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_that_is_too_deep_is_refused_wherever_it_is(opening: str, closing: str) -> None:
    deep = opening * 20_000 + "1" + closing * 20_000
    assert refused(f'{{"id":1,"publish":{{"channel":"a","data":{deep}}}}}')
    assert refused(f'{{"id":1,"connect":{{}},"unknown":{deep}}}')
    assert refused(deep)


def test_ordinary_nesting_is_taken() -> None:
    deep = "[" * 100 + "]" * 100
    frame = f'{{"id":1,"publish":{{"channel":"a","data":{deep}}}}}'.encode()
    data = msgspec.Raw(deep.encode())
    assert JsonCodec().decode(frame) == [Command(1, PublishRequest("a", data))]
