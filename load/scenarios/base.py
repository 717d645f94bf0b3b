"""What a scenario is. Each is a class in a file of its own; `load.scenarios.table` has them all.

The parent process makes a scenario from its parameters, asks it for its phases, and judges what
came back (`checks`). Every load process makes the same one, with its share of the clients, and does
`setup`, each of the phases when the parent says so, and `cleanup`. Nothing is passed between
the processes meanwhile: what a process must know of another's clients follows from the parameters,
the seed and the numbers of the clients.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Protocol

import msgspec
from msgspec import Meta

from load.measured import CheckOutcome, Measured

CLIENTS_MAX: Final = 10_000_000
RATE_MAX: Final = 100_000_000.0
SECONDS_MAX: Final = 7 * 86_400.0

Clients = Annotated[int, Meta(ge=1, le=CLIENTS_MAX)]
Rate = Annotated[float, Meta(gt=0, le=RATE_MAX)]
Seconds = Annotated[float, Meta(gt=0, le=SECONDS_MAX)]
Share = Annotated[float, Meta(ge=0, le=1)]
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
    """`rate` is of this one."""
    tried: tuple[str, ...]
    """What `errors<1%` is a share of: these counters, which count successes, and the errors."""
    raised: str
    """The parameter that `--until` raises."""


class Scenario(Protocol):
    """The parent's half: what to run, and whether it was right. Pure."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """A line for `--help`."""
    subject: ClassVar[Subject]
    parameters: Parameters

    def phases(self) -> Sequence[Phase]:
        """What is run, in this order."""

    def checks(self, measured: Sequence[Measured]) -> list[CheckOutcome]:
        """What is right or wrong whatever the thresholds are, of the phases that ran to the end."""
