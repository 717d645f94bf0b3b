"""What must hold for every frame and every payload, whatever is in it."""

import json
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from realtime.errors import MALFORMED, ConnectionRefused
from realtime.model import ClientInfo, Entry
from realtime.protocol.commands import Command, PublishRequest, RpcRequest, SendRequest
from realtime.protocol.json_codec import JsonCodec, compact
from realtime.protocol.replies import HistoryResult, Publication
from tests.unit.protocol.json_documents import DOCUMENTS, SPACED, parsed

CODEC: Final = JsonCodec()

FRAMES: Final = (
    '{"id":1,"connect":{"token":"t","data":{"a":[1,2.5e-3]},"subs":{"a":{"offset":3}}}}',
    '{"id":2,"subscribe":{"channel":"a:b","recover":true,"epoch":"x","offset":4294967296}}',
    '{"id":3,"publish":{"channel":"room","data":{"text":"h\\u00e9 \\ud83d\\ude00","n":-0.0}}}',
    '{"id":4,"history":{"channel":"a","limit":-1,"since":{"offset":9,"epoch":"e"}}}',
    '{"id":5,"rpc":{"method":"m","data":[null,true,"\\"\\\\"]}}\n{"send":{"data":"é"}}\n{}',
)

# What a mutation puts in: structure, and what JSON parsers are known to disagree on.
_SPLINTERS: Final = st.one_of(
    st.sampled_from(list('{}[]",:\\\n\r\t -+.eE019/\x00\x7f\u2028\ufeff😀')),
    st.sampled_from(["null", "NaN", "\\ud800", "\\u0000", '"id":', "1e999", "//", "'"]),
    st.text(max_size=3),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A frame of commands with a few pieces cut out, put in or said twice."""
    text = draw(st.sampled_from(FRAMES))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        stop = draw(st.integers(start, min(len(text), start + 6)))
        piece = draw(st.one_of(_SPLINTERS, st.just(text[start:stop] * 2)))
        text = text[:start] + piece + text[stop:]
    return text.encode(errors="ignore")  # a lone surrogate is no UTF-8, and is left out


def decoded(frame: bytes) -> list[Command]:
    """The commands; none if the frame is refused, as it must be if it is not taken."""
    try:
        return CODEC.decode(frame)
    except ConnectionRefused as refusal:
        assert refusal.disconnect is MALFORMED
        return []


@given(SPACED)
def test_a_payload_goes_out_byte_for_byte_as_it_came_in(document: str) -> None:
    """Only the white space around it, which is not part of the value, is left behind."""
    payload = document.strip(" \t\r").encode()
    frame = b'{"id":1,"publish":{"data":%b,"channel":"a"}}' % document.encode()
    [command] = CODEC.decode(frame)
    assert isinstance(command.request, PublishRequest)
    assert bytes(command.request.data) == payload
    for info in (None, ClientInfo("u", "c", b'{"n": 1}')):
        entry = Entry("a", 3, bytes(command.request.data), 0, info=info)
        push = CODEC.publication(entry)
        assert push.startswith(b'{"push":{"channel":"a","pub":{"data":' + payload)
        assert b"\n" not in push
        assert parsed(push)
    page = HistoryResult([Publication.of(Entry("a", 3, payload, 0))], "e", 3)
    assert b'[{"data":%b,"offset":3}]' % payload in CODEC.reply(1, page)


@given(st.lists(DOCUMENTS, min_size=1, max_size=3), st.sampled_from(["\n", "\r\n", "\r", "\n\n"]))
def test_line_breaks_are_taken_out_of_a_payload_and_nothing_else(
    documents: list[str], line_break: str
) -> None:
    pretty = f"[{line_break}" + f",{line_break}".join(documents) + f"{line_break}]"
    found = compact(pretty.encode())
    assert found == pretty.encode().replace(b"\n", b"").replace(b"\r", b"")
    assert parsed(found) == parsed(pretty.encode())


@given(DOCUMENTS)
def test_a_payload_without_line_breaks_is_left_as_it_is(document: str) -> None:
    payload = document.replace("\r", "").encode()
    assert compact(payload) is payload


@given(st.one_of(mutated(), st.text(max_size=40).map(str.encode)))
@example(b'{"id":1,"publish":{"channel":"a","data":"\\ud800"}}')
@example(b'{"id":1,"publish":{"channel":"a","data":\x0c1}}')
def test_whatever_text_comes_is_commands_or_refused_as_malformed(frame: bytes) -> None:
    """And what is taken is JSON that a receiver reads, without a newline in any payload."""
    for command in decoded(frame):
        assert 0 <= command.id < 2**32
        request = command.request
        if isinstance(request, PublishRequest | RpcRequest | SendRequest) and request.data:
            data = bytes(request.data)
            parsed(data)
            assert b"\n" not in data


@given(st.binary(max_size=60))
def test_bytes_that_are_no_text_are_commands_or_refused_too(frame: bytes) -> None:
    """Transports check UTF-8 before; a defect there must not become another exception here."""
    decoded(frame)


@given(st.text(), st.text(), st.text(), st.dictionaries(st.text(), st.text(), max_size=3))
def test_any_text_is_written_on_one_line_and_read_back(
    channel: str, user: str, client: str, tags: dict[str, str]
) -> None:
    entry = Entry(channel, 1, b"1", 0, info=ClientInfo(user, client), tags=tags)
    push = CODEC.publication(entry)
    assert b"\n" not in push
    pub: dict[str, object] = {
        "data": 1,
        "info": {"user": user, "client": client},
        "offset": 1,
    }
    if tags:
        pub["tags"] = tags
    assert json.loads(push) == {"push": {"channel": channel, "pub": pub}}
