"""A survey counts every living hub's answer, or fails and says so."""

import asyncio
import fnmatch
from collections.abc import Callable

import msgspec
import pytest

from realtime.brokers.base import ControlMessage, ignore
from realtime.brokers.memory import MemoryBroker, MemoryBus
from realtime.cluster import survey
from realtime.cluster.control import ANSWER, QUESTION, Answer, Question
from realtime.cluster.membership import LEASE_S
from realtime.cluster.survey import PART_CHANNELS_MAX, SURVEYS_MAX, SurveyFailed, Surveys
from tests.unit.cluster.processes import Process, Processes, settled


def understood(message: ControlMessage) -> Question | Answer:
    """What the message says."""
    if message.kind == QUESTION:
        return msgspec.json.decode(message.body, type=Question)
    assert message.kind == ANSWER
    return msgspec.json.decode(message.body, type=Answer)


class Node:
    """A process on the bus that answers questions, and asks them."""

    def __init__(
        self,
        process: Process,
        bus: MemoryBus,
        channels: dict[str, int],
        group: asyncio.TaskGroup,
    ) -> None:
        self.process = process
        self.channels = channels
        self.broker = MemoryBroker(bus, f"bus-{process.name}")
        self.surveys = Surveys(self.tell, lease=process.lease, address=self.broker.node)
        self.hears: Callable[[ControlMessage], bool] = lambda message: True
        self.times = 1
        """How often the bus brings each message."""
        self._group = group
        group.create_task(self.broker.run(ignore, control=self.heard))

    def tell(self, kind: str, body: msgspec.Struct, *, to: str | None = None) -> None:
        """Send a word."""
        message = ControlMessage(self.broker.node, kind, msgspec.json.encode(body))
        self.broker.control(message, to=to)

    def heard(self, message: ControlMessage) -> None:
        """As a hub does it."""
        for _ in range(self.times if self.hears(message) else 0):
            match understood(message):
                case Question() as question:
                    found = {
                        name: count
                        for name, count in self.channels.items()
                        if fnmatch.fnmatchcase(name, question.pattern or "*")
                    }
                    self._group.create_task(self.surveys.answer(question, found))
                case Answer() as answer:
                    self.surveys.answered(answer)


class Scene:
    """Hubs on one bus, which have seen each other, and a worker that answers nothing."""

    def __init__(self) -> None:
        self.processes = Processes()
        self.bus = MemoryBus()
        self.nodes: list[Node] = []

    async def begin(self, group: asyncio.TaskGroup, *channels: dict[str, int]) -> list[Node]:
        """One hub for each map of channels."""
        hubs = [self.processes.add(f"n{number}") for number in range(len(channels))]
        worker = self.processes.add("worker", role="worker")
        await self.processes.live(*hubs, worker, seconds=3)
        self.nodes = [
            Node(hub, self.bus, own, group) for hub, own in zip(hubs, channels, strict=True)
        ]
        await settled()
        return self.nodes

    async def end(self) -> None:
        """Have the bus let go."""
        for node in self.nodes:
            await node.broker.close()


async def test_answers_of_all_others_are_counted_together() -> None:
    scene = Scene()
    async with asyncio.TaskGroup() as group:
        asker, *_ = await scene.begin(group, {"own": 9}, {"a": 1, "b": 2}, {"b": 3, "chat:1": 4})
        assert await asker.surveys.channels("") == {"a": 1, "b": 5, "chat:1": 4}
        assert await asker.surveys.channels("chat:*") == {"chat:1": 4}
        assert len(asker.surveys) == 0
        await scene.end()


async def test_a_hub_alone_asks_nobody() -> None:
    scene = Scene()
    async with asyncio.TaskGroup() as group:
        (asker,) = await scene.begin(group, {"own": 9})
        assert await asker.surveys.channels("") == {}
        assert asker.broker.statistics.published == 0
        await scene.end()


async def test_a_long_answer_comes_in_parts_and_repeats_count_once() -> None:
    many = {f"channel{number}": 1 for number in range(2 * PART_CHANNELS_MAX + 1)}
    scene = Scene()
    async with asyncio.TaskGroup() as group:
        asker, other = await scene.begin(group, {}, many)
        asker.times = 2
        assert await asker.surveys.channels("") == many
        assert other.broker.statistics.published == 3
        await scene.end()


@pytest.mark.parametrize("lost", [0, 1, 2])
async def test_a_lost_part_fails_the_survey(monkeypatch: pytest.MonkeyPatch, lost: int) -> None:
    monkeypatch.setattr(survey, "ANSWER_TIMEOUT_S", 0.05)
    many = {f"channel{number}": 1 for number in range(2 * PART_CHANNELS_MAX + 1)}
    scene = Scene()
    async with asyncio.TaskGroup() as group:
        asker, *_ = await scene.begin(group, {}, many, {"a": 1})

        def hears(message: ControlMessage) -> bool:
            answer = understood(message)
            return not (isinstance(answer, Answer) and (answer.node, answer.part) == ("n1", lost))

        asker.hears = hears
        with pytest.raises(SurveyFailed, match="no answer from n1") as failure:
            await asker.surveys.channels("")
        assert failure.value.silent == {"n1"}
        assert len(asker.surveys) == 0
        await scene.end()


async def test_who_died_meanwhile_is_not_waited_for_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(survey, "ANSWER_TIMEOUT_S", 0.05)
    scene = Scene()
    async with asyncio.TaskGroup() as group:
        asker, dead, _ = await scene.begin(group, {}, {"a": 1}, {"b": 1})
        dead.hears = lambda message: False
        asking = group.create_task(asker.surveys.channels(""))
        await settled()
        await scene.processes.live(asker.process, scene.nodes[2].process, seconds=2 * LEASE_S)
        await asker.process.lease.round()
        assert await asking == {"b": 1}
        await scene.end()


async def test_answers_that_come_too_late_or_were_never_asked_for_are_ignored() -> None:
    scene = Scene()
    async with asyncio.TaskGroup() as group:
        asker, _ = await scene.begin(group, {}, {"a": 1})
        asker.surveys.answered(Answer("nobody asked", "n1"))
        asking = group.create_task(asker.surveys.channels(""))
        await asyncio.sleep(0)
        (question,) = asker.surveys._gatherings
        asker.surveys.answered(Answer(question, "n1", part=-1, channels={"b": 1}))
        asker.surveys.answered(Answer(question, "n1", part=10**9, channels={"b": 1}))
        asker.surveys.answered(Answer(question, "n0", channels={"own": 1}))
        assert await asking == {"a": 1}
        await scene.end()


async def test_too_many_surveys_at_once_are_refused() -> None:
    scene = Scene()
    async with asyncio.TaskGroup() as group:
        asker, other = await scene.begin(group, {}, {"a": 1})
        held: list[ControlMessage] = []

        def hold(message: ControlMessage) -> bool:
            held.append(message)
            return False

        other.hears = hold
        asking = [group.create_task(asker.surveys.channels("")) for _ in range(SURVEYS_MAX)]
        await settled()
        with pytest.raises(SurveyFailed, match="too many surveys"):
            await asker.surveys.channels("")
        other.hears = lambda message: True
        for message in held:
            other.heard(message)
        assert [await task for task in asking] == [{"a": 1}] * SURVEYS_MAX
        await scene.end()
