"""A run as JUnit XML, as CI systems read it."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from load.measured import CheckOutcome, SaturationFacts, ThresholdOutcome, Verdict
from load.report.junit import junit
from tests.support.load_results import HOSTILE, measured, result


def _suite(text: str) -> Element:
    suite = ElementTree.fromstring(text).find("testsuite")  # noqa: S314 - it is our own
    assert suite is not None
    return suite


def test_each_threshold_and_check_is_a_case() -> None:
    suite = _suite(
        junit(
            result(
                verdict="failed",
                thresholds=[ThresholdOutcome(text="p99<50ms", passed=False, value=83.21)],
                checks=[CheckOutcome(name="nothing twice", passed=True, detail="0 of 9")],
            )
        )
    )
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3",
        "failures": "1",
        "errors": "0",
        "skipped": "0",
    }
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert list(cases) == ["the run is valid", "p99<50ms", "nothing twice"]
    failure = cases["p99<50ms"].find("failure")
    assert failure is not None
    assert failure.get("message") == "measured 83.21 ms"
    assert cases["p99<50ms"].get("classname") == "load.fanout.threshold"
    assert [child.tag for child in cases["nothing twice"]] == ["system-out"]
    assert [one.get("value") for one in suite.iter("property") if one.get("name") == "seed"] == [
        "42"
    ]


@pytest.mark.parametrize("verdict", ["invalid", "interrupted"])
def test_a_run_that_says_nothing_of_the_hub_is_an_error_and_no_failure(verdict: Verdict) -> None:
    phase = measured(saturation=SaturationFacts(cpu_share=0.97))
    late = ThresholdOutcome(text="p99<50ms", passed=False, value=83.21)
    suite = _suite(junit(result(phase, verdict=verdict, thresholds=[late])))
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("0", "1", "2")
    assert len(list(suite.iter("error"))) == 1
    assert len(list(suite.iter("skipped"))) == 2


def test_a_hostile_name_is_text_and_the_document_stays_one() -> None:
    text = junit(
        result(
            scenario=HOSTILE,
            versions={HOSTILE: HOSTILE},
            started_at=HOSTILE,
            checks=[
                CheckOutcome(name=HOSTILE, passed=False, detail=HOSTILE),
                CheckOutcome(name="fine", passed=True, detail=HOSTILE),
            ],
        )
    )
    suite = _suite(text.encode().decode())
    assert [child.tag for child in suite] == ["properties", *["testcase"] * 5]
    assert "<script>" in (suite.get("name") or "")
