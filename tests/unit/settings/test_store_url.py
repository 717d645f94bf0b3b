"""Where the database is."""

import pytest

from realtime.settings.store_url import database_path, store_kind


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///realtime.db", "realtime.db"),
        ("sqlite:///data/realtime.db", "data/realtime.db"),
        ("sqlite:////var/lib/realtime.db", "/var/lib/realtime.db"),
        ("sqlite:///with space.db", "with space.db"),
        ("sqlite:///a%20b.db", "a%20b.db"),
        ("sqlite://:memory:", None),
    ],
)
def test_the_path_is_all_after_the_third_slash(url: str, path: str | None) -> None:
    assert database_path(url) == path


@pytest.mark.parametrize(
    "url",
    [
        "",
        "realtime.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///data/",
        "sqlite://realtime.db",
        "sqlite:///a.db?mode=ro",
        "sqlite:///a.db#x",
        "sqlite:///a\0b",
        "SQLITE:///a.db",
        "mongodb://localhost/realtime",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        database_path(url)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("sqlite:///realtime.db", "sqlite"),
        ("sqlite://:memory:", "sqlite"),
        ("mongodb://localhost", "mongodb"),
        ("mongodb://localhost/", "mongodb"),
        ("mongodb://u:p%40ss@a:27017,b:27018,[::1]:1/chat-1?replicaSet=rs0&w=majority", "mongodb"),
        ("mongodb://%2Ftmp%2Fmongodb-27017.sock/db", "mongodb"),
        ("mongodb://localhost?replicaSet=rs0", "mongodb"),
        ("mongodb+srv://u:p@cluster.example.com/db", "mongodb"),
    ],
)
def test_a_store_is_known_by_its_address(url: str, kind: str) -> None:
    assert store_kind(url) == kind


@pytest.mark.parametrize(
    "url",
    [
        "",
        "postgres://h/db",
        "MONGODB://h",
        "mongodb:h",
        "mongodb://",
        "mongodb:///db",
        "mongodb://u:p@/db",
        "mongodb://a,,b",
        "mongodb://h:0",
        "mongodb://h:65536",
        "mongodb://h:port",
        "mongodb://u:p:w@h",
        "mongodb://u:p%w@h",
        "mongodb://u:p@w@h",
        "mongodb://u:p/w@h",
        "mongodb://h/a.b",
        "mongodb://h/a/b",
        "mongodb://h/a%2Eb",
        "mongodb://h/$a",
        "mongodb://h/a%00b",
        "mongodb+srv://a,b",
        "mongodb+srv://a:27017",
    ],
)
def test_what_is_no_store_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^expected "):
        store_kind(url)
