"""What the Protobuf codec writes, read by the Python SDK's own module."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.errors import ERRORS, Error
from realtime.model import ClientInfo, Entry
from realtime.protocol.protobuf import ProtobufCodec
from realtime.protocol.replies import (
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
from tests.support.protobuf_documents import Document, replies

CODEC: Final = ProtobufCodec()
INFO: Final = Info("u", "c")
FULL_INFO: Final = Info("u", "c", raw(b'{"a": 1}'), raw(b"[2]"))
FULL: Final = {"user": "u", "client": "c", "conn_info": b'{"a": 1}', "chan_info": b"[2]"}

RESULTS: Final[list[tuple[Result, Document]]] = [
    (ConnectResult("c", "1"), {"connect": {"client": "c", "version": "1"}}),
    (ConnectResult("", ""), {"connect": {}}),
    (
        ConnectResult(
            "c",
            "1",
            expires=True,
            ttl=60,
            data=raw(b"\xff"),
            subs={
                "news": SubscribeResult(recoverable=True, epoch="e", offset=4, positioned=True),
                "": SubscribeResult(),
            },
            ping=25,
            pong=True,
            session="s",
            node="n",
        ),
        {
            "connect": {
                "client": "c",
                "version": "1",
                "expires": True,
                "ttl": 60,
                "data": b"\xff",
                "subs": {
                    "news": {"recoverable": True, "epoch": "e", "offset": 4, "positioned": True},
                    "": {},
                },
                "ping": 25,
                "pong": True,
                "session": "s",
                "node": "n",
            }
        },
    ),
    (SubscribeResult(), {"subscribe": {}}),
    (
        SubscribeResult(
            expires=True,
            ttl=60,
            recoverable=True,
            epoch="e",
            publications=[
                Publication(raw(b"\x00"), FULL_INFO, 5, {"k": "v"}),
                Publication(raw(b"null")),
                Publication(),
            ],
            recovered=True,
            offset=4,
            positioned=True,
            data=raw(b"true"),
            was_recovering=True,
        ),
        {
            "subscribe": {
                "expires": True,
                "ttl": 60,
                "recoverable": True,
                "epoch": "e",
                "publications": [
                    {"data": b"\x00", "info": FULL, "offset": 5, "tags": {"k": "v"}},
                    {"data": b"null"},
                    {},
                ],
                "recovered": True,
                "offset": 4,
                "positioned": True,
                "data": b"true",
                "was_recovering": True,
            }
        },
    ),
    (UnsubscribeResult(), {"unsubscribe": {}}),
    (PublishResult(), {"publish": {}}),
    (PresenceResult({}), {"presence": {}}),
    (
        PresenceResult({"c": FULL_INFO, "": Info("", "")}),
        {"presence": {"presence": {"c": FULL, "": {}}}},
    ),
    (RpcResult(), {"rpc": {}}),
    (RpcResult(raw(b'{"n":1}')), {"rpc": {"data": b'{"n":1}'}}),
    (PresenceStatsResult(0, 0), {"presence_stats": {}}),
    (PresenceStatsResult(3, 2), {"presence_stats": {"num_clients": 3, "num_users": 2}}),
    (HistoryResult([], "", 0), {"history": {}}),
    (
        HistoryResult([Publication(raw(b"\xff"), None, 9)], "e", 2**63 - 1),
        {
            "history": {
                "publications": [{"data": b"\xff", "offset": 9}],
                "epoch": "e",
                "offset": 2**63 - 1,
            }
        },
    ),
    (RefreshResult("c", "1"), {"refresh": {"client": "c", "version": "1"}}),
    (
        RefreshResult("c", "1", True, 60),
        {"refresh": {"client": "c", "version": "1", "expires": True, "ttl": 60}},
    ),
    (SubRefreshResult(), {"sub_refresh": {}}),
    (SubRefreshResult(True, 60), {"sub_refresh": {"expires": True, "ttl": 60}}),
]

PUSHES: Final[list[tuple[str, Push, Document]]] = [
    ("a", Join(INFO), {"channel": "a", "join": {"info": {"user": "u", "client": "c"}}}),
    ("a", Join(Info("", "")), {"channel": "a", "join": {"info": {}}}),
    ("a", Leave(FULL_INFO), {"channel": "a", "leave": {"info": FULL}}),
    (
        "a",
        Unsubscribed(2500, "insufficient state"),
        {"channel": "a", "unsubscribe": {"code": 2500, "reason": "insufficient state"}},
    ),
    ("a", Unsubscribed(0, ""), {"channel": "a", "unsubscribe": {}}),
    ("a", Subscribed(), {"channel": "a", "subscribe": {}}),
    (
        "a",
        Subscribed(True, "e", 4, True, raw(b"\xff")),
        {
            "channel": "a",
            "subscribe": {
                "recoverable": True,
                "epoch": "e",
                "offset": 4,
                "positioned": True,
                "data": b"\xff",
            },
        },
    ),
    ("", Refreshed(), {"refresh": {}}),
    ("", Refreshed(True, 60), {"refresh": {"expires": True, "ttl": 60}}),
    (
        "",
        Disconnected(3503, "force disconnect"),
        {"disconnect": {"code": 3503, "reason": "force disconnect"}},
    ),
    ("", Disconnected(0, ""), {"disconnect": {}}),
]


@pytest.mark.parametrize(("result", "expected"), RESULTS)
def test_a_reply_has_its_method_and_every_field(result: Result, expected: Document) -> None:
    assert replies(CODEC.reply(7, result)) == [{"id": 7, **expected}]


@pytest.mark.parametrize(("channel", "push", "expected"), PUSHES)
def test_a_push_has_its_kind_and_every_field(channel: str, push: Push, expected: Document) -> None:
    assert replies(CODEC.push(channel, push)) == [{"push": expected}]


def test_every_result_and_every_push_is_in_these_tables() -> None:
    assert {type(result) for result, _ in RESULTS} == set(Result.__subclasses__())
    assert {type(push) for _, push, _ in PUSHES} == set(Push.__args__)


@pytest.mark.parametrize("id", [1, 127, 128, 2047, 2048, 16383, 16384, 2**31, 2**32 - 1])
@pytest.mark.parametrize("result", [PublishResult(), UnsubscribeResult()])
def test_an_id_is_written_whatever_its_size(id: int, result: Result) -> None:
    assert replies(CODEC.reply(id, result)) == [{"id": id, result.method: {}}]


@pytest.mark.parametrize("error", ERRORS.values())
def test_a_refusal_has_code_and_message_and_says_whether_to_try_again(error: Error) -> None:
    expected: dict[str, object] = {"code": error.code, "message": error.message}
    if error.temporary:
        expected["temporary"] = True
    assert replies(CODEC.refusal(7, error)) == [{"id": 7, "error": expected}]


def test_a_reference_push_is_written_byte_for_byte() -> None:
    """Written down, so that it holds whatever either module makes of the schema."""
    entry = Entry("a", 300, b"hi", 5, info=ClientInfo("u", "c"))
    assert CODEC.publication(entry).hex(" ") == (
        "16 22 14 12 01 61 22 0f 22 02 68 69 2a 06 0a 01 75 12 01 63 30 ac 02"
    )
    assert CODEC.reply(7, PublishResult()) == b"\x04\x08\x07\x42\x00"
    assert CODEC.ping == b"\x00"
    assert CODEC.name == "protobuf"


TEXTS: Final = st.text(max_size=5)
SIZES: Final = st.sampled_from([0, 1, 90, 126, 127, 128, 2000, 2040, 2048, 16_380, 16_384, 70_000])
ENTRIES: Final = st.builds(
    Entry,
    st.one_of(st.sampled_from(["a", "é" * 60, "x" * 255]), TEXTS),
    st.one_of(st.sampled_from([0, 1, 127, 128, 16_383, 16_384, 2**63 - 1]), st.integers(0, 2**20)),
    st.one_of(st.binary(max_size=20), SIZES.map(bytes)),
    st.just(5),
    info=st.one_of(
        st.none(),
        st.builds(ClientInfo, TEXTS, TEXTS, st.binary(max_size=3), st.binary(max_size=200)),
    ),
    tags=st.one_of(st.none(), st.dictionaries(TEXTS, TEXTS, max_size=2)),
)


def _without_zeros(**fields: Any) -> Document:
    return {name: value for name, value in fields.items() if value}


@given(ENTRIES)
def test_a_publication_has_data_and_what_else_there_is(entry: Entry) -> None:
    pub = _without_zeros(data=entry.data, offset=entry.offset, tags=entry.tags)
    if entry.info is not None:
        info = entry.info
        pub["info"] = _without_zeros(
            user=info.user,
            client=info.client,
            conn_info=info.conn_info,
            chan_info=info.chan_info,
        )
    push = {**_without_zeros(channel=entry.channel), "pub": pub}
    assert replies(CODEC.publication(entry)) == [{"push": push}]
    # In a reply it is the same.
    page = CODEC.reply(1, HistoryResult([Publication.of(entry)], "", 0))
    assert replies(page) == [{"id": 1, "history": {"publications": [pub]}}]


def test_publishers_that_differ_only_in_their_info_are_told_apart() -> None:
    """The encoded form is remembered; by all of the info, not by the user."""
    for conn_info in (b"", b"1", b"2"):
        for chan_info in (b"", b"1"):
            for channel in ("a", "b"):
                info = ClientInfo("u", "c", conn_info, chan_info)
                [read] = replies(CODEC.publication(Entry(channel, 0, b"0", 5, info=info)))
                assert read["push"]["channel"] == channel
                found = read["push"]["pub"]["info"]
                assert found.get("conn_info", b"") == conn_info
                assert found.get("chan_info", b"") == chan_info


def test_a_client_s_info_alone_is_written_as_in_a_publication() -> None:
    info = ClientInfo("u", "c", b'{"n": 1}')
    written = CODEC.info(info)
    assert written in CODEC.publication(Entry("a", 0, b"0", 5, info=info))
    assert written == b'\x0a\x01u\x12\x01c\x1a\x08{"n": 1}'
