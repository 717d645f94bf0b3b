"""Checks that several scenarios share: what must be equal, absent, or not much slower. Pure."""

from collections.abc import Mapping, Sequence

from load.measured import CheckOutcome, Measured


def total(measured: Sequence[Measured], counter: str) -> int:
    """What a counter has counted in all phases together."""
    return sum(phase.counts.get(counter, 0) for phase in measured)


def none_of(name: str, measured: Sequence[Measured], counters: Mapping[str, str]) -> CheckOutcome:
    """Passed if none of the counters counted anything; `counters` has words for each."""
    found = [
        f"{count:,} {words} ({phase.phase})"
        for phase in measured
        for counter, words in counters.items()
        if (count := phase.counts.get(counter, 0))
    ]
    return CheckOutcome(name=name, passed=not found, detail="; ".join(found))


def same(
    name: str, measured: Sequence[Measured], expected: str, came: str, words: str
) -> CheckOutcome:
    """Passed if in each phase as many `came` as were `expected`, and in any phase some did."""
    wrong = [
        f"{phase.counts.get(came, 0):,} of {phase.counts.get(expected, 0):,} {words}"
        f" ({phase.phase})"
        for phase in measured
        if phase.counts.get(came, 0) != phase.counts.get(expected, 0)
    ]
    all_came = total(measured, came)
    if not all_came and not wrong:
        wrong = [f"no {words} at all"]
    detail = "; ".join(wrong) or f"{all_came:,} {words}"
    return CheckOutcome(name=name, passed=not wrong, detail=detail)


def presence_was_right(measured: Sequence[Measured]) -> CheckOutcome:
    """Passed if at the end the hub listed all who were there, and nobody else."""
    return none_of(
        "in the end the hub knew who was there",
        measured,
        {"absent": "members not listed", "ghosts": "listed who had gone"},
    )


def not_slowed(
    name: str,
    histogram: str,
    phases: tuple[Measured, Measured],
    when: tuple[str, str],
    *,
    factor_max: float,
    grace_us: float,
) -> CheckOutcome:
    """Passed if the p99 of the second phase is known, and at most `factor_max` times that of the
    first, or at most `grace_us` more; `when` has words for each of the two."""
    before, after = (
        phase.histograms[histogram].percentile(99) if histogram in phase.histograms else 0.0
        for phase in phases
    )
    limit = max(before * factor_max, before + grace_us)
    return CheckOutcome(
        name=name,
        passed=0 < after <= limit,
        detail=f"p99 {before / 1_000:.1f} ms {when[0]}, {after / 1_000:.1f} ms {when[1]}",
    )
