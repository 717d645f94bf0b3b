"""What is built once and kept in pytest's cache, where several processes may want it at once."""

import fcntl
import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Built = TypeVar("Built")


def one_at_a_time(build: Callable[[Path], Built]) -> Callable[[Path], Built]:
    """Let no other process build beside this one; who waits finds what was built meanwhile.

    Builders of all kinds wait for each other, as long as the folders that they keep things in are
    in one: two Mavens would fetch into the same repository. Blocks, as long as a build may take;
    the test's own time limit bounds that.
    """

    @functools.wraps(build)
    def guarded(cache: Path) -> Built:
        with (cache.parent / "building.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # let go of when the file is closed
            return build(cache)

    return guarded
