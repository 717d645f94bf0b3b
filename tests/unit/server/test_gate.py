"""Who is let in, and who has taken too long; `now` is an argument."""

import asyncio

import pytest

from realtime.server import gate as gate_module
from realtime.server.gate import ARRIVING_MAX, CLOSE_TIMEOUT_S, HEAD_TIMEOUT_S, Gate
from tests.support.hub import until


class Connection:
    """Something that can be aborted."""

    def __init__(self) -> None:
        self.aborted = 0

    def abort(self) -> None:
        """See Overdue."""
        self.aborted += 1


def open_gate(connections_max: int = 100, connection_rate: float = 0.0) -> Gate:
    """A gate with these limits."""
    return Gate(connections_max=connections_max, connection_rate=connection_rate)


def test_so_many_are_let_in_and_one_more_when_one_has_gone() -> None:
    gate = open_gate(2)
    assert [gate.admit(0.0) for _ in range(4)] == [True, True, False, False]
    assert gate.connections == 2
    gate.release()
    assert gate.admit(0.0)


def test_so_many_a_second_are_let_in() -> None:
    gate = open_gate(connection_rate=5)
    assert sum(gate.admit(100.0) for _ in range(20)) == 5
    assert sum(gate.admit(100.4) for _ in range(20)) == 2
    assert sum(gate.admit(200.0) for _ in range(20)) == 5


def test_a_rate_below_one_a_second_lets_somebody_in() -> None:
    gate = open_gate(connection_rate=0.5)
    assert [gate.admit(at) for at in (100.0, 100.1, 102.1)] == [True, False, True]


def test_a_closed_gate_lets_nobody_in() -> None:
    gate = open_gate()
    gate.closed = True
    assert not gate.admit(0.0)
    assert gate.connections == 0


def test_who_sends_no_head_in_time_is_ended_and_nobody_else() -> None:
    gate = open_gate()
    slow, quick, late = Connection(), Connection(), Connection()
    gate.arriving(slow, 0.0)
    gate.arriving(quick, 0.0)
    gate.arriving(late, 5.0)
    gate.arrived(quick)
    gate.sweep(HEAD_TIMEOUT_S - 0.1)
    assert slow.aborted == 0
    gate.sweep(HEAD_TIMEOUT_S)
    gate.sweep(HEAD_TIMEOUT_S + 0.1)
    assert (slow.aborted, quick.aborted, late.aborted) == (1, 0, 0)
    gate.sweep(HEAD_TIMEOUT_S + 5)
    assert late.aborted == 1


def test_one_newcomer_too_many_ends_the_oldest() -> None:
    gate = open_gate()
    waiting = [Connection() for _ in range(ARRIVING_MAX)]
    for connection in waiting:
        gate.arriving(connection, 0.0)
    assert not any(connection.aborted for connection in waiting)
    late = Connection()
    gate.arriving(late, 1.0)
    assert [connection.aborted for connection in waiting[:3]] == [1, 0, 0]
    gate.arrived(waiting[1])
    gate.arriving(Connection(), 1.0)
    assert (waiting[2].aborted, late.aborted) == (0, 0)
    gate.sweep(HEAD_TIMEOUT_S)
    assert (waiting[0].aborted, waiting[1].aborted, waiting[2].aborted) == (1, 0, 1)
    assert late.aborted == 0


def test_who_does_not_answer_a_close_in_time_is_ended() -> None:
    gate = open_gate()
    silent, polite = Connection(), Connection()
    gate.leaving(silent, 0.0)
    gate.leaving(polite, 0.0)
    gate.left(polite)
    gate.sweep(CLOSE_TIMEOUT_S)
    assert (silent.aborted, polite.aborted) == (1, 0)


def test_who_is_said_to_leave_twice_has_no_more_time() -> None:
    gate = open_gate()
    silent, late = Connection(), Connection()
    gate.leaving(silent, 0.0)
    gate.leaving(late, 0.5)
    gate.leaving(silent, 1.0)
    gate.sweep(CLOSE_TIMEOUT_S)
    assert (silent.aborted, late.aborted) == (1, 0)


def test_leaving_is_harmless_for_who_never_came() -> None:
    gate = open_gate()
    gate.arrived(Connection())
    gate.left(Connection())


async def test_the_gate_sweeps_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "SWEEP_S", 0.001)
    gate, slow = open_gate(), Connection()
    gate.arriving(slow, asyncio.get_running_loop().time() - HEAD_TIMEOUT_S)
    task = asyncio.get_running_loop().create_task(gate.run())
    await until(lambda: slow.aborted)
    task.cancel()
    await asyncio.wait([task])


async def test_emptied_waits_for_everyone_but_not_for_ever() -> None:
    gate = open_gate()
    await gate.emptied(3600)
    gate.admit(0.0)
    await gate.emptied(0.03)
    assert gate.connections == 1
    asyncio.get_running_loop().call_later(0.03, gate.release)
    await asyncio.wait_for(gate.emptied(3600), 2)
