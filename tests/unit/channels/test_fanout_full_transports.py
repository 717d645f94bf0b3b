"""Clients whose transports are full, slow or gone (design 4)."""

from typing import Final

import pytest

from realtime.channels.fanout import Audience
from realtime.channels.outbox import FRAME_BYTES, SLOW_AFTER_S
from tests.unit.channels.clients import Node, Sink

LIMIT: Final = 4 * (FRAME_BYTES + 2)
"""Four frames of two bytes."""


def test_what_comes_while_paused_waits_and_goes_out_first_on_resuming() -> None:
    node = Node()
    room = Audience(durable=True)
    outbox, sink = node.client(room)
    node.fanout.pause(outbox, 0.0)
    node.fanout.send(outbox, b"a")
    node.fanout.broadcast(room, b"b")
    node.tick()
    node.fanout.send(outbox, b"c")
    node.tick()
    assert sink.writes == []
    node.fanout.resume(outbox)
    node.fanout.send(outbox, b"d")
    node.fanout.broadcast(room, b"e")
    node.tick()
    assert sink.writes == [b"abcde"]
    assert node.fanout.paused == set()


def test_frames_queued_before_a_pause_stay_before_those_that_waited() -> None:
    node = Node()
    outbox, sink = node.client()
    node.fanout.send(outbox, b"a")
    node.fanout.pause(outbox, 0.0)
    node.fanout.send(outbox, b"b")
    node.fanout.resume(outbox)
    node.fanout.send(outbox, b"c")
    node.tick()
    assert sink.text == "abc"


def test_pausing_twice_and_resuming_twice_is_harmless() -> None:
    node = Node()
    outbox, sink = node.client()
    node.fanout.resume(outbox)
    node.fanout.pause(outbox, 0.0)
    node.fanout.send(outbox, b"a")
    node.fanout.pause(outbox, 0.0)
    node.fanout.send(outbox, b"b")
    assert node.fanout.paused == {outbox}
    node.fanout.resume(outbox)
    node.fanout.resume(outbox)
    node.tick()
    assert sink.writes == [b"ab"]


def test_resuming_without_anything_that_waits_writes_nothing() -> None:
    node = Node()
    outbox, sink = node.client()
    node.fanout.pause(outbox, 0.0)
    node.fanout.resume(outbox)
    node.tick()
    assert sink.writes == []
    assert outbox.backlog is None


def test_a_transport_may_pause_its_client_in_the_middle_of_a_write() -> None:
    node = Node()
    outbox, sink = node.client()

    class Full(Sink):
        def write(self, data: bytes) -> None:
            super().write(data)
            node.fanout.pause(outbox, node.now)

    full = Full()
    outbox.sink = full
    node.fanout.send(outbox, b"a")
    node.tick()
    node.fanout.send(outbox, b"b")
    node.tick()
    assert full.writes == [b"a"]
    node.fanout.resume(outbox)
    node.tick()
    assert full.writes == [b"a", b"b"]
    assert sink.writes == []


def test_ephemeral_frames_are_the_first_to_go() -> None:
    node = Node(LIMIT)
    log, live = Audience(durable=True), Audience(durable=False)
    outbox, sink = node.client(log, live)
    node.fanout.pause(outbox, 0.0)
    for frame in (b"1.", b"2.", b"3."):
        node.fanout.broadcast(live, frame)
        node.tick()
    node.fanout.send(outbox, b"p.", durable=False)
    for frame in (b"a.", b"b."):
        node.fanout.broadcast(log, frame)
        node.tick()
    node.fanout.resume(outbox)
    node.tick()
    assert sink.text == "a.b.3.p."
    assert node.fanout.dropped == 2
    assert node.fanout.slow == []


def test_a_client_whose_durable_frames_do_not_fit_is_slow() -> None:
    node = Node(LIMIT)
    room = Audience(durable=True)
    outbox, sink = node.client(room)
    _, other = node.client(room)
    node.fanout.pause(outbox, 0.0)
    for _ in range(6):
        node.fanout.broadcast(room, b"a.")
        node.tick()
    assert node.fanout.slow == [outbox]
    assert other.text == "a." * 6
    # It must not be given what came after the hole, even if its transport has room again.
    node.fanout.resume(outbox)
    node.fanout.broadcast(room, b"b.")
    node.tick()
    assert sink.writes == []
    assert outbox.backlog is not None
    assert node.fanout.slow == [outbox]


