"""For any traffic, each client gets all of it, in order, with one write a tick."""

from collections import defaultdict
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from realtime.channels.fanout import Audience, Fanout
from realtime.channels.outbox import Outbox
from tests.unit.channels.clients import Sink

CLIENTS: Final = st.integers(0, 2)
ROOMS: Final = st.integers(0, 1)


class Traffic(RuleBasedStateMachine):
    """Three clients and two rooms, one with a log; limits are never reached.

    Every frame is a word. `expected` has the words for each client, by where they came from.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked = False
        self.fanout = Fanout(self.ask, 1 << 20)
        self.sinks = [Sink() for _ in range(3)]
        self.outboxes = [Outbox(sink, None) for sink in self.sinks]
        self.rooms = [Audience(durable=True), Audience(durable=False)]
        self.expected: list[dict[str, list[str]]] = [defaultdict(list) for _ in range(3)]
        self.number = 0

    def ask(self) -> None:
        assert not self.asked, "a flush was asked for twice"
        self.asked = True

    def word(self, source: str) -> bytes:
        self.number += 1
        return f"{source}{self.number} ".encode()

    @rule(client=CLIENTS, durable=st.booleans())
    def send(self, client: int, durable: bool) -> None:
        source = "durable" if durable else "ephemeral"
        frame = self.word(source)
        self.fanout.send(self.outboxes[client], frame, durable)
        self.expected[client][source].append(frame.decode().strip())

    @rule(room=ROOMS)
    def broadcast(self, room: int) -> None:
        source = f"room{room}."
        frame = self.word(source)
        self.fanout.broadcast(self.rooms[room], frame)
        for client, outbox in enumerate(self.outboxes):
            if outbox in self.rooms[room].members:
                self.expected[client][source].append(frame.decode().strip())

    @rule(client=CLIENTS, room=ROOMS)
    def join_or_leave(self, client: int, room: int) -> None:
        members = self.rooms[room].members
        outbox = self.outboxes[client]
        self.fanout.settle(self.rooms[room])
        if outbox in members:
            del members[outbox]
        else:
            members[outbox] = None

    @rule(client=CLIENTS)
    def pause(self, client: int) -> None:
        self.fanout.pause(self.outboxes[client], 0.0)

    @rule(client=CLIENTS)
    def resume(self, client: int) -> None:
        self.fanout.resume(self.outboxes[client])

    @rule()
    def flush(self) -> None:
        before = [len(sink.writes) for sink in self.sinks]
        self.asked = False
        self.fanout.flush(0.0)
        assert not self.asked
        written = [len(sink.writes) for sink in self.sinks]
        assert all(now - then <= 1 for then, now in zip(before, written, strict=True))

    @rule()
    def everything_arrives_in_the_end(self) -> None:
        for client in range(3):
            self.resume(client)
        self.flush()
        for sink, expected in zip(self.sinks, self.expected, strict=True):
            assert len(sink.text.split()) == sum(map(len, expected.values()))

    @invariant()
    def order_is_kept_within_each_source(self) -> None:
        """What has arrived is the beginning of what was sent, room by room and lane by lane."""
        for sink, expected in zip(self.sinks, self.expected, strict=True):
            words = sink.text.split()
            for source, sent in expected.items():
                arrived = [word for word in words if word.startswith(source)]
                assert arrived == sent[: len(arrived)]

    @invariant()
    def whatever_waits_has_been_asked_for(self) -> None:
        waiting = any(outbox.frames is not None for outbox in self.outboxes)
        waiting = waiting or any(room.frames for room in self.rooms)
        assert self.asked or not waiting

    @invariant()
    def nothing_is_dropped(self) -> None:
        assert self.fanout.dropped == 0
        assert self.fanout.slow == []


TestTraffic = Traffic.TestCase
TestTraffic.settings = settings(max_examples=150, stateful_step_count=40)
