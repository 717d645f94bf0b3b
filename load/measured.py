"""What was measured: by one process in one phase (`Measured`), and by a whole run (`Result`).

Everything here goes through JSON and back unchanged, and adds up: processes into a fleet, machines
into a run.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from load.histogram import Histogram

SAMPLES_MAX: Final = 600
"""How many samples a phase keeps. When there are more, two become one, and each lasts longer."""

ERROR_KINDS_MAX: Final = 100
"""How many kinds of errors are told apart; what comes after that counts as `OTHER_ERRORS`."""

NOTES_MAX: Final = 50
"""How many notes a phase keeps: examples of what went wrong, for a person to read."""

MARKS_MAX: Final = 10_000
"""How many marks a phase keeps: the first ones."""

MARK_SUMS_END: Final = 2**52
"""Sums of time marks are below this: JSON of any reader has it exactly."""

OTHER_ERRORS: Final = "other errors"

LATE_MS: Final = 10.0
"""A message that leaves later than this after its time, in ms, was held up by the load itself."""

LATE_SHARE_MAX: Final = 0.01
"""The share of late messages that a valid run may have."""

LAG_MS_MAX: Final = 50.0
"""How late the loop's own timer may be, in ms, in 99 of 100 rounds of a valid run."""

CPU_SHARE_MAX: Final = 0.9
"""The share of its core that a process of a valid run may take."""


class SaturationFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the load itself was what was slow. A run is invalid when it was."""

    sends: int = 0
    """How many messages had a time at which they were to leave."""
    late: int = 0
    """How many of them left more than `LATE_MS` after it."""
    lag_ms: float = 0.0
    """How late the loop's timer was in 99 of 100 rounds, in ms; of the worst process."""
    cpu_share: float = 0.0
    """CPU seconds a second; of the busiest process."""
    full_cpu_is_fine: bool = False
    """Nothing here waits for a clock and nothing is timed, such as storms: the CPU is no reason."""
    untimed: bool = False
    """What is right or wrong here does not depend on when it was sent: nothing is a reason."""

    @property
    def reasons(self) -> list[str]:
        """Why the run is invalid, in words; empty for a valid one."""
        found: list[str] = []
        if self.untimed:
            return found
        if self.late > self.sends * LATE_SHARE_MAX:
            found.append(
                f"{self.late:,} of {self.sends:,} messages left more than {LATE_MS:g} ms late"
            )
        if self.lag_ms > LAG_MS_MAX:
            found.append(f"the loop of a process was {self.lag_ms:.0f} ms late")
        if self.cpu_share > CPU_SHARE_MAX and not self.full_cpu_is_fine:
            found.append(f"a process took {self.cpu_share:.0%} of its core")
        return found

    @property
    def saturated(self) -> bool:
        """Whether there is a reason."""
        return bool(self.reasons)


class Sample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happened within a short time of a phase, a second at first."""

    at: float
    """When it began, in seconds after the phase did."""
    seconds: float
    """How long it is; the same for all samples of one `Measured`, but the last may be cut."""
    counts: dict[str, int] = {}
    errors: int = 0
    histograms: dict[str, Histogram] = {}


class Mark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that was done to the hubs while a phase ran: what is unusual then has a reason."""

    at: float
    """When it began, in seconds after the phase did."""
    seconds: float
    """How long it was until all was as before, as far as that is known."""
    what: str
    """In words: `kill one`."""


