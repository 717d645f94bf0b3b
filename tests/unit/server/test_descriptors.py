"""Room for connections: raised where allowed, refused with the numbers where not."""

import resource

import pytest

from realtime.errors import SettingsError
from realtime.server.descriptors import RESERVED, allowed_connections, reserve_descriptors


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
    assert allowed_connections() >= 10_000


def test_what_is_not_allowed_is_refused_with_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    found = limits(monkeypatch, 1024, 20_000)
    with pytest.raises(SettingsError) as problem:
        reserve_descriptors(20_000)
    text = str(problem.value)
    assert text.startswith("server.connections_max: 20000 ")
    assert str(20_000 - RESERVED) in text
    assert found.now == (1024, 20_000)
    reserve_descriptors(allowed_connections())
    assert found.now == (20_000, 20_000)


def test_at_least_one_connection_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    limits(monkeypatch, 256, 256)
    assert allowed_connections() == 1
