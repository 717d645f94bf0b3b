"""Jobs while everybody does everything at once, and dies anywhere: nothing is lost, nor told twice.

The store is one that carries out the writes of a call in any order, others' in between.
"""

from random import Random
from typing import Final

import pytest

from tests.support.interleaved_tables import InterleavedTables, Interleaving, finish, turn
from tests.support.push_world import Ending, Place, World

PLACES: Final[list[Place]] = [("ann", "room"), ("bob", "room")]
ENDINGS: Final[list[Ending]] = ["settle", "settle", "settle", "later", "release"]
OFFSETS_MAX: Final = 6
STEPS: Final = 120
RUNS: Final = 100
"""Of each of the tests, which are many so that what fails is found again by its number."""


class Chance:
    """What happens next, drawn."""

    def __init__(self, seed: int) -> None:
        self._sweeps = seed % 4 == 0
        self._random = Random(seed)  # noqa: S311 - a test's
        self.world = World(InterleavedTables(self._random), turn)
        self._going_on = Interleaving()
        self._newest = 1

    def run(self) -> None:
        """So many steps, and the end of it all."""
        for _ in range(STEPS):
            self._one()
        while self._going_on:
            self._going_on.kill(0)
        finish(self.world.drain())
        finish(self.world.check())

    def _one(self) -> None:
        draw = self._random.random()
        if draw < 0.80:
            self._going_on.step(self._random.randrange(8))
        elif draw < 0.83:
            self.world.now += self._random.randint(1, 6)
        elif draw < 0.84:
            self._going_on.kill(self._random.randrange(8))
        elif len(self._going_on) < 6:
            self._begin()

    def _begin(self) -> None:
        world = self.world
        kind = self._random.randrange(10)
        if self._sweeps and self._random.random() < 0.1:
            self._going_on.start(world.sweep())
        elif kind < 4:
            told = [(place, self._offset()) for place in PLACES if self._random.random() < 0.7]
            self._going_on.start(world.dispatch(told))
        elif kind < 8:
            limit = self._random.randint(1, 3)
            self._going_on.start(world.send(limit, self._random.choice(ENDINGS)))
        elif kind < 9:
            self._going_on.start(world.read(self._random.choice(PLACES), self._offset()))
        else:
            self._going_on.start(world.delete("room", self._offset()))

    def _offset(self) -> int:
        """The newest entry or one more as a rule, or an older one."""
        if self._random.random() < 0.5:
            self._newest = min(self._newest + 1, OFFSETS_MAX)
        return (
            self._newest if self._random.random() < 0.8 else self._random.randint(1, self._newest)
        )


@pytest.mark.parametrize("first", range(0, 20 * RUNS, RUNS))
def test_whatever_happens_everybody_is_told_of_everything_and_not_again(first: int) -> None:
    for seed in range(first, first + RUNS):
        Chance(seed).run()


def test_a_lot_does_happen() -> None:
    worlds = []
    for seed in range(RUNS):
        chance = Chance(seed)
        chance.run()
        worlds.append(chance.world)
    assert sum(len(world.sends) for world in worlds) > 2 * RUNS
