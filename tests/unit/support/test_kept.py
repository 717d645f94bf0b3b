"""Builds that several processes want at once are made by one of them."""

import multiprocessing
from multiprocessing.synchronize import Event
from pathlib import Path

from tests.support.kept import one_at_a_time

WAIT_S = 10.0


@one_at_a_time
def note(cache: Path) -> int:
    """Count how often this was begun."""
    log = cache / "log"
    text = log.read_text() if log.exists() else ""
    log.write_text(text + "begun\n")
    return text.count("begun") + 1


def _hold(cache: Path, begun: Event, go_on: Event) -> None:
    @one_at_a_time
    def slow(cache: Path) -> None:
        begun.set()
        assert go_on.wait(WAIT_S)

    slow(cache)


def test_a_second_process_waits_until_the_first_has_built(tmp_path: Path) -> None:
    cache, other = tmp_path / "packages", tmp_path / "guides"
    cache.mkdir()
    other.mkdir()
    context = multiprocessing.get_context("spawn")
    begun, go_on, tried = context.Event(), context.Event(), context.Event()
    first = context.Process(target=_hold, args=(cache, begun, go_on))
    second = context.Process(target=_note_after, args=(other, tried))
    try:
        first.start()
        assert begun.wait(WAIT_S)
        second.start()
        assert tried.wait(WAIT_S)
        second.join(0.5)
        assert not (other / "log").exists()
        go_on.set()
        second.join(WAIT_S)
        assert (other / "log").read_text() == "begun\n"
    finally:
        for process in (first, second):
            if process.is_alive():
                process.kill()
            if process.pid is not None:
                process.join(WAIT_S)


def _note_after(cache: Path, tried: Event) -> None:
    tried.set()
    note(cache)
