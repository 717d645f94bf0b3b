"""The search for the highest load that still passes: `--until 'p99<50ms'`. Pure."""

from typing import Final

FACTOR: Final = 2.0
"""What the load is multiplied with, until it breaks the threshold."""

CLOSE: Final = 1.1
"""The search ends when what broke is at most so many times what held."""

STEPS_MAX: Final = 20
"""Phases of a search at most: a hub that never breaks is not asked for ever."""


class KneeSearch:
    """Doubles the load until it breaks, then halves the distance; `load` is what to try next.

    Between two tries the distance is halved by its ratio: a knee at 100 and one at 100,000 are both
    found to a tenth. Where already the first load breaks, it goes down in the same way.
    """

    def __init__(self, first: float) -> None:
        self.load: float | None = first
        """What to try next; None when the search is over."""
        self.held: float | None = None
        """The highest load that has held, the knee; None where none has."""
        self.broke: float | None = None
        """The lowest load that has not; None where none broke."""
        self.steps = 0

    def tell(self, held: bool) -> None:
        """Say whether `load` has held, and choose the next."""
        assert self.load is not None, "told after the end"
        if held:
            self.held = self.load
        else:
            self.broke = self.load
        self.steps += 1
        self.load = self._next()

    def give_up(self) -> None:
        """End the search: the load cannot go on, whatever the hub can."""
        self.load = None

    def _next(self) -> float | None:
        if self.steps >= STEPS_MAX:
            return None
        if self.broke is None:
            return None if self.held is None else self.held * FACTOR
        if self.held is None:
            return self.broke / FACTOR if self.broke > 1 else None
        if self.broke <= self.held * CLOSE:
            return None
        return float((self.held * self.broke) ** 0.5)
