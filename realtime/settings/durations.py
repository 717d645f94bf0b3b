"""Durations as people write them in settings: "300s", "10m", "24h", "7d"."""

import re
from dataclasses import dataclass
from typing import Final, Self

_UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_FORM: Final = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)")
_LONGEST_MS: Final = 100 * 365 * _UNITS["d"]

FORM: Final = 'a whole number with a unit, "500ms", "300s", "10m", "24h" or "7d", to 100 years'
"""What `Duration.parse` takes, for messages."""


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time of `ms` milliseconds, 0 to a hundred years."""

    ms: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a whole number with one unit: ms, s, m, h or d.

        Raises ValueError for everything else: no unit, a sign, a fraction, spaces, two units, or
        more than a hundred years.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"expected {FORM}")
        ms = int(match[1]) * _UNITS[match[2]]
        if ms > _LONGEST_MS:
            raise ValueError(f"expected {FORM}")
        return cls(ms)

    def __str__(self) -> str:
        """Write it with the largest unit that leaves no rest; `parse` reads it back."""
        for unit in ("d", "h", "m", "s"):
            if self.ms and self.ms % _UNITS[unit] == 0:
                return f"{self.ms // _UNITS[unit]}{unit}"
        return f"{self.ms}ms" if self.ms else "0s"


FOR_EVER: Final = Duration(0)
"""No limit in time, where a setting says that 0 is for ever."""
