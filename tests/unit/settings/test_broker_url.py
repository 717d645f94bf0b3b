"""What carries events between nodes."""

import pytest

from realtime.settings.broker_url import broker_kind


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://:password@localhost:6379/0",
        "redis://user:pass:word@10.0.0.1",
        "rediss://[2001:db8::1]:6380/1?ssl_cert_reqs=none",
        "redis://a:7000,b:7001,[::1]:7002",
        "unix:///run/redis.sock",
        "unix://:password@/run/redis.sock",
        "redis+sentinel://a:26379,b:26379,[::1]:26379/mymaster/0",
        "rediss+sentinel://:password@a/mymaster",
    ],
)
def test_redis_is_known_by_its_address(url: str) -> None:
    assert broker_kind(url) == "redis"


def test_memory_is_one_word() -> None:
    assert broker_kind("memory://") == "memory"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "memory",
        "memory://x",
        "redis",
        "redis:",
        "REDIS://h",
        "nats://h",
        "http://h",
        "redis://",
        "redis://:password@",
        "redis:///0",
        "redis://h:x",
        "redis://h:0",
        "redis://h:65536",
        "redis://pa@ss@h",
        "redis://:pa/ss@h",
        "redis://h#x",
        "unix://",
        "unix:///",
        "unix://run/redis.sock",
        "redis+sentinel://a:26379",
        "redis+sentinel://a:26379/",
        "redis+sentinel:///mymaster",
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^expected "):
        broker_kind(url)
