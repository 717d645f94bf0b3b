"""The search for a knee: it finds it, from above and from below, and always ends."""

import pytest

from load.knee import CLOSE, STEPS_MAX, KneeSearch


def searched(first: float, knee: float) -> KneeSearch:
    """A search against a hub that holds whatever is not above its knee."""
    search = KneeSearch(first)
    while search.load is not None:
        search.tell(search.load <= knee)
    return search


@pytest.mark.parametrize("first", [1, 90, 1_000, 40_000])
@pytest.mark.parametrize("knee", [7, 100, 12_345])
def test_the_knee_is_found_to_a_tenth(first: float, knee: float) -> None:
    search = searched(first, knee)
    assert search.held is not None and search.broke is not None
    assert search.held <= knee < search.broke <= search.held * CLOSE
    assert search.steps <= STEPS_MAX


def test_a_hub_that_never_breaks_is_not_asked_for_ever() -> None:
    search = searched(10, float("inf"))
    assert search.steps == STEPS_MAX
    assert search.broke is None


def test_a_hub_that_holds_nothing_has_no_knee() -> None:
    search = searched(1_000, 0)
    assert search.held is None
    assert search.broke is not None and search.broke <= 1


def test_a_load_that_cannot_go_on_ends_the_search_with_what_has_held() -> None:
    search = KneeSearch(10)
    search.tell(True)
    search.give_up()
    assert (search.load, search.held, search.broke) == (None, 10, None)
