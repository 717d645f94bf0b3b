"""Parameters from JSON, and from the parts of a request; what is wrong is named by its path."""

import pytest

from realtime.chat.parameters import Parameters
from realtime.errors import CallRefused
from tests.support.operations import DROP, LIST, PUT, ListParams, PutParams


def refused(data: bytes) -> str:
    """The field that is named."""
    with pytest.raises(CallRefused) as caught:
        Parameters(PUT).read(data)
    assert caught.value.error.code == 422
    return caught.value.field


def test_data_is_kept_byte_for_byte() -> None:
    params = Parameters(PUT).read(
        b'{"channel":"a","client_id":"1","data":{"b": 1.50,  "a":"\\u00e9"}}'
    )
    assert isinstance(params, PutParams)
    assert bytes(params.data) == b'{"b": 1.50,  "a":"\\u00e9"}'


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"", "channel"),
        (b"{}", "channel"),
        (b'{"channel":"a"}', "client_id"),
        (b'{"channel":7,"client_id":"1","data":1}', "channel"),
        (b'{"channel":"","client_id":"1","data":1}', "channel"),
        (b'{"channel":"a","client_id":"1","data":1,"count":-1}', "count"),
        (b'{"channel":"a","client_id":"1","data":1,"count":"1"}', "count"),
        (b'{"channel":"a","client_id":"1","data":1,"mentions":["x","y",""]}', "mentions[2]"),
        (b'{"channel":"a","client_id":"1","data":1,"secret":"s3cret"}', ""),
        (b"[]", ""),
        (b"{", ""),
        (b"\xff", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_what_is_wrong_is_named_by_its_path_and_nothing_of_it_is_repeated(
    data: bytes, field: str
) -> None:
    assert refused(data) == field


def test_a_request_is_put_together_from_its_parts() -> None:
    read = Parameters(PUT).read_parts({"channel": "a:1"}, {}, b'{"data":[1, 2]}', key="k")
    assert (read.channel, bytes(read.data), read.client_id) == ("a:1", b"[1, 2]", "k")


def test_texts_of_a_query_become_what_the_field_is() -> None:
    query = {"limit": "7", "ids": "a,b", "events": "true"}
    assert Parameters(LIST).read_parts({"channel": "c"}, query, b"") == ListParams(
        "c", 7, ["a", "b"], True
    )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "seven"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"limit": "9" * 40}, "limit"),
        ({"events": "yes"}, "events"),
        ({"nothing": "x"}, ""),
        ({"channel": "d"}, "channel"),
        ({"ids": "a\udc80"}, "ids"),
    ],
)
def test_a_query_that_is_wrong_is_named_too(query: dict[str, str], field: str) -> None:
    with pytest.raises(CallRefused) as caught:
        Parameters(DROP).read_parts({"channel": "c"}, query, b"")
    assert (caught.value.error.code, caught.value.field) == (422, field)


def test_the_key_of_a_request_is_its_client_id_and_must_not_contradict_it() -> None:
    body = b'{"data":1,"client_id":"one"}'
    parameters = Parameters(PUT)
    assert parameters.read_parts({"channel": "c"}, {}, body, key="one").client_id == "one"
    for other, key in ((PUT, "two"), (LIST, "one")):
        with pytest.raises(CallRefused) as caught:
            Parameters(other).read_parts({"channel": "c"}, {}, body if other is PUT else b"", key)
        assert caught.value.field == "client_id"


def test_a_key_that_is_no_text_is_invalid() -> None:
    with pytest.raises(CallRefused) as caught:
        Parameters(PUT).read_parts({"channel": "c"}, {}, b'{"data":1}', "a\udcff")
    assert caught.value.field == "client_id"
