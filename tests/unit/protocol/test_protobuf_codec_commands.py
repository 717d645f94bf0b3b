"""What the Protobuf codec makes of a client's frames, written by the Python SDK's own module."""

from itertools import combinations
from typing import Any, Final

import msgspec
import pytest

from realtime.errors import MALFORMED, ConnectionRefused
from realtime.protocol.commands import (
    PONG,
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
from realtime.protocol.envelope import COMMANDS_PER_FRAME_MAX, PRECEDENCE
from realtime.protocol.protobuf import ProtobufCodec
from tests.support.protobuf_documents import command, delimited, frame

CODEC: Final = ProtobufCodec()
RAW = msgspec.Raw
UINT32_MAX: Final = 2**32 - 1

# Every field that this server reads, as an SDK may send it, and what it becomes.
FULL: Final[list[tuple[dict[str, Any], Request]]] = [
    (
        {
            "token": "t",
            "data": b"\xff",
            "subs": {"news": {"recover": True, "epoch": "e", "offset": 7}, "": {}},
            "name": "swift",
            "version": "5.3",
            "headers": {"x": "y", "": ""},
            "flag": -1,
        },
        ConnectRequest(
            "t",
            RAW(b"\xff"),
            {"news": SubscribeRequest(recover=True, epoch="e", offset=7), "": SubscribeRequest()},
            "swift",
            "5.3",
            {"x": "y", "": ""},
            -1,
        ),
    ),
    (
        {
            "channel": "news",
            "token": "t",
            "recover": True,
            "epoch": "e",
            "offset": 7,
            "data": b"[1]",
            "positioned": True,
            "recoverable": True,
            "join_leave": True,
            "delta": "fossil",
            "tf": {"op": "and", "nodes": [{"key": "a"}]},
            "flag": 3,
        },
        SubscribeRequest(
            "news", "t", True, "e", 7, RAW(b"[1]"), True, True, True, "fossil", TagsFilter(), 3
        ),
    ),
    ({"channel": "news"}, UnsubscribeRequest("news")),
    ({"channel": "news", "data": b"\x00hi"}, PublishRequest("news", RAW(b"\x00hi"))),
    ({"channel": "news"}, PresenceRequest("news")),
    ({"channel": "news"}, PresenceStatsRequest("news")),
    (
        {"channel": "news", "limit": -1, "since": {"offset": 7, "epoch": "e"}, "reverse": True},
        HistoryRequest("news", -1, Since(7, "e"), True),
    ),
    ({"channel": "news", "since": {}}, HistoryRequest("news", 0, Since())),
    ({"data": b"null", "method": "sum"}, RpcRequest(RAW(b"null"), "sum")),
    ({"data": b"5"}, SendRequest(RAW(b"5"))),
    ({"token": "t"}, RefreshRequest("t")),
    ({"channel": "news", "token": "t"}, SubRefreshRequest("news", "t")),
]

METHODS: Final[dict[str, Request | None]] = {
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
PAIRS: Final = list(combinations(METHODS, 2))


def refused(data: bytes) -> bool:
    try:
        CODEC.decode(data)
    except ConnectionRefused as refusal:
        return refusal.disconnect is MALFORMED
    return False


@pytest.mark.parametrize(("fields", "request_"), FULL, ids=[item.method for _, item in FULL])
def test_every_field_of_every_command_is_read(fields: dict[str, Any], request_: Request) -> None:
    assert CODEC.decode(frame(7, **{request_.method: fields})) == [Command(7, request_)]


def test_a_reference_frame_is_read_byte_for_byte() -> None:
    """Written down, so that it holds whatever either module makes of the schema."""
    publish = bytes.fromhex("0e 08 07 3a 0a 0a 04 6e657773 12 02 6869".replace(" ", ""))
    assert CODEC.decode(publish) == [Command(7, PublishRequest("news", RAW(b"hi")))]
    subscribe = bytes.fromhex("0c 08 02 2a 08 0a 04 6e657773 18 01".replace(" ", ""))
    assert CODEC.decode(subscribe) == [Command(2, SubscribeRequest("news", recover=True))]


def test_fields_that_the_published_module_does_not_have_yet_are_read() -> None:
    subscribe = command(1, subscribe={"channel": "a"}) + b"\x2a\x02\x78\x04"
    assert CODEC.decode(delimited(subscribe)) == [Command(1, SubscribeRequest("a", type=4))]
    sub_refresh = command(1, sub_refresh={"channel": "a"}) + b"\x7a\x02\x18\x01"
    assert CODEC.decode(delimited(sub_refresh)) == [Command(1, SubRefreshRequest("a", type=1))]


@pytest.mark.parametrize("method", METHODS)
def test_fields_that_are_left_out_are_zero(method: str) -> None:
    request = METHODS[method]
    if request is None:
        assert refused(frame(1, **{method: {}}))
    else:
        assert type(request).method == method
        assert CODEC.decode(frame(1, **{method: {}})) == [Command(1, request)]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_of_two_methods_the_first_in_the_order_of_json_wins(first: str, second: str) -> None:
    """Whichever comes first on the wire, and in the schema."""
    assert tuple(METHODS) == PRECEDENCE
    one, other = command(0, **{first: {}}), command(0, **{second: {}})
    for message in (command(1) + one + other, command(1) + other + one):
        request = METHODS[first]
        if request is None:
            assert refused(delimited(message))
        else:
            assert CODEC.decode(delimited(message)) == [Command(1, request)]


@pytest.mark.parametrize("others", [m for m in METHODS if m not in ("publish", "ping")])
def test_a_publish_beside_another_method_has_no_path_of_its_own(others: str) -> None:
    publish = command(1, publish={"channel": "a", "data": b"1"})
    first = METHODS[others] if PRECEDENCE.index(others) < PRECEDENCE.index("publish") else None
    expected = Command(1, first or PublishRequest("a", RAW(b"1")))
    for message in (publish + command(0, **{others: {}}), command(0, **{others: {}}) + publish):
        assert CODEC.decode(delimited(message)) == [expected]


@pytest.mark.parametrize("data", [b"\x00", b"\x02\x08\x00", b"\x03\xa0\x06\x01"])
def test_an_empty_command_is_a_pong(data: bytes) -> None:
    """With an id of zero written out, or with nothing but what this version does not know, too."""
    assert CODEC.decode(data) == [PONG]


@pytest.mark.parametrize("method", METHODS)
def test_only_a_send_goes_without_an_id(method: str) -> None:
    if method == "send":
        assert CODEC.decode(frame(0, send={})) == [Command(0, SendRequest())]
    else:
        assert refused(frame(0, **{method: {}}))


def test_a_publish_goes_not_without_an_id() -> None:
    publish = {"channel": "a", "data": b"1"}
    assert refused(frame(0, publish=publish))
    assert refused(delimited(b"\x08\x00" + command(0, publish=publish)))


def test_a_send_may_have_an_id() -> None:
    assert CODEC.decode(frame(3, send={})) == [Command(3, SendRequest())]


@pytest.mark.parametrize("data", [frame(1), delimited(b"\x08\x01\xa2\x06\x00")])
def test_an_id_with_nothing_to_answer_is_refused(data: bytes) -> None:
    assert refused(data)


@pytest.mark.parametrize("id", [1, 127, 128, 16383, 16384, 2**21 - 1, 2**21, 2**31, UINT32_MAX])
@pytest.mark.parametrize("size", [1, 127, 128, 16383, 16384, 60_000])
def test_an_id_is_any_unsigned_32_bit_number_but_0(id: int, size: int) -> None:
    request = PublishRequest("a", RAW(b"\xff" * size))
    publish = {"channel": "a", "data": b"\xff" * size}
    assert CODEC.decode(frame(id, publish=publish)) == [Command(id, request)]
    assert CODEC.decode(frame(id, refresh={"token": "t"})) == [Command(id, RefreshRequest("t"))]


@pytest.mark.parametrize("channel", ["", "a", "é😀\n\x00", "x" * 127, "x" * 128, "x" * 300])
def test_a_publish_may_have_any_channel(channel: str) -> None:
    publish = {"channel": channel, "data": b"1"}
    expected = Command(1, PublishRequest(channel, RAW(b"1")))
    assert CODEC.decode(frame(1, publish=publish)) == [expected]


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("subscribe", {"channel": "a", "offset": 2**63}),
        ("subscribe", {"channel": "a", "offset": 2**64 - 1}),
        ("connect", {"subs": {"a": {"offset": 2**63}}}),
        ("history", {"channel": "a", "since": {"offset": 2**63}}),
    ],
)
def test_an_offset_that_no_log_reaches_is_refused(method: str, fields: dict[str, Any]) -> None:
    assert refused(frame(1, **{method: fields}))


