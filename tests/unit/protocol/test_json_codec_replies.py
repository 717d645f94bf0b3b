"""What the JSON codec writes (protocol 1.2, 1.3, 1.5 and 1.10), byte for byte."""

import json
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given

from realtime import errors
from realtime.errors import ERRORS, Error
from realtime.model import ClientInfo, Entry
from realtime.protocol.json_codec import JsonCodec
from realtime.protocol.replies import (
    EMPTY,
    ConnectResult,
    Disconnected,
    HistoryResult,
    Info,
    Join,
    Leave,
    PresenceResult,
    PresenceStatsResult,
    Publication,
    PublishResult,
    Push,
    Refreshed,
    RefreshResult,
    Result,
    RpcResult,
    SubRefreshResult,
    Subscribed,
    SubscribeResult,
    Unsubscribed,
    UnsubscribeResult,
    raw,
)
from tests.unit.protocol.reply_values import VALUES

CODEC: Final = JsonCodec()
INFO: Final = Info("u", "c")
FULL_INFO: Final = Info("u", "c", raw(b'{"a": 1}'), raw(b"[2]"))

RESULTS: Final[list[tuple[Result, str]]] = [
    (ConnectResult("c", "1"), '"connect":{"client":"c","version":"1"}'),
    (ConnectResult("", ""), '"connect":{"client":"","version":""}'),
    (
        ConnectResult(
            "c",
            "1",
            expires=True,
            ttl=60,
            data=raw(b'{"a": 1}'),
            subs={"news": SubscribeResult(recoverable=True, epoch="e", offset=4, positioned=True)},
            ping=25,
            pong=True,
            session="s",
            node="n",
        ),
        '"connect":{"client":"c","version":"1","expires":true,"ttl":60,"data":{"a": 1},'
        '"subs":{"news":{"recoverable":true,"epoch":"e","offset":4,"positioned":true}},'
        '"ping":25,"pong":true,"session":"s","node":"n"}',
    ),
    (SubscribeResult(), '"subscribe":{}'),
    (
        SubscribeResult(
            expires=True,
            ttl=60,
            recoverable=True,
            epoch="e",
            publications=[
                Publication(raw(b" 1"), FULL_INFO, 5, {"k": "v"}),
                Publication(raw(b"null")),
            ],
            recovered=True,
            offset=4,
            positioned=True,
            data=raw(b"true"),
            was_recovering=True,
        ),
        '"subscribe":{"expires":true,"ttl":60,"recoverable":true,"epoch":"e","publications":['
        '{"data": 1,"info":{"user":"u","client":"c","conn_info":{"a": 1},"chan_info":[2]},'
        '"offset":5,"tags":{"k":"v"}},{"data":null}],"recovered":true,"offset":4,'
        '"positioned":true,"data":true,"was_recovering":true}',
    ),
    (UnsubscribeResult(), '"unsubscribe":{}'),
    (PublishResult(), '"publish":{}'),
    (PresenceResult({}), '"presence":{"presence":{}}'),
    (
        PresenceResult({"c": INFO, "": Info("", "")}),
        '"presence":{"presence":{"c":{"user":"u","client":"c"},"":{"user":"","client":""}}}',
    ),
    (RpcResult(), '"rpc":{}'),
    (RpcResult(raw(b'{"n":1}')), '"rpc":{"data":{"n":1}}'),
    (PresenceStatsResult(0, 0), '"presence_stats":{"num_clients":0,"num_users":0}'),
    (PresenceStatsResult(3, 2), '"presence_stats":{"num_clients":3,"num_users":2}'),
    (HistoryResult([], "", 0), '"history":{"publications":[],"epoch":"","offset":0}'),
    (
        HistoryResult([Publication(raw(b"{}"), None, 9)], "e", 9),
        '"history":{"publications":[{"data":{},"offset":9}],"epoch":"e","offset":9}',
    ),
    (RefreshResult("c", "1"), '"refresh":{"client":"c","version":"1"}'),
    (
        RefreshResult("c", "1", True, 60),
        '"refresh":{"client":"c","version":"1","expires":true,"ttl":60}',
    ),
    (SubRefreshResult(), '"sub_refresh":{}'),
    (SubRefreshResult(True, 60), '"sub_refresh":{"expires":true,"ttl":60}'),
]

