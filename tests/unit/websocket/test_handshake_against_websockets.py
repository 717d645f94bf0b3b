"""The same request head gets the same verdict from us and from the `websockets` library.

Accepted with the same `Sec-WebSocket-Accept` and the same subprotocol, or refused with the same
status, but for the differences on purpose that the two tables list.
"""

import re
from typing import Final

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from realtime.websocket import handshake, head
from realtime.websocket.handshake import check
from realtime.websocket.head import HEAD_MAX_BYTES, HeadReader, is_upgrade, parse_head
from realtime.websocket.responses import Refuse, accept_response
from tests.unit.websocket.browser_head import BROWSER, KEY, browser_head

STRICTER: Final = {
    handshake.BAD_HOST.text: "RFC 9112, 3.2 wants one valid Host; the library leaves it to others",
    head.UNSUPPORTED_TARGET.text: "it takes any text as the target",
    head.HEADERS_TOO_LARGE.text: f"it has no limit of {HEAD_MAX_BYTES} bytes for the whole head",
}
"""Refused by us where the library accepts, or says something else, and why."""

OTHER_STATUS: Final = {
    handshake.OTHER_VERSION.text: (426, 400, "RFC 6455, 4.4 wants our version in the answer"),
}
"""Refused by both: our status, the library's, and why they differ.

Two more are not in the table. A request line with an odd method or control characters is 400 here;
the library looks at less of it. And where the library hangs up without a word, on a head that is
malformed or announces a body, whoever made the request is told why.
"""

Verdict = tuple[str | None, str | None, int | None]
"""`Sec-WebSocket-Accept` and the subprotocol of an acceptance; the status of a refusal."""

HUNG_UP: Final[Verdict] = (None, None, None)


def choose(_: ServerProtocol, offers: object) -> Subprotocol | None:
    """Our choice of subprotocols, in the library's terms."""
    assert isinstance(offers, list)
    ours = (Subprotocol("centrifuge-json"), Subprotocol("centrifuge-protobuf"))
    return next((offer for offer in offers if offer in ours), None)


def theirs(data: bytes) -> Verdict:
    """The library's verdict; status None where it hangs up without one."""
    protocol = ServerProtocol(select_subprotocol=choose)
    protocol.receive_data(data)
    events = protocol.events_received()
    if not events:
        answers = protocol.data_to_send()
        status = int(answers[0].split(b" ")[1]) if answers and answers[0] else None
        return None, None, status
    assert isinstance(events[0], Request)
    response = protocol.accept(events[0])
    if response.status_code != 101:
        return None, None, response.status_code
    headers = response.headers
    return headers["Sec-WebSocket-Accept"], headers.get("Sec-WebSocket-Protocol"), None


def our_verdict(data: bytes) -> Refuse | Verdict | None:
    """Our verdict in the same terms, but a refusal as it is; None if the head has no end."""
    cut = HeadReader().feed(data)
    if cut is None or isinstance(cut, Refuse):
        return cut
    assert cut[0] + cut[1] == data
    parsed = parse_head(cut[0])
    if isinstance(parsed, Refuse):
        return parsed
    outcome = check(parsed, ["*"])
    if isinstance(outcome, Refuse):
        return outcome
    # Only what looks like an upgrade gets here at all; the rest is plain HTTP.
    assert is_upgrade(cut[0])
    response = accept_response(outcome.key, outcome.subprotocol).decode()
    fields = dict(line.split(": ", 1) for line in response.split("\r\n")[1:-2])
    return fields["Sec-WebSocket-Accept"], fields.get("Sec-WebSocket-Protocol"), None


def without_empty_offers(data: bytes) -> bytes:
    """The head without its empty `Sec-WebSocket-Protocol`, which we tolerate (protocol 1.12)."""
    lines = data.split(b"\r\n")
    return b"\r\n".join(
        line
        for line in lines
        if not (line.lower().startswith(b"sec-websocket-protocol:") and not line[23:].strip())
    )


def is_request_line_odd(data: bytes) -> bool:
    """Whether the method is no token or the target is empty or has control characters."""
    method, target, _ = data.split(b"\r\n", 1)[0].split(b" ", 2)
    return re.fullmatch(rb"[-!#$%&'*+.^_`|~\w]+", method) is None or (
        re.fullmatch(rb"[!-~]+", target) is None
    )


def assert_same(data: bytes) -> None:
    """Compare the verdicts on a head."""
    reference = theirs(data)
    verdict = our_verdict(data)
    if verdict is None:
        assert reference[0] is None
    elif not isinstance(verdict, Refuse):
        assert verdict == theirs(without_empty_offers(data))
    elif reference == HUNG_UP or verdict.text in STRICTER:
        pass
    elif verdict == head.MALFORMED:
        assert is_request_line_odd(data)
    elif verdict.text in OTHER_STATUS:
        assert (verdict.status, reference[2]) == OTHER_STATUS[verdict.text][:2]
    else:
        assert verdict.status == theirs(without_empty_offers(data))[2]


