"""What the JSON codec makes of a client's frames (protocol 1.1, 1.2 and 1.4)."""

from itertools import combinations

import msgspec
import pytest

from realtime.errors import MALFORMED, ConnectionRefused
from realtime.protocol.commands import (
    PONG,
    REJECT_UNRECOVERED,
    Command,
    ConnectRequest,
    HistoryRequest,
    PresenceRequest,
    PresenceStatsRequest,
    PublishRequest,
    RefreshRequest,
    Request,
    RpcRequest,
    SendRequest,
    Since,
    SubRefreshRequest,
    SubscribeRequest,
    TagsFilter,
    UnsubscribeRequest,
)
from realtime.protocol.envelope import COMMANDS_PER_FRAME_MAX
from realtime.protocol.json_codec import JsonCodec

CODEC = JsonCodec()
RAW = msgspec.Raw
UINT32_MAX = 2**32 - 1

# Every field that this server reads, as an SDK may send it, and what it becomes.
FULL: list[tuple[str, Request]] = [
    (
        '"connect":{"token":"t","data":{"a": 1},"subs":{"news":{"recover":true,"epoch":"e",'
        '"offset":7}},"name":"js","version":"5.3","headers":{"x":"y"},"flag":1}',
        ConnectRequest(
            "t",
            RAW(b'{"a": 1}'),
            {"news": SubscribeRequest(recover=True, epoch="e", offset=7)},
            "js",
            "5.3",
            {"x": "y"},
            1,
        ),
    ),
    (
        '"subscribe":{"channel":"news","token":"t","recover":true,"epoch":"e","offset":7,'
        '"data":[1],"positioned":true,"recoverable":true,"join_leave":true,"delta":"fossil",'
        '"tf":{"op":"and","nodes":[{"key":"a"}]},"flag":3,"type":4}',
        SubscribeRequest(
            "news",
            "t",
            True,
            "e",
            7,
            RAW(b"[1]"),
            True,
            True,
            True,
            "fossil",
            TagsFilter(),
            3,
            4,
        ),
    ),
    ('"unsubscribe":{"channel":"news"}', UnsubscribeRequest("news")),
    ('"publish":{"channel":"news","data":"hi"}', PublishRequest("news", RAW(b'"hi"'))),
    ('"presence":{"channel":"news"}', PresenceRequest("news")),
    ('"presence_stats":{"channel":"news"}', PresenceStatsRequest("news")),
    (
        '"history":{"channel":"news","limit":-1,"since":{"offset":7,"epoch":"e"},"reverse":true}',
        HistoryRequest("news", -1, Since(7, "e"), True),
    ),
    ('"rpc":{"data":null,"method":"sum"}', RpcRequest(RAW(b"null"), "sum")),
    ('"send":{"data":5}', SendRequest(RAW(b"5"))),
    ('"refresh":{"token":"t"}', RefreshRequest("t")),
    (
        '"sub_refresh":{"channel":"news","token":"t","type":1}',
        SubRefreshRequest("news", "t", 1),
    ),
]

# In the order in which the first one present wins (1.2).
METHODS = {
    "connect": ConnectRequest(),
    "ping": None,
    "subscribe": SubscribeRequest(),
    "unsubscribe": UnsubscribeRequest(),
    "publish": PublishRequest(),
    "presence": PresenceRequest(),
    "presence_stats": PresenceStatsRequest(),
    "history": HistoryRequest(),
    "rpc": RpcRequest(),
    "send": SendRequest(),
    "refresh": RefreshRequest(),
    "sub_refresh": SubRefreshRequest(),
}
PAIRS = list(combinations(METHODS, 2))


def decoded(text: str | bytes) -> list[Command]:
    return CODEC.decode(text if isinstance(text, bytes) else text.encode())


def refused(text: str | bytes) -> bool:
    try:
        decoded(text)
    except ConnectionRefused as refusal:
        return refusal.disconnect is MALFORMED
    return False


@pytest.mark.parametrize(("member", "request_"), FULL, ids=[item.method for _, item in FULL])
def test_every_field_of_every_command_is_read(member: str, request_: Request) -> None:
    assert decoded(f'{{"id":7,{member}}}') == [Command(7, request_)]
    assert decoded(f'{{{member},"id":7}}') == [Command(7, request_)]


@pytest.mark.parametrize("method", METHODS)
def test_fields_that_are_left_out_are_zero(method: str) -> None:
    request = METHODS[method]
    if request is None:
        assert refused(f'{{"id":1,"{method}":{{}}}}')
    else:
        assert type(request).method == method
        assert decoded(f'{{"id":1,"{method}":{{}}}}') == [Command(1, request)]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_of_two_methods_the_first_in_the_schema_wins(first: str, second: str) -> None:
    for text in (
        f'{{"id":1,"{first}":{{}},"{second}":{{}}}}',
        f'{{"id":1,"{second}":{{}},"{first}":{{}}}}',
    ):
        request = METHODS[first]
        assert refused(text) if request is None else decoded(text) == [Command(1, request)]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_method_that_is_null_is_not_there(first: str, second: str) -> None:
    text = f'{{"id":1,"{first}":null,"{second}":{{}}}}'
    request = METHODS[second]
    assert refused(text) if request is None else decoded(text) == [Command(1, request)]


