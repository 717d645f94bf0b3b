"""What must hold for every frame and every payload, whatever is in it, beside JSON."""

import json
from typing import Any, Final

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from realtime.errors import BAD_REQUEST, MALFORMED, CommandRefused, ConnectionRefused
from realtime.model import ClientInfo, Entry
from realtime.protocol.commands import Command, PublishRequest
from realtime.protocol.json_codec import JsonCodec, compact, read_payload
from realtime.protocol.protobuf import ProtobufCodec
from realtime.protocol.protobuf.requests import read_command
from realtime.protocol.replies import HistoryResult, Publication, Result
from tests.support.protobuf_documents import command, delimited, frame, messages, replies, varint
from tests.unit.protocol.json_documents import DOCUMENTS, SPACED, parsed
from tests.unit.protocol.reply_values import VALUES

CODEC: Final = ProtobufCodec()
JSON: Final = JsonCodec()

FRAMES: Final = (
    frame(
        1,
        connect={
            "token": "t",
            "data": b"\xff{}",
            "subs": {"a": {"offset": 3}},
            "headers": {"x": ""},
        },
    ),
    frame(2, subscribe={"channel": "a:b", "recover": True, "epoch": "x", "offset": 2**32}),
    frame(3, publish={"channel": "room", "data": '{"text":"hé 😀"}'.encode()}),
    frame(300, publish={"channel": "room", "data": b"x" * 200}),
    frame(4, history={"channel": "a", "limit": -1, "since": {"offset": 9, "epoch": "e"}}),
    delimited(command(5, rpc={"method": "m", "data": b"\x00"}), command(0, send={}), b""),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Commands with bits flipped, a few bytes cut out, put in or said twice."""
    data = bytearray(draw(st.sampled_from(FRAMES)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = draw(st.integers(start, min(len(data), start + 6)))
        match draw(st.sampled_from(["flip", "put", "twice"])):
            case "flip" if start < len(data):
                data[start] ^= 1 << draw(st.integers(0, 7))
            case "put":
                data[start:stop] = draw(st.binary(max_size=4))
            case _:
                data[start:stop] = data[start:stop] * 2
    return bytes(data)


def decoded(data: bytes) -> list[Command] | None:
    """The commands; None if the frame is refused, as it must be if it is not taken."""
    try:
        return CODEC.decode(data)
    except ConnectionRefused as refusal:
        assert refusal.disconnect is MALFORMED
        return None


@given(st.one_of(mutated(), st.binary(max_size=60)))
@example(b"\x05\x08\x01\x3a\x01\x0a")
@example(b"\x09\x08\x01\x3a\x05\x0a\x80\x12\x01\x00")
@example(b"\x0a\x08\x01\x3a\x06\x0a\x01\xff\x12\x01\x00")
def test_whatever_bytes_come_are_commands_or_refused_as_malformed(data: bytes) -> None:
    for read in decoded(data) or []:
        assert 0 <= read.id < 2**32


@st.composite
def stretched(draw: st.DrawFn) -> bytes:
    """A publish whose numbers and lengths may take more bytes than they need, or not be its own."""

    def number(value: int) -> bytes:
        value = max(0, value + draw(st.sampled_from((0,) * 6 + (-1, 1, -(127 << 7), 127 << 7))))
        written = bytearray(varint(value))
        for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2)))):
            written[-1] |= 0x80
            written.append(0)
        return bytes(written)

    channel = b"a" * draw(st.sampled_from((0, 1, 10, 100, 127, 128)))
    data = b"\x00" * draw(st.sampled_from((0, 1, 127, 128, 300, 16_300, 16_383, 16_384)))
    publish = b"\x0a" + number(len(channel)) + channel + b"\x12" + number(len(data)) + data
    id = draw(st.sampled_from((1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152)))
    return b"\x08" + number(id) + b"\x3a" + number(len(publish)) + publish


def _length_of_three_bytes() -> bytes:
    """A publish whose length, 16,407, is read as 151 and more where its third byte is not seen."""
    publish = b"\x0a\x64" + b"a" * 100 + b"\x12\xac\x7f" + b"x" * 16_300
    return b"\x08\x01\x3a" + varint(len(publish))[:1] + b"\x80" + publish


@given(stretched())
@example(_length_of_three_bytes())
@example(b"\x08\x01\x3a\x05\x0a\x00\x12\x81\x80")
def test_a_publish_with_lengths_of_any_size_is_read_alike(message: bytes) -> None:
    test_the_short_way_of_a_publish_is_as_good_as_the_long_one.hypothesis.inner_test(  # type: ignore[attr-defined]
        message, True
    )


@given(st.one_of(mutated(), st.binary(max_size=30)), st.booleans())
def test_the_short_way_of_a_publish_is_as_good_as_the_long_one(data: bytes, alone: bool) -> None:
    """Of what the module reads, the codec makes the same; what one refuses, the other does."""
    if alone:
        data = delimited(data)
    try:
        expected = [read_command(message) for message in messages(data)]
    except (ConnectionRefused, ValueError):
        expected = []
    assert (decoded(data) or []) == expected


@given(
    st.integers(1, 2**32 - 1),
    st.text(max_size=200),
    st.one_of(st.binary(max_size=300), st.sampled_from([16_383, 16_384]).map(bytes)),
)
def test_any_publish_is_read_as_it_was_said(id: int, channel: str, data: bytes) -> None:
    read = CODEC.decode(frame(id, publish={"channel": channel, "data": data}))
    assert read == [
        Command(id, PublishRequest(channel, msgspec.Raw(data) if data else msgspec.Raw()))
    ]


@given(st.binary(min_size=1, max_size=300))
def test_a_payload_goes_out_byte_for_byte_as_it_came_in(payload: bytes) -> None:
    [read] = CODEC.decode(frame(1, publish={"channel": "a", "data": payload}))
    assert isinstance(read.request, PublishRequest)
    data = bytes(read.request.data)
    assert data == payload
    for info in (None, ClientInfo("u", "c", b'{"n": 1}')):
        [push] = replies(CODEC.publication(Entry("a", 3, data, 0, info=info)))
        assert push["push"]["pub"]["data"] == payload
    [page] = replies(
        CODEC.reply(1, HistoryResult([Publication.of(Entry("a", 3, data, 0))], "e", 3))
    )
    assert page["history"]["publications"] == [{"data": payload, "offset": 3}]


# Beside JSON: one message, two formats, one value.

TEXTS: Final = st.text(max_size=4)
DATA: Final = DOCUMENTS.map(str.encode)
POSITIONS: Final = {"offset": st.integers(0, 2**63 - 1), "epoch": TEXTS}
SUBSCRIBE: Final[dict[str, st.SearchStrategy[Any]]] = {
    "channel": TEXTS,
    "token": TEXTS,
    "recover": st.booleans(),
    **POSITIONS,
    "data": DATA,
    "positioned": st.booleans(),
    "recoverable": st.booleans(),
    "join_leave": st.booleans(),
    "delta": TEXTS,
    "tf": st.just({}),
    "flag": st.integers(-(2**63), 2**63 - 1),
}
CHANNEL: Final[dict[str, st.SearchStrategy[Any]]] = {"channel": TEXTS}
COMMANDS: Final[dict[str, dict[str, st.SearchStrategy[Any]]]] = {
    "connect": {
        "token": TEXTS,
        "data": DATA,
        "subs": st.dictionaries(
            TEXTS, st.fixed_dictionaries({}, optional=SUBSCRIBE), min_size=1, max_size=2
        ),
        "name": TEXTS,
        "version": TEXTS,
        "headers": st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=2),
        "flag": st.integers(-(2**63), 2**63 - 1),
    },
    "subscribe": SUBSCRIBE,
    "unsubscribe": CHANNEL,
    "publish": {**CHANNEL, "data": DATA},
    "presence": CHANNEL,
    "presence_stats": CHANNEL,
    "history": {
        **CHANNEL,
        "limit": st.integers(-(2**31), 2**31 - 1),
        "since": st.fixed_dictionaries({}, optional=POSITIONS),
        "reverse": st.booleans(),
    },
    "rpc": {"data": DATA, "method": TEXTS},
    "send": {"data": DATA},
    "refresh": {"token": TEXTS},
    "sub_refresh": {**CHANNEL, "token": TEXTS},
}


def in_json(value: Any) -> str:
    """A command in JSON, with payloads as they are."""
    if isinstance(value, dict):
        members = (f"{json.dumps(name)}:{in_json(item)}" for name, item in value.items())
        return "{" + ",".join(members) + "}"
    return value.decode() if isinstance(value, bytes) else json.dumps(value)


@given(st.data(), st.sampled_from(list(COMMANDS)), st.integers(1, 2**32 - 1))
def test_a_command_is_the_same_request_in_both_formats(
    data: st.DataObject, method: str, id: int
) -> None:
    fields = data.draw(st.fixed_dictionaries({}, optional=COMMANDS[method]))
    text = in_json({"id": id, method: fields})
    assert CODEC.decode(frame(id, **{method: fields})) == JSON.decode(text.encode())


def without_zeros(value: Any) -> Any:
    """What who reads a document sees, whether or not zeros are written; payloads are parsed."""
    if isinstance(value, bytes):
        value = json.loads(value)
    if isinstance(value, list):
        return [without_zeros(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: found for key, item in value.items() if (found := without_zeros(item))}


@given(VALUES)
def test_an_answer_or_push_is_the_same_value_in_both_formats(value: Any) -> None:
    if isinstance(value, Result):
        pair = CODEC.reply(7, value), JSON.reply(7, value)
    else:
        pair = CODEC.push("a", value), JSON.push("a", value)
    [one] = replies(pair[0])
    assert without_zeros(one) == without_zeros(json.loads(pair[1]))


@given(DATA, st.integers(0, 2**63 - 1), st.dictionaries(TEXTS, TEXTS, max_size=2))
def test_an_entry_is_the_same_publication_in_both_formats(
    data: bytes, offset: int, tags: dict[str, str]
) -> None:
    entry = Entry("a", offset, data, 0, info=ClientInfo("u", "c", b"[1]"), tags=tags)
    [one] = replies(CODEC.publication(entry))
    text = JSON.publication(entry)
    assert data in text
    one["push"]["pub"]["data"] = json.loads(data)
    one["push"]["pub"]["info"]["conn_info"] = [1]
    assert one == json.loads(text)


# What a Protobuf client may publish where JSON clients listen.


def taken_from_json(payload: bytes) -> bytes | None:
    """What becomes of the payload in a JSON client's publish; None if it is refused.

    What breaks out of its place in the command is no payload.
    """
    try:
        payload.decode()
        [read] = JSON.decode(b'{"id":1,"publish":{"data":%b}}' % payload.translate(None, b"\n"))
        assert isinstance(read.request, PublishRequest)
    except (ConnectionRefused, UnicodeDecodeError):
        return None
    return compact(bytes(read.request.data))


def taken_from_protobuf(payload: bytes) -> bytes | None:
    try:
        return read_payload(payload)
    except CommandRefused as refusal:
        assert refusal.error is BAD_REQUEST
        return None


@given(SPACED)
def test_json_is_taken_from_a_protobuf_client_as_from_a_json_one(document: str) -> None:
    payload = document.encode()
    assert (
        taken_from_protobuf(payload)
        == taken_from_json(payload)
        == compact(document.strip(" \t\r").encode())
    )


@given(DOCUMENTS, st.data())
@example("1}", None)
@example('"\\ud800"', None)
@example("", None)
@example(" ", None)
@example("[" * 20_000 + "]" * 20_000, None)
@example("[" * 100 + "]" * 100, None)
def test_what_is_no_json_is_refused_in_both_formats(
    document: str, data: st.DataObject | None
) -> None:
    payload = bytearray(document.encode())
    if data is not None:
        at = data.draw(st.integers(0, len(payload)))
        payload[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from(
                [b"", b"\xff", b"\x00", b'"', b"\\", b",", b"]", b"0", b"\xc3", b"\x0c"]
            )
        )
    found = taken_from_protobuf(bytes(payload))
    assert found == taken_from_json(bytes(payload))
    if found is not None:
        parsed(found)
