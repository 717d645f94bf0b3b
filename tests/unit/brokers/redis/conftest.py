"""Servers for the tests of the Redis driver."""

from collections.abc import Iterator

import pytest

from tests.support.redis_servers import RedisServer, redis_server


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of the test's own, which it may kill."""
    with redis_server() as made:
        yield made
