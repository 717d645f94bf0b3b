"""What is broken when in a soak: a list that follows from a seed, and from nothing else. Pure.

One thing is broken at a time, and the next only after a while in which all is whole again: what a
checker finds then has one reason. Clients, whose connections are cut, are apart from that.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

CLIENTS: Final = "clients"
"""The target of `cut`: the load itself does that."""

LASTS_S: Final[Mapping[str, tuple[float, float]]] = {
    "kill": (0.5, 8.0),
    "drain": (0.2, 3.0),
    "freeze": (1.0, 15.0),
    "cut": (0.2, 2.0),
}
"""What can be done to a target, and between which times it lasts, in seconds:

    kill    SIGKILL to the process and all that it started; it is started again after that time
    drain   SIGTERM; it is started again that long after it has ended
    freeze  SIGSTOP, and SIGCONT after that time
    cut     connections of clients end without a word, and come back after that time
"""

KINDS: Final = ("kill", "drain", "freeze")
"""What can be done to a process."""

LEAD_S: Final = 10.0
"""How long nothing is broken at first, in seconds; a tenth of a run that is short."""

TAIL_S: Final = 30.0
"""How long before the end the last fault is over, in seconds, so that all can be whole again; three
tenths of a run that is short."""

_DRAIN_S: Final = 10.0
"""What a drain itself is taken to need when the next fault is placed, in seconds."""

_SPREAD: Final = (0.5, 1.5)
"""Between which times, as shares of the usual one, the next fault begins."""


class Fault(NamedTuple):
    """One of a list."""

    at_s: float
    """When it begins, in seconds after the load did."""
    kind: str
    """One of `LASTS_S`."""
    target: str
    """The name of a process, or `CLIENTS`."""
    lasts_s: float

    def __str__(self) -> str:
        what = f"{self.kind} {self.target}"
        return f"{self.at_s:8.1f} s  {what:<24} {self.lasts_s:.1f} s"


def schedule(
    seed: int, seconds: float, targets: Mapping[str, Sequence[str]], *, every_s: float
) -> list[Fault]:
    """Faults of processes: `targets` has the kinds that may be done to each, by name.

    One begins every `every_s` in the mean, but not before the one before is over; each is done once
    before any is done again. The order of the targets counts.
    """
    choices = [(name, kind) for name, kinds in targets.items() for kind in kinds]
    chance = random.Random(f"faults {seed}")  # noqa: S311 - repeatable
    found: list[Fault] = []
    at_s, deck = min(LEAD_S, seconds / 10), list[tuple[str, str]]()
    until_s = seconds - min(TAIL_S, seconds * 0.3)
    while choices:
        deck = deck or chance.sample(choices, len(choices))
        name, kind = deck.pop()
        fault = Fault(round(at_s, 1), kind, name, round(chance.uniform(*LASTS_S[kind]), 1))
        ends_s = fault.at_s + fault.lasts_s + (_DRAIN_S if kind == "drain" else 0.0)
        if ends_s > until_s:
            break
        found.append(fault)
        # Half of the usual pause is left in any case.
        wait_s = every_s * chance.uniform(*_SPREAD)
        at_s = max(at_s + wait_s, ends_s + every_s * _SPREAD[0])
    return found


def cuts(seed: int, seconds: float, *, every_s: float) -> list[Fault]:
    """When clients are cut. In each process the load chooses its own clients for that."""
    chance = random.Random(f"cuts {seed}")  # noqa: S311 - repeatable
    found: list[Fault] = []
    at_s = 0.0
    while True:
        at_s += every_s * chance.uniform(*_SPREAD)
        fault = Fault(round(at_s, 1), "cut", CLIENTS, round(chance.uniform(*LASTS_S["cut"]), 1))
        if fault.at_s + fault.lasts_s > seconds:
            return found
        found.append(fault)


def listed(faults: Sequence[Fault]) -> str:
    """The list as it is printed: a line each, in the order of time."""
    return "".join(f"{fault}\n" for fault in sorted(faults))
