"""Room for connections: raised where allowed, refused with the numbers where not."""

import resource

import pytest

from realtime.errors import SettingsError
from realtime.server.descriptors import RESERVED, allow_fewer, reserve_descriptors


class Limits:
    """A process's limits, which its kernel would keep."""

    def __init__(self, soft: int, hard: int) -> None:
        self.now = (soft, hard)

    def getrlimit(self, which: int) -> tuple[int, int]:
        """See resource."""
        assert which == resource.RLIMIT_NOFILE
        return self.now

    def setrlimit(self, which: int, limits: tuple[int, int]) -> None:
        """See resource."""
        assert which == resource.RLIMIT_NOFILE
        self.now = limits


def limits(monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> Limits:
    """Have the process see these limits."""
    found = Limits(soft, hard)
    monkeypatch.setattr(resource, "getrlimit", found.getrlimit)
    monkeypatch.setattr(resource, "setrlimit", found.setrlimit)
    return found


def test_enough_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    found = limits(monkeypatch, 10_000 + RESERVED, 1_000_000)
    reserve_descriptors(10_000)
    assert found.now == (10_000 + RESERVED, 1_000_000)


def test_too_little_is_raised_as_far_as_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = limits(monkeypatch, 1024, 1_000_000)
    reserve_descriptors(10_000)
    assert found.now == (10_000 + RESERVED, 1_000_000)


@pytest.mark.parametrize("soft", [1024, resource.RLIM_INFINITY])
def test_no_limit_is_no_limit(monkeypatch: pytest.MonkeyPatch, soft: int) -> None:
    found = limits(monkeypatch, soft, resource.RLIM_INFINITY)
    reserve_descriptors(10_000)
    assert found.now[0] in (10_000 + RESERVED, resource.RLIM_INFINITY)
    assert allow_fewer(10_000) == 10_000


def test_what_is_not_allowed_is_refused_with_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    found = limits(monkeypatch, 1024, 20_000)
    with pytest.raises(SettingsError) as problem:
        reserve_descriptors(20_000)
    text = str(problem.value)
    assert text.startswith("server.connections_max: 20000 ")
    assert str(20_000 - RESERVED) in text
    assert found.now == (1024, 20_000)
    reserve_descriptors(20_000 - RESERVED)
    assert found.now == (20_000, 20_000)


def test_a_limit_below_the_reserve_is_named_without_a_number_that_cannot_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits(monkeypatch, 1024, 1024)
    with pytest.raises(SettingsError) as problem:
        reserve_descriptors(1)
    assert "1024; expected a higher limit" in str(problem.value)


def test_a_system_with_a_limit_of_its_own_is_a_problem_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = limits(monkeypatch, 256, resource.RLIM_INFINITY)

    def refuse(which: int, wanted: tuple[int, int]) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    with pytest.raises(SettingsError):
        reserve_descriptors(100_000)
    assert allow_fewer(100_000) == 128
    assert found.now == (256, resource.RLIM_INFINITY)


@pytest.mark.parametrize(
    ("soft", "hard", "allowed"),
    [
        (1_000_000, 1_000_000, 10_000),
        (1024, 1_000_000, 10_000),
        (1024, 8_000, 8_000 - RESERVED),
        (1024, 1024, 512),
        (2, 2, 1),
    ],
)
def test_trying_the_hub_takes_what_there_is(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, allowed: int
) -> None:
    limits(monkeypatch, soft, hard)
    assert allow_fewer(10_000) == allowed
