"""HTTP/2 without a network: what a session sends, and what it says has become of requests."""

from collections.abc import Mapping

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamReset
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from workers.providers.apns.session import (
    Answered,
    Dropped,
    Response,
    Session,
    SessionBroken,
    Settled,
)

HEADERS: Mapping[str, str] = {
    ":method": "POST",
    ":scheme": "https",
    ":authority": "apns",
    ":path": "/3/device/ab",
    "authorization": "bearer token",
}


class Pair:
    """A session and its server, joined by hand."""

    def __init__(self, *, window_bytes: int = 65_535) -> None:
        self.session = Session(response_bytes_max=100)
        self.server = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.server.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: 10,
                SettingCodes.INITIAL_WINDOW_SIZE: window_bytes,
            },
        )
        self.server.initiate_connection()
        self.asked: list[int] = []
        self.resets: list[int] = []

    def exchange(self) -> list[Settled]:
        """Carry both ways what there is."""
        settled: list[Settled] = []
        while True:
            up, down = self.session.data_to_send(), self.server.data_to_send()
            if not up and not down:
                return settled
            for event in self.server.receive_data(up):
                if isinstance(event, RequestReceived) and event.stream_id is not None:
                    self.asked.append(event.stream_id)
                elif isinstance(event, StreamReset):
                    self.resets.append(event.stream_id)
            settled += self.session.receive(down)

    def answer(self, stream: int) -> None:
        """Say 200."""
        self.server.send_headers(stream, [(":status", "200"), ("apns-id", "x")], end_stream=True)


def goaway(last: int) -> bytes:
    """As a server sends it."""
    frame = GoAwayFrame(0)
    frame.last_stream_id = last
    return frame.serialize()


def not_taken(number: int) -> Dropped:
    """What becomes of a request above the last that a GOAWAY names."""
    return Dropped(number, taken=False, why="not taken")


OK = Response(200, {"apns-id": "x"}, b"")


def test_nothing_is_asked_before_the_server_has_said_how_much_it_takes() -> None:
    pair = Pair()
    pair.session.submit(HEADERS, b"body")
    first = pair.session.data_to_send()
    # The preface, our settings (type 4), and nothing behind them.
    settings = first.removeprefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert settings[3] == 4
    assert len(settings) == 9 + int.from_bytes(settings[:3])
    pair.server.receive_data(first)
    pair.exchange()
    assert pair.asked == [1]


def test_a_request_is_answered_once_and_needs_no_reset() -> None:
    pair = Pair()
    number = pair.session.submit(HEADERS, b"body")
    assert pair.exchange() == []
    pair.answer(1)
    assert pair.exchange() == [Answered(number, OK)]
    assert pair.resets == []
    pair.session.cancel(number)
    assert pair.session.data_to_send() == b""


def test_a_request_without_a_body_ends_all_the_same() -> None:
    pair = Pair()
    number = pair.session.submit(HEADERS, b"")
    pair.exchange()
    pair.answer(1)
    assert pair.exchange() == [Answered(number, OK)]


def test_each_goaway_gives_back_what_it_does_not_take() -> None:
    pair = Pair()
    first, second, third = (pair.session.submit(HEADERS, b"body") for _ in range(3))
    pair.exchange()
    assert pair.session.receive(goaway(2**31 - 1)) == []
    assert pair.session.retired and not pair.session.finished
    assert pair.session.receive(goaway(3)) == [not_taken(third)]
    assert pair.session.receive(goaway(1)) == [not_taken(second)]
    pair.answer(1)
    assert pair.exchange() == [Answered(first, OK)]
    assert pair.session.finished


def test_an_answer_and_a_goaway_in_one_piece_are_both_heard() -> None:
    pair = Pair()
    first, second = (pair.session.submit(HEADERS, b"body") for _ in range(2))
    pair.exchange()
    pair.answer(1)
    settled = pair.session.receive(pair.server.data_to_send() + goaway(1))
    assert settled == [Answered(first, OK), not_taken(second)]


def test_a_request_whose_end_was_not_sent_was_not_done() -> None:
    pair = Pair(window_bytes=10)
    sent = pair.session.submit(HEADERS, b"short")
    half = pair.session.submit(HEADERS, b"much too long")
    queued = pair.session.submit(HEADERS, b"short")
    pair.exchange()
    # Nothing is opened while a body waits for its window.
    assert pair.asked == [1, 3]
    assert sorted(pair.session.abandon("lost"), key=lambda each: each.number) == [
        Dropped(sent, taken=True, why="lost"),
        Dropped(half, taken=False, why="lost"),
        Dropped(queued, taken=False, why="not sent"),
    ]
    assert pair.session.abandon("lost") == []


def test_a_cancelled_request_makes_room_for_the_next() -> None:
    pair = Pair(window_bytes=10)
    half = pair.session.submit(HEADERS, b"much too long")
    queued = pair.session.submit(HEADERS, b"short")
    last = pair.session.submit(HEADERS, b"short")
    pair.exchange()
    assert pair.asked == [1]
    pair.session.cancel(queued)
    pair.session.cancel(half)
    pair.exchange()
    assert pair.asked == [1, 3]
    assert pair.resets == [1]
    pair.answer(3)
    assert pair.exchange() == [Answered(last, OK)]


def test_what_came_before_a_server_broke_the_protocol_still_counts() -> None:
    pair = Pair()
    first, second = (pair.session.submit(HEADERS, b"body") for _ in range(2))
    pair.exchange()
    pair.answer(1)
    answered = pair.server.data_to_send()
    short_ping = b"\x00\x00\x01\x06\x00\x00\x00\x00\x00x"
    with pytest.raises(SessionBroken) as caught:
        # The GOAWAY between them splits the bytes, and so the answer is not lost with the rest.
        pair.session.receive(answered + goaway(3) + short_ping)
    assert caught.value.settled == [Answered(first, OK)]
    assert pair.session.data_to_send() != b""
    assert pair.session.abandon("broken") == [Dropped(second, taken=True, why="broken")]
    pair.session.ping()
    assert pair.session.data_to_send() == b""


def test_a_session_tells_how_it_is_and_nothing_of_what_it_carries() -> None:
    pair = Pair()
    assert repr(pair.session) == "<Session new open=0 queued=0>"
    pair.session.submit(HEADERS, b"body")
    assert repr(pair.session) == "<Session new open=0 queued=1>"
    pair.exchange()
    assert repr(pair.session) == "<Session ready open=1 queued=0>"


def test_the_token_is_packed_once_and_addresses_are_not_remembered() -> None:
    pair = Pair()
    for place in range(3):
        pair.session.submit({**HEADERS, ":path": f"/3/device/{place}", "apns-id": "id"}, b"")
    pair.exchange()
    names = [name for name, _ in pair.server.decoder.header_table.dynamic_entries]
    assert names.count(b"authorization") == 1
    assert not {b":path", b"apns-id"} & set(names)
