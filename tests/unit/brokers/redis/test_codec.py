"""What travels through Redis arrives as it was; what is newer or broken is refused."""

from typing import Any, Final, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.brokers.base import BUS_VERSION, BusMessage, ControlMessage
from realtime.brokers.redis.codec import (
    Refused,
    decode_control,
    decode_message,
    encode_control,
    encode_message,
    own_starts,
)
from realtime.model import ClientInfo, Entry, Kind

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
count = st.integers(0, 2**63 - 1)
infos = st.builds(ClientInfo, text, text, st.binary(max_size=20), st.binary(max_size=20))
entries = st.builds(
    Entry,
    text,
    count,
    st.binary(max_size=100),
    count,
    st.sampled_from(get_args(Kind)),
    text,
    text,
    st.binary(max_size=40),
    count,
    st.none() | infos,
    st.none() | st.dictionaries(text, text, max_size=4),
    count,
    count,
    st.booleans(),
    st.integers(-1, 2**63 - 1),
    st.booleans(),
)
messages = st.builds(BusMessage, text, entries, st.just(BUS_VERSION), text, count)
words = st.builds(ControlMessage, text, text, st.binary(max_size=100), st.just(BUS_VERSION), text)


def extended(payload: bytes) -> bytes:
    """As a later program of the same major version would write it: with fields at the end."""
    fields = msgspec.msgpack.decode(payload[1:])
    return payload[:1] + msgspec.msgpack.encode([*fields, "more", {"of": [None]}])


@given(messages)
def test_a_message_arrives_as_it_was(message: BusMessage) -> None:
    assert decode_message(encode_message(message, message.sent_ms)) == message


@given(words)
def test_a_control_message_arrives_as_it_was(message: ControlMessage) -> None:
    assert decode_control(encode_control(message)) == message


LATER_ON: Final = {"changed", "pending", "summary", "notify"}
"""Fields that say what became of an entry since it was appended, which is when it travels, or what
somebody still has to do about it."""


def test_every_field_of_an_entry_travels() -> None:
    """A field that is new in the model must be in the codec, too."""
    info = ClientInfo("8", "9")
    entry = Entry(
        *("a", 1, b"2", 3, "edit", "4", "5", b"6", 7, info, {"": ""}, 10, 11, True, 12, True)
    )
    for field in msgspec.structs.fields(Entry):
        assert (getattr(entry, field.name) == field.default) is (field.name in LATER_ON)
    assert decode_message(encode_message(BusMessage("n", entry), 0)).entry == entry


@given(messages)
def test_of_an_entry_from_an_older_version_nobody_knows_its_n(message: BusMessage) -> None:
    payload = encode_message(message, message.sent_ms)
    older = payload[:1] + msgspec.msgpack.encode(msgspec.msgpack.decode(payload[1:])[:-2])
    told = msgspec.structs.replace(message.entry, n=-1, counts=False)
    assert decode_message(older) == msgspec.structs.replace(message, entry=told)


def test_a_kind_of_a_later_version_is_passed_on_by_its_name() -> None:
    later: Any = "poll"
    for offset in (0, 7):
        message = BusMessage("n", Entry("a", offset, b"{}", 1, later))
        assert decode_message(encode_message(message, 0)).entry == message.entry


@given(messages, words)
def test_fields_of_a_later_version_are_ignored(message: BusMessage, word: ControlMessage) -> None:
    assert decode_message(extended(encode_message(message, message.sent_ms))) == message
    assert decode_control(extended(encode_control(word))) == word


@given(messages, st.integers(0, 255).filter(lambda version: version != BUS_VERSION))
def test_another_major_version_is_refused(message: BusMessage, version: int) -> None:
    payload = bytes([version]) + encode_message(message, 1)[1:]
    with pytest.raises(Refused):
        decode_message(payload)
    with pytest.raises(Refused):
        decode_control(payload)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    for decode in (decode_message, decode_control):
        for candidate in (payload, bytes([BUS_VERSION]) + payload):
            try:
                decode(candidate)
            except Refused:
                continue


@given(messages, st.data())
def test_a_message_that_was_cut_or_changed_is_read_or_refused(
    message: BusMessage, data: st.DataObject
) -> None:
    payload = bytearray(encode_message(message, 1))
    place = data.draw(st.integers(0, len(payload) - 1))
    payload[place] = data.draw(st.integers(0, 255))
    for candidate in (bytes(payload), bytes(payload[:place])):
        try:
            decode_message(candidate)
        except Refused:
            continue


@given(messages, words, text)
def test_a_node_knows_its_own_messages_by_their_start(
    message: BusMessage, word: ControlMessage, node: str
) -> None:
    entry_start, control_start = own_starts(node)
    assert encode_message(message, 1).startswith(entry_start) == (message.node == node)
    assert encode_control(word).startswith(control_start) == (word.node == node)
    own = encode_message(msgspec.structs.replace(message, node=node), 1)
    assert own.startswith(entry_start)
    assert encode_control(msgspec.structs.replace(word, node=node)).startswith(control_start)
