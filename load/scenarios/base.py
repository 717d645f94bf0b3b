"""What a scenario is, to the process that runs it all. `load.scenarios.table` has every one.

The parent asks a scenario for its phases and judges what came back (`checks`). What the load
processes do in a phase is its player (see `load.share.Player`), which stands in the same file.
Nothing is passed between the processes meanwhile: what one must know of another's clients follows
from the parameters and the numbers of the clients.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Generic, Protocol, TypeVar

import msgspec
from msgspec import Meta

from load.measured import CheckOutcome, Measured, Sample
from load.thresholds import Threshold

CLIENTS_MAX: Final = 10_000_000
RATE_MAX: Final = 100_000_000.0
SECONDS_MAX: Final = 7 * 86_400.0

WARM_UP: Final = "warm-up"
"""The name of a phase before each other one: the same load for a while, and nobody looks."""

Clients = Annotated[int, Meta(ge=1, le=CLIENTS_MAX)]
Rate = Annotated[float, Meta(gt=0, le=RATE_MAX)]
Seconds = Annotated[float, Meta(gt=0, le=SECONDS_MAX)]
Portion = Annotated[float, Meta(ge=0, le=1)]
PayloadBytes = Annotated[int, Meta(ge=32, le=60_000)]
Namespace = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{0,64}$")]


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every scenario is asked for. Each field becomes an option and a key of profiles."""

    seconds: Annotated[Seconds, Meta(description="how long a phase is measured")] = 10.0
    warm_up_s: Annotated[
        float, Meta(ge=0, le=3_600, description="load before that, in seconds, left out")
    ] = 2.0
    drain_s: Annotated[
        Seconds, Meta(description="how long what is on its way may take at the end")
    ] = 10.0
    open_rate: Annotated[Rate, Meta(description="connections opened a second, in all")] = 500.0


def channel_name(namespace: str, run: str, number: int) -> str:
    """A channel of a run; no other run has one of that name."""
    name = f"load-{run}-{number}"
    return f"{namespace}:{name}" if namespace else name


def count_of(part: Measured | Sample, name: str) -> int:
    """What a counter has counted; of a histogram of that name, how many waits it has."""
    found = part.histograms.get(name)
    return part.counts.get(name, 0) or (found.count if found is not None else 0)


def part(total: int, processes: int) -> int:
    """How many of the run's one of its processes has at most."""
    return -(-total // processes)


class Phase(msgspec.Struct, frozen=True):
    """A part of a run that is measured by itself. Its name is for people, too."""

    name: str
    judged: bool = True
    """Whether thresholds are held against it."""
    changes: Mapping[str, Any] = {}
    """Parameters that are other than the run's in this phase: the load that `--until` raises."""


class Subject(msgspec.Struct, frozen=True):
    """What a scenario is about: the figures that thresholds and the live line mean."""

    histogram: str
    """`p99` is of this one."""
    counter: str
    """`rate` is of this one: a counter, or a histogram, of which the count is meant."""
    noun: str
    """What it counts, for people: "deliveries"."""
    tried: tuple[str, ...]
    """What `errors<1%` is a share of: these, which are like `counter` and count successes, and
    the errors."""
    raised: str
    """The parameter that `--until` raises."""
    counters: tuple[str, ...] = ()
    """All that the scenario counts."""
    waits: tuple[str, ...] = ()
    """All of its histograms."""

    def unknown(self, threshold: Threshold) -> str:
        """The name in a threshold of which nothing will ever be measured; "" where there is none.

        A counter that never counts anything is nothing but zero: a misspelt `lost=0` would pass.
        """
        if threshold.histogram:
            return "" if threshold.histogram in self.waits else threshold.histogram
        named = threshold.counter
        return "" if named in {"", *self.counters, *self.waits} else named


class Scenario(Protocol):
    """What to run, and whether it was right. Pure; made from its parameters."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """A line for `--help`."""
    subject: ClassVar[Subject]
    parameters_type: ClassVar[type[Parameters]]
    warms_up: ClassVar[bool]
    """Whether phases are played for `warm_up_s` before they are measured."""
    player: ClassVar[str]
    """`module:Class` of what load processes do."""

    def __init__(self, parameters: Any) -> None:
        """`parameters` are of `parameters_type`."""

    def phases(self) -> Sequence[Phase]:
        """What is run, in this order."""

    def connections(self, processes: int) -> int:
        """How many connections one of so many processes opens at most."""

    def leaves(self, run: str) -> Sequence[str]:
        """Channels of the run whose history stays in the hub, unless it is taken away."""

    def raised(self) -> Phase:
        """What `--until` plays again and again, with ever more of `subject.raised`."""

    def checks(self, measured: Sequence[Measured]) -> list[CheckOutcome]:
        """What is right or wrong whatever the thresholds are, of the phases that ran to the end."""


_P = TypeVar("_P", bound=Parameters)


class OnePhase(Generic[_P]):
    """What a `Scenario` has that plays one load, after a warm-up, and the same with `--until`."""

    warms_up: ClassVar[bool] = True
    phase: ClassVar[str]
    """What it is called."""

    def __init__(self, parameters: _P) -> None:
        self.parameters = parameters

    def phases(self) -> Sequence[Phase]:
        """See Scenario."""
        return (self.raised(),)

    def raised(self) -> Phase:
        """See Scenario."""
        return Phase(self.phase)
