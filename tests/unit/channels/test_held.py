"""What a channel holds back for a while: in which frames it goes out, and that nobody misses it."""

from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from realtime.channels.cursor import Cursor, TailBudget
from realtime.channels.fanout import Fanout
from realtime.channels.held import HELD_BYTES_MAX, Held
from realtime.channels.live import LiveChannel, Subscription, Wire
from realtime.channels.rules import ChannelRules
from realtime.model import ClientInfo, Entry
from realtime.protocol.json_codec import JsonCodec
from realtime.settings.schema import ChannelOptions
from tests.unit.channels.clients import Client, CountingCodec, Wakes

NAME: Final = "chat:1"
CODEC: Final = CountingCodec()
TOGETHER: Final = Wire("t", CODEC, lambda document: b"<%b>" % document, between=b",")
APART: Final = Wire("a", CODEC, lambda document: b"(%b)" % document)


class Room:
    """A channel with a log of which nothing is known yet, and who listens."""

    def __init__(self) -> None:
        self.channel = LiveChannel(NAME, ChannelRules("chat", ChannelOptions(history_size=-1)))
        self.cursor = self.channel.cursor = Cursor(0, TailBudget(1 << 30))
        self.fanout = Fanout(Wakes(), 1 << 20)

    def join(self, wire: Wire = TOGETHER, *, ahead: int = 0) -> tuple[Client, Subscription]:
        """Somebody subscribes now, whose reply had all that the node knows, or more."""
        client = Client("c", wire)
        subscription = client.to(self.channel, after=self.cursor.position + ahead)
        self.channel.join(subscription, self.fanout)
        return client, subscription

    def arrive(self, *, held: bool) -> None:
        """The next entry comes, and is held or not."""
        for entry in self.cursor.offer(Entry(NAME, self.cursor.position + 1, b"1", 0)):
            if held:
                assert self.channel.hold(entry)
            else:
                self.channel.deliver((entry,), self.fanout)

    def release(self) -> None:
        self.channel.release(self.fanout)
        self.fanout.flush(0.0)


def test_what_is_held_goes_out_in_one_frame_where_frames_carry_several() -> None:
    room = Room()
    (one, _), (other, _) = room.join(TOGETHER), room.join(APART)
    for _ in range(3):
        room.arrive(held=True)
    room.fanout.flush(0.0)
    assert (one.sink.writes, other.sink.writes) == ([], [])
    room.release()
    assert (one.sink.writes, other.sink.writes) == ([b"<1,2,3>"], [b"(1)(2)(3)"])


def test_what_is_held_goes_before_what_is_not() -> None:
    room = Room()
    client, _ = room.join()
    room.arrive(held=True)
    room.arrive(held=True)
    room.arrive(held=False)
    room.arrive(held=True)
    room.fanout.flush(0.0)
    assert client.sink.writes == [b"<1,2><3>"]
    room.release()
    room.release()
    assert client.sink.text == "<1,2><3><4>"


def test_who_joins_meanwhile_gets_nothing_twice() -> None:
    room = Room()
    first, _ = room.join()
    room.arrive(held=True)
    second, _ = room.join()
    room.arrive(held=True)
    third, subscription = room.join()
    assert room.channel.has(subscription)
    assert room.channel.count() == 3
    room.release()
    room.arrive(held=False)
    room.fanout.flush(0.0)
    assert [client.sink.text for client in (first, second, third)] == ["<1><2><3>", "<2><3>", "<3>"]


def test_who_joins_ahead_of_the_node_waits_until_what_is_held_has_come_there() -> None:
    room = Room()
    room.join()
    ahead, _ = room.join(ahead=2)
    for _ in range(3):
        room.arrive(held=True)
    room.release()
    assert ahead.sink.text == "<3>"


def test_who_leaves_is_not_given_what_is_held() -> None:
    """It has the position of what it was given, and recovers the rest when it comes back."""
    room = Room()
    room.join()
    stays, _ = room.join()
    gone, subscription = room.join()
    room.arrive(held=True)
    late, waiting = room.join()
    room.channel.leave(subscription, room.fanout)
    room.channel.leave(waiting, room.fanout)
    room.release()
    assert [client.sink.text for client in (stays, gone, late)] == ["<1>", "", ""]


def test_a_recovery_answers_what_is_held() -> None:
    room = Room()
    room.arrive(held=False)
    room.arrive(held=True)
    found = room.cursor.since(0, room.channel.rules.retention, 0)
    assert found is not None
    assert [entry.offset for entry in found] == [1, 2]


def test_json_documents_of_one_frame_are_lines() -> None:
    wire = Wire("json", JsonCodec(), lambda document: b"[%b]" % document, between=b"\n")
    documents = [wire.codec.publication(Entry(NAME, offset, b"1", 0)) for offset in (1, 2)]
    assert wire.frame_together(documents) == b"[%b\n%b]" % (documents[0], documents[1])


def test_no_more_is_held_than_one_frame_may_have() -> None:
    held = Held()
    while not held.is_full:
        held.add(Entry(NAME, len(held.entries) + 1, b"", 0))
    assert len(held.entries) == 437  # of 300 bytes each, at least
    assert len(held.take()) == 437
    assert (held.entries, held.is_full) == ([], False)
    quarter = b"x" * (HELD_BYTES_MAX // 4)
    half = ClientInfo("u", "c", conn_info=quarter, chan_info=quarter)
    held.add(Entry(NAME, 1, b"", 0, info=half))
    assert not held.is_full
    held.add(Entry(NAME, 2, b"", 0, info=half))
    assert held.is_full


STEPS: Final = st.lists(
    st.sampled_from(("held", "held", "now", "join", "apart", "ahead", "leave", "release", "tick")),
    max_size=40,
)


@given(STEPS)
def test_whatever_happens_everyone_gets_all_that_follows_their_reply(steps: list[str]) -> None:
    room = Room()
    here: list[tuple[Client, Subscription]] = []
    for step in steps:
        match step:
            case "held" | "now":
                room.arrive(held=step == "held")
            case "join" | "apart" | "ahead":
                wire = APART if step == "apart" else TOGETHER
                here.append(room.join(wire, ahead=2 if step == "ahead" else 0))
            case "leave" if here:
                room.channel.leave(here.pop(0)[1], room.fanout)
            case "release":
                room.release()
            case "tick":
                room.fanout.flush(0.0)
    room.release()
    for client, subscription in here:
        text = client.sink.text.replace("(", "<").replace(")", ">").replace("><", ",").strip("<>")
        given = [int(word) for word in text.split(",")] if text else []
        assert given == list(range(subscription.after + 1, room.cursor.position + 1))
