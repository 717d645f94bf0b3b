import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.auth.compact import (
    Compact,
    base64url_decode,
    compact_json,
    cut,
    read_json,
    read_object,
)
from realtime.auth.errors import TokenInvalid


def test_a_token_is_cut_at_its_two_dots() -> None:
    assert cut(b"aa.bb.cc") == Compact(b"aa", b"bb", b"cc", b"aa.bb")


@pytest.mark.parametrize(
    "token",
    [b"", b".", b"..", b"...", b"a", b"a.b", b"a.b.", b".b.c", b"a..c", b"a.b.c.d", b"a.b.c.d.e"],
)
def test_what_has_not_three_segments_is_invalid(token: bytes) -> None:
    with pytest.raises(TokenInvalid) as caught:
        cut(token)
    assert caught.value.reason == "format"


@given(st.binary(max_size=100))
def test_base64url_is_decoded_as_it_was_encoded(octets: bytes) -> None:
    assert base64url_decode(base64.urlsafe_b64encode(octets).rstrip(b"=")) == octets


@pytest.mark.parametrize(
    ("segment", "why"),
    [
        (b"Q", "one character is six bits"),
        (b"QQ==", "padding"),
        (b"QQ=", "padding"),
        (b"QR", "stray bits in the last character, after one byte"),
        (b"QUF", "stray bits in the last character, after two bytes"),
        (b"+/8", "base64, not base64url"),
        (b"/w", "base64, not base64url"),
        (b"QUJD\n", "a line break"),
        (b"QU D", "a space"),
        (b"Q\0JD", "NUL"),
        (b"QUJ\xc3", "not ASCII"),
    ],
)
def test_any_other_encoding_of_bytes_is_invalid(segment: bytes, why: str) -> None:
    with pytest.raises(TokenInvalid):
        base64url_decode(segment)


@given(st.binary(max_size=12))
def test_no_two_segments_decode_to_the_same_bytes(segment: bytes) -> None:
    try:
        octets = base64url_decode(segment)
    except TokenInvalid:
        return
    assert base64.urlsafe_b64encode(octets).rstrip(b"=") == segment


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":1}',
        b'{"a":{"b":1,"b":1}}',
        b'[{"b":1,"b":1}]',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":01}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b'{"a":"\n"}',
        b'{"a":1} {"b":1}',
        b'\xef\xbb\xbf{"a":1}',
        b"[" * 16_000,
        b"[" * 8_000 + b"]" * 8_000,
        # orjson still reads this; the standard library comes to the end of its stack.
        b'{"a":' * 1_020 + b"1" + b"}" * 1_020,
        b'{"a":' * 500 + b"1" + b"}" * 500,
    ],
)
def test_what_is_not_strictly_json_is_invalid(text: bytes) -> None:
    with pytest.raises(TokenInvalid) as caught:
        compact_json(read_json(text))
    assert caught.value.reason == "format"


@pytest.mark.parametrize("text", [b"1", b"null", b'"a"', b"[]", b'[{"a":1}]'])
def test_a_document_that_is_no_object_is_invalid(text: bytes) -> None:
    with pytest.raises(TokenInvalid):
        read_object(text)


def test_an_object_keeps_its_exact_integers() -> None:
    assert read_object(b' { "a" : 9007199254740993 , "b": [true, "\\u00e9"] } ') == {
        "a": 9_007_199_254_740_993,
        "b": [True, "é"],
    }


def test_json_is_written_without_white_space_or_line_breaks() -> None:
    assert (
        compact_json(read_json(b'{"a": [1,\n 2.5],\r\n"b":"x\\ny"}'))
        == b'{"a":[1,2.5],"b":"x\\ny"}'
    )


@pytest.mark.parametrize("text", [b"18446744073709551616", b"[" * 300 + b"]" * 300])
def test_what_cannot_be_written_exactly_is_invalid(text: bytes) -> None:
    with pytest.raises(TokenInvalid):
        compact_json(read_json(text))


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_any_bytes_are_read_or_invalid(text: bytes) -> None:
    try:
        value = read_json(text)
    except TokenInvalid:
        return
    assert value == json.loads(text)
