"""Joined writes, and who gets them (design 4)."""

from realtime.channels.fanout import Audience
from tests.unit.channels.clients import Node

# Joined writes


def test_frames_of_one_tick_are_one_write() -> None:
    node = Node()
    outbox, sink = node.client()
    for frame in (b"a", b"b", b"c"):
        node.fanout.send(outbox, frame)
    assert sink.writes == []
    node.tick()
    assert sink.writes == [b"abc"]
    node.fanout.send(outbox, b"d")
    node.tick()
    assert sink.writes == [b"abc", b"d"]


def test_everyone_in_an_audience_gets_one_write_with_what_was_broadcast() -> None:
    node = Node()
    room = Audience(durable=True)
    sinks = [node.client(room)[1] for _ in range(3)]
    node.fanout.broadcast(room, b"a")
    node.fanout.broadcast(room, b"b")
    node.tick()
    assert [sink.writes for sink in sinks] == [[b"ab"]] * 3
    assert node.fanout.deliveries == 6
    assert node.fanout.written_bytes == 6


def test_two_rooms_and_a_reply_are_still_one_write() -> None:
    node = Node()
    one, two = Audience(durable=True), Audience(durable=False)
    outbox, sink = node.client(one, two)
    node.fanout.broadcast(one, b"1")
    node.fanout.send(outbox, b"r")
    node.fanout.broadcast(two, b"2")
    node.fanout.broadcast(one, b"3")
    node.tick()
    assert len(sink.writes) == 1
    assert sorted(sink.text) == ["1", "2", "3", "r"]
    assert sink.text.index("1") < sink.text.index("3")


def test_a_lone_frame_is_written_as_the_object_it_is() -> None:
    """Thousands of subscribers share the bytes of one publication."""
    node = Node()
    room = Audience(durable=True)
    sinks = [node.client(room)[1] for _ in range(2)]
    frame = b"x" * 100
    node.fanout.broadcast(room, frame)
    node.tick()
    assert all(sink.writes[0] is frame for sink in sinks)


def test_the_owner_is_woken_once_for_all_that_a_tick_brings() -> None:
    node = Node()
    room = Audience(durable=True)
    outbox, _ = node.client(room)
    assert node.wakes.count == 0
    node.fanout.send(outbox, b"a")
    node.fanout.broadcast(room, b"b")
    node.fanout.send(outbox, b"c")
    assert node.wakes.count == 1
    node.tick()
    node.fanout.broadcast(room, b"d")
    node.fanout.send(outbox, b"e")
    assert node.wakes.count == 2
    node.tick()
    assert node.wakes.count == 2


def test_an_empty_audience_costs_nothing() -> None:
    node = Node()
    room = Audience(durable=True)
    node.fanout.broadcast(room, b"a")
    node.fanout.settle(room)
    assert node.wakes.count == 0
    _, sink = node.client(room)
    node.tick()
    assert sink.writes == []


def test_a_flush_of_nothing_is_harmless() -> None:
    node = Node()
    node.tick()
    assert node.fanout.written_bytes == 0


# Membership


def test_who_joins_sees_only_what_is_broadcast_afterwards() -> None:
    node = Node()
    room = Audience(durable=True)
    _, first = node.client(room)
    node.fanout.broadcast(room, b"a")
    _, second = node.client(room)
    node.fanout.broadcast(room, b"b")
    node.tick()
    assert (first.text, second.text) == ("ab", "b")


def test_who_leaves_gets_what_was_broadcast_before() -> None:
    node = Node()
    room = Audience(durable=True)
    outbox, first = node.client(room)
    _, second = node.client(room)
    node.fanout.broadcast(room, b"a")
    node.fanout.settle(room)
    del room.members[outbox]
    node.fanout.broadcast(room, b"b")
    node.tick()
    assert (first.text, second.text) == ("a", "ab")


def test_a_reply_sent_before_joining_comes_before_the_room_s_publications() -> None:
    node = Node()
    room = Audience(durable=True)
    outbox, sink = node.client()
    node.fanout.send(outbox, b"reply,")
    node.fanout.settle(room)
    room.members[outbox] = None
    node.fanout.broadcast(room, b"first,")
    node.tick()
    assert sink.text == "reply,first,"


def test_an_audience_tells_its_size() -> None:
    node = Node()
    room = Audience(durable=True)
    node.client(room)
    assert repr(room) == "<Audience of 1>"
