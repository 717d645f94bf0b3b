"""The hub's counts as Prometheus metrics, read when they are asked for."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from realtime.brokers.base import BrokerStatistics
from realtime.hub.hub import Hub
from realtime.server.gate import Gate
from realtime.server.histogram import Histogram

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PREFIX: Final = "realtime_"

COMMIT_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
LAG_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
COMMIT_ENTRIES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

Row = tuple[str, str, float]
"""A metric's name, what it says, and its value."""


class CommitHistograms:
    """How long the store's commits took, and how many entries each had."""

    def __init__(self) -> None:
        self.seconds = Histogram(COMMIT_SECONDS)
        self.entries = Histogram(COMMIT_ENTRIES)

    def observe(self, entries: int, seconds: float) -> None:
        """Count one commit."""
        self.seconds.observe(seconds)
        self.entries.observe(entries)


class BusCounts:
    """What the node's broker has counted, and how late the messages of other nodes were.

    `nodes` answers how many nodes are alive, this one included.
    """

    def __init__(
        self,
        statistics: BrokerStatistics,
        lag: Histogram,
        nodes: Callable[[], int] = lambda: 1,
    ) -> None:
        self.statistics = statistics
        self.lag = lag
        self.nodes = nodes


class AppendCounts(NamedTuple):
    """What has happened to appends, for stores that several nodes write.

    `lost_races`: offsets that another node was faster to take. `unknown`: times that the same had
    to be sent again, since nobody knew what had become of it.
    """

    lost_races: int = 0
    unknown: int = 0


