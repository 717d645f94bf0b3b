"""The same bytes get the same verdict from our frame reader and from the `websockets` library.

Compared are the messages and control frames, in order, what they are answered with on the wire,
and the final close code. The library's sans-IO part leaves checking of text to its caller, so the
reference here does what its asyncio connection does: a message is decoded once it is whole.

One difference is allowed: the library waits for a whole frame before it looks at most of the
header, we need not. Where we failed a connection that it has not yet, it must fail it with the
same code once that frame is complete.
"""

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from realtime.websocket import closing
from realtime.websocket.frames import Close, Event, Failure, FrameReader, OtherKind, Ping, Pong
from realtime.websocket.writing import frame_pong
from tests.unit.websocket.client_frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    client_frame,
    close_payload,
)

Verdict = tuple[list[Event], list[bytes], int | None]
"""The events but a failure, the bytes written but a failure's close frame, the failure's code."""


def ours(pieces: list[bytes], limit: int, is_binary: bool) -> Verdict:
    """Our verdict, with what a connection would write."""
    reader = FrameReader(limit, is_binary=is_binary)
    events = [event for piece in pieces for event in reader.feed(piece)]
    writes = [frame_pong(event.payload) for event in events if isinstance(event, Ping)]
    failure = None
    if events and isinstance(last := events[-1], Close | Failure):
        assert reader.ended
        if isinstance(last, Failure):
            events.pop()
            failure = last.code
        else:
            writes.append(closing.received(closing.State.OPEN, last).frame)
    else:
        assert not reader.ended
    assert not any(isinstance(event, Failure) for event in events)
    return events, writes, failure


def theirs(data: bytes, limit: int, is_binary: bool) -> Verdict:
    """The library's verdict; which kind of message is expected, it does not care."""
    protocol = ServerProtocol(state=OPEN, max_size=limit)
    protocol.receive_data(data)
    writes = [data for data in protocol.data_to_send() if data]
    events: list[Event] = []
    pongs = 0
    message: list[bytes] = []
    is_text = False
    for frame in protocol.events_received():
        assert isinstance(frame, Frame)
        payload = bytes(frame.data)
        if frame.opcode is Opcode.PING:
            events.append(Ping(payload))
            pongs += 1
        elif frame.opcode is Opcode.PONG:
            events.append(Pong(payload))
        elif frame.opcode is Opcode.CLOSE:
            assert protocol.close_rcvd is not None
            events.append(Close(protocol.close_rcvd.code, protocol.close_rcvd.reason))
        else:
            if frame.opcode is not Opcode.CONT:
                message, is_text = [], frame.opcode is Opcode.TEXT
            message.append(payload)
            if not frame.fin:
                continue
            whole = b"".join(message)
            try:
                events.append(whole if not is_text else whole.decode().encode())
            except UnicodeDecodeError:
                return events, writes[:pongs], 1007
            if is_text is is_binary:
                events[-1] = OtherKind(whole)
    if protocol.parser_exc is None:
        return events, writes, None
    assert protocol.close_sent is not None
    return events, writes[:-1], protocol.close_sent.code


def assert_same(data: bytes, pieces: list[bytes], limit: int) -> None:
    """Compare the verdicts on `data`, which reaches us in `pieces`, of both kinds of reader."""
    assert b"".join(pieces) == data
    for is_binary in (False, True):
        verdict = ours(pieces, limit, is_binary)
        reference = theirs(data, limit, is_binary)
        if verdict[2] is not None and reference[2] is None:
            # 14 bytes are the longest header.
            reference = theirs(data + bytes(14 + limit), limit, is_binary)
        assert verdict == reference


# What clients send, mostly right, with every rule broken now and then.

