"""A channel with subscribers: who gets what, from when, and encoded how often."""

from typing import Final

import pytest

from realtime.channels.cursor import Cursor, TailBudget
from realtime.channels.fanout import Fanout
from realtime.channels.live import LiveChannel, Wire
from realtime.channels.rules import ChannelRules
from realtime.model import Entry
from realtime.protocol.json_codec import JsonCodec
from realtime.protocol.replies import Info, Join, Leave
from realtime.settings.schema import ChannelOptions
from tests.unit.channels.clients import Client, CountingCodec, Wakes, make_wire

JOIN: Final = Join(Info("u", "c"))
LEAVE: Final = Leave(Info("u", "c"))


class Room:
    """A channel on a node, with a fan-out of its own and one usual wire."""

    def __init__(self, position: int | None = 0, *, forced: bool = False) -> None:
        options = ChannelOptions(
            history_size=-1 if position is not None else 0,
            join_leave=True,
            force_push_join_leave=forced,
        )
        self.channel = LiveChannel("chat:1", ChannelRules("chat", options))
        if position is not None:
            self.channel.cursor = Cursor(position, TailBudget(1 << 30))
        self.fanout = Fanout(Wakes(), 1 << 20)
        self.wire = make_wire("w")

    def client(self, id: str, wire: Wire | None = None) -> Client:
        return Client(id, wire if wire is not None else self.wire)

    def arrives(self, *offsets: int) -> None:
        """Entries of the log come, through the cursor."""
        assert self.channel.cursor is not None
        for offset in offsets:
            ready = self.channel.cursor.offer(Entry("chat:1", offset, b"1", 0))
            self.channel.deliver(ready, self.fanout)

    def tick(self) -> None:
        self.fanout.flush(0.0)


def codec_of(wire: Wire) -> CountingCodec:
    assert isinstance(wire.codec, CountingCodec)
    return wire.codec


# Publications


def test_everyone_who_joined_gets_what_is_delivered() -> None:
    room = Room()
    clients = [room.client(id) for id in "abc"]
    for client in clients:
        room.channel.join(client.to(room.channel), room.fanout)
    room.arrives(1, 2)
    room.tick()
    assert [client.sink.text for client in clients] == ["w<1>w<2>"] * 3
    assert all(len(client.sink.writes) == 1 for client in clients)


def test_a_publication_is_encoded_once_per_wire() -> None:
    room = Room()
    other, unused = make_wire("v"), make_wire("x")
    clients = [room.client("a"), room.client("b"), room.client("c", other), room.client("d", other)]
    for client in clients:
        room.channel.join(client.to(room.channel), room.fanout)
    gone = room.client("e", unused)
    subscription = gone.to(room.channel)
    room.channel.join(subscription, room.fanout)
    room.channel.leave(subscription, room.fanout)
    room.arrives(1)
    room.tick()
    assert [client.sink.text for client in clients] == ["w<1>", "w<1>", "v<1>", "v<1>"]
    assert clients[0].sink.writes[0] is clients[1].sink.writes[0]
    assert [codec_of(wire).publications for wire in (room.wire, other, unused)] == [1, 1, 0]


def test_wires_of_one_codec_share_what_is_encoded() -> None:
    """In whichever order they come: JSON over websockets and streams, Protobuf between."""
    room = Room()
    same = Wire("s", room.wire.codec, lambda document: b"s<%b>" % document)
    other = make_wire("v")
    clients = [room.client("a"), room.client("b", other), room.client("c", same)]
    for client in clients:
        room.channel.join(client.to(room.channel), room.fanout)
    room.arrives(1)
    room.tick()
    assert [client.sink.text for client in clients] == ["w<1>", "v<1>", "s<1>"]
    assert codec_of(room.wire).publications == codec_of(other).publications == 1


def test_an_ephemeral_channel_needs_no_cursor() -> None:
    room = Room(position=None)
    client = room.client("a")
    room.channel.join(client.to(room.channel, after=5), room.fanout)
    room.channel.publish(Entry("chat:1", 0, b"hi", 0), room.fanout)
    room.tick()
    assert client.sink.text == "w<hi>"


@pytest.mark.parametrize(("position", "durable"), [(0, True), (None, False)])
def test_publications_of_a_log_are_durable_and_others_not(
    position: int | None, durable: bool
) -> None:
    room = Room(position)
    client = room.client("a")
    room.channel.join(client.to(room.channel), room.fanout)
    room.fanout.pause(client.outbox, 0.0)
    room.channel.publish(Entry("chat:1", 0, b"hi", 0), room.fanout)
    room.tick()
    assert client.outbox.backlog is not None
    assert (client.outbox.backlog.waited(5.0) == 5.0) is durable


# Joining


def test_who_joins_later_sees_only_what_comes_later() -> None:
    room = Room()
    first, second = room.client("a"), room.client("b")
    room.channel.join(first.to(room.channel), room.fanout)
    room.arrives(1)
    room.channel.join(second.to(room.channel, after=1), room.fanout)
    room.arrives(2)
    room.tick()
    assert (first.sink.text, second.sink.text) == ("w<1>w<2>", "w<2>")


