"""Where things lie on a plot, and that no point of it is lost or made up."""

import pytest

from load.report import figures, scales
from load.report.plots import Line, Plot, drawn, thinned


def test_an_even_axis_ends_above_the_greatest_value() -> None:
    scale = scales.linear([3.0, 870.0], label=figures.number)
    assert [tick.text for tick in scale.ticks] == ["0", "500", "1,000"]
    assert scale.place(500) == pytest.approx(0.5)
    assert scale.place(5_000) == 1.0


@pytest.mark.parametrize("values", [[], [0.0], [0.0, 0.0]])
def test_axes_of_nothing_are_axes(values: list[float]) -> None:
    assert scales.linear(values, label=figures.number).place(0.0) == 0.0
    assert scales.logarithmic(values, label=figures.number).place(0.0) == 0.0
    assert scales.time_axis(0.0).place(0.0) == 0.0


def test_a_logarithmic_axis_encloses_its_values_closely() -> None:
    narrow = scales.logarithmic([310.0, 1_900.0], label=figures.latency)
    assert [tick.text for tick in narrow.ticks] == ["200 µs", "500 µs", "1 ms", "2 ms"]
    wide = scales.logarithmic([310.0, 1_900_000.0], label=figures.latency)
    assert [tick.text for tick in wide.ticks] == ["1 ms", "10 ms", "100 ms", "1 s"]
    same = scales.logarithmic([1_000.0, 1_000.0], label=figures.latency)
    assert [tick.text for tick in same.ticks] == ["1 ms", "2 ms"]


def test_each_nine_of_a_percentile_is_as_far_from_the_next() -> None:
    scale = scales.percentiles(1_000)
    assert [tick.text for tick in scale.ticks] == ["50 %", "90 %", "99 %", "99.9 %"]
    assert [round(scale.place(at), 3) for at in (0, 90, 99, 99.9, 100)] == [0, 0.333, 0.667, 1, 1]


@pytest.mark.parametrize(
    ("seconds", "last"), [(12.0, "12 s"), (600.0, "10 min"), (4 * 3600.0, "4 h")]
)
def test_time_is_told_in_the_unit_that_suits_it(seconds: float, last: str) -> None:
    scale = scales.time_axis(seconds)
    assert scale.ticks[-1].text == last
    assert scale.place(seconds / 2) == pytest.approx(0.5)


def test_a_long_line_is_thinned_without_losing_its_peak() -> None:
    points = [(float(index), 1.0) for index in range(3_000)]
    points[1_234] = (1_234.0, 99.0)
    few = thinned(points, most=300, greatest=True)
    assert len(few) == 300
    assert max(value or 0.0 for _, value in few) == 99.0
    mean = thinned(points, most=300)
    assert sum(value or 0.0 for _, value in mean) / 300 == pytest.approx(3_098 / 3_000)
    assert thinned(points[:300], most=300) == points[:300]


def _plot(points: list[tuple[float, float | None]]) -> Plot:
    axis = scales.exact(10.0, label=figures.number)
    line = Line("rate", points, figures.rate)
    return Plot("Rates", "", axis, axis, [line], figures.duration)


def test_a_gap_divides_a_line_and_a_lone_point_is_a_dot() -> None:
    html = drawn(_plot([(0.0, 1.0), (1.0, 2.0), (2.0, None), (3.0, 5.0)]))
    assert 'd="M0 900L100 800"' in html
    assert 'd="M300 500h0"' in html
    assert html.count('class="line c0"') == 1
    assert html.count('class="line dot c0"') == 1


def test_a_plot_says_in_words_what_it_shows() -> None:
    html = drawn(_plot([(0.0, 1.0), (5.0, 8.0)]))
    assert 'aria-label="Rates: rate from 1/s to 8/s"' in html
    assert "<title>5 s\nrate: 8/s</title>" in html
    assert "nothing measured" in drawn(_plot([]))
