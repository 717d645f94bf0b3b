import asyncio
import random
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

import msgspec
import pytest

from realtime.chat.allowances import DEBT_MAX, TELL_S, WORD_MAX, Allowances, Spending, UsersSpent
from realtime.chat.others import Others
from realtime.errors import CallRefused
from realtime.settings.schema import ChatSettings
from realtime.stores.base import NodeInfo
from tests.support.chat import ManualClock

TIGHT = ChatSettings(sends_per_s=1.0, sends_burst=5.0, edits_per_s=0.0, edits_burst=0.0)


def spent(allowances: Allowances, times: int, user: str = "ann") -> int:
    """How many of so many sends are admitted, until one is refused."""
    for admitted in range(times):
        try:
            allowances.spend(user, "sends")
        except CallRefused:
            return admitted
    return times


class Cluster:
    """Three nodes on one clock; words take `late_ms` and are lost with a probability of `loss`."""

    def __init__(
        self, settings: ChatSettings, *, late_ms: int, loss: float, nodes: int = 3
    ) -> None:
        self.clock = ManualClock()
        self.members = [Allowances(settings, self.clock) for _ in range(nodes)]
        self._late_ms = late_ms
        self._loss = loss
        self._chance = random.Random(7)  # noqa: S311 - which words are lost
        self._words: list[tuple[int, Allowances, Sequence[Spending]]] = []
        for member in self.members:
            member.share(lambda: nodes, partial(self._told, member))

    def _told(self, sender: Allowances, word: Sequence[Spending]) -> None:
        for member in self.members:
            if member is not sender and self._chance.random() >= self._loss:
                self._words.append((self.clock.now_ms + self._late_ms, member, word))

    def ticks(self, count: int) -> Iterator[int]:
        """Milliseconds since the start, in steps of 50."""
        for tick in range(count):
            due = [word for word in self._words if word[0] <= self.clock.now_ms]
            self._words = [word for word in self._words if word[0] > self.clock.now_ms]
            for _, member, word in due:
                member.spent_elsewhere(word)
            if tick % round(TELL_S / 0.05) == 0:
                for member in self.members:
                    member.exchange()
            yield tick * 50
            self.clock.now_ms += 50


def test_a_burst_is_admitted_and_then_the_rate() -> None:
    clock = ManualClock()
    allowances = Allowances(TIGHT, clock)
    assert spent(allowances, 10) == 5
    clock.now_ms += 2_000
    assert spent(allowances, 10) == 2


def test_a_refusal_says_when_to_come_back() -> None:
    allowances = Allowances(TIGHT, ManualClock())
    spent(allowances, 5)
    with pytest.raises(CallRefused) as refused:
        allowances.spend("ann", "sends")
    assert refused.value.error.code == 111
    assert refused.value.error.temporary
    assert (refused.value.why, refused.value.retry_after_s) == ("rate", 1)


def test_users_and_kinds_have_buckets_of_their_own() -> None:
    allowances = Allowances(TIGHT, ManualClock())
    assert spent(allowances, 10) == 5
    assert spent(allowances, 10, user="bob") == 5
    allowances.spend("ann", "reads")


def test_a_rate_of_0_is_no_limit_and_keeps_nothing() -> None:
    allowances = Allowances(TIGHT, ManualClock())
    for _ in range(1_000):
        allowances.spend("ann", "edits")
    assert repr(allowances) == "<Allowances 0 buckets, 0 spendings to tell>"


def test_what_costs_more_than_a_burst_costs_a_burst() -> None:
    clock = ManualClock()
    allowances = Allowances(TIGHT, clock)
    allowances.spend("ann", "sends", 100.0)
    assert spent(allowances, 1) == 0
    with pytest.raises(CallRefused) as refused:
        allowances.spend("ann", "sends", 100.0)
    assert refused.value.retry_after_s == 5


def test_one_node_tells_nobody() -> None:
    told: list[Sequence[Spending]] = []
    allowances = Allowances(TIGHT, ManualClock())
    allowances.share(lambda: 1, told.append)
    assert spent(allowances, 10) == 5
    allowances.exchange()
    assert told == []


def test_what_was_spent_is_told_once_and_together() -> None:
    told: list[Sequence[Spending]] = []
    allowances = Allowances(ChatSettings(), ManualClock())
    allowances.share(lambda: 2, told.append)
    spent(allowances, 3)
    allowances.spend("bob", "reads", 2.0)
    allowances.exchange()
    allowances.exchange()
    assert told == [[("ann", "sends", 3.0), ("bob", "reads", 2.0)]]


def test_a_word_is_told_before_it_is_too_long() -> None:
    told: list[Sequence[Spending]] = []
    allowances = Allowances(ChatSettings(), ManualClock())
    allowances.share(lambda: 2, told.append)
    for number in range(WORD_MAX + 1):
        allowances.spend(f"user {number}", "sends")
    assert [len(word) for word in told] == [WORD_MAX]