class Measured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one process measured in one phase; or, merged, what all did."""

    phase: str
    seconds: float
    """How long the phase took, warm-up left out."""
    counts: dict[str, int] = {}
    """What was done how often: `connected`, `published`, `received`…"""
    histograms: dict[str, Histogram] = {}
    """Waits in microseconds: `connect`, `ack`, `delivery`…"""
    errors: dict[str, int] = {}
    """Words for an error, such as `publish: 103 permission denied`, and how often it came."""
    samples: list[Sample] = []
    """The phase over time; at most `SAMPLES_MAX`."""
    saturation: SaturationFacts = SaturationFacts()
    processes: int = 1
    facts: dict[str, float] = {}
    """Figures of the phase that do not add up, such as `rss_kb_per_client`; merged, the largest."""
    notes: list[str] = []
    """Sentences for a person: examples of what a check found. At most `NOTES_MAX`."""
    marks: list[Mark] = []
    """What was done to the hubs, by time; at most `MARKS_MAX`."""
    mark_sums: dict[str, int] = {}
    """Of what was `due` and of what was `received`, the time marks added up, each times a weight of
    its room, modulo `MARK_SUMS_END`: as many that are not the same ones differ in it, and so do
    the same ones in another room."""
    began_at: str = ""
    """When it began, warm-up left out: ISO 8601, UTC, to the millisecond; merged, the earliest."""

    def rate(self, name: str) -> float:
        """How often something was done a second."""
        return self.counts.get(name, 0) / self.seconds if self.seconds > 0 else 0.0

    @property
    def errors_total(self) -> int:
        """How many errors came, of all kinds."""
        return sum(self.errors.values())


class HubSeries(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a hub on this machine took while the run went on."""

    samples: list[tuple[float, int, float]] = []
    """(Seconds after the run began, RSS in KB, CPU seconds so far)."""


class CheckOutcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether something held that is either right or wrong, such as `every message arrived`."""

    name: str
    passed: bool
    detail: str = ""


class ThresholdOutcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether a measured value was within what was asked for."""

    text: str
    """As it was given: `p99<50ms`."""
    passed: bool
    value: float | None = None
    """What was measured, in the unit of the text; None if there was nothing to measure."""


Verdict = Literal["passed", "failed", "invalid", "interrupted"]
"""`invalid`: the load was saturated, and the figures say nothing of the hub."""