texts = st.text(max_size=40).map(str.encode)
utf8_pieces = st.sampled_from(["é".encode(), "é".encode()[:1], "é".encode()[1:], b"\xed\xa0\x80"])
sizes = st.sampled_from([0, 1, 2, 124, 125, 126, 127, 128, 255, 256, 1000, 65535, 65536, 65537])
payloads = st.one_of(texts, st.binary(max_size=40), utf8_pieces, sizes.map(bytes))
close_codes = st.one_of(
    st.sampled_from([0, 999, *range(1000, 1017), 2999, 3000, 3501, 4000, 4999, 5000, 65535]),
    st.integers(0, 65535),
)
close_payloads = st.one_of(
    st.builds(close_payload, close_codes, st.one_of(texts, utf8_pieces)),
    st.binary(max_size=3),
)
OPCODES = [TEXT, TEXT, BINARY, BINARY, CONTINUATION, PING, PONG, CLOSE, 3, 0xB]
masks = st.sampled_from([b"\0\0\0\0", b"\x37\xfa\x21\x3d", b"\xff\xff\xff\xff", None])


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """One frame, whose every field is usually right."""
    opcode = draw(st.sampled_from(OPCODES))
    unusual = draw(st.integers(0, 15))
    return client_frame(
        opcode,
        draw(close_payloads if opcode == CLOSE else payloads),
        fin=unusual != 0 and (opcode >= CLOSE or draw(st.booleans())),
        reserved=draw(st.integers(0, 7)) if unusual == 1 else 0,
        mask=draw(masks) if unusual == 2 else b"\x11\x22\x33\x44",
        wide=draw(st.sampled_from([2, 8])) if unusual == 3 else 0,
    )


@st.composite
def fragmented(draw: st.DrawFn) -> bytes:
    """A message in fragments, cut anywhere, with control frames between; its end may be wrong."""
    message = draw(texts)
    opcode = draw(st.sampled_from([TEXT, BINARY]))
    cuts = sorted(draw(st.lists(st.integers(0, len(message)), max_size=4)))
    between = st.sampled_from([b"", client_frame(PING, b"p"), client_frame(PONG)])
    data = b""
    for start, stop in zip([0, *cuts], [*cuts, len(message)], strict=True):
        fragment = client_frame(
            CONTINUATION if data else opcode, message[start:stop], fin=False, mask=bytes(4)
        )
        data += draw(between) if data else b""
        data += fragment
    return data + client_frame(CONTINUATION, draw(st.one_of(texts, utf8_pieces)))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A conversation with bits flipped, bytes inserted or taken out, and its end cut off."""
    data = bytearray(b"".join(draw(st.lists(st.one_of(frames(), fragmented()), max_size=5))))
    for _ in range(draw(st.integers(0, 3))):
        # Most fields are near the beginning.
        at = draw(st.integers(0, min(len(data), 200)))
        match draw(st.sampled_from(["flip", "insert", "remove", "cut"])):
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=5))
            case "remove":
                del data[at : at + draw(st.integers(1, 5))]
            case _:
                del data[len(data) - at :]
    return bytes(data)


limits = st.sampled_from([0, 5, 20, 125, 126, 1000, 1000, 65535, 65536])
cuts = st.lists(st.integers(0, 400), max_size=8).map(sorted)


def split(data: bytes, at: list[int]) -> list[bytes]:
    """`data` in pieces, some of them empty."""
    return [data[start:stop] for start, stop in zip([0, *at], [*at, len(data)], strict=True)]


quickly = settings(
    max_examples=200,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@quickly
@given(data=mutated(), limit=limits, at=cuts)
@example(data=client_frame(PING, b"x" * 126), limit=1000, at=[])
@example(data=client_frame(PING, b"x" * 126)[:4], limit=1000, at=[3])
@example(data=client_frame(TEXT, b"abc", reserved=4)[:-1], limit=2, at=[])
@example(data=client_frame(TEXT, b"abc", fin=False) + client_frame(PING, b"abc"), limit=5, at=[])
@example(data=client_frame(TEXT, b"abc", fin=False) + client_frame(CLOSE, b"\3"), limit=5, at=[])
def test_what_clients_send_gets_the_same_verdict(data: bytes, limit: int, at: list[int]) -> None:
    assert_same(data, split(data, [min(cut, len(data)) for cut in at]), limit)


@quickly
@given(pieces=st.lists(st.one_of(frames(), fragmented()), max_size=5), limit=limits)
def test_frames_in_chunks_of_their_own_get_the_same_verdict(
    pieces: list[bytes], limit: int
) -> None:
    assert_same(b"".join(pieces), pieces, limit)


@quickly
@given(data=st.binary(max_size=60), limit=limits)
def test_any_bytes_get_the_same_verdict(data: bytes, limit: int) -> None:
    assert_same(data, [bytes((byte,)) for byte in data], limit)


@quickly
@given(
    first=st.integers(0, 255),
    second=st.integers(0, 255),
    rest=st.binary(max_size=30),
    after=st.sampled_from([b"", client_frame(TEXT, b"x", fin=False)]),
)
def test_any_header_gets_the_same_verdict(
    first: int, second: int, rest: bytes, after: bytes
) -> None:
    data = after + bytes((first, second)) + rest
    assert_same(data, [data], 100)
