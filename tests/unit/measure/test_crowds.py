"""What is said of a crowd: what was found, whether it holds, and what does not."""

from load.measured import CheckOutcome, Measured, Result, SaturationFacts
from tests.measure.crowds import told


def result(verdict: str, **fields: object) -> Result:
    """Of a run of one phase."""
    phases = [Measured(phase="cuts", seconds=1.0, **fields)]  # type: ignore[arg-type]  # its own
    checks = [
        CheckOutcome(name="nothing was lost", passed=verdict == "passed", detail="2 messages lost"),
        CheckOutcome(name="nothing came twice", passed=True),
    ]
    return Result(
        load="1",
        scenario="recovery",
        parameters={},
        seed=1,
        urls=[],
        format="json",
        started_at="",
        phases=phases,
        verdict=verdict,  # type: ignore[arg-type]  # one of them
        checks=checks,
    )


def test_what_holds_is_said_in_a_word() -> None:
    assert told("10 back", result("passed")) == "10 back; passed"


def test_what_does_not_hold_is_said_and_that_the_load_was_slow() -> None:
    slow = SaturationFacts(sends=10, late=5)
    said = told("10 back", result("failed", saturation=slow))
    assert said.startswith("10 back; failed; nothing was lost: 2 messages lost; ")
    assert said.endswith("5 of 10 messages left more than 10 ms late")
