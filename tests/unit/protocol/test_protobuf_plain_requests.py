"""Plain requests are read by hand: never otherwise than the generated module would read them."""

from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from realtime.errors import ConnectionRefused
from realtime.protocol.commands import Command
from realtime.protocol.protobuf import requests
from tests.support.protobuf_documents import frame

SEEDS = [
    frame(1, connect={"token": "t" * 200, "name": "swift", "version": "1", "flag": 3}),
    frame(2, subscribe={"channel": "chat:1", "recover": True, "epoch": "e", "offset": 300}),
    frame(300, history={"channel": "ä", "limit": 5, "reverse": True}),
    frame(4, sub_refresh={"channel": "c", "token": "t"}),
    frame(5, publish={"channel": "c", "data": b"[1]"}),
    frame(6, unsubscribe={"channel": "c"}),
]


def body(document: bytes) -> bytes:
    """The message without its length, which takes two bytes above 127."""
    return document[2:] if document[0] > 127 else document[1:]


def shown(command: Command) -> Any:
    """A command as a value that can be compared: its payload is bytes."""
    request = command.request
    if request is None:
        return command.id
    fields = {
        name: bytes(value) if isinstance(value, msgspec.Raw) else value
        for name, value in msgspec.structs.asdict(request).items()
    }
    return command.id, type(request), fields


def test_what_encoders_write_is_read_by_hand() -> None:
    for document in SEEDS:
        command = requests._read_plain(body(document))
        assert command is not None
        assert shown(command) == shown(requests._read_any(body(document)))


@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.integers(0, 250), st.integers(0, 255)), max_size=3),
    cut=st.integers(0, 3),
    tail=st.binary(max_size=4),
)
@example(seed=SEEDS[1], edits=[(3, 0x80)], cut=0, tail=b"")
def test_what_is_damaged_is_read_alike_or_left_to_the_module(
    seed: bytes, edits: list[tuple[int, int]], cut: int, tail: bytes
) -> None:
    data = bytearray(body(seed))
    for at, byte in edits:
        data[at % len(data)] = byte
    message = bytes(data[: len(data) - cut]) + tail
    try:
        plain = requests._read_plain(message)
    except ConnectionRefused:
        plain = None
        refused = True
    else:
        refused = False
    try:
        read: Any = shown(requests._read_any(message))
    except ConnectionRefused:
        read = None
    if refused:
        assert read is None
    elif plain is not None:
        assert shown(plain) == read