class HubMetrics(Collector):
    """Reads the hub's, the gate's, the store's and the bus's counts. One per hub: nothing is
    global. `appends` answers the store's counts as they are, `more` what others count beside."""

    def __init__(
        self,
        hub: Hub,
        gate: Gate,
        commits: CommitHistograms,
        *,
        bus: BusCounts | None = None,
        appends: Callable[[], AppendCounts] = AppendCounts,
        more: Callable[[], Iterable[Metric]] = tuple,
    ) -> None:
        self._hub = hub
        self._gate = gate
        self._commits = commits
        self._bus = bus or BusCounts(BrokerStatistics(), Histogram(LAG_SECONDS))
        self._appends = appends
        self._more = more
        self._registry = CollectorRegistry()
        self._registry.register(self)
        # Memory, CPU and descriptors of the process, where the system tells (proc(5)).
        ProcessCollector(registry=self._registry)

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client's Collector."""
        for name, text, value in (*self._gauges(), *self._cluster_gauges()):
            yield GaugeMetricFamily(PREFIX + name, text, value)
        for name, text, count in (
            *self._counters(),
            *self._bus_counters(),
            *self._cluster_counters(),
        ):
            yield CounterMetricFamily(PREFIX + name, text, count)
        yield from self._labelled()
        yield _histogram("commit_seconds", "How long a commit took", self._commits.seconds)
        yield _histogram("commit_entries", "Entries in a commit", self._commits.entries)
        yield _histogram("bus_lag_seconds", "From a publish on another node to here", self._bus.lag)
        yield from self._more()

    def _labelled(self) -> Iterator[Metric]:
        counts = self._hub.statistics
        open_now = GaugeMetricFamily(
            PREFIX + "wire_connections",
            "Open connections by transport and format",
            labels=["wire"],
        )
        for wire, number in sorted(counts.connections.items()):
            open_now.add_metric([wire], number)
        yield open_now
        rows: Sequence[tuple[str, str, str, Mapping[str, int] | Mapping[int, int]]] = (
            ("errors", "Error replies to clients and API calls by code", "code", counts.errors),
            ("disconnects", "Closes by the server by code", "code", counts.disconnects),
            ("wire_connects", "Connects by transport and format", "wire", counts.connects_by_wire),
            ("emulations", "Emulation requests by HTTP status", "status", counts.emulations),
        )
        for name, text, label, numbers in rows:
            family = CounterMetricFamily(PREFIX + name, text, labels=[label])
            for key, count in sorted((str(key), count) for key, count in numbers.items()):
                family.add_metric([key], count)
            yield family

    def _gauges(self) -> Sequence[Row]:
        hub = self._hub
        lag_s, hub.loop_lag_s = hub.loop_lag_s, 0.0
        return (
            (
                "connections",
                "Open websockets and streams, connected or not",
                self._gate.connections,
            ),
            ("clients", "Clients that have connected", len(hub.clients)),
            ("channels", "Channels with subscribers on this node", len(hub.delivery)),
            (
                "subscriptions",
                "Subscriptions on this node",
                sum(live.count() for live in hub.delivery),
            ),
            ("outboxes_paused", "Clients whose transport is full", len(hub.fanout.paused)),
            (
                "loop_lag_seconds",
                "How late the event loop was at most since the last scrape",
                lag_s,
            ),
            ("draining", "Whether the node is shutting down", int(hub.draining)),
            ("commits_failing", "Whether the last commit failed", int(hub.commits.failing)),
            ("commits_waiting", "Entries that wait for a commit", len(hub.commits)),
        )

    def _cluster_gauges(self) -> Sequence[Row]:
        degraded = int(self._hub.broker_state != "ok")
        canary_s = self._bus.statistics.canary_s
        cluster = self._hub.cluster
        waiting = 0 if cluster is None else len(cluster.member.presence)
        return (
            ("broker_degraded", "Whether what the bus carries is late or lost", degraded),
            ("bus_canary_seconds", "How long the newest canary took through the bus", canary_s),
            ("nodes", "Nodes that are alive, as this one sees it", self._bus.nodes()),
            ("presence_waiting", "Changes of presence not known to be stored", waiting),
        )

    def _counters(self) -> Sequence[Row]:
        hub = self._hub
        counts = hub.statistics
        fanout = hub.fanout
        # A backlog's count joins the fan-out's when the backlog ends.
        dropped = fanout.dropped + sum(
            outbox.backlog.dropped for outbox in fanout.paused if outbox.backlog is not None
        )
        return (
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
            ("foreign_messages", "Messages of another store on the bus", counts.foreign_messages),
            ("position_gaps", "Gaps found in what reached the node", counts.gaps),
            ("position_repairs", "Repairs from the store", counts.repairs),
            ("position_gaps_admitted", "Gaps that retention had eaten", counts.gaps_admitted),
            ("recoveries", "Positions from which clients recovered", counts.recovered),
            ("recoveries_denied", "Positions that could not be recovered", counts.not_recovered),
            (
                "handshakes_refused",
                "Requests for a websocket or a stream refused",
                counts.refused_handshakes,
            ),
            (
                "emulations_forwarded",
                "Emulation requests that another node was asked for",
                counts.emulations_forwarded,
            ),
        )

    def _bus_counters(self) -> Sequence[Row]:
        bus = self._bus.statistics
        return (
            ("bus_published", "Messages handed to the bus", bus.published),
            ("bus_dropped", "Messages that the bus could not take", bus.dropped),
            ("bus_received", "Messages that came over the bus, the own included", bus.received),
            ("bus_refused", "Messages that could not be read", bus.refused),
            ("bus_reconnects", "Connections to the bus after the first", bus.reconnects),
        )

    def _cluster_counters(self) -> Sequence[Row]:
        appends, cluster = self._appends(), self._hub.cluster
        sweeper = None if cluster is None else cluster.member.upkeep.sweeper
        entries, nodes = (sweeper.swept_entries, sweeper.swept_nodes) if sweeper else (0, 0)
        lost_races = appends.lost_races
        return (
            ("append_lost_races", "Offsets that another node was faster to take", lost_races),
            ("append_unknown", "Appends sent again with an unknown outcome", appends.unknown),
            ("swept_entries", "Presence entries of dead nodes removed by this one", entries),
            ("swept_nodes", "Dead nodes swept to the end by this one", nodes),
        )


def _histogram(name: str, text: str, histogram: Histogram) -> HistogramMetricFamily:
    return HistogramMetricFamily(
        PREFIX + name, text, buckets=histogram.cumulated(), sum_value=histogram.total
    )
