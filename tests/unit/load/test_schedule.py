"""Schedules: every process knows what the others send."""

import pytest

from load.scenarios.schedule import Schedule, deliveries, members
from load.share import Share


def share(index: int, processes: int) -> Share:
    """One process's part of a run."""
    return Share(
        player="",
        parameters={},
        urls=(),
        format="json",
        seed=1,
        run="",
        index=index,
        processes=processes,
    )


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
@pytest.mark.parametrize(("clients", "rooms", "senders"), [(10, 1, 1), (100, 7, 100), (5, 5, 5)])
def test_processes_hear_together_what_they_send_together(
    processes: int, clients: int, rooms: int, senders: int
) -> None:
    schedule = Schedule(rate=123, seconds=1.7, senders=senders, processes=processes)
    sent: dict[int, int] = {}
    for process in range(processes):
        for number in range(schedule.count(process)):
            sender = schedule.sender(process, number)
            assert sender in share(process, processes).mine(senders)
            sent[sender] = sent.get(sender, 0) + 1
    assert sent == {sender: count for sender, count in schedule.sent_by() if count}
    assert sum(sent.values()) == pytest.approx(123 * 1.7, abs=processes)
    heard = sum(
        deliveries(schedule, clients, rooms, share(process, processes))
        for process in range(processes)
    )
    assert heard == sum(
        count * members(sender % rooms, clients, rooms) for sender, count in sent.items()
    )


def test_processes_do_not_send_at_the_same_instants() -> None:
    schedule = Schedule(rate=10, seconds=1, senders=2, processes=2)
    assert [schedule.delay_s(process) for process in (0, 1)] == [0, 0.1]
    assert [schedule.rate_of(process) for process in (0, 1)] == [5, 5]


def test_a_process_without_a_sender_sends_nothing() -> None:
    schedule = Schedule(rate=10, seconds=1, senders=1, processes=2)
    assert (schedule.count(1), schedule.rate_of(1), schedule.delay_s(1)) == (0, 0, 0)