VALUES: Final[dict[str, list[str]]] = {
    "Host": ["chat.example.com", "localhost:8000", "[::1]", "", "a b"],
    "Connection": [
        "Upgrade",
        "keep-alive, Upgrade",
        "keep-alive",
        "close",
        "UPGRADE",
        ",upgrade,,",
        "up grade",
        "",
        "a;b",
    ],
    "Upgrade": [
        "websocket",
        "WebSocket",
        "WEBSOCKET",
        "h2c",
        "h2c, websocket",
        "websocket, websocket",
        ",websocket,",
        "websocket/13",
        "web socket",
        "",
    ],
    "Sec-WebSocket-Key": [
        KEY,
        KEY[:-1],
        KEY[:-2] + "=A",
        KEY + "A",
        "",
        KEY[:-4] + "ZZ==",
        "ÿ" * 24,
    ],
    "Sec-WebSocket-Version": ["13", "8", "13, 8", "013", "", "13."],
    "Sec-WebSocket-Protocol": [
        "centrifuge-json",
        "centrifuge-protobuf",
        "centrifuge-protobuf, centrifuge-json",
        "chat",
        "",
        ",",
        "a b",
        "Centrifuge-JSON",
    ],
    "Sec-WebSocket-Extensions": ["permessage-deflate", "", "a b"],
    "Origin": ["https://chat.example.com", "null", ""],
    "Content-Length": ["0", "00", "1", "", "-1", "0, 0"],
    "Transfer-Encoding": ["chunked", "identity", ""],
    "X-Other": ["", "ä", "a: b", "x" * 8180, "x" * 8200],
}
LINES: Final = [
    "GET /connection/websocket HTTP/1.1",
    "GET /connection/websocket?format=protobuf HTTP/1.1",
    "GET http://chat.example.com/ HTTP/1.1",
    "GET * HTTP/1.1",
    "GET /a b HTTP/1.1",
    "GET  HTTP/1.1",
    "POST / HTTP/1.1",
    "get / HTTP/1.1",
    "GET / HTTP/1.0",
    "GET / HTTP/2.0",
    "GET /",
    "",
    "GET /" + "a" * 8190 + " HTTP/1.1",
]


@st.composite
def fields(draw: st.DrawFn, name: str) -> str:
    """A header's line with one of its values, its name in any case, spaces around the value."""
    spelled = draw(st.sampled_from([name, name, name.lower(), name.upper()]))
    before = draw(st.sampled_from([" ", " ", " ", "", "\t ", " \t"]))
    after = draw(st.sampled_from(["", "", "", " ", "\t"]))
    return f"{spelled}:{before}{draw(st.sampled_from(VALUES[name]))}{after}\r\n"


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """A browser's head of which some lines are changed, missing, repeated or moved."""
    line = draw(st.sampled_from(LINES)) if draw(st.integers(0, 3)) == 0 else LINES[0]
    lines = [f"{name}: {value}\r\n" for name, value in BROWSER]
    for name in draw(st.lists(st.sampled_from(list(VALUES)), max_size=3)):
        is_repeated = draw(st.integers(0, 3)) == 0
        if not is_repeated:
            lines = [kept for kept in lines if not kept.startswith(f"{name}:")]
        if is_repeated or draw(st.integers(0, 3)) > 0:
            lines.insert(draw(st.integers(0, len(lines))), draw(fields(name)))
    if draw(st.integers(0, 30)) == 0:
        lines.extend(["X: y\r\n"] * draw(st.sampled_from([114, 115, 116, 200])))
    return f"{line}\r\n{''.join(lines)}\r\n".encode("latin-1")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A head with some bytes changed."""
    data = bytearray(draw(heads()))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["flip", "insert", "remove", "cut"])):
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "insert":
                odd = st.sampled_from(
                    [b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\0", b"\x7f", b"a"]
                )
                data[at:at] = draw(odd)
            case "remove":
                del data[at : at + draw(st.integers(1, 5))]
            case _:
                del data[at:]
    return bytes(data)


quickly = settings(
    max_examples=200,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@quickly
@given(data=heads())
@example(data=browser_head())
@example(data=browser_head(("Connection", ""), without=("connection",)))
@example(data=browser_head(("Connection", "")))
@example(data=browser_head(("Sec-WebSocket-Version", "8"), without=("sec-websocket-version",)))
@example(data=browser_head(("Sec-WebSocket-Protocol", "")))
def test_changed_heads_get_the_same_verdict(data: bytes) -> None:
    assert_same(data)


@quickly
@given(data=mutated())
def test_damaged_heads_get_the_same_verdict(data: bytes) -> None:
    assert_same(data)


@quickly
@given(data=st.one_of(heads(), mutated()))
def test_what_is_taken_for_plain_http_is_no_websocket_to_the_library(data: bytes) -> None:
    if not is_upgrade(data):
        assert theirs(data)[0] is None


@quickly
@given(data=st.one_of(heads(), mutated()), size=st.integers(1, 700))
@example(data=browser_head(("X", "x" * 8200))[:-2], size=700)
def test_a_head_in_pieces_gets_the_verdict_of_the_whole(data: bytes, size: int) -> None:
    whole = our_verdict(data)
    reader = HeadReader()
    for start in range(0, len(data), size):
        outcome = reader.feed(data[start : start + size])
        if isinstance(outcome, tuple):
            assert our_verdict(outcome[0]) == whole
            return
        if outcome is not None:
            # A piece may show what a whole without an end does not: a line that is too long.
            assert isinstance(our_verdict(data + b"\r\n\r\n") if whole is None else whole, Refuse)
            return
    assert whole is None


def test_every_difference_says_why() -> None:
    texts = [value.text for value in vars(handshake).values() if isinstance(value, Refuse)]
    texts += [value.text for value in vars(head).values() if isinstance(value, Refuse)]
    assert set(STRICTER) | set(OTHER_STATUS) <= set(texts)
    assert len(set(texts)) == len(texts)