def test_the_last_offset_is_read() -> None:
    [read] = CODEC.decode(frame(1, subscribe={"channel": "a", "offset": 2**63 - 1}))
    assert read.request == SubscribeRequest("a", offset=2**63 - 1)


def test_unknown_fields_are_ignored_wherever_they_are() -> None:
    unknown = b"\xa2\x06\x03abc"
    subscribe = b"\x0a\x01a" + unknown
    message = unknown + b"\x08\x01\x2a" + bytes((len(subscribe),)) + subscribe + unknown
    assert CODEC.decode(delimited(message)) == [Command(1, SubscribeRequest("a"))]
    publish = b"\x0a\x01a\x12\x011\x18\x01\x22\x01k\x28\x01"  # the protocol's type, key, removed
    message = b"\x08\x01\x3a" + bytes((len(publish),)) + publish
    assert CODEC.decode(delimited(message)) == [Command(1, PublishRequest("a", RAW(b"1")))]


def test_a_field_given_twice_counts_as_given_last() -> None:
    message = command(1, refresh={"token": "a"}) + command(2, refresh={"token": "b"})
    assert CODEC.decode(delimited(message)) == [Command(2, RefreshRequest("b"))]


# A frame of several commands


def test_commands_of_one_frame_come_in_order() -> None:
    commands = (
        command(1, connect={}),
        command(2, subscribe={"channel": "a"}),
        b"",
        command(3, publish={"channel": "a", "data": b"1"}),
    )
    assert CODEC.decode(delimited(*commands)) == [
        Command(1, ConnectRequest()),
        Command(2, SubscribeRequest("a")),
        PONG,
        Command(3, PublishRequest("a", RAW(b"1"))),
    ]


def test_a_frame_takes_so_many_commands_and_no_more() -> None:
    for one in (b"", command(1, presence={"channel": "a"})):
        assert len(CODEC.decode(delimited(*[one] * COMMANDS_PER_FRAME_MAX))) == 1024
        assert refused(delimited(*[one] * (COMMANDS_PER_FRAME_MAX + 1)))


def test_one_bad_command_refuses_the_frame() -> None:
    good = command(1, connect={})
    assert refused(delimited(good, command(0, subscribe={"channel": "a"})))
    assert refused(delimited(good, b"\xff"))
