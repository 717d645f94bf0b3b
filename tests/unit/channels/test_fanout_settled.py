"""What is sent when everything broadcast has been handed over, and nothing is written."""

from realtime.channels.fanout import Audience
from tests.unit.channels.clients import Node


def test_what_is_sent_then_is_written_behind_what_was_broadcast_in_one_write() -> None:
    node = Node()
    room = Audience(durable=True)
    outbox, sink = node.client(room)
    times: list[float] = []

    def settled(now: float) -> None:
        times.append(now)
        node.fanout.send(outbox, b"?")

    node.fanout.settled = settled
    node.fanout.send(outbox, b"reply")
    node.fanout.broadcast(room, b"a")
    node.fanout.broadcast(room, b"b")
    node.tick()
    assert sink.writes == [b"replyab?"]
    assert len(times) == 1


def test_it_may_be_all_that_is_written() -> None:
    node = Node()
    outbox, sink = node.client()
    other, _ = node.client()
    node.fanout.settled = lambda now: node.fanout.send(outbox, b"?")
    node.fanout.send(other, b"a")
    node.tick()
    assert sink.writes == [b"?"]
