"""What a push worker shows of itself, and where."""

import asyncio
from collections.abc import Iterator

import aiohttp
from prometheus_client.core import Metric

from tests.support.polling import eventually
from workers.metrics import OUTCOMES, push_metrics, serve_metrics

HOST = "127.0.0.1"


class Counts:
    """A provider of which one notification was taken."""

    def __init__(self) -> None:
        self.outcomes = {"delivered": 1}
        self.in_flight = 2
        self.is_resting = True


def metrics() -> Iterator[Metric]:
    return push_metrics(
        dispatched=3,
        raised=4,
        decided={"refused": 1},
        due=5,
        oldest_due_s=6.0,
        oldest_entry_s=7.0,
        gates=[("fcm", Counts())],
    )


def samples() -> dict[tuple[str, ...], float]:
    """The values by name and labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in metrics()
        for sample in metric.samples
    }


def test_what_has_not_happened_yet_is_shown_as_0() -> None:
    shown = samples()
    assert shown["realtime_push_decisions_total", "refused"] == 1
    assert shown["realtime_push_decisions_total", "sent"] == 0
    outcomes = {one: shown["realtime_push_outcomes_total", "fcm", one] for one in OUTCOMES}
    assert outcomes == {
        "delivered": 1,
        "rejected": 0,
        "later": 0,
        "failed": 0,
        "misconfigured": 0,
    }
    assert shown["realtime_push_resting", "fcm"] == 1
    assert shown["realtime_push_oldest_entry_seconds",] == 7


async def test_a_worker_without_a_hub_answers_until_it_is_cancelled(unused_tcp_port: int) -> None:
    url = f"http://{HOST}:{unused_tcp_port}"
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve_metrics(metrics, HOST, unused_tcp_port))

        async def is_well() -> bool:
            try:
                async with session.get(f"{url}/health") as answer:
                    return answer.status == 200
            except aiohttp.ClientConnectionError:
                return False

        await eventually(is_well)
        async with session.get(f"{url}/metrics") as answer:
            text = await answer.text()
        assert "realtime_push_oldest_due_seconds 6.0" in text
        assert "python_info" not in text
        serving.cancel()
    server = await asyncio.start_server(lambda *_: None, HOST, unused_tcp_port)
    server.close()
    await server.wait_closed()
