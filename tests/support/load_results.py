"""Made-up results of load runs: what a report shows, without a hub and without waiting."""

import random
from collections import Counter
from typing import Any, Final

from load.histogram import Histogram
from load.measured import (
    CheckOutcome,
    HubSeries,
    Measured,
    Result,
    Sample,
    SaturationFacts,
    ThresholdOutcome,
    merge_histograms,
)
from load.scenarios.base import Subject

SUBJECT: Final = Subject(
    histogram="delivery",
    counter="delivery",
    noun="deliveries",
    tried=("ack",),
    raised="rate",
)

HOSTILE: Final = "</title><script>alert(1)</script>\"'&\x00\x1b[2J\ud800\n<img src=x>"
"""A name that would be markup, an escape sequence, or no UTF-8, wherever it is not escaped."""


def waits(count: int, *, median_us: float, chance: random.Random) -> Histogram:
    """Waits as a hub has them: most near the median, a long tail, and some far out."""
    drawn = (
        int(median_us * chance.lognormvariate(0, 0.35) * (9 if chance.random() < 0.004 else 1))
        for _ in range(count)
    )
    return Histogram(drawn)


def measured(
    phase: str = "steady",
    *,
    seconds: int = 30,
    rate: int = 50,
    readers: int = 6,
    median_us: float = 1500.0,
    errors: dict[str, int] | None = None,
    seed: int = 1,
    saturation: SaturationFacts | None = None,
) -> Measured:
    """A phase of a fan-out: `rate` messages a second to so many readers, give or take some."""
    chance = random.Random(seed)  # noqa: S311 - the same every time
    counts: Counter[str] = Counter()
    samples = []
    failed = dict(errors or {})
    for second in range(seconds):
        published = max(1, round(chance.gauss(rate, rate * 0.04)))
        done = {"published": published}
        counts.update(done)
        samples.append(
            Sample(
                at=float(second),
                seconds=1.0,
                counts=done,
                errors=sum(failed.values()) if second == seconds // 2 else 0,
                histograms={
                    "ack": waits(published, median_us=median_us / 3, chance=chance),
                    "delivery": waits(published * readers, median_us=median_us, chance=chance),
                },
            )
        )
    return Measured(
        phase=phase,
        seconds=float(seconds),
        counts=dict(counts),
        histograms=merge_histograms(sample.histograms for sample in samples),
        errors=failed,
        samples=samples,
        saturation=saturation
        or SaturationFacts(sends=counts["published"], late=1, lag_ms=1.7, cpu_share=0.41),
        processes=2,
        facts={"rss_kb_per_client": 4.2},
    )


def hub(seconds: int = 40) -> HubSeries:
    """A hub that warms up, and takes seven tenths of a core while the load is on."""
    chance = random.Random(7)  # noqa: S311 - the same every time
    samples, cpu_s = [], 0.0
    for second in range(seconds):
        cpu_s += chance.uniform(0.65, 0.75) if 4 < second < seconds - 4 else 0.02
        rss_kb = 48_000 + min(second, 20) * 900 + chance.randrange(400)
        samples.append((float(second), rss_kb, round(cpu_s, 3)))
    return HubSeries(samples=samples)


def result(*phases: Measured, **changes: Any) -> Result:
    """A run that passed, but for `changes`; without phases it has one of `measured`."""
    fields: dict[str, Any] = {
        "load": "0.1.0",
        "scenario": "fanout",
        "parameters": {"clients": 1000, "rate": 50.0, "seconds": 30.0, "history": True},
        "seed": 42,
        "urls": ["ws://127.0.0.1:8000/connection/websocket"],
        "format": "json",
        "started_at": "2026-11-27T03:45:45Z",
        "phases": list(phases) or [measured()],
        "verdict": "passed",
        "hub": hub(),
        "checks": [
            CheckOutcome(name="every message arrived", passed=True, detail="30,020 of 30,020")
        ],
        "thresholds": [
            ThresholdOutcome(text="p99<50ms", passed=True, value=3.512),
            ThresholdOutcome(text="errors<0.1%", passed=True, value=0.0),
        ],
        "versions": {"python": "3.13.5", "system": "Linux 6.12", "cpus": "2"},
        "hub_versions": ["0.1.0"],
    }
    return Result(**{**fields, **changes})
