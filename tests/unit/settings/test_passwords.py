"""Addresses as they may be shown."""

import pytest

from realtime.settings.passwords import without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("memory://", "memory://"),
        ("sqlite:////data/a@b?/realtime.db", "sqlite:////data/a@b?/realtime.db"),
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://:secret@h:6379/0", "redis://***@h:6379/0"),
        ("rediss+sentinel://u:secret@a,b/s", "rediss+sentinel://***@a,b/s"),
        ("unix://:secret@/run/redis.sock", "unix://***@/run/redis.sock"),
        ("mongodb://u:secret@a:1,b:2/db?x=secret", "mongodb://***@a:1,b:2/db?***"),
        ("mongodb+srv://u:secret@h", "mongodb+srv://***@h"),
        ("mongodb://u:sec@ret@h", "mongodb://***@h"),
        ("mongodb://u:sec/ret@h", "mongodb://***@h"),
        ("redis://h?password=sec@ret", "redis://h?***"),
    ],
)
def test_user_password_and_query_are_masked(url: str, shown: str) -> None:
    assert without_password(url) == shown
