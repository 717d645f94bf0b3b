"""Two runs beside each other: what changed, and whether it is more than chance."""

import re

import msgspec
import pytest

from load.measured import HubSeries, Result
from load.report.changes import Change, parts, settings, spread
from load.report.compare import as_html, as_text, summary
from tests.support.load_results import HOSTILE, hub, measured, result


def _changes(before: Result, after: Result) -> dict[str, Change]:
    return {change.name: change for part in parts(before, after) for change in part.changes}


def test_a_run_is_the_same_as_itself() -> None:
    changes = _changes(result(), result())
    assert {change.verdict for change in changes.values()} == {"same"}
    assert {change.ratio for change in changes.values()} == {"×1.00"}
    assert summary(result(), result()) == (
        "Nothing is better or worse by more than the spread of the runs."
    )


def test_the_same_load_with_other_chances_is_no_change() -> None:
    changes = _changes(result(measured(seed=1)), result(measured(seed=2)))
    assert {change.weight for change in changes.values()} == {"within"}


def test_what_is_slower_by_more_than_the_spread_is_worse_and_back_is_better() -> None:
    fast, slow = result(measured(seed=1)), result(measured(seed=2, median_us=3_000))
    there, back = _changes(fast, slow), _changes(slow, fast)
    assert there["delivery p50"].verdict == "worse"
    assert back["delivery p50"].verdict == "better"
    assert there["delivery p50"].ratio == "×2.00"
    assert there["published a second"].verdict in {"same", "within spread"}
    assert "figures are worse" in summary(fast, slow)
    assert "figures are better" in summary(slow, fast)


def test_how_much_was_done_is_neither_better_nor_worse() -> None:
    changes = _changes(result(measured(rate=50)), result(measured(rate=80)))
    assert changes["published a second"].verdict == "more"
    assert changes["published a second"].is_better is None
    assert _changes(result(measured(rate=80)), result(measured(rate=50)))[
        "published a second"
    ].verdict == ("less")


def test_errors_that_were_not_there_before_are_worse() -> None:
    changes = _changes(result(), result(measured(errors={"publish: refused": 300})))
    assert changes["errors a second"].verdict == "worse"
    assert changes["errors a second"].ratio == "–"


def test_a_short_run_leaves_it_open() -> None:
    changes = _changes(result(measured(seconds=3)), result(measured(seconds=3, median_us=9_000)))
    assert changes["delivery p50"].verdict == "unclear"
    assert changes["delivery p50"].spread is None
    said = summary(result(measured(seconds=3)), result(measured(seconds=3, median_us=9_000)))
    assert re.match(r"\d+ of \d+ figures cannot be compared: too few samples\. Nothing else", said)


def test_memory_and_cpu_of_the_hub_are_compared_while_it_is_busy() -> None:
    samples = [(t_s, rss_kb * 2, cpu_s * 1.3) for t_s, rss_kb, cpu_s in hub().samples]
    changes = _changes(result(), result(hub=HubSeries(samples=samples)))
    assert changes["memory at most"].verdict == "worse"
    assert changes["memory at most"].ratio == "×2.00"
    busy = changes["CPU of a core when busy"]
    assert (busy.verdict, busy.ratio) == ("worse", "×1.30")
    assert busy.before == pytest.approx(0.7, abs=0.02)


def test_a_figure_that_one_run_lacks_is_told_and_not_judged() -> None:
    change = Change("ack p50", None, 5.0, "latency")
    assert (change.verdict, change.ratio, change.shown(None)) == ("only after", "–", "–")
    assert Change("ack p50", 5.0, None, "latency").verdict == "only before"


def test_the_spread_is_half_of_the_middle_four_fifths() -> None:
    assert spread([(float(index), float(index)) for index in range(11)]) == 4.0
    assert spread([(0.0, 1.0), (1.0, None)]) is None


def test_settings_that_differ_are_told_and_the_time_is_not() -> None:
    later = result(
        seed=43,
        parameters={"clients": 1200, "rate": 50.0, "seconds": 30.0, "history": True},
        started_at="2026-11-28T00:00:00Z",
    )
    assert settings(result(), later) == [("seed", "42", "43"), ("clients", "1,000", "1,200")]


def test_other_versions_of_the_hub_are_told() -> None:
    later = result(hub_versions=["0.2.0"])
    assert settings(result(), later) == [("version of hub", "0.1.0", "0.2.0")]
    for told in (as_text(result(), later), as_html(result(), later)):
        assert "version of hub" in told and "0.2.0" in told


def test_runs_that_can_hardly_be_compared_say_so() -> None:
    other = result(measured("other"), scenario="rooms", verdict="invalid", hub=None)
    told = summary(result(), other)
    for words in (
        "no phase in common",
        "The scenarios differ: fanout and rooms.",
        "The later run was invalid",
        "the phases other, steady",
    ):
        assert words in told


def test_text_and_page_tell_the_same() -> None:
    before, after = result(), result(measured(median_us=3_000), seed=43)
    for told in (as_text(before, after), as_html(before, after)):
        for words in ("delivery p99.9", "worse", "×2.00", "seed", "43", "rule of thumb"):
            assert words in told


def test_a_page_shows_both_distributions_of_what_both_waited_for() -> None:
    page = as_html(result(measured(), measured("only before")), result(measured(seed=2)))
    assert page.count('<figure class="plot">') == 2
    assert "Delivery, steady" in page
    assert "Delivery, only before" not in page


def test_hostile_names_stay_text() -> None:
    hostile = result(
        measured(HOSTILE),
        scenario=HOSTILE,
        versions={HOSTILE: HOSTILE},
        started_at=HOSTILE,
        parameters={HOSTILE: HOSTILE},
    )
    page = as_html(hostile, msgspec.structs.replace(hostile, seed=1))
    page.encode()
    assert "<script" not in page
    assert "<img" not in page
    text = as_text(hostile, msgspec.structs.replace(hostile, seed=1))
    assert all(letter.isprintable() for line in text.split("\n") for letter in line)