PUSHES: Final[list[tuple[str, Push, str]]] = [
    ("a", Join(INFO), '{"channel":"a","join":{"info":{"user":"u","client":"c"}}}'),
    ("a", Join(Info("", "")), '{"channel":"a","join":{"info":{"user":"","client":""}}}'),
    (
        "a",
        Leave(FULL_INFO),
        '{"channel":"a","leave":{"info":{"user":"u","client":"c",'
        '"conn_info":{"a": 1},"chan_info":[2]}}}',
    ),
    (
        "a",
        Unsubscribed(2500, "insufficient state"),
        '{"channel":"a","unsubscribe":{"code":2500,"reason":"insufficient state"}}',
    ),
    ("a", Unsubscribed(0, ""), '{"channel":"a","unsubscribe":{"code":0,"reason":""}}'),
    ("a", Subscribed(), '{"channel":"a","subscribe":{}}'),
    (
        "a",
        Subscribed(True, "e", 4, True, raw(b"[1]")),
        '{"channel":"a","subscribe":{"recoverable":true,"epoch":"e","offset":4,'
        '"positioned":true,"data":[1]}}',
    ),
    ("", Refreshed(), '{"refresh":{}}'),
    ("", Refreshed(True, 60), '{"refresh":{"expires":true,"ttl":60}}'),
    (
        "",
        Disconnected(3503, "force disconnect"),
        '{"disconnect":{"code":3503,"reason":"force disconnect"}}',
    ),
    ("", Disconnected(0, ""), '{"disconnect":{"code":0,"reason":""}}'),
]


@pytest.mark.parametrize(("result", "member"), RESULTS)
def test_a_reply_has_its_method_and_only_what_is_not_zero(result: Result, member: str) -> None:
    assert CODEC.reply(7, result) == f'{{"id":7,{member}}}'.encode()


@pytest.mark.parametrize(("channel", "push", "member"), PUSHES)
def test_a_push_has_its_kind_and_only_what_is_not_zero(
    channel: str, push: Push, member: str
) -> None:
    assert CODEC.push(channel, push) == f'{{"push":{member}}}'.encode()


def test_every_result_and_every_push_is_in_these_tables() -> None:
    assert {type(result) for result, _ in RESULTS} == set(Result.__subclasses__())
    assert {type(push) for _, push, _ in PUSHES} == set(Push.__args__)


@pytest.mark.parametrize("id", [1, 2**32 - 1])
def test_an_id_is_written_as_a_number(id: int) -> None:
    assert CODEC.reply(id, UnsubscribeResult()) == b'{"id":%d,"unsubscribe":{}}' % id


@pytest.mark.parametrize("error", ERRORS.values())
def test_a_refusal_has_code_and_message_and_says_whether_to_try_again(error: Error) -> None:
    written = json.loads(CODEC.refusal(7, error))
    expected: dict[str, object] = {"code": error.code, "message": error.message}
    if error.temporary:
        expected["temporary"] = True
    assert written == {"id": 7, "error": expected}


def test_a_refusal_never_leaves_its_message_out() -> None:
    assert CODEC.refusal(7, Error(400, "")) == b'{"id":7,"error":{"code":400,"message":""}}'
    assert CODEC.refusal(7, Error(400, 'a"\nb')) == (
        b'{"id":7,"error":{"code":400,"message":"a\\"\\nb"}}'
    )
    assert CODEC.refusal(7, errors.INTERNAL).endswith(b'"internal server error","temporary":true}}')


