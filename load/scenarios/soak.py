"""`soak`: a mixed load for hours, with a checker of what hubs promise, while they are broken."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

import msgspec
from msgspec import Meta

from load.faults import Fault, cuts, schedule
from load.measured import CheckOutcome, Measured
from load.nodes import read_nodes
from load.resources import LIFE_S
from load.scenarios.base import (
    Clients,
    Namespace,
    OnePhase,
    Parameters,
    PayloadBytes,
    Portion,
    Rate,
    Seconds,
    Subject,
)
from load.scenarios.housing import room_names, whole_rooms_members
from load.scenarios.outcomes import none_of, presence_was_right, total
from load.watching import GROWTH, LONGEST_GROWTH, LONGEST_S

PROMISES: Final[Mapping[str, str]] = {
    "A": "what was acked is stored, and reached everyone in the room",
    "B": "nothing came twice",
    "C": "offsets rose",
    "D": "nothing came that was not sent, or not to who may not have it",
    "E": "what was not acked is absent, or stored once",
}
"""What the checker looks for all the time, by letter."""

EXAMPLES_MAX: Final = 6
"""Breaches of one promise that are told in words, by each process."""

_SHOWN: Final = 3


def counter_of(letter: str) -> str:
    """What counts the breaches of a promise: `broken_a`."""
    return f"broken_{letter.lower()}"


class SoakParameters(Parameters, frozen=True):
    """What `soak` is asked for."""

    minutes: Annotated[
        float, Meta(ge=0, le=10_080, description="how long, in place of `seconds`; 0 for those")
    ] = 0.0
    seconds: Annotated[Seconds, Meta(description="how long it is")] = 60.0
    drain_s: Annotated[
        Seconds, Meta(description="how long all may take to be whole again at the end")
    ] = 60.0
    clients: Annotated[Clients, Meta(description="members; each is in one room, or just not")] = 100
    rooms: Annotated[Clients, Meta(description="rooms, a channel with history each")] = 10
    rate: Annotated[Rate, Meta(description="messages sent a second, over all rooms")] = 50.0
    move_rate: Annotated[Rate, Meta(description="joins and leaves a second, over all rooms")] = 2.0
    query_rate: Annotated[Rate, Meta(description="questions a second, who is in a room")] = 2.0
    cut_share: Annotated[Portion, Meta(description="share of the clients that a cut takes")] = 0.3
    cut_every_s: Annotated[Seconds, Meta(description="seconds from one cut to the next")] = 20.0
    payload_bytes: Annotated[PayloadBytes, Meta(description="length of a message's data")] = 100
    namespace: Annotated[
        Namespace, Meta(description="of the rooms; history of two minutes, presence")
    ] = "room"
    nodes: Annotated[
        str, Meta(max_length=4_096, description="hubs to start and to break: three-hubs, or a file")
    ] = ""
    fault_every_s: Annotated[
        Seconds, Meta(description="seconds from one fault of those to the next, in the mean")
    ] = 45.0

    @property
    def duration_s(self) -> float:
        """How long there is load, in seconds."""
        return self.minutes * 60 or self.seconds


_COUNTERS: Final = (
    *("sent", "stored", "given_up", "nobody_to_send", "moved", "absent", "ghosts"),
    *("cut", "away", "thrown_out", "recovered", "unrecovered"),
    *("faults", "hubs_watched", "logs_read"),
)


def faults_of(parameters: SoakParameters, seed: int) -> list[Fault]:
    """All that is broken in a run, by time. Reads the file of nodes. Raises PlanError."""
    seconds = parameters.duration_s
    found = cuts(seed, seconds, every_s=parameters.cut_every_s) if parameters.cut_share else []
    if parameters.nodes:
        targets = read_nodes(parameters.nodes).targets
        found += schedule(seed, seconds, targets, every_s=parameters.fault_every_s)
    return sorted(found)


class Soak(OnePhase[SoakParameters]):
    """See base. All of a room is in one process, so that one checker sees all of a channel."""

    name: ClassVar[str] = "soak"
    summary: ClassVar[str] = "a mixed load for hours, checked all the while, with hubs that break"
    subject: ClassVar[Subject] = Subject(
        "delivery",
        "delivery",
        "deliveries",
        tried=("ack", "delivery"),
        raised="rate",
        counters=(*_COUNTERS, *map(counter_of, (*PROMISES, "F", "G", "N"))),
        waits=("delivery", "ack", "query", "recover"),
    )
    parameters_type: ClassVar[type[Parameters]] = SoakParameters
    # Whoever watches the hubs leaves their warm-up out; all is checked from the first message on.
    warms_up: ClassVar[bool] = False
    phase: ClassVar[str] = "soak"
    player: ClassVar[str] = "load.scenarios.soak_player:SoakPlayer"

    def connections(self, processes: int) -> int:
        """See base."""
        return whole_rooms_members(self.parameters, processes)

    def leaves(self, run: str) -> Sequence[str]:
        """See base."""
        return room_names(self.parameters, run)

    def checks(self, measured: Sequence[Measured]) -> list[CheckOutcome]:
        """See base. F and G are there where hubs, or their logs, were looked at."""
        found = [_kept(letter, promise, measured) for letter, promise in PROMISES.items()]
        if total(measured, "hubs_watched"):
            found.append(_flat(measured))
        if total(measured, "logs_read"):
            found.append(_kept("G", "no log complains", measured))
        found += [
            _something_was_checked(measured),
            none_of(
                "everyone was back at the end",
                measured,
                {"away": "members away", "thrown_out": "thrown out for good"},
            ),
            presence_was_right(measured),
        ]
        if total(measured, "faults"):
            failed = _kept("N", "hubs and what they share did what they were told", measured)
            found.append(failed)
        return found


def _kept(letter: str, promise: str, measured: Sequence[Measured]) -> CheckOutcome:
    """Passed if no breach was counted; tells the first ones."""
    count = total(measured, counter_of(letter))
    told = [note for phase in measured for note in phase.notes if note.startswith(f"{letter}: ")]
    shown = "; ".join(note[3:] for note in told[:_SHOWN])
    detail = f"{count:,} times: {shown}" if count else ""
    name = promise if letter == "N" else f"{letter}: {promise}"
    return CheckOutcome(name=name, passed=not count, detail=detail)


def _flat(measured: Sequence[Measured]) -> CheckOutcome:
    """F, with what is known of memory: a short run tells nothing of it, and must not seem to."""
    found = _kept("F", "memory is flat, and descriptors are given back", measured)
    if not found.passed:
        return found
    for facts in (phase.facts for phase in measured):
        if GROWTH in facts:
            detail = (
                f"{facts[LONGEST_GROWTH]:+,.0f} KiB/min of the hub that lived longest,"
                f" {facts[LONGEST_S]:,.0f} s; {facts[GROWTH]:+,.0f} of the one that grew fastest"
            )
            return msgspec.structs.replace(found, detail=detail)
    detail = f"no hub lived for {LIFE_S:.0f} s, which it takes to tell of memory"
    return msgspec.structs.replace(found, detail=detail)


def _something_was_checked(measured: Sequence[Measured]) -> CheckOutcome:
    names = ("sent", "ack", "stored", "delivery")
    figures = [
        total(measured, name)
        + sum(phase.histograms[name].count for phase in measured if name in phase.histograms)
        for name in names
    ]
    given_up = total(measured, "given_up")
    told = ", ".join(f"{figure:,} {name}" for figure, name in zip(figures, names, strict=True))
    why = "too many at once, or kept for too short a time, to be checked"
    unchecked = f"; {given_up:,} were {why}" * bool(given_up)
    passed = all(figures) and not given_up
    return CheckOutcome(
        name="all of it was checked",
        passed=passed,
        detail=told.replace("ack", "acked").replace("delivery", "delivered") + unchecked,
    )


def soak_parameters(parameters: Mapping[str, Any]) -> SoakParameters:
    """Those of a plan or a share, which were checked before."""
    return msgspec.convert(dict(parameters), SoakParameters)