class Result(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A whole run, as it is written to a file. It holds no secret."""

    load: str
    """The version of the load tools."""
    scenario: str
    parameters: dict[str, Any]
    seed: int
    urls: list[str]
    """Without user, password and query."""
    hub_versions: list[str] = []
    """What the hub behind each of these says it is, "" of one that does not say; empty if none
    does."""
    format: Literal["json", "protobuf"]
    started_at: str
    """ISO 8601, UTC."""
    phases: list[Measured]
    verdict: Verdict
    hub: HubSeries | None = None
    checks: list[CheckOutcome] = []
    thresholds: list[ThresholdOutcome] = []
    versions: dict[str, str] = {}
    """What the run ran on: `python`, `system`, `cpus`…"""
    notes: list[str] = []
    """What a reader must know: why it is invalid, what was left out."""


def merge(parts: Sequence[Measured]) -> Measured:
    """What several processes or machines measured in the same phase at the same time, as one.

    Raises ValueError for none, or for different phases.
    """
    if len({part.phase for part in parts}) != 1:
        raise ValueError(f"not one phase: {sorted({part.phase for part in parts})}")
    return Measured(
        phase=parts[0].phase,
        seconds=max(part.seconds for part in parts),
        counts=_added(part.counts for part in parts),
        histograms=merge_histograms(part.histograms for part in parts),
        errors=_bounded(_added(part.errors for part in parts)),
        samples=merge_samples([part.samples for part in parts]),
        saturation=merge_saturation([part.saturation for part in parts]),
        processes=sum(part.processes for part in parts),
        facts=_largest(part.facts for part in parts),
        notes=[note for part in parts for note in part.notes][:NOTES_MAX],
        marks=sorted((mark for part in parts for mark in part.marks), key=lambda mark: mark.at)[
            :MARKS_MAX
        ],
        mark_sums=bounded_sums(_added(part.mark_sums for part in parts)),
        began_at=min((part.began_at for part in parts if part.began_at), default=""),
    )


def merge_histograms(parts: Iterable[dict[str, Histogram]]) -> dict[str, Histogram]:
    """New histograms by name, each of all that was counted under that name."""
    merged: dict[str, Histogram] = {}
    for part in parts:
        for name, histogram in part.items():
            merged.setdefault(name, Histogram()).merge(histogram)
    return merged


def merge_saturation(parts: Sequence[SaturationFacts]) -> SaturationFacts:
    """Sums of what is counted, the worst of what is not."""
    return SaturationFacts(
        sends=sum(part.sends for part in parts),
        late=sum(part.late for part in parts),
        lag_ms=max((part.lag_ms for part in parts), default=0.0),
        cpu_share=max((part.cpu_share for part in parts), default=0.0),
        full_cpu_is_fine=bool(parts) and all(part.full_cpu_is_fine for part in parts),
        untimed=bool(parts) and all(part.untimed for part in parts),
    )


def merge_samples(series: Sequence[Sequence[Sample]]) -> list[Sample]:
    """Several series of one phase as one. The finer ones are made as coarse as the coarsest."""
    step = max((samples[0].seconds for samples in series if samples), default=0.0)
    slots: dict[int, list[Sample]] = {}
    for samples in series:
        for sample in samples:
            # Half a sample of tolerance: clocks of processes do not tick together.
            slots.setdefault(int((sample.at + sample.seconds / 2) / step), []).append(sample)
    return [_joined(slots[slot], at=slot * step, seconds=step) for slot in sorted(slots)]


def thin(samples: list[Sample]) -> list[Sample]:
    """The same time in half as many samples, each twice as long."""
    if not samples:
        return []
    step = samples[0].seconds * 2
    return [
        _joined(samples[first : first + 2], at=samples[first].at, seconds=step)
        for first in range(0, len(samples), 2)
    ]


def _joined(samples: Sequence[Sample], *, at: float, seconds: float) -> Sample:
    return Sample(
        at=at,
        seconds=seconds,
        counts=_added(sample.counts for sample in samples),
        errors=sum(sample.errors for sample in samples),
        histograms=merge_histograms(sample.histograms for sample in samples),
    )


def _added(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)


def bounded_sums(sums: Mapping[str, int]) -> dict[str, int]:
    """Sums of time marks as `Measured` has them."""
    return {name: total % MARK_SUMS_END for name, total in sums.items()}


def _largest(parts: Iterable[dict[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            found[name] = max(value, found.get(name, value))
    return found


def _bounded(errors: dict[str, int]) -> dict[str, int]:
    if len(errors) <= ERROR_KINDS_MAX:
        return errors
    kept = sorted(errors, key=lambda kind: -errors[kind])[: ERROR_KINDS_MAX - 1]
    bounded = {kind: errors[kind] for kind in kept if kind != OTHER_ERRORS}
    bounded[OTHER_ERRORS] = sum(errors.values()) - sum(bounded.values())
    return bounded


def encode_hook(value: Any) -> Any:
    """What msgspec asks about a histogram, for encoders of other messages that hold some."""
    if isinstance(value, Histogram):
        return value.to_json()
    raise NotImplementedError


def decode_hook(kind: type, value: Any) -> Any:
    """See `encode_hook`."""
    if kind is Histogram:
        return Histogram.from_json(value)
    raise NotImplementedError


_ENCODER: Final = msgspec.json.Encoder(enc_hook=encode_hook)
_MEASURED_DECODER: Final = msgspec.json.Decoder(Measured, dec_hook=decode_hook)
_RESULT_DECODER: Final = msgspec.json.Decoder(Result, dec_hook=decode_hook)


def encode(value: Measured | Result) -> bytes:
    """JSON without a line feed."""
    return _ENCODER.encode(value)


def decode_measured(text: bytes) -> Measured:
    """Raises `msgspec.DecodeError` for anything that is no `Measured`, with the path of it."""
    return _MEASURED_DECODER.decode(text)


def decode_result(text: bytes) -> Result:
    """Raises `msgspec.DecodeError` for anything that is no `Result`, with the path of it."""
    return _RESULT_DECODER.decode(text)
