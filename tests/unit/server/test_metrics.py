"""What a hub counts, as Prometheus reads it."""

import asyncio

from prometheus_client.parser import text_string_to_metric_families

from realtime.brokers.base import BrokerState, BrokerStatistics
from realtime.brokers.memory import MemoryBroker
from realtime.hub.hub import TICK_S
from realtime.server.gate import Gate
from realtime.server.histogram import Histogram
from realtime.server.metrics import (
    LAG_SECONDS,
    AppendCounts,
    BusCounts,
    CommitHistograms,
    HubMetrics,
)
from realtime.settings.schema import ClientSettings
from tests.support.hub import make_settings, running, settled, until
from tests.support.memory_nodes import MemoryCluster, MemorySharedStore
from tests.support.peer import OTHER_LINES


def samples(text: bytes) -> dict[str, float]:
    """Every sample by its name, with its labels where it has some."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(sample.labels.values())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def test_the_text_has_what_the_hub_counted() -> None:
    async with running() as node:
        gate, commits = Gate(connections_max=10, connection_rate=0), CommitHistograms()
        metrics = HubMetrics(node.hub, gate, commits)
        for _ in range(3):
            gate.admit(0.0)
        alice = await node.subscribed("chat:1")
        bob = await node.subscribed("chat:1", "bob")
        await bob.publish("chat:1", "a secret text")
        await alice.received("chat:1", 1)
        await bob.command("history", channel="live:1")
        node.peer().send_bytes(b"nonsense")
        node.hub.paused(bob.client)
        commits.observe(5, 0.003)
        commits.observe(700, 60.0)
        await settled()
        text = metrics.render()
        node.hub.resumed(bob.client)
        found = samples(text)
        expected = {
            "realtime_connections": 3,
            "realtime_clients": 2,
            "realtime_channels": 1,
            "realtime_subscriptions": 2,
            "realtime_outboxes_paused": 1,
            "realtime_draining": 0,
            "realtime_commits_failing": 0,
            "realtime_commits_waiting": 0,
            "realtime_broker_degraded": 0,
            "realtime_nodes": 1,
            "realtime_presence_waiting": 0,
            "realtime_append_lost_races_total": 0,
            "realtime_swept_nodes_total": 0,
            "realtime_bus_dropped_total": 0,
            "realtime_bus_lag_seconds_count": 0,
            "realtime_connects_total": 2,
            "realtime_commands_total": 6,
            "realtime_publications_total": 1,
            "realtime_deliveries_total": 2,
            "realtime_slow_closes_total": 0,
            "realtime_errors_total{108}": 1,
            "realtime_disconnects_total{3501}": 1,
            "realtime_commit_seconds_bucket{0.002}": 0,
            "realtime_commit_seconds_bucket{0.005}": 1,
            "realtime_commit_seconds_bucket{+Inf}": 2,
            "realtime_commit_seconds_count": 2,
            "realtime_commit_entries_bucket{8}": 1,
            "realtime_commit_entries_sum": 705,
        }
        assert {name: found.get(name) for name in expected} == expected
        assert found["process_open_fds"] > 0
        assert found["realtime_received_bytes_total"] > 0
        assert found["realtime_sent_bytes_total"] > 0
        for secret in (b"a secret text", b"chat:1", b"alice"):
            assert secret not in text


async def test_the_loops_lag_is_the_worst_since_the_last_scrape() -> None:
    async with running() as node:
        metrics = HubMetrics(
            node.hub, Gate(connections_max=10, connection_rate=0), CommitHistograms()
        )
        await node.connected()
        node.clock.move(30)  # as if the loop had stood still
        await until(lambda: node.hub.loop_lag_s > 25)
        await asyncio.sleep(2 * TICK_S)  # ticks that are in time
        assert samples(metrics.render())["realtime_loop_lag_seconds"] > 25
        assert samples(metrics.render())["realtime_loop_lag_seconds"] < 25


async def test_what_a_slow_client_lost_is_counted_while_it_is_slow() -> None:
    settings = make_settings(client=ClientSettings(outbox_max_bytes=4096))
    async with running(settings) as node:
        metrics = HubMetrics(
            node.hub, Gate(connections_max=10, connection_rate=0), CommitHistograms()
        )
        alice = await node.subscribed("live:1")
        bob = await node.subscribed("live:1", "bob")
        node.hub.paused(alice.client)
        for _ in range(4):
            await bob.publish("live:1", "x" * 1500)
        await bob.received("live:1", 4)
        assert samples(metrics.render())["realtime_outbox_dropped_total"] == 2
        node.hub.resumed(alice.client)
        assert samples(metrics.render())["realtime_outbox_dropped_total"] == 2


async def test_two_hubs_in_one_process_count_by_themselves() -> None:
    async with running() as one, running() as other:
        await one.connected()
        gate, commits = Gate(connections_max=10, connection_rate=0), CommitHistograms()
        counted = [
            samples(HubMetrics(node.hub, gate, commits).render())["realtime_connects_total"]
            for node in (one, other)
        ]
        assert counted == [1, 0]


class LateBroker(MemoryBroker):
    """A bus that is not well."""

    @property
    def state(self) -> BrokerState:
        """See base."""
        return "degraded"


async def test_what_the_bus_counts_is_there() -> None:
    statistics = BrokerStatistics(
        published=1, dropped=2, received=3, refused=4, reconnects=5, canary_s=0.25
    )
    lag = Histogram(LAG_SECONDS)
    async with running(broker=LateBroker()) as node:
        metrics = HubMetrics(
            node.hub,
            Gate(connections_max=10, connection_rate=0),
            CommitHistograms(),
            bus=BusCounts(statistics, lag, lambda: 3),
        )
        for seconds in (0.0001, 0.003, 7.0):
            lag.observe(seconds)
        found = samples(metrics.render())
    expected = {
        "realtime_broker_degraded": 1,
        "realtime_bus_canary_seconds": 0.25,
        "realtime_nodes": 3,
        "realtime_bus_published_total": 1,
        "realtime_bus_dropped_total": 2,
        "realtime_bus_received_total": 3,
        "realtime_bus_refused_total": 4,
        "realtime_bus_reconnects_total": 5,
        "realtime_bus_lag_seconds_bucket{0.0005}": 1,
        "realtime_bus_lag_seconds_bucket{0.005}": 2,
        "realtime_bus_lag_seconds_bucket{5.0}": 2,
        "realtime_bus_lag_seconds_count": 3,
    }
    assert {name: found.get(name) for name in expected} == expected


class ClusterStore(MemorySharedStore):
    """A store that other nodes work on too, as far as a hub can tell."""

    async def check_epoch(self) -> str:
        """See `SharedStore`."""
        return self.epoch

    def heard(self, channel: str, offset: int, n: int = -1) -> None:
        """See `HeadHints`."""


async def test_what_a_node_of_many_does_for_the_others_is_there() -> None:
    store = ClusterStore(MemoryCluster())
    counts = AppendCounts(lost_races=3, unknown=4)
    async with running(store=store, shared=store) as node:
        metrics = HubMetrics(
            node.hub,
            Gate(connections_max=10, connection_rate=0),
            CommitHistograms(),
            appends=lambda: counts,
        )
        held = store.hold("change", asked=False)
        await node.subscribed("chat:1")
        await until(lambda: store.calls["change"])
        waiting = samples(metrics.render())
        held.release()
        assert node.hub.cluster is not None
        member = node.hub.cluster.member
        await member.presence.flushed()
        member.upkeep.sweeper.swept_entries = 6
        member.upkeep.sweeper.swept_nodes = 2
        found = samples(metrics.render())
    assert waiting["realtime_presence_waiting"] == 1
    expected = {
        "realtime_presence_waiting": 0,
        "realtime_append_lost_races_total": 3,
        "realtime_append_unknown_total": 4,
        "realtime_swept_entries_total": 6,
        "realtime_swept_nodes_total": 2,
    }
    assert {name: found.get(name) for name in expected} == expected


async def test_commits_that_fail_are_seen() -> None:
    async with running() as node:
        metrics = HubMetrics(
            node.hub, Gate(connections_max=10, connection_rate=0), CommitHistograms()
        )
        alice = await node.subscribed("chat:1")
        node.store.fail("append")
        assert await alice.refused("publish", channel="chat:1", data=1) == 100
        assert samples(metrics.render())["realtime_commits_failing"] == 1


async def test_connections_are_counted_by_transport_and_requests_by_status() -> None:
    async with running() as node:
        gate = Gate(connections_max=10, connection_rate=0)
        metrics = HubMetrics(node.hub, gate, CommitHistograms())
        await node.connected("alice")
        gone = node.peer(wire=OTHER_LINES)
        await gone.connect(node.token("bob"))
        node.peer(wire=OTHER_LINES)
        gone.leave()
        gone.leave()
        node.hub.statistics.emulations.update({204: 3, 404: 1})
        node.hub.statistics.emulations_forwarded = 2
        found = samples(metrics.render())
    expected = {
        "realtime_wire_connections{lines}": 1,
        "realtime_wire_connections{other lines}": 1,
        "realtime_wire_connects_total{lines}": 1,
        "realtime_wire_connects_total{other lines}": 1,
        "realtime_emulations_total{204}": 3,
        "realtime_emulations_total{404}": 1,
        "realtime_emulations_forwarded_total": 2,
    }
    assert {name: found.get(name) for name in expected} == expected
