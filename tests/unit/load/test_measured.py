"""What processes measured goes through JSON unchanged, and adds up."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from load.histogram import Histogram
from load.measured import (
    ERROR_KINDS_MAX,
    MARK_SUMS_END,
    OTHER_ERRORS,
    SAMPLES_MAX,
    CheckOutcome,
    HubSeries,
    Measured,
    Result,
    Sample,
    SaturationFacts,
    ThresholdOutcome,
    decode_measured,
    decode_result,
    encode,
    merge,
)
from load.recording import Recorder


def sample(at: float, received: int, seconds: float = 1.0) -> Sample:
    return Sample(at=at, seconds=seconds, counts={"received": received}, errors=1)


def part(received: int, wait_us: int, **changes: object) -> Measured:
    measured = Measured(
        phase="steady",
        seconds=2.0,
        counts={"received": received},
        histograms={"delivery": Histogram([wait_us])},
        errors={"publish: 103 permission denied": 1},
        samples=[sample(0.0, received), sample(1.0, 0)],
        saturation=SaturationFacts(sends=100, late=1, lag_ms=received, cpu_share=0.5),
        facts={"rss_kb": received},
    )
    return msgspec.structs.replace(measured, **changes)


def test_processes_add_up() -> None:
    merged = merge([part(10, 1_000), part(30, 3_000, seconds=2.5)])
    assert merged.counts == {"received": 40}
    assert merged.histograms == {"delivery": Histogram([1_000, 3_000])}
    assert merged.errors == {"publish: 103 permission denied": 2}
    assert [one.counts["received"] for one in merged.samples] == [40, 0]
    assert merged.saturation == SaturationFacts(sends=200, late=2, lag_ms=30, cpu_share=0.5)
    assert (merged.seconds, merged.processes, merged.facts) == (2.5, 2, {"rss_kb": 30})
    assert merged.rate("received") == 16.0


def test_a_phase_began_when_the_first_of_its_processes_did() -> None:
    times = ["2026-11-27T06:00:02.500+00:00", "", "2026-11-27T06:00:02.125+00:00"]
    merged = merge([part(1, 1_000, began_at=at) for at in times])
    assert merged.began_at == "2026-11-27T06:00:02.125+00:00"
    assert merge([part(1, 1_000)]).began_at == ""


def test_sums_of_time_marks_add_up_and_are_bounded() -> None:
    ends = [{"due": 5, "received": MARK_SUMS_END - 1}, {"received": 3}]
    merged = merge([part(1, 1_000, mark_sums=sums) for sums in ends])
    assert merged.mark_sums == {"due": 5, "received": 2}
    recorder = Recorder("steady")
    recorder.mark_sums["due"] += 3 * MARK_SUMS_END + 7
    assert recorder.measured(SaturationFacts()).mark_sums == {"due": 7}
    recorder.restart()
    assert recorder.measured(SaturationFacts()).mark_sums == {}


def test_merging_changes_none_of_the_parts() -> None:
    first, second = part(10, 1_000), part(30, 3_000)
    before = encode(first), encode(second)
    merge([first, second])
    assert (encode(first), encode(second)) == before


def test_only_one_phase_is_merged() -> None:
    with pytest.raises(ValueError, match="one phase"):
        merge([part(1, 1), part(1, 1, phase="ramp")])


def test_a_finer_series_is_made_as_coarse_as_the_other() -> None:
    coarse = part(0, 1, samples=[sample(0.0, 5, 2.0), sample(2.0, 6, 2.0)])
    fine = part(0, 1, samples=[sample(float(at), 1) for at in range(4)])
    merged = merge([coarse, fine]).samples
    assert [(one.at, one.seconds, one.counts["received"]) for one in merged] == [
        (0.0, 2.0, 7),
        (2.0, 2.0, 8),
    ]


def test_kinds_of_errors_are_bounded_and_none_is_lost() -> None:
    errors = {f"error {number}": 1 for number in range(ERROR_KINDS_MAX)}
    merged = merge([part(0, 1, errors=errors), part(0, 1, errors={"another": 5})])
    assert len(merged.errors) == ERROR_KINDS_MAX
    assert merged.errors["another"] == 5
    assert merged.errors_total == ERROR_KINDS_MAX + 5
    assert OTHER_ERRORS in merged.errors


def test_what_was_measured_goes_through_json_unchanged() -> None:
    measured = part(10, 1_000)
    assert decode_measured(encode(measured)) == measured
    assert b"\n" not in encode(measured)


def test_a_result_goes_through_json_unchanged() -> None:
    result = Result(
        load="0.1",
        scenario="fanout",
        parameters={"clients": 10},
        seed=7,
        urls=["ws://127.0.0.1:8000"],
        format="json",
        started_at="2026-01-02T03:04:05Z",
        phases=[part(10, 1_000)],
        verdict="passed",
        hub=HubSeries(samples=[(0.0, 1000, 0.5)]),
        checks=[CheckOutcome(name="every message arrived", passed=True)],
        thresholds=[ThresholdOutcome(text="p99<50ms", passed=True, value=1.0)],
    )
    assert decode_result(encode(result)) == result


@pytest.mark.parametrize(
    "text", [b"", b"{}", b'{"phase":"x","seconds":1,"histograms":{"a":{}}}', b'{"phase":"x","y":1}']
)
def test_what_is_nothing_measured_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_measured(text)


@pytest.mark.parametrize(
    ("facts", "reasons"),
    [
        (SaturationFacts(), 0),
        (SaturationFacts(sends=1000, late=10, lag_ms=50, cpu_share=0.9), 0),
        (SaturationFacts(sends=1000, late=11), 1),
        (SaturationFacts(lag_ms=51), 1),
        (SaturationFacts(cpu_share=0.91), 1),
        (SaturationFacts(cpu_share=0.91, full_cpu_is_fine=True), 0),
        (SaturationFacts(sends=10, late=10, lag_ms=99, cpu_share=1), 3),
    ],
)
def test_a_load_that_was_slow_itself_is_told(facts: SaturationFacts, reasons: int) -> None:
    assert len(facts.reasons) == reasons
    assert facts.saturated is bool(reasons)


def test_a_recorder_tells_seconds_apart_and_adds_them_up() -> None:
    recorder = Recorder("steady", now=100.0)
    delivered = recorder.waits("delivery")
    delivered += [1_000, 2_000]
    recorder.counts["received"] += 2
    recorder.error("publish: timed out")
    recorder.fold()
    assert delivered == []
    first = recorder.tick(101.0)
    delivered.append(3_000)
    recorder.counts["received"] += 1
    assert recorder.total("received") == 3
    measured = recorder.measured(SaturationFacts(), 101.2)
    assert (first.counts, first.errors) == ({"received": 2}, 1)
    assert [one.counts for one in measured.samples] == [{"received": 2}, {"received": 1}]
    assert [one.errors for one in measured.samples] == [1, 0]
    assert measured.counts == {"received": 3}
    assert measured.histograms == {"delivery": Histogram([1_000, 2_000, 3_000])}
    assert measured.errors == {"publish: timed out": 1}
    assert measured.seconds == pytest.approx(1.2)


def test_waits_that_are_counted_already_add_up_with_others() -> None:
    recorder = Recorder("steady", now=100.0)
    counted = recorder.counted_waits("delivery")
    counted[1_000] = 2
    recorder.waits("delivery").append(3_000)
    recorder.fold()
    assert counted == {}
    counted[1_000] = 1
    measured = recorder.measured(SaturationFacts(), 101.0)
    assert measured.histograms == {"delivery": Histogram([1_000, 1_000, 1_000, 3_000])}
    counted[9_000] = 1
    recorder.restart(102.0)
    assert recorder.measured(SaturationFacts(), 103.0).histograms == {}


def test_a_warm_up_is_forgotten() -> None:
    recorder = Recorder("steady", now=100.0)
    delivered = recorder.waits("delivery")
    delivered.append(9_000)
    recorder.counts["received"] += 1
    recorder.error("x")
    recorder.tick(101.0)
    delivered.append(9_000)
    recorder.restart(102.0)
    delivered.append(1_000)
    measured = recorder.measured(SaturationFacts(), 103.0)
    assert measured.histograms == {"delivery": Histogram([1_000])}
    assert (measured.counts, measured.errors, measured.seconds) == ({}, {}, 1.0)


def test_a_phase_begins_after_its_warm_up() -> None:
    recorder = Recorder("steady")
    before = datetime.now(UTC)
    recorder.restart()
    began = datetime.fromisoformat(recorder.measured(SaturationFacts()).began_at)
    # It is told to the millisecond.
    assert before - timedelta(milliseconds=1) <= began <= datetime.now(UTC)
    assert began.utcoffset() == timedelta(0)


def test_a_long_phase_keeps_a_bounded_number_of_samples() -> None:
    recorder = Recorder("soak", now=0.0)
    for second in range(SAMPLES_MAX * 5):
        recorder.counts["received"] += 1
        recorder.tick(second + 1.0)
    measured = recorder.measured(SaturationFacts(), SAMPLES_MAX * 5.0)
    assert SAMPLES_MAX / 2 <= len(measured.samples) <= SAMPLES_MAX
    assert sum(one.counts["received"] for one in measured.samples) == SAMPLES_MAX * 5
    assert {one.seconds for one in measured.samples} == {8.0}
