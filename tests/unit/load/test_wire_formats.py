"""Both formats of the wire, against the schema's own classes and against each other."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.wire import messages, protobuf
from load.wire.codec import CODECS, JsonCodec, ProtobufCodec, push_of, result_of
from load.wire.messages import (
    ChannelRequest,
    ClientInfo,
    Command,
    ConnectRequest,
    Error,
    HistoryRequest,
    Publication,
    PublishRequest,
    Push,
    Reply,
    RpcRequest,
    StreamPosition,
    SubscribeRequest,
    SubscribeResult,
)
from realtime.protocol.protobuf import wire_pb2

JSON, PROTOBUF = JsonCodec(), ProtobufCodec()
DATA = msgspec.Raw(b'{"text": "hello"}')
COMMANDS = [
    Command(1, connect=ConnectRequest(token="t", name="load")),
    Command(
        2, connect=ConnectRequest(subs={"a": SubscribeRequest("a", recover=True, offset=1 << 40)})
    ),
    Command(3, subscribe=SubscribeRequest("chat:1", recover=True, epoch="e", offset=7)),
    Command(4, unsubscribe=ChannelRequest("chat:1")),
    Command(5, publish=PublishRequest("chat:1", DATA)),
    Command(6, presence=ChannelRequest("chat:1")),
    Command(7, presence_stats=ChannelRequest("chat:1")),
    Command(8, history=HistoryRequest("chat:1", -1, StreamPosition(3, "e"), True)),
    Command(300, rpc=RpcRequest(DATA, "send")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command.id))
def test_commands_are_what_the_schema_says(command: Command) -> None:
    read = wire_pb2.Command.FromString(protobuf.encode(command))
    assert read.SerializeToString(deterministic=True) == protobuf.encode(command)
    assert read.id == command.id
    for method in ("connect", "subscribe", "publish", "presence", "history", "rpc"):
        assert read.HasField(method) is (getattr(command, method) is not None)


def test_fields_of_a_command_arrive_in_the_schema() -> None:
    read = wire_pb2.Command.FromString(protobuf.encode(COMMANDS[7])).history
    assert (read.channel, read.limit, read.since.offset, read.since.epoch, read.reverse) == (
        ("chat:1", -1, 3, "e", True)
    )
    connect = wire_pb2.Command.FromString(protobuf.encode(COMMANDS[1])).connect
    assert connect.subs["a"].offset == 1 << 40


REPLIES: list[tuple[dict[str, Any], Any]] = [
    ({"error": {"code": 103, "message": "no", "temporary": True}}, Error(103, "no", True)),
    (
        {
            "subscribe": {
                "recoverable": True,
                "epoch": "e",
                "offset": 9,
                "recovered": True,
                "was_recovering": True,
                "publications": [{"data": b"{}", "offset": 8}, {"data": b"{}", "offset": 9}],
            }
        },
        SubscribeResult(
            recoverable=True,
            epoch="e",
            offset=9,
            recovered=True,
            was_recovering=True,
            publications=[
                Publication(msgspec.Raw(b"{}"), offset=8),
                Publication(msgspec.Raw(b"{}"), offset=9),
            ],
        ),
    ),
    (
        {"presence": {"presence": {"c1": {"user": "u", "client": "c1"}}}},
        messages.PresenceResult({"c1": ClientInfo("u", "c1")}),
    ),
    (
        {"presence_stats": {"num_clients": 300, "num_users": 2}},
        messages.PresenceStatsResult(300, 2),
    ),
    ({"publish": {}}, messages.Empty()),
    ({"rpc": {"data": b"[1]"}}, messages.RpcResult(msgspec.Raw(b"[1]"))),
    (
        {"connect": {"client": "c", "version": "1", "ping": 25, "pong": True, "node": "n"}},
        messages.ConnectResult("c", "1", {}, 25, True),
    ),
]


@pytest.mark.parametrize(
    ("fields", "result"), REPLIES, ids=[next(iter(fields)) for fields, _ in REPLIES]
)
def test_replies_are_read_as_the_schema_writes_them(fields: dict[str, Any], result: Any) -> None:
    document = wire_pb2.Reply(id=5, **fields).SerializeToString()
    reply = PROTOBUF.reply(document)
    assert reply.id == 5
    read = reply.error if reply.error is not None else result_of(reply)
    assert msgspec.json.encode(read) == msgspec.json.encode(result)


def test_a_push_is_read_in_both_formats() -> None:
    expected = Push("chat:1", Publication(msgspec.Raw(b'{"a":1}'), ClientInfo("u", "c"), 7))
    pushed = wire_pb2.Reply(
        push={
            "channel": "chat:1",
            "pub": {"data": b'{"a":1}', "info": {"user": "u", "client": "c"}, "offset": 7},
        }
    )
    text = (
        b'{"push":{"channel":"chat:1","pub":{"data":{"a":1},"info":{"user":"u","client":"c"},'
        b'"offset":7,"unknown":[]}}}'
    )
    for push in (push_of(PROTOBUF, pushed.SerializeToString()), push_of(JSON, text)):
        assert push.pub is not None and expected.pub is not None
        assert bytes(push.pub.data) == bytes(expected.pub.data)
        assert (push.channel, push.pub.info, push.pub.offset) == (("chat:1", expected.pub.info, 7))


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4))
def test_protobuf_frames_are_cut_where_they_were_joined(documents: list[bytes]) -> None:
    payload = b"".join(protobuf.varint(len(one)) + one for one in documents)
    assert PROTOBUF.documents(payload) == documents
    alone = len(documents) == 1 and documents[0].startswith(b"\x22") and len(payload) > 2
    assert PROTOBUF.is_push(payload) is alone
    if alone:
        assert PROTOBUF.document(payload) == documents[0]


def test_json_frames_are_cut_at_line_feeds() -> None:
    payload = b'{"push":{}}\n{"id":1}\n'
    assert JSON.documents(payload) == [b'{"push":{}}', b'{"id":1}']
    assert not JSON.is_push(payload)
    assert JSON.is_push(b'{"push":{"channel":"a"}}')
    assert not JSON.is_push(b'{"id":1,"publish":{}}')


@pytest.mark.parametrize("payload", [b"\x05\x08", b"\xff" * 11])
def test_a_protobuf_frame_that_is_cut_short_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"frame|varint"):
        PROTOBUF.documents(payload)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_reply_or_refused(document: bytes) -> None:
    for codec in CODECS.values():
        try:
            reply = codec.reply(document)
        except ValueError:
            continue
        assert isinstance(reply, Reply)


@given(st.integers(0, (1 << 64) - 1))
def test_a_varint_is_read_as_it_was_written(value: int) -> None:
    data = protobuf.varint(value)
    assert protobuf.read_varint(b"x" + data + b"y", 1) == (value, 1 + len(data))