def test_who_is_ahead_of_the_node_skips_what_its_reply_had() -> None:
    """Its reply came from the store, which knew more than this node had delivered."""
    room = Room(position=3)
    first, ahead = room.client("a"), room.client("b")
    room.channel.join(first.to(room.channel, after=3), room.fanout)
    subscription = ahead.to(room.channel, after=5)
    room.channel.join(subscription, room.fanout)
    assert room.channel.has(subscription)
    room.arrives(4, 5)
    room.tick()
    assert ahead.sink.text == ""
    room.arrives(6)
    room.tick()
    assert first.sink.text == "w<4>w<5>w<6>"
    assert ahead.sink.text == "w<6>"


def test_several_who_are_ahead_are_admitted_each_in_its_turn() -> None:
    room = Room()
    clients = {after: room.client(str(after)) for after in (3, 1, 2)}
    for after, client in clients.items():
        room.channel.join(client.to(room.channel, after=after), room.fanout)
    room.arrives(3, 4, 2, 1)
    room.tick()
    assert {after: client.sink.text for after, client in clients.items()} == {
        1: "w<2>w<3>w<4>",
        2: "w<3>w<4>",
        3: "w<4>",
    }
    assert room.channel.count() == 3


def test_who_is_ahead_and_leaves_gets_nothing_any_more() -> None:
    room = Room()
    client, other = room.client("a"), room.client("b")
    subscription, stays = client.to(room.channel, after=2), other.to(room.channel, after=2)
    room.channel.join(subscription, room.fanout)
    room.channel.join(stays, room.fanout)
    room.channel.leave(subscription, room.fanout)
    assert not room.channel.has(subscription)
    room.arrives(1, 2, 3)
    room.tick()
    assert client.sink.text == ""
    assert other.sink.text == "w<3>"


def test_what_the_cursor_lets_through_at_once_is_delivered_in_order() -> None:
    room = Room()
    client = room.client("a")
    room.channel.join(client.to(room.channel), room.fanout)
    room.arrives(3, 2)
    room.tick()
    assert client.sink.text == ""
    room.arrives(1)
    room.tick()
    assert client.sink.text == "w<1>w<2>w<3>"


# Leaving


def test_who_leaves_gets_what_came_before_and_nothing_after() -> None:
    room = Room()
    client, other = room.client("a"), room.client("b")
    subscription = client.to(room.channel)
    room.channel.join(subscription, room.fanout)
    room.channel.join(other.to(room.channel), room.fanout)
    room.arrives(1)
    room.channel.leave(subscription, room.fanout)
    room.arrives(2)
    room.tick()
    assert (client.sink.text, other.sink.text) == ("w<1>", "w<1>w<2>")


def test_leaving_without_having_joined_is_harmless() -> None:
    room = Room()
    client, stranger = room.client("a"), room.client("b", make_wire("x"))
    joined, never = client.to(room.channel), client.to(room.channel)
    room.channel.join(joined, room.fanout)
    room.channel.leave(never, room.fanout)
    room.channel.leave(stranger.to(room.channel), room.fanout)
    assert room.channel.has(joined)
    room.arrives(1)
    room.tick()
    assert client.sink.text == "w<1>"


# Joins and leaves


def test_only_those_who_watch_are_told_who_comes_and_goes() -> None:
    room = Room()
    watcher, other = room.client("a"), room.client("b")
    far = room.client("c", make_wire("v"))
    for client, watches in ((watcher, True), (other, False), (far, True)):
        room.channel.join(client.to(room.channel, watches=watches), room.fanout)
    room.channel.announce(JOIN, room.fanout)
    room.channel.announce(LEAVE, room.fanout)
    room.tick()
    join, leave = (JsonCodec().push("chat:1", event).decode() for event in (JOIN, LEAVE))
    assert watcher.sink.text == f"w<{join}>w<{leave}>"
    assert far.sink.text == f"v<{join}>v<{leave}>"
    assert other.sink.text == ""


def test_where_it_is_forced_everyone_is_told() -> None:
    room = Room(forced=True)
    clients = [room.client("a"), room.client("b"), room.client("c", make_wire("v"))]
    for client in clients:
        room.channel.join(client.to(room.channel, watches=True), room.fanout)
    room.channel.announce(JOIN, room.fanout)
    room.tick()
    join = JsonCodec().push("chat:1", JOIN).decode()
    assert [client.sink.text for client in clients] == [f"w<{join}>", f"w<{join}>", f"v<{join}>"]


def test_where_it_is_forced_a_token_may_except_its_bearer() -> None:
    room = Room(position=3, forced=True)
    told, ahead, excepted = room.client("a"), room.client("b"), room.client("c")
    room.channel.join(told.to(room.channel, watches=True), room.fanout)
    room.channel.join(ahead.to(room.channel, after=9, watches=True), room.fanout)
    exception = excepted.to(room.channel, watches=False)
    room.channel.join(exception, room.fanout)
    room.channel.announce(JOIN, room.fanout)
    room.tick()
    join = JsonCodec().push("chat:1", JOIN).decode()
    assert [client.sink.text for client in (told, ahead, excepted)] == [
        f"w<{join}>",
        f"w<{join}>",
        "",
    ]
    room.channel.leave(exception, room.fanout)
    room.channel.announce(LEAVE, room.fanout)
    room.tick()
    assert "leave" in told.sink.text
    assert excepted.sink.text == ""


