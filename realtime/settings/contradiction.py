"""One thing that is wrong with settings although each value is of the right type."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The settings at `paths` cannot be used as they are, together or at all; `text` says why.

    `place` is where in the list or table at the first path, "[1]" or ".name", or "".
    Nothing is said if the value at one of the paths is not known: that has been told already.
    """

    paths: tuple[tuple[str, ...], ...]
    text: str
    place: str = ""
