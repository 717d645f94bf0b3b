"""When a worker that died is started again, and when all are given up."""

import pytest

from realtime.server.supervision import GiveUp, Restart, Supervision


def test_who_keeps_dying_waits_longer_each_time_but_not_for_ever() -> None:
    supervision = Supervision(2)
    supervision.started(1, 0.0)
    supervision.listens(1)
    waits = []
    for _ in range(8):
        supervision.started(2, 100.0)
        waits.append(supervision.ended(2, 1, 101.0))
    assert waits == [
        Restart(0.1),
        Restart(0.2),
        Restart(0.4),
        Restart(0.8),
        Restart(1.6),
        Restart(3.2),
        Restart(5.0),
        Restart(5.0),
    ]


def test_who_lived_half_a_minute_starts_afresh() -> None:
    supervision = Supervision(2)
    for began, ended, wait in ((0.0, 1.0, 0.1), (2.0, 31.9, 0.2), (40.0, 70.0, 0.1)):
        supervision.started(1, began)
        supervision.listens(1)
        assert supervision.ended(1, -9, ended) == Restart(wait)


def test_who_was_told_to_end_is_followed_at_once() -> None:
    supervision = Supervision(2)
    supervision.started(1, 0.0)
    assert supervision.ended(1, 0, 0.5, asked=True) == Restart(0.0)
    supervision.started(1, 1.0)
    assert supervision.ended(1, 1, 1.5) == Restart(0.1)


@pytest.mark.parametrize("code", [1, 2])
def test_all_are_given_up_when_each_ended_alike_before_any_could_listen(code: int) -> None:
    supervision = Supervision(3)
    for number in (1, 2, 3):
        supervision.started(number, 0.0)
    assert supervision.ended(2, code, 0.5) == Restart(0.1)
    supervision.started(2, 0.6)
    assert supervision.ended(1, code, 0.7) == Restart(0.1)
    assert supervision.ended(3, code, 0.8) == GiveUp(code)


@pytest.mark.parametrize("codes", [(1, 2), (-9, -9), (0, 0)])
def test_different_ends_and_signals_are_no_reason_to_give_up(codes: tuple[int, int]) -> None:
    supervision = Supervision(2)
    for number, code in enumerate(codes, 1):
        supervision.started(number, 0.0)
        assert supervision.ended(number, code, 0.5) == Restart(0.1)


def test_once_one_has_listened_nobody_is_given_up() -> None:
    supervision = Supervision(2)
    for number in (1, 2):
        supervision.started(number, 0.0)
    supervision.listens(1)
    assert supervision.ended(1, 1, 1.0) == Restart(0.1)
    assert supervision.ended(2, 1, 1.0) == Restart(0.1)


def test_all_listen_when_each_does_in_its_present_life() -> None:
    supervision = Supervision(2)
    for number in (1, 2):
        supervision.started(number, 0.0)
        assert not supervision.all_listen
        supervision.listens(number)
    assert supervision.all_listen
    supervision.ended(1, 1, 1.0)
    assert not supervision.all_listen
    supervision.started(1, 2.0)
    assert not supervision.all_listen
    supervision.listens(1)
    assert supervision.all_listen