@pytest.mark.parametrize(
    ("entry", "pub"),
    [
        (Entry("a", 0, b"1", 5), '{"data":1}'),
        (Entry("a", 3, b"1", 5), '{"data":1,"offset":3}'),
        (Entry("a", 2**63 - 1, b"1", 5), '{"data":1,"offset":9223372036854775807}'),
        (
            Entry("a", 0, b"1", 5, info=ClientInfo("", "c")),
            '{"data":1,"info":{"user":"","client":"c"}}',
        ),
        (Entry("a", 0, b"1", 5, tags={"k": 'v"'}), '{"data":1,"tags":{"k":"v\\""}}'),
        (Entry("a", 0, b"1", 5, tags={}), '{"data":1}'),
        (Entry("a", 4, b"", 5), '{"offset":4}'),
        (Entry("a", 0, b"", 5, tags={"k": "v"}), '{"tags":{"k":"v"}}'),
        (
            Entry(
                "a",
                3,
                b'{"x": [1 ,2]}',
                5,
                sender="u:u",
                client_id="id",
                digest=b"d",
                info=ClientInfo("u", "c", b'{"n": 1}', b"[2]"),
                tags={"k": "v", "é": ""},
            ),
            '{"data":{"x": [1 ,2]},"info":{"user":"u","client":"c","conn_info":{"n": 1},'
            '"chan_info":[2]},"tags":{"k":"v","é":""},"offset":3}',
        ),
    ],
)
def test_a_publication_has_data_and_what_else_there_is(entry: Entry, pub: str) -> None:
    written = CODEC.publication(entry)
    assert written == f'{{"push":{{"channel":"a","pub":{pub}}}}}'.encode()
    # In a reply it has the same members, though not in the same order.
    assert msgspec.json.decode(msgspec.json.encode(Publication.of(entry))) == json.loads(pub)


@pytest.mark.parametrize("channel", ['room:"7"', "a\nb", "a\\b", "é😀", "\u2028", "\x00", "a/b"])
def test_a_channel_s_name_is_escaped_where_json_asks_for_it(channel: str) -> None:
    for written in (
        CODEC.publication(Entry(channel, 0, b"1", 5)),
        CODEC.push(channel, Unsubscribed(2000, "")),
    ):
        assert b"\n" not in written
        assert json.loads(written)["push"]["channel"] == channel


def test_publishers_that_differ_only_in_their_info_are_told_apart() -> None:
    """The encoded form is remembered; by all of the info, not by the user."""
    for info in (b"", b"1", b"2"):
        for chan_info in (b"", b"1"):
            entry = Entry("a", 0, b"0", 5, info=ClientInfo("u", "c", info, chan_info))
            found = json.loads(CODEC.publication(entry))["push"]["pub"]["info"]
            assert found.get("conn_info") == (json.loads(info) if info else None)
            assert found.get("chan_info") == (json.loads(chan_info) if chan_info else None)


def test_a_client_s_info_alone_is_written_as_in_a_publication() -> None:
    info = ClientInfo("u", "c", b'{"n": 1}')
    assert CODEC.info(info) == b'{"user":"u","client":"c","conn_info":{"n": 1}}'


def test_a_ping_is_an_empty_document() -> None:
    assert CODEC.ping == b"{}"
    assert CODEC.name == "json"


def test_no_bytes_are_the_one_value_that_is_left_out() -> None:
    assert raw(b"") is EMPTY
    assert bytes(raw(b"null")) == b"null"


# The rule itself, for any values (1.3): what is zero is left out, but for a few.

ALWAYS: Final = {
    "Info": {"user", "client"},
    "ConnectResult": {"client", "version"},
    "RefreshResult": {"client", "version"},
    "PresenceResult": {"presence"},
    "PresenceStatsResult": {"num_clients", "num_users"},
    "HistoryResult": {"publications", "epoch", "offset"},
    "Unsubscribed": {"code", "reason"},
    "Disconnected": {"code", "reason"},
    "Join": {"info"},
    "Leave": {"info"},
}


def as_the_rule_has_it(value: object) -> object:
    """The parsed form of a value, made without the codec."""
    if isinstance(value, msgspec.Raw):
        return json.loads(bytes(value)) if value else None
    if isinstance(value, dict):
        return {key: as_the_rule_has_it(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_the_rule_has_it(item) for item in value]
    if not isinstance(value, msgspec.Struct):
        return value
    always = ALWAYS.get(type(value).__name__, set())
    return {
        name: as_the_rule_has_it(item)
        for name in value.__struct_fields__
        if (item := getattr(value, name)) or name in always
    }


@given(VALUES)
def test_whatever_is_zero_is_left_out_but_for_the_fields_that_sdks_need(value: Any) -> None:
    if isinstance(value, Result):
        written = CODEC.reply(7, value)
        expected: dict[str, object] = {"id": 7, value.method: as_the_rule_has_it(value)}
    else:
        written = CODEC.push("a", value)
        expected = {"push": {"channel": "a", value.kind: as_the_rule_has_it(value)}}
    assert json.loads(written) == expected
    assert b"\n" not in written
