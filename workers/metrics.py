"""What the push worker counts, for Prometheus, and where a process without a hub shows it."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol, get_args

from aiohttp import web
from prometheus_client.core import CollectorRegistry, CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from realtime.push.reasons import SENTENCES
from workers.providers.base import Outcome

PREFIX: Final = "realtime_push_"

OUTCOMES: Final = tuple(outcome.__name__.lower() for outcome in get_args(Outcome))
"""As `workers.gate.Gate` calls them. These, and the reasons, are shown as 0 until they happen: a
series that begins at 1 is no increase to Prometheus."""

STOP_TIMEOUT_S: Final = 2.0
"""How long requests may take when the process stops, in seconds."""


class Counted(Protocol):
    """What the metrics of one provider are read from (`workers.gate.Gate`)."""

    outcomes: dict[str, int]
    in_flight: int

    @property
    def is_resting(self) -> bool:
        """Whether it is left alone now."""
        ...


def push_metrics(
    *,
    dispatched: int,
    raised: int,
    decided: dict[str, int],
    due: int,
    oldest_due_s: float,
    oldest_entry_s: float,
    gates: Iterable[tuple[str, Counted]],
) -> Iterator[Metric]:
    """The metrics. The funnel is: entries, jobs, decisions by reason, outcomes by provider."""
    yield CounterMetricFamily(
        PREFIX + "entries", "Messages whose recipients were found", dispatched
    )
    yield GaugeMetricFamily(
        PREFIX + "oldest_entry_seconds",
        "How long the first message has waited whose recipients were not found yet",
        oldest_entry_s,
    )
    yield CounterMetricFamily(
        PREFIX + "jobs",
        "Recipients who were to be told, one for each look at a channel, not each message",
        raised,
    )
    reasons = CounterMetricFamily(
        PREFIX + "decisions",
        "What was decided of recipients whose job was due, or became of the attempt, by reason",
        labels=["reason"],
    )
    for reason in sorted({*SENTENCES, *decided}):
        reasons.add_metric([reason], decided.get(reason, 0))
    yield reasons
    yield GaugeMetricFamily(PREFIX + "due", "Jobs that are due and nobody's, at most 1000", due)
    yield GaugeMetricFamily(
        PREFIX + "oldest_due_seconds", "Since when the first of them is due", oldest_due_s
    )
    outcomes = CounterMetricFamily(
        PREFIX + "outcomes", "What providers answered", labels=["provider", "outcome"]
    )
    in_flight = GaugeMetricFamily(PREFIX + "in_flight", "Requests under way", labels=["provider"])
    resting = GaugeMetricFamily(
        PREFIX + "resting", "1 while a provider is left alone", labels=["provider"]
    )
    for name, gate in gates:
        for outcome in sorted({*OUTCOMES, *gate.outcomes}):
            outcomes.add_metric([name, outcome], gate.outcomes.get(outcome, 0))
        in_flight.add_metric([name], gate.in_flight)
        resting.add_metric([name], int(gate.is_resting))
    yield outcomes
    yield in_flight
    yield resting


class _Collector:
    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        return self._collect()


async def serve_metrics(collect: Callable[[], Iterable[Metric]], host: str, port: int) -> None:
    """Answer /metrics and /health until cancelled. Raises OSError where the port is taken."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(collect))

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/health", health)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_TIMEOUT_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
