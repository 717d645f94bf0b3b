"""The hub's counts as Prometheus metrics, read when they are asked for."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from realtime.hub.hub import Hub
from realtime.server.gate import Gate
from realtime.server.histogram import Histogram

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PREFIX: Final = "realtime_"

COMMIT_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
COMMIT_ENTRIES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class CommitHistograms:
    """How long the store's commits took, and how many entries each had."""

    def __init__(self) -> None:
        self.seconds = Histogram(COMMIT_SECONDS)
        self.entries = Histogram(COMMIT_ENTRIES)

    def observe(self, entries: int, seconds: float) -> None:
        """Count one commit."""
        self.seconds.observe(seconds)
        self.entries.observe(entries)


class HubMetrics(Collector):
    """Reads the hub's, the gate's and the store's counts. One per hub: nothing is global."""

    def __init__(self, hub: Hub, gate: Gate, commits: CommitHistograms) -> None:
        self._hub = hub
        self._gate = gate
        self._commits = commits
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client's Collector."""
        hub = self._hub
        counts = hub.statistics
        fanout = hub.fanout
        lag_s, hub.loop_lag_s = hub.loop_lag_s, 0.0
        # A backlog's count joins the fan-out's when the backlog ends.
        dropped = fanout.dropped + sum(
            outbox.backlog.dropped for outbox in fanout.paused if outbox.backlog is not None
        )
        gauges = (
            ("connections", "Open websockets, connected or not", self._gate.connections),
            ("clients", "Clients that have connected", len(hub.clients)),
            ("channels", "Channels with subscribers on this node", len(hub.delivery)),
            (
                "subscriptions",
                "Subscriptions on this node",
                sum(live.count() for live in hub.delivery),
            ),
            ("outboxes_paused", "Clients whose transport is full", len(fanout.paused)),
            (
                "loop_lag_seconds",
                "How late the event loop was at most since the last scrape",
                lag_s,
            ),
            ("draining", "Whether the node is shutting down", int(hub.draining)),
        )
        for name, text, value in gauges:
            yield GaugeMetricFamily(PREFIX + name, text, value)
        counters = (
            ("connects", "Connect commands that succeeded", counts.connects),
            ("commands", "Commands of clients", counts.commands),
            ("messages_received", "Messages of clients", counts.messages_received),
            ("received_bytes", "Payload bytes of clients", counts.bytes_received),
            ("publications", "Publications of clients and the API", counts.publications_received),
            ("deliveries", "Frames handed to subscribers", fanout.deliveries),
            ("sent_bytes", "Bytes written to clients", fanout.written_bytes),
            ("outbox_dropped", "Ephemeral frames dropped for slow clients", dropped),
            ("slow_closes", "Clients closed as slow", counts.slow_closes),
            ("duplicates", "Publications that were retries", counts.duplicates),
            ("position_gaps", "Gaps found in what reached the node", counts.gaps),
            ("position_repairs", "Repairs from the store", counts.repairs),
            ("position_gaps_admitted", "Gaps that retention had eaten", counts.gaps_admitted),
            ("recoveries", "Positions from which clients recovered", counts.recovered),
            ("recoveries_denied", "Positions that could not be recovered", counts.not_recovered),
            ("handshakes_refused", "Requests for a websocket refused", counts.refused_handshakes),
        )
        for name, text, count in counters:
            yield CounterMetricFamily(PREFIX + name, text, count)
        for name, text, by_code in (
            ("errors", "Error replies to clients and API calls by code", counts.errors),
            ("disconnects", "Closes by the server by code", counts.disconnects),
        ):
            family = CounterMetricFamily(PREFIX + name, text, labels=["code"])
            for code, count in sorted(by_code.items()):
                family.add_metric([str(code)], count)
            yield family
        yield _histogram("commit_seconds", "How long a commit took", self._commits.seconds)
        yield _histogram("commit_entries", "Entries in a commit", self._commits.entries)


def _histogram(name: str, text: str, histogram: Histogram) -> HistogramMetricFamily:
    return HistogramMetricFamily(
        PREFIX + name, text, buckets=histogram.cumulated(), sum_value=histogram.total
    )
