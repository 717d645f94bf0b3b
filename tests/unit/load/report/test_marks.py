"""What was done to the hubs stands in every report with its time, and adds up over processes."""

import msgspec

from load.measured import Mark, SaturationFacts, decode_result, encode, merge
from load.report.html import report
from load.report.text import summary
from tests.support.load_results import SUBJECT, measured, result

MARKS = [
    Mark(at=7.2, seconds=0.5, what="cut clients"),
    Mark(at=3_905.0, seconds=12.25, what="kill <one>"),
]


def test_marks_are_told_in_text_by_their_time_and_the_rest_only_counted() -> None:
    told = summary(result(msgspec.structs.replace(measured(), marks=MARKS)), SUBJECT)
    assert "    cut clients      7 s   0.5 s\n" in told
    assert "    kill <one>   3,905 s  12.2 s\n" in told
    many = [Mark(at=float(at), seconds=1.0, what="freeze two") for at in range(100)]
    told = summary(result(msgspec.structs.replace(measured(), marks=many)), SUBJECT)
    assert told.count("freeze two") == 40
    assert "    and 60 more\n" in told


def test_marks_are_drawn_where_they_were_and_told_in_a_table() -> None:
    page = report(result(msgspec.structs.replace(measured(), marks=MARKS)), SUBJECT)
    plots = page.count('class="moment"')
    assert plots >= 3
    # One is after the end of what was measured, and so of what is drawn.
    assert page.count("<title>cut clients</title>") == plots
    assert "<title>kill" not in page
    assert "kill &lt;one&gt;" in page and "kill <one>" not in page
    assert 'class="moment"' not in report(result(), SUBJECT)


def test_marks_go_through_json_and_stand_in_the_order_of_time_when_merged() -> None:
    whole = msgspec.structs.replace(measured(), marks=MARKS[1:])
    assert decode_result(encode(result(whole))).phases[0].marks == MARKS[1:]
    other = msgspec.structs.replace(measured(), marks=MARKS[:1])
    assert merge([whole, other]).marks == MARKS


def test_a_phase_in_which_nothing_is_timed_is_never_saturated() -> None:
    facts = SaturationFacts(sends=100, late=100, lag_ms=900.0, cpu_share=1.0)
    assert len(facts.reasons) == 3
    untimed = msgspec.structs.replace(facts, untimed=True)
    assert not untimed.saturated
    one, other = (msgspec.structs.replace(measured(), saturation=part) for part in (facts, untimed))
    assert merge([one, other]).saturation.saturated
    assert not merge([other, other]).saturation.saturated