@pytest.mark.parametrize(
    "text",
    [
        '{"id":1,"ping":{}}',
        '{"ping":{}}',
        '{"id":1,"ping":{},"subscribe":{"channel":"a"}}',
        '{"id":1,"publish":{"channel":"a","data":1},"ping":{}}',
    ],
)
def test_the_ping_command_is_not_accepted(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize("text", ["{}", " { } ", "\t{}\r", '{"id":0}', '{"unknown":{"a":1}}'])
def test_an_empty_command_is_a_pong(text: str) -> None:
    assert decoded(text) == [PONG]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("id", ["", '"id":0,', '"id":-0,'])
def test_only_a_send_goes_without_an_id(method: str, id: str) -> None:
    text = f'{{{id}"{method}":{{}}}}'
    if method == "send":
        assert decoded(text) == [Command(0, SendRequest())]
    else:
        assert refused(text)


def test_a_send_may_have_an_id() -> None:
    assert decoded('{"id":3,"send":{}}') == [Command(3, SendRequest())]


@pytest.mark.parametrize("text", ['{"id":1}', '{"id":1,"subscribe":null}', '{"id":1,"echo":{}}'])
def test_an_id_with_nothing_to_answer_is_refused(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize("id", [1, 2**31 - 1, 2**31, UINT32_MAX])
def test_an_id_is_any_unsigned_32_bit_number_but_0(id: int) -> None:
    assert decoded(f'{{"id":{id},"refresh":{{}}}}') == [Command(id, RefreshRequest())]


@pytest.mark.parametrize(
    "id", ["-1", "4294967296", "1.5", "1e2", '"1"', "true", "null", "[1]", "9" * 5000, "0" * 9]
)
def test_an_id_is_nothing_else(id: str) -> None:
    assert refused(f'{{"id":{id},"refresh":{{}}}}')


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ('"subscribe":{"channel":"a","offset":%s}', 2**63 - 1),
        ('"history":{"channel":"a","since":{"offset":%s}}', 2**63 - 1),
        ('"subscribe":{"channel":"a","type":%s}', UINT32_MAX),
        ('"sub_refresh":{"channel":"a","type":%s}', UINT32_MAX),
        ('"subscribe":{"channel":"a","flag":%s}', 2**63 - 1),
        ('"history":{"channel":"a","limit":%s}', 2**31 - 1),
    ],
)
def test_numbers_end_where_their_types_do(member: str, value: int) -> None:
    text = '{"id":1,' + member + "}"
    assert str(value) in str(decoded(text % value)[0].request)
    assert refused(text % (value + 1))
    assert refused(text % "1.5")
    assert refused(text % '"1"')


@pytest.mark.parametrize(
    ("member", "least"),
    [
        ('"subscribe":{"channel":"a","offset":%s}', 0),
        ('"subscribe":{"channel":"a","type":%s}', 0),
        ('"subscribe":{"channel":"a","flag":%s}', -(2**63)),
        ('"connect":{"flag":%s}', -(2**63)),
        ('"history":{"channel":"a","limit":%s}', -(2**31)),
    ],
)
def test_numbers_begin_where_their_types_do(member: str, least: int) -> None:
    text = '{"id":1,' + member + "}"
    assert not refused(text % least)
    assert refused(text % (least - 1))


def test_the_flag_that_asks_for_an_error_in_place_of_a_failed_recovery_is_kept() -> None:
    request = decoded('{"id":1,"subscribe":{"channel":"a","flag":3}}')[0].request
    assert isinstance(request, SubscribeRequest)
    assert request.flag & REJECT_UNRECOVERED


def test_unknown_fields_are_ignored_wherever_they_are() -> None:
    text = '{"new":[{}],"id":1,"subscribe":{"channel":"a","new":{"b":null}},"":1}'
    assert decoded(text) == [Command(1, SubscribeRequest("a"))]


def test_a_member_given_twice_counts_as_given_last() -> None:
    text = '{"id":1,"id":2,"refresh":{"token":"a"},"refresh":{"token":"b"}}'
    assert decoded(text) == [Command(2, RefreshRequest("b"))]


def test_escapes_in_names_and_texts_are_read() -> None:
    text = '{"\\u0069d":1,"publish":{"channel":"\\u00e9\\ud83d\\ude00\\n","data":1}}'
    assert decoded(text) == [Command(1, PublishRequest("é😀\n", RAW(b"1")))]


# A frame of several commands


def test_commands_of_one_frame_come_in_order() -> None:
    text = '{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"a"}}\n{}'
    assert decoded(text) == [
        Command(1, ConnectRequest()),
        Command(2, SubscribeRequest("a")),
        PONG,
    ]


def test_one_newline_at_the_end_is_no_command() -> None:
    assert decoded('{"id":1,"connect":{}}\n') == [Command(1, ConnectRequest())]
    assert decoded("{}\n{}\n") == [PONG, PONG]


@pytest.mark.parametrize("text", ["", "\n", " ", "{}\n\n", "\n{}", "{}\n\n{}", "{}\n \n{}"])
def test_an_empty_frame_or_line_is_refused(text: str) -> None:
    assert refused(text)


def test_a_frame_takes_so_many_commands_and_no_more() -> None:
    line = '{"id":1,"presence":{"channel":"a"}}\n'
    assert len(decoded(line * COMMANDS_PER_FRAME_MAX)) == COMMANDS_PER_FRAME_MAX == 1024
    assert refused(line * (COMMANDS_PER_FRAME_MAX + 1))
    assert refused((line * (COMMANDS_PER_FRAME_MAX + 1)).rstrip())


def test_one_bad_command_refuses_the_frame() -> None:
    assert refused('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":5}}')
    assert refused('{"id":1,"connect":{}}\n{"id":0,"subscribe":{"channel":"a"}}')
