"""The JSON of clients that only listen, in literals (protocol 7)."""

import pytest

from realtime.errors import ConnectionRefused
from realtime.model import ClientInfo, Entry
from realtime.protocol.commands import Command, ConnectRequest, SubscribeRequest
from realtime.protocol.replies import (
    ConnectResult,
    Disconnected,
    Info,
    Join,
    Subscribed,
    SubscribeResult,
)
from realtime.protocol.unidirectional import UnidirectionalJsonCodec

CODEC = UnidirectionalJsonCodec()
BOB = ClientInfo("bob", "c2")


def test_it_says_what_it_is() -> None:
    assert CODEC.is_unidirectional
    assert not CODEC.is_binary
    assert CODEC.ping == b"{}"


def test_the_bare_connect_request_is_read() -> None:
    payload = (
        b'{"token":"t","name":"curl","subs":{"room:lobby":{"recover":true,"epoch":"e","offset":7}}}'
    )
    (command,) = CODEC.decode(payload)
    request = ConnectRequest(
        token="t",
        name="curl",
        subs={"room:lobby": SubscribeRequest(recover=True, epoch="e", offset=7)},
    )
    assert command == Command(1, request)


def test_it_may_be_spread_over_lines_as_people_write_it() -> None:
    assert CODEC.decode(b'{\n  "token": "t",\r\n  "unknown": 1\n}\n') == [
        Command(1, ConnectRequest(token="t"))
    ]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"t"',
        b'{"token":1}',
        b'{"token":"t"}{"token":"t"}',
        b'{"subs":{"a":' + b"[" * 100_000,
        b'{"token":"\xff"}',
        b'{"subs":{"a":{"offset":-1}}}',
    ],
)
def test_anything_else_is_a_bad_request(payload: bytes) -> None:
    with pytest.raises(ConnectionRefused) as refused:
        CODEC.decode(payload)
    assert refused.value.disconnect.code == 3501


def test_the_connects_result_is_a_push_and_asks_for_no_pong() -> None:
    result = ConnectResult(
        client="c1",
        version="1",
        subs={"a": SubscribeResult(recoverable=True, epoch="e", offset=3)},
        ping=25,
        pong=True,
        session="c1.s",
    )
    assert CODEC.reply(1, result) == (
        b'{"connect":{"client":"c1","version":"1","subs":{"a":{"recoverable":true,"epoch":"e",'
        b'"offset":3}},"ping":25,"session":"c1.s"}}'
    )


@pytest.mark.parametrize(
    ("entry", "document"),
    [
        (Entry("a", 0, b'{"x": 1}', 5), b'{"channel":"a","pub":{"data":{"x": 1}}}'),
        (Entry("a", 4, b"", 5), b'{"channel":"a","pub":{"offset":4}}'),
        (
            Entry("a", 4, b"1", 5, info=BOB, tags={"k": "v"}),
            b'{"channel":"a","pub":{"data":1,"info":{"user":"bob","client":"c2"},'
            b'"tags":{"k":"v"},"offset":4}}',
        ),
    ],
)
def test_publications_come_without_the_wrapper(entry: Entry, document: bytes) -> None:
    assert CODEC.publication(entry) == document


def test_so_do_other_pushes() -> None:
    assert CODEC.push("", Disconnected(3501, "bad request")) == (
        b'{"disconnect":{"code":3501,"reason":"bad request"}}'
    )
    assert CODEC.push("a", Join(Info.of(BOB))) == (
        b'{"channel":"a","join":{"info":{"user":"bob","client":"c2"}}}'
    )
    assert CODEC.push("a", Subscribed(recoverable=True, epoch="e", offset=1)) == (
        b'{"channel":"a","subscribe":{"recoverable":true,"epoch":"e","offset":1}}'
    )
    assert CODEC.info(BOB) == b'{"user":"bob","client":"c2"}'
