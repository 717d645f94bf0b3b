"""Numbers as a person reads them: `1.24 ms`, `12,345/s`, `48.2 MB`. Pure; plain text, no markup."""

from typing import Final

NOTHING: Final = "–"
"""Where there is no number: nothing was counted, or it cannot be divided."""

_STEPS_US: Final = ((1.0, "µs"), (1e3, "ms"), (1e6, "s"))
_STEPS_KB: Final = ((1.0, "KB"), (1024.0, "MB"), (1024.0**2, "GB"))
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600


def number(value: float) -> str:
    """Three significant digits below a thousand, whole with separators from there on."""
    if value != value or value in (float("inf"), float("-inf")):
        return NOTHING
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def latency(us: float) -> str:
    """A latency given in microseconds, in µs, ms or s: the largest of which there is one."""
    return _scaled(us, _STEPS_US)


def memory(kb: float) -> str:
    """An amount given in KiB, in KB, MB or GB of 1024 each."""
    return _scaled(kb, _STEPS_KB)


def rate(per_s: float) -> str:
    """So many a second."""
    return f"{number(per_s)}/s"


def share(part: float) -> str:
    """A part of one as a percentage; a part above nothing is never told as `0 %`."""
    if 0 < part < 0.0001:
        return "< 0.01 %"
    return f"{number(round(part * 100, 2))} %"


def duration(s: float) -> str:
    """A time given in seconds as one says it: `0.4 s`, `42 s`, `5 min 20 s`, `2 h 5 min`."""
    if s < 10:
        return f"{number(round(s, 1))} s"
    whole = round(s)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        minutes, rest = divmod(whole, _MINUTE_S)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(whole, _HOUR_S)
    return f"{hours} h {rest // _MINUTE_S} min" if rest >= _MINUTE_S else f"{hours} h"


def ratio(before: float, after: float) -> str:
    """How many times `before` the later value is: `×1.25`; nothing where there was none before."""
    return f"×{after / before:.2f}" if before else NOTHING


def _scaled(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    size, unit = steps[0]
    for size_, unit_ in steps:
        # 999.7 µs would be told as `1,000 µs`.
        if abs(value) >= size_ * 0.9995:
            size, unit = size_, unit_
    return f"{number(value / size)} {unit}"
