"""How much each user may still do, held across nodes.

A user has one bucket for each kind of calls (`realtime.limits.buckets`), on every node. What a node
admits it tells the others a moment later, in words that carry what was spent since the last ones,
and they take it from their own buckets. A word may come late or not at all, so a bucket may have
given too much; it then owes, and gives nothing until that is made up for. So in the long run a user
gets one rate, however many nodes they are connected to; a lost word costs what was in it, once.

Before the words have come round, each node would give a whole burst. So what a node has admitted
within the last two rounds, above the rate itself, is taken to have been admitted by the others too,
until they have said what it really was.

Where there is no other node nothing is told, and nothing but the buckets is kept.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Final, get_args

import msgspec

from realtime.chat.operations import Spent
from realtime.chat.others import Leases, Others
from realtime.chat.ports import Clock
from realtime.chat.refusals import too_many
from realtime.limits.buckets import KeyedBuckets, Rate
from realtime.settings.schema import ChatSettings

USERS_MAX: Final = 50_000
"""Users whose buckets of one kind are remembered at once; see `KeyedBuckets` for the others."""

TELL_S: Final = 0.2
"""How often the others are told, in seconds: half of what a word may be late without harm."""

WORD_MAX: Final = 1_000
"""Spendings in one word, and how many may wait until they are told at once."""

OTHERS_MAX: Final = 3
"""Other nodes that are taken to admit as much as this one: a user is hardly on more at a time."""

DEBT_MAX: Final = 5.0
"""How many bursts a bucket may owe, so that no word locks a user out for long."""

HUBS_COUNTED_S: Final = 1.0
"""How often the nodes are counted, in seconds."""

Spending = tuple[str, str, float]
"""User, kind of calls (`Spent`), and what they cost together."""

Key = tuple[str, Spent]

SPENT: Final = "users_spent"


class UsersSpent(msgspec.Struct, frozen=True):
    """Word: what the node that tells has admitted since its last word."""

    spent: list[Spending]


class Allowances:
    """The buckets of one node; `run` must be running where there are others."""

    def __init__(self, settings: ChatSettings, clock: Clock) -> None:
        kinds: tuple[Spent, ...] = get_args(Spent)
        self._buckets: dict[str, KeyedBuckets[str]] = {
            kind: KeyedBuckets(_rate(settings, kind), USERS_MAX) for kind in kinds
        }
        self._now = clock.monotonic
        self._alone = True
        self._nodes: Callable[[], int] = lambda: 1
        self._tell: Callable[[Sequence[Spending]], object] = lambda _: None
        self._untold: dict[Key, float] = {}
        self._told: dict[Key, float] = {}
        """What was told last: the others' words of the same time may not have come yet."""
        self._spent = asyncio.Event()

    def __repr__(self) -> str:
        users = sum(len(buckets) for buckets in self._buckets.values())
        return f"<Allowances {users} buckets, {len(self._untold)} spendings to tell>"

    def join(self, others: Others) -> None:
        """Be one of several nodes. Call once, before anything is spent. See `share`."""

        async def heard(word: UsersSpent) -> None:
            self.spent_elsewhere(word.spent)

        def tell(spent: Sequence[Spending]) -> None:
            others.words.tell(SPENT, UsersSpent(list(spent)))

        hubs = _Hubs(others.leases, self._now)
        others.words.on(SPENT, UsersSpent, heard)
        self.share(hubs.count, tell)

    def share(self, nodes: Callable[[], int], tell: Callable[[Sequence[Spending]], object]) -> None:
        """Have others told. Call once, before anything is spent.

        `nodes` answers how many nodes live, this one included. `tell` never waits, and is given at
        most WORD_MAX spendings, for the others' `spent_elsewhere`.
        """
        self._alone = False
        self._nodes = nodes
        self._tell = tell

    def spend(self, user: str, what: Spent, cost: float = 1.0) -> None:
        """Count one call. Raises CallRefused (111, with `retry_after`); then nothing is counted.

        What costs more than a burst costs a burst. A rate of 0 is no limit.
        """
        buckets = self._buckets[what]
        rate = buckets.rate
        if not rate.enabled:
            return
        if self._alone and cost == 1.0:
            wait_s = buckets.admit(user, self._now())
            if wait_s > 0:
                raise too_many(wait_s)
            return
        burst = max(rate.burst, 1.0)
        cost = min(cost, burst)
        others = min(self._nodes() - 1, OTHERS_MAX)
        key = user, what
        recent = 0.0
        spare = 0.0
        if others > 0:
            recent = self._untold.get(key, 0.0)
            above_rate = recent + self._told.get(key, 0.0) - rate.per_s * 2 * TELL_S
            # A full bucket has always enough.
            spare = min(max(others * above_rate, 0.0), burst - cost)
        wait_s = buckets.admit(user, self._now(), cost, spare)
        if wait_s > 0:
            raise too_many(wait_s)
        if others > 0:
            self._untold[key] = recent + cost
            self._spent.set()
            if len(self._untold) >= WORD_MAX:
                self.exchange()

    def spent_elsewhere(self, spent: Iterable[Spending]) -> None:
        """Another node says what it admitted. Kinds that this version does not know are left."""
        now = self._now()
        for user, what, cost in spent:
            buckets = self._buckets.get(what)
            if buckets is not None and 0 < cost < inf:
                buckets.charge(user, now, cost, debt_max=DEBT_MAX)

    def exchange(self) -> None:
        """Tell what is to be told. `run` calls it."""
        self._told, self._untold = self._untold, {}
        if not self._told:
            self._spent.clear()
            return
        self._tell([(user, what, cost) for (user, what), cost in self._told.items()])

    async def run(self) -> None:
        """Tell for ever; hosted by a task group. Cancelling it loses a round."""
        while True:
            await self._spent.wait()
            await asyncio.sleep(TELL_S)
            self.exchange()


class _Hubs:
    """How many nodes have clients, this one included; counted once a second."""

    __slots__ = ("_count", "_leases", "_now", "_until")

    def __init__(self, leases: Leases, now: Callable[[], float]) -> None:
        self._leases = leases
        self._now = now
        self._count = 1
        self._until = -inf

    def count(self) -> int:
        """Never waits."""
        now = self._now()
        if now >= self._until:
            self._until = now + HUBS_COUNTED_S
            self._count = sum(info.role == "hub" for info in self._leases.infos.values())
        return self._count


def _rate(settings: ChatSettings, kind: Spent) -> Rate:
    rates: dict[Spent, tuple[float, float]] = {
        "sends": (settings.sends_per_s, settings.sends_burst),
        "edits": (settings.edits_per_s, settings.edits_burst),
        "typing": (settings.typing_per_s, settings.typing_burst),
        "creates": (settings.creates_per_s, settings.creates_burst),
        "invites": (settings.invites_per_s, settings.invites_burst),
        "reads": (settings.reads_per_s, settings.reads_burst),
    }
    return Rate(*rates[kind])
