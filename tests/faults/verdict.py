"""What a run has found, and how it is told in a line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

SHOWN_MAX: Final = 12
"""Findings that are told one by one; of the others only how many they are."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Nothing in `findings` is good. Each of them begins with the letter of a promise, where it
    breaks one of the checker's."""

    scenario: str
    seed: int
    seconds: float
    """How long the whole run took."""
    sent: int
    stored: int
    acked: int
    received: int
    moves: int
    """How often a subscriber came back, after a hub or a connection was lost."""
    denied: int
    """How often one was told that it may have missed something, where that is allowed."""
    outcomes: Mapping[str, int]
    findings: Sequence[str]

    @property
    def is_good(self) -> bool:
        """Whether every promise was kept."""
        return not self.findings

    def count(self, letter: str) -> int:
        """Findings against one promise of the checker's."""
        return sum(finding.startswith(f"{letter}:") for finding in self.findings)

    def line(self) -> str:
        """The run in one line."""
        lost, repeated, disordered = self.count("A"), self.count("B") + self.count("E"), "C"
        others = len(self.findings) - lost - repeated - self.count(disordered)
        judged = "good" if self.is_good else f"BAD, {others} other findings"
        return (
            f"{self.scenario} (seed {self.seed}, {self.seconds:.0f} s): "
            f"{self.sent} sent, {self.stored} stored, {self.acked} acked, "
            f"{self.received} received; lost {lost}, repeated {repeated}, "
            f"out of order {self.count(disordered)}; "
            f"{self.moves} moves, {self.denied} gaps admitted: {judged}"
        )

    def details(self) -> list[str]:
        """How publishes ended, and the findings, as lines."""
        ends = ", ".join(f"{name} {count}" for name, count in sorted(self.outcomes.items()))
        lines = [f"publishes: {ends}", *self.findings[:SHOWN_MAX]]
        if len(self.findings) > SHOWN_MAX:
            lines.append(f"and {len(self.findings) - SHOWN_MAX} more")
        return lines