def test_what_others_admitted_is_gone_here_and_may_be_owed() -> None:
    clock = ManualClock()
    allowances = Allowances(TIGHT, clock)
    spent(allowances, 5)
    allowances.spent_elsewhere([("ann", "sends", 5.0)])
    clock.now_ms += 5_000
    assert spent(allowances, 1) == 0
    clock.now_ms += 1_000
    assert spent(allowances, 2) == 1


def test_a_mad_word_locks_nobody_out_for_long() -> None:
    clock = ManualClock()
    allowances = Allowances(TIGHT, clock)
    allowances.spent_elsewhere(
        [("ann", "sends", 1e30), ("ann", "sends", float("nan")), ("ann", "sends", -1e9)]
    )
    allowances.spent_elsewhere([("ann", "sends", float("inf")), ("ann", "of a later version", 1.0)])
    assert spent(allowances, 1) == 0
    clock.now_ms += int(5.0 * (DEBT_MAX - 1) * 1_000) + 1_000
    assert spent(allowances, 1) == 1


@pytest.mark.parametrize("settings", [TIGHT, ChatSettings()])
def test_three_nodes_give_about_as_much_as_one_at_any_time(settings: ChatSettings) -> None:
    """Words come within a round, as they do; the user tries everything at every node at once."""
    cluster = Cluster(settings, late_ms=50, loss=0.0)
    admitted = 0
    for ms in cluster.ticks(1_200):
        admitted += sum(spent(member, 100) for member in cluster.members)
        one = settings.sends_burst + settings.sends_per_s * ms / 1_000
        assert admitted <= 1.3 * one, ms
    assert admitted >= 0.95 * one


@pytest.mark.parametrize("settings", [TIGHT, ChatSettings()])
def test_lost_and_late_words_cost_little(settings: ChatSettings) -> None:
    """A fifth of the words is lost, and all are late: what was given too much is owed."""
    cluster = Cluster(settings, late_ms=500, loss=0.2)
    admitted = 0
    for ms in cluster.ticks(1_200):
        admitted += sum(spent(member, 100) for member in cluster.members)
        one = settings.sends_burst + settings.sends_per_s * ms / 1_000
        if ms >= 30_000:
            assert admitted <= 1.3 * one, ms
    assert admitted >= 0.95 * one


def test_a_user_of_one_of_three_nodes_gets_the_whole_rate() -> None:
    cluster = Cluster(ChatSettings(), late_ms=50, loss=0.0)
    admitted = 0
    for _ in cluster.ticks(1_200):
        admitted += spent(cluster.members[0], 5)
    assert admitted >= 0.99 * (50 + 10 * 60)


def test_a_burst_on_one_of_three_nodes_takes_a_second_or_two() -> None:
    cluster = Cluster(ChatSettings(), late_ms=50, loss=0.0)
    admitted = [spent(cluster.members[0], 100) for _ in cluster.ticks(21)]
    assert admitted[0] >= 50 // 3
    assert sum(admitted) >= 40


class Bus:
    """Words of one node to itself, and who lives."""

    node = "a"
    is_sure = True
    living = frozenset({"a", "b", "w"})
    infos: ClassVar = {
        "a": NodeInfo("a", "1"),
        "b": NodeInfo("b", "1"),
        "w": NodeInfo("w", "1", role="worker"),
    }

    def __init__(self) -> None:
        self.told: list[msgspec.Struct] = []
        self.handlers: dict[str, Any] = {}

    def on(self, kind: str, body: type[Any], handler: Any) -> None:
        """See `Words`."""
        self.handlers[kind] = handler

    def tell(self, kind: str, body: msgspec.Struct) -> None:
        """See `Words`."""
        assert kind in self.handlers
        self.told.append(body)


async def test_words_go_over_the_bus_where_there_are_other_hubs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bus, clock = Bus(), ManualClock()
    allowances = Allowances(TIGHT, clock)
    allowances.join(Others(bus, bus))
    allowances.spend("ann", "sends")
    allowances.exchange()
    assert bus.told == [UsersSpent([("ann", "sends", 1.0)])]
    await bus.handlers["users_spent"](UsersSpent([("ann", "sends", 4.0)]))
    assert spent(allowances, 1) == 0
    bus.told.clear()
    monkeypatch.setattr(Bus, "infos", {name: Bus.infos[name] for name in ("a", "w")})
    clock.now_ms += 10_000
    assert spent(allowances, 9) == 5
    allowances.exchange()
    assert bus.told == []


async def test_the_loop_tells_by_itself_and_rests() -> None:
    told = asyncio.Event()
    allowances = Allowances(TIGHT, ManualClock())
    allowances.share(lambda: 2, lambda _: told.set())
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        loop = group.create_task(allowances.run())
        allowances.spend("ann", "sends")
        await told.wait()
        loop.cancel()
