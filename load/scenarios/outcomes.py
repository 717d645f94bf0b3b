"""Checks that several scenarios share: what must be equal, and what must not be there. Pure."""

from collections.abc import Mapping, Sequence

from load.measured import CheckOutcome, Measured


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
    total = sum(phase.counts.get(came, 0) for phase in measured)
    if not total and not wrong:
        wrong = [f"no {words} at all"]
    detail = "; ".join(wrong) or f"{total:,} {words}"
    return CheckOutcome(name=name, passed=not wrong, detail=detail)
