"""What a Redis URL names, and that a refusal never shows it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.brokers.redis.address import FORMS, RedisAddress, Server, parse

LOCAL = Server("localhost", 6379)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://localhost", RedisAddress((LOCAL,))),
        ("redis://localhost/", RedisAddress((LOCAL,))),
        ("redis://localhost:6380/3", RedisAddress((Server("localhost", 6380),), db=3)),
        ("redis://my_redis-1.example.:1", RedisAddress((Server("my_redis-1.example.", 1),))),
        ("redis://[::1]:7/0", RedisAddress((Server("::1", 7),))),
        ("redis://[fe80::1]", RedisAddress((Server("fe80::1", 6379),))),
        ("redis://:pa%40ss@localhost", RedisAddress((LOCAL,), password="pa@ss")),
        ("redis://u:p:q@localhost", RedisAddress((LOCAL,), username="u", password="p:q")),
        ("rediss://localhost", RedisAddress((LOCAL,), tls=True)),
        (
            "rediss://localhost?ssl_ca_certs=/ca&ssl_certfile=/c&ssl_keyfile=/k",
            RedisAddress((LOCAL,), tls=True, ca_certs="/ca", certfile="/c", keyfile="/k"),
        ),
        ("redis://a:1,b", RedisAddress((Server("a", 1), Server("b", 6379)))),
        ("unix:///run/redis.sock", RedisAddress((Server(path="/run/redis.sock"),))),
        ("unix:///a%20b?db=2", RedisAddress((Server(path="/a b"),), db=2)),
        ("unix://u:p@/a", RedisAddress((Server(path="/a"),), username="u", password="p")),
        (
            "redis+sentinel://u:p@a,b:2/main/4",
            RedisAddress((Server("a", 26379), Server("b", 2)), "main", 4, "u", "p"),
        ),
        ("rediss+sentinel://a:1/x", RedisAddress((Server("a", 1),), "x", tls=True)),
    ],
)
def test_what_is_understood(url: str, address: RedisAddress) -> None:
    assert parse(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis",
        "redis:",
        "redis:localhost",
        "redis://",
        "redis:///3",
        "http://localhost",
        "redis+cluster://localhost",
        "redis://:@",
        "redis://host:",
        "redis://host:0",
        "redis://host:65536",
        "redis://host:x",
        "redis://host:١",
        "redis://host:-1",
        "redis://a,,b",
        "redis://a,b/1",
        "redis://-a",
        "redis://a-",
        "redis://::1",
        "redis://[::1",
        "redis://[::1]x",
        "redis://[a]",
        "redis://[a]:1",
        "redis://localhost/x",
        "redis://localhost/1/2",
        "redis://localhost/-1",
        "redis://secret@localhost",
        "redis://sec/ret@localhost",
        "redis://u:sec#ret@localhost",
        "redis://u:p@localhost#",
        "redis://u:p@localhost?x=1",
        "redis://u:p@localhost?x",
        "redis://localhost?ssl_ca_certs=/ca",
        "rediss://localhost?ssl_keyfile=/k",
        "rediss://localhost?ssl_ca_certs=/a&ssl_ca_certs=/b",
        "redis://local host",
        "redis://localhost\n",
        "unix://",
        "unix:///",
        "unix:///a/",
        "unix:///a%00b",
        "unix://a/b",
        "unix:///a?db=x",
        "unix:///a?password=p",
        "redis+sentinel://a",
        "redis+sentinel://a/",
        "redis+sentinel://a/x/y",
        "redis+sentinel://a/x/1/2",
    ],
)
def test_what_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parse(url)
    assert FORMS in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused_without_being_shown(text: str) -> None:
    for url in (text, f"redis://{text}", f"redis://u:{text}SECRET@h", f"unix://{text}"):
        try:
            address = parse(url)
        except ValueError as error:
            assert str(error).startswith("expected ")
            assert "SECRET" not in str(error)
        else:
            assert "SECRET" not in f"{address} {address!r}"


def test_an_address_is_shown_without_its_credentials() -> None:
    address = parse("redis+sentinel://user:hidden@a:1,[::1]:2/main")
    assert str(address) == "a:1,[::1]:2 (main)"
    assert repr(address) == "<RedisAddress a:1,[::1]:2 (main)>"
