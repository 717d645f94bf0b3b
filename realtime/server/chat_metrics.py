"""What chat counts, as Prometheus metrics."""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, Metric

from realtime.chat.service import ChatService
from realtime.server.hook import HttpHook

PREFIX: Final = "realtime_chat_"


class ChatMetrics:
    """Reads the counts of a node's service, and of the app's hook if there is one."""

    def __init__(self, service: ChatService, hook: HttpHook | None) -> None:
        self._service = service
        self._hook = hook

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        calls = CounterMetricFamily(
            PREFIX + "calls", "Calls that did what they were to do, by operation", labels=["method"]
        )
        for method, count in sorted(self._service.calls.counts.items()):
            calls.add_metric([method], count)
        yield calls
        drift = self._service.inbox.check.drift
        found = CounterMetricFamily(
            PREFIX + "drift",
            "What the background check has found to differ from the logs, by what it is of",
            labels=["of"],
        )
        for field in drift.__struct_fields__:
            if field != "channels":
                found.add_metric([field], getattr(drift, field))
        yield found
        yield CounterMetricFamily(
            PREFIX + "channels_checked", "Channels that the check has counted", drift.channels
        )
        yield CounterMetricFamily(
            PREFIX + "unfolded_entries",
            "Entries of which what follows could not be written, each counted once",
            self._service.ledger.unfolded,
        )
        dropped = CounterMetricFamily(
            PREFIX + "push_dropped",
            "What there was no room for: markers of what was seen, deleted messages to take back",
            labels=["of"],
        )
        dropped.add_metric(["seen"], self._service.seen.dropped)
        dropped.add_metric(["deleted"], self._service.retracting.dropped)
        yield dropped
        if self._hook is not None:
            yield CounterMetricFamily(
                PREFIX + "hook_failures", "Messages the app gave no answer to", self._hook.failures
            )