def test_the_owner_is_woken_for_a_client_that_became_slow_by_a_reply() -> None:
    """It looks at `slow` after a flush, and where nothing else happens there would be none."""
    node = Node(LIMIT)
    outbox, _ = node.client()
    node.fanout.pause(outbox, 0.0)
    for _ in range(4):
        node.fanout.send(outbox, b"a.")
    assert node.wakes.count == 0
    node.fanout.send(outbox, b"a.")
    assert node.fanout.slow == [outbox]
    assert node.wakes.count == 1
    node.fanout.send(outbox, b"a.")
    assert node.wakes.count == 1


def test_a_tick_that_is_under_way_is_enough_for_a_client_that_became_slow() -> None:
    node = Node(LIMIT)
    outbox, _ = node.client()
    other, _ = node.client()
    node.fanout.pause(outbox, 0.0)
    node.fanout.send(other, b"a.")
    for _ in range(5):
        node.fanout.send(outbox, b"a.")
    assert node.fanout.slow == [outbox]
    assert node.wakes.count == 1


def test_a_client_that_takes_no_durable_frame_for_too_long_is_overdue() -> None:
    node = Node()
    room = Audience(durable=True)
    outbox, _ = node.client(room)
    patient, _ = node.client()
    node.fanout.pause(outbox, 100.0)
    node.fanout.pause(patient, 100.0)
    node.fanout.send(patient, b"1", durable=False)
    node.fanout.broadcast(room, b"a")
    node.fanout.flush(101.0)
    node.fanout.broadcast(room, b"b")
    node.fanout.flush(105.0)
    assert SLOW_AFTER_S == 10.0
    assert node.fanout.overdue(101.0 + SLOW_AFTER_S) == []
    assert node.fanout.overdue(101.1 + SLOW_AFTER_S) == [outbox]
    node.fanout.resume(outbox)
    assert node.fanout.overdue(1000.0) == []


def test_a_frame_that_waits_is_as_old_as_the_last_tick() -> None:
    node = Node()
    outbox, _ = node.client()
    node.fanout.pause(outbox, 100.0)
    node.fanout.overdue(104.0)
    node.fanout.send(outbox, b"a")
    assert node.fanout.overdue(104.0 + SLOW_AFTER_S) == []
    assert node.fanout.overdue(104.1 + SLOW_AFTER_S) == [outbox]


# Clients that are gone


def test_what_waited_for_a_client_that_is_gone_is_dropped() -> None:
    node = Node(LIMIT)
    outbox, sink = node.client()
    node.fanout.pause(outbox, 0.0)
    for _ in range(6):
        node.fanout.send(outbox, b"1.", durable=False)
    node.fanout.send(outbox, b"a.")
    node.fanout.forget(outbox)
    assert node.fanout.paused == set()
    assert node.fanout.dropped == 3
    assert node.fanout.overdue(1000.0) == []
    node.tick()
    assert sink.writes == []


def test_forgetting_a_client_that_is_not_paused_is_harmless() -> None:
    node = Node()
    outbox, _ = node.client()
    node.fanout.forget(outbox)
    assert node.fanout.dropped == 0


def test_frames_that_a_close_took_are_not_written_again() -> None:
    node = Node()
    outbox, sink = node.client()
    node.fanout.send(outbox, b"a")
    assert outbox.take() == b"a"
    node.tick()
    assert sink.writes == []
    node.fanout.send(outbox, b"b")
    assert outbox.take() == b"b"
    node.fanout.send(outbox, b"c")
    node.tick()
    assert sink.writes == [b"c"]


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_transport_that_was_lost_costs_the_others_nothing(position: int) -> None:
    """uvloop raises RuntimeError from a write after the connection was lost in the same tick."""
    node = Node()
    room = Audience(durable=True)
    clients = [node.client(room) for _ in range(3)]
    clients[position][1].error = RuntimeError("the handler is closed")
    node.fanout.broadcast(room, b"a")
    node.tick()
    node.fanout.broadcast(room, b"b")
    node.tick()
    for index, (_, sink) in enumerate(clients):
        assert sink.writes == ([] if index == position else [b"a", b"b"])
