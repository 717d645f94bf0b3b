"""The report as a page: what it tells, that it needs nothing else, and that no name breaks it."""

from html.parser import HTMLParser

import msgspec
import pytest

from load.histogram import Histogram
from load.judgement import PhaseFigures
from load.measured import (
    CheckOutcome,
    HubSeries,
    Measured,
    SaturationFacts,
    ThresholdOutcome,
    Verdict,
)
from load.report import html
from load.thresholds import judge, parse
from tests.support.load_results import HOSTILE, SUBJECT, hub, measured, result

VOID_TAGS = {"meta", "br"}


class _Page(HTMLParser):
    """What a browser makes of it: tags, attributes, and whether all is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID_TAGS:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_what_was_asked_comes_first_and_in_words() -> None:
    page = _Page(
        html.report(
            result(
                verdict="failed",
                thresholds=[ThresholdOutcome(text="p99<50ms", passed=False, value=83.21)],
                checks=[CheckOutcome(name="nothing twice", passed=True, detail="0 of 9")],
                notes=["two clients took no part"],
            ),
            SUBJECT,
        )
    )
    begin = page.text[page.text.index("fanout: Failed") :]
    order = ["1 of 2 did not hold", "p99<50ms", "measured 83.21 ms", "nothing twice", "0 of 9"]
    order += ["two clients took no part", "delivery p99", "Delivery: distribution"]
    places = [begin.index(words) for words in order]
    assert places == sorted(places)


def test_the_report_has_plots_figures_and_how_to_do_it_again() -> None:
    page = _Page(html.report(result(measured(errors={"publish: 103 denied": 3})), SUBJECT))
    for words in (
        "Delivery: distribution",
        "Delivery: over time",
        "Rates",
        "Errors",
        "Memory of the hub",
        "CPU of the hub",
        "publish: 103 denied",
        "python -m load fanout --url ws://127.0.0.1:8000/connection/websocket --format json "
        "--seed 42 --processes 2 --clients 1000 --rate 50 --seconds 30 --history true "
        "--threshold 'p99<50ms' --threshold 'errors<0.1%'",
        "3.13.5",
    ):
        assert words in page.text
    assert page.tags.count("svg") == 8


def test_the_page_tells_when_a_phase_began_and_what_the_hub_was() -> None:
    phase = msgspec.structs.replace(measured(), began_at="2026-11-27T06:00:02.125+00:00")
    page = _Page(html.report(result(phase, hub_versions=["0.1.7"]), SUBJECT))
    assert "steady 30 s, 2 processes, from 2026-11-27 06:00:02 UTC" in page.text
    assert "hub 0.1.7" in page.text


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    page = _Page(html.report(result(), SUBJECT))
    assert not {"script", "link", "img", "iframe", "image", "use"} & set(page.tags)
    names = {name for name, _ in page.attributes}
    assert not {name for name in names if name.startswith("on")} | ({"src", "href"} & names)
    assert "url(" not in "".join(page.words)
    assert "@import" not in "".join(page.words)
    assert ("name", "viewport") in page.attributes


def test_a_hostile_name_is_text_wherever_it_stands() -> None:
    text = html.report(
        result(
            measured(HOSTILE, errors={HOSTILE: 2}),
            Measured(
                phase="second",
                seconds=1.0,
                counts={HOSTILE: 5},
                histograms={HOSTILE: Histogram([5, 9])},
                facts={HOSTILE: 1.0},
            ),
            scenario=HOSTILE,
            parameters={HOSTILE: HOSTILE},
            urls=[HOSTILE],
            started_at=HOSTILE,
            notes=[HOSTILE],
            versions={HOSTILE: HOSTILE},
            checks=[CheckOutcome(name=HOSTILE, passed=False, detail=HOSTILE)],
            thresholds=[ThresholdOutcome(text=HOSTILE, passed=False)],
            verdict="failed",
        )
    )
    text.encode()  # half a surrogate pair would raise here
    page = _Page(text)
    assert not {"script", "img"} & set(page.tags)
    assert text.count("</title>") == text.count("<title>")
    assert "<script>alert(1)</script>" in page.text


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("invalid", "The load itself was too slow: a process took 97% of its core"),
        ("interrupted", "It was stopped before its end"),
    ],
)
def test_a_run_that_says_nothing_of_the_hub_says_so(verdict: Verdict, words: str) -> None:
    phase = measured(saturation=SaturationFacts(cpu_share=0.97))
    text = html.report(result(phase, verdict=verdict), SUBJECT)
    assert words in text
    assert '<span class="badge void">' in text
    assert '<span class="badge good">' not in text


def test_the_figures_that_matter_most_are_of_the_phase_that_was_judged() -> None:
    phases = [
        measured("slow", seconds=6, median_us=90_000),
        measured("fast", seconds=6, median_us=900),
    ]
    missed = judge(parse("p99<50ms"), PhaseFigures(phases[0], SUBJECT))
    met = judge(parse("p99<5s"), PhaseFigures(phases[1], SUBJECT))
    text = html.report(result(*phases, thresholds=[met, missed], verdict="failed"), SUBJECT)
    assert text.count("<small>in slow</small>") == 4
    assert "in fast" not in text
    text = html.report(result(*phases, thresholds=[met]), SUBJECT)
    assert text.count("<small>in fast</small>") == 4


def test_many_phases_are_one_table_with_the_rest_folded_away() -> None:
    phases = [measured(f"rate {rate}", rate=rate, seconds=6) for rate in range(10, 90, 10)]
    page = _Page(html.report(result(*phases), SUBJECT))
    assert page.tags.count("details") == 8
    assert "2 phases are left out" in page.text


def test_a_search_for_the_knee_is_drawn_over_the_load() -> None:
    phases = [
        measured(f"steady at rate {load}", seconds=6, median_us=median_us)
        for load, median_us in (("800", 900.0), ("1,600", 2_000.0), ("1.2e+04", 90_000.0))
    ]
    run = result(*phases, thresholds=[ThresholdOutcome(text="p99<50ms", passed=True, value=8.0)])
    text = html.report(run, SUBJECT)
    page = _Page(text)
    assert "Delivery by rate" in page.text
    assert "<title>12,000\np50: 9" in text
    assert "--until 'p99<50ms'" in page.text
    assert "Delivery by rate" not in html.report(result(*phases, measured()), SUBJECT)


@pytest.mark.parametrize(
    "phases",
    [
        [],
        [Measured(phase="nothing", seconds=0.0)],
        [Measured(phase="counted", seconds=1.0, counts={"received": 0})],
        [Measured(phase="one", seconds=1.0, histograms={"ack": Histogram([7])})],
        [Measured(phase="none", seconds=1.0, histograms={"ack": Histogram()})],
    ],
)
def test_a_run_that_measured_next_to_nothing_has_a_report(phases: list[Measured]) -> None:
    run = result(thresholds=[], checks=[], hub=HubSeries(samples=[(0.0, 5, 0.0)]))
    page = _Page(html.report(msgspec.structs.replace(run, phases=phases)))
    assert "No threshold was set" in page.text


def test_an_hour_of_samples_makes_a_page_that_a_phone_can_open() -> None:
    phase = measured(seconds=600, rate=20, readers=2)
    text = html.report(result(phase, hub=hub(3_600)), SUBJECT)
    assert len(text) < 600_000