@pytest.mark.parametrize("forced", [False, True])
def test_a_join_is_encoded_once_per_wire(forced: bool) -> None:
    room = Room(forced=forced)
    other, unused = make_wire("v"), make_wire("x")
    for id, wire in (("a", room.wire), ("b", room.wire), ("c", other), ("d", other)):
        client = room.client(id, wire)
        room.channel.join(client.to(room.channel, watches=True), room.fanout)
    gone = room.client("e", unused).to(room.channel, watches=True)
    room.channel.join(gone, room.fanout)
    room.channel.leave(gone, room.fanout)
    room.channel.announce(JOIN, room.fanout)
    assert [codec_of(wire).pushes for wire in (room.wire, other, unused)] == [1, 1, 0]


@pytest.mark.parametrize("forced", [False, True])
def test_who_left_is_not_told_any_more(forced: bool) -> None:
    room = Room(forced=forced)
    client = room.client("a")
    subscription = client.to(room.channel, watches=True)
    room.channel.announce(JOIN, room.fanout)
    room.channel.join(subscription, room.fanout)
    room.channel.leave(subscription, room.fanout)
    room.channel.announce(LEAVE, room.fanout)
    room.tick()
    assert client.sink.text == ""


def test_who_is_ahead_of_the_node_watches_already() -> None:
    room = Room()
    client = room.client("a")
    subscription = client.to(room.channel, after=7, watches=True)
    room.channel.join(subscription, room.fanout)
    room.channel.announce(JOIN, room.fanout)
    room.tick()
    assert "join" in client.sink.text
    room.channel.leave(subscription, room.fanout)
    room.channel.announce(LEAVE, room.fanout)
    room.tick()
    assert "leave" not in client.sink.text


def test_joins_and_leaves_are_ephemeral_for_those_who_watch() -> None:
    room = Room()
    client = room.client("a")
    room.channel.join(client.to(room.channel, watches=True), room.fanout)
    room.fanout.pause(client.outbox, 0.0)
    room.channel.announce(JOIN, room.fanout)
    assert client.outbox.backlog is not None
    assert client.outbox.backlog.waited(5.0) == 0.0
    assert client.outbox.backlog.size > 0


# What a channel knows


def test_a_channel_knows_its_subscriptions() -> None:
    room = Room(position=3)
    one, two = room.client("a"), room.client("b", make_wire("v"))
    served, lagging = one.to(room.channel, after=3), two.to(room.channel, after=9)
    assert room.channel.is_idle()
    assert list(room.channel.subscriptions()) == []
    assert not room.channel.has(served)
    room.channel.join(served, room.fanout)
    room.channel.join(lagging, room.fanout)
    assert room.channel.count() == 2
    assert list(room.channel.subscriptions()) == [served, lagging]
    assert room.channel.has(served)
    assert room.channel.has(lagging)
    assert not room.channel.has(one.to(room.channel))
    assert not room.channel.is_idle()
    room.channel.leave(lagging, room.fanout)
    assert not room.channel.is_idle()
    room.channel.leave(served, room.fanout)
    assert room.channel.count() == 0
    assert room.channel.is_idle()


def test_a_channel_that_is_about_to_be_joined_is_not_idle() -> None:
    room = Room()
    room.channel.joiners += 1
    assert not room.channel.is_idle()


def test_they_tell_what_they_are() -> None:
    room = Room(position=3)
    client = room.client("a")
    subscription = client.to(room.channel, after=4)
    room.channel.join(subscription, room.fanout)
    assert repr(subscription) == "<Subscription of a to 'chat:1' after 4>"
    assert repr(room.channel) == (
        "<LiveChannel 'chat:1' with 1 <Cursor at 3 known=3 tail=0 held=0>>"
    )


def test_a_wire_has_its_ping_ready() -> None:
    wire = Wire("w", JsonCodec(), lambda document: b"[" + document + b"]")
    assert wire.ping == b"[{}]"
    assert wire.name == "w"


# Signals


def test_a_signal_goes_to_everyone_who_is_subscribed_and_is_the_first_to_be_dropped() -> None:
    room = Room()
    clients = [room.client("a"), room.client("b")]
    room.channel.join(clients[0].to(room.channel), room.fanout)
    room.channel.join(clients[1].to(room.channel, after=5), room.fanout)
    room.fanout.pause(clients[0].outbox, 0.0)
    room.channel.signal(Entry("chat:1", 0, b"typing", 0, "signal"), room.fanout)
    room.tick()
    assert clients[1].sink.text == "w<typing>"
    assert codec_of(room.wire).publications == 1
    backlog = clients[0].outbox.backlog
    assert backlog is not None
    while not backlog.overflowed:
        backlog.offer(b"x" * 1000, True, 0.0)
    assert backlog.dropped == 1
