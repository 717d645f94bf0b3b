"""Which hosts only this machine can reach."""

import pytest

from realtime.settings.hosts import is_loopback


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", "LOCALHOST"]
)
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "10.0.0.1", "a.example", "localhost.example", "", "127.0.0.1.x"],  # noqa: S104
)
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)
