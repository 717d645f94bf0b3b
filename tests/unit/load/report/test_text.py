"""The end of a run on the terminal."""

import msgspec

from load.measured import CheckOutcome, ThresholdOutcome
from load.report import text
from tests.support.load_results import HOSTILE, SUBJECT, measured, result


def test_the_verdict_comes_first_and_what_failed_before_what_held() -> None:
    lines = text.summary(
        result(
            verdict="failed",
            thresholds=[
                ThresholdOutcome(text="errors<0.1%", passed=True, value=0.04),
                ThresholdOutcome(text="p99<50ms", passed=False, value=50.012),
            ],
            checks=[CheckOutcome(name="nothing twice", passed=True)],
        ),
        SUBJECT,
    ).splitlines()
    assert lines[1:5] == [
        "FAILED  fanout: 1 of 3 did not hold: p99<50ms.",
        "  FAIL  p99<50ms: measured 50.01 ms",
        "  ok    errors<0.1%: measured 0.04 %",
        "  ok    nothing twice",
    ]


def test_numbers_stand_below_each_other() -> None:
    phase = measured()
    lines = text.summary(result(phase), SUBJECT).splitlines()
    head = next(line for line in lines if line.lstrip().startswith("waits"))
    row = next(line for line in lines if line.lstrip().startswith("delivery"))
    assert len(head) == len(row)
    assert head.split() == ["waits", "a", "second", "p50", "p90", "p99", "p99.9", "max"]
    assert f"{phase.histograms['delivery'].count / 30:,.0f}/s" in row


def test_errors_are_told_by_kind_and_the_rarest_only_counted() -> None:
    errors = {f"publish: {code} refused": 100 - code for code in range(7)}
    lines = text.summary(result(measured(errors=errors)), SUBJECT).splitlines()
    assert "  errors: 679" in lines
    assert "    100 × publish: 0 refused" in lines
    assert "    and 2 more kinds" in lines
    assert not any("publish: 6" in line for line in lines)


def test_many_phases_have_a_line_each() -> None:
    phases = [measured(f"rate {rate}", rate=rate, seconds=6) for rate in range(10, 90, 10)]
    lines = text.summary(result(*phases), SUBJECT).splitlines()
    assert sum(line.startswith("  rate ") for line in lines) == 8
    assert any(line.split()[:3] == ["phase", "took", "deliveries"] for line in lines)


def test_nothing_of_a_hostile_hub_reaches_the_terminal_as_a_command() -> None:
    shown = text.summary(
        result(
            measured(HOSTILE, errors={HOSTILE: 2}),
            scenario=HOSTILE,
            notes=[HOSTILE],
            parameters={HOSTILE: HOSTILE},
            checks=[CheckOutcome(name=HOSTILE, passed=False, detail=HOSTILE)],
        )
    )
    assert all(character.isprintable() for line in shown.split("\n") for character in line)
    assert "<script>alert(1)</script>" in shown


def test_hubs_are_told_with_their_versions() -> None:
    two = ["ws://a/", "ws://b/"]
    alike = text.summary(result(urls=two, hub_versions=["0.1.0", "0.1.0"]), SUBJECT)
    assert "\nhub: version 0.1.0\n" in alike
    different = text.summary(result(urls=two, hub_versions=["0.1.0", ""]), SUBJECT)
    assert "\nhub ws://a/: version 0.1.0\nhub ws://b/: version –\n" in different
    assert "version" not in text.summary(result(hub_versions=[]), SUBJECT)


def test_a_phase_is_told_with_the_time_at_which_it_began() -> None:
    phase = msgspec.structs.replace(measured(), began_at="2026-11-27T06:00:02.125+00:00")
    assert "steady (30 s, 2 processes, from 2026-11-27 06:00:02 UTC)" in text.summary(result(phase))
    for other in ("", "at noon", "0001-01-01T00:00:00+23:00"):
        phase = msgspec.structs.replace(phase, began_at=other)
        assert "steady (30 s, 2 processes)" in text.summary(result(phase))


def test_a_run_of_nothing_has_a_summary() -> None:
    run = msgspec.structs.replace(result(thresholds=[], checks=[], hub=None), phases=[])
    assert "No threshold was set" in text.summary(run)
