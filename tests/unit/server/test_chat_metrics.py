"""What chat counts is shown."""

from types import SimpleNamespace
from typing import cast

from realtime.chat.drift import Drift
from realtime.chat.service import ChatService
from realtime.server.chat_metrics import ChatMetrics


def test_every_count_is_shown_by_name() -> None:
    service = SimpleNamespace(
        calls=SimpleNamespace(counts={"chat.send": 3}),
        inbox=SimpleNamespace(check=SimpleNamespace(drift=Drift(channels=5, heads=2))),
        ledger=SimpleNamespace(unfolded=4),
        seen=SimpleNamespace(dropped=6),
        retracting=SimpleNamespace(dropped=7),
    )
    shown = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in ChatMetrics(cast(ChatService, service), None).collect()
        for sample in metric.samples
    }
    assert shown["realtime_chat_calls_total", "chat.send"] == 3
    assert shown["realtime_chat_drift_total", "heads"] == 2
    assert shown["realtime_chat_channels_checked_total",] == 5
    assert shown["realtime_chat_unfolded_entries_total",] == 4
    assert shown["realtime_chat_push_dropped_total", "seen"] == 6
    assert shown["realtime_chat_push_dropped_total", "deleted"] == 7
