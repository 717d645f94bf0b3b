"""A run over time: which samples are drawn, and where."""

import msgspec

from load.measured import Measured, Sample
from load.report import curves, series
from load.report.plots import Point
from tests.support.load_results import SUBJECT, measured, result


def _phase(*counts: int, seconds: float, errors: int = 0) -> Measured:
    samples = [
        Sample(at=float(at), seconds=1.0, counts={"published": count})
        for at, count in enumerate(counts)
    ]
    samples[-1] = msgspec.structs.replace(samples[-1], errors=errors)
    return Measured(
        phase="steady", seconds=seconds, counts={"published": sum(counts)}, samples=samples
    )


def _rates(*phases: Measured) -> list[Point]:
    return series.points(series.timeline(phases), series.rate_of("published"))


def test_phases_stand_one_after_another_with_a_gap_between_them() -> None:
    assert _rates(_phase(5, 7, seconds=2.0), _phase(9, seconds=1.0)) == [
        (0.5, 5.0),
        (1.5, 7.0),
        (2.0, None),
        (2.5, 9.0),
    ]


def test_the_last_sample_counts_for_as_long_as_the_phase_was() -> None:
    assert _rates(_phase(10, 6, seconds=1.6))[-1] == (1.3, 6 / (1.6 - 1.0))
    assert _rates(_phase(10, 1, seconds=1.1)) == [(0.5, 10.0)]
    assert _rates(_phase(2, seconds=0.1)) == [(0.1, 2.0)]


def test_errors_of_a_short_last_sample_are_drawn() -> None:
    times = series.timeline([_phase(10, 0, seconds=1.1, errors=3)])
    assert series.points(times, series.errors_rate)[-1] == (1.1, 3.0)


def test_what_is_written_down_at_once_or_twice_has_no_line() -> None:
    phase = measured(seconds=8)
    deliveries = phase.histograms["delivery"].count
    samples = [
        msgspec.structs.replace(
            sample,
            counts={
                **sample.counts,
                "due": 0 if index else deliveries + 5,
                "received": sample.histograms["delivery"].count,
            },
        )
        for index, sample in enumerate(phase.samples)
    ]
    counts = {**phase.counts, "due": deliveries + 5, "received": deliveries}
    phase = msgspec.structs.replace(phase, samples=samples, counts=counts)
    plots = curves.over_time(result(phase), SUBJECT)
    assert [line.name for line in plots[0].lines] == ["deliveries", "published"]


def test_the_steps_of_a_search_are_told_from_other_phases() -> None:
    steps = [measured(f"steady at rate {load}", seconds=2) for load in ("1.2e+04", "1,600", "25.5")]
    assert list(series.loads(steps)) == [25.5, 1_600.0, 12_000.0]
    assert series.loads([*steps, measured("storm", seconds=2)]) == {}
    assert series.loads(steps[:1]) == {}
