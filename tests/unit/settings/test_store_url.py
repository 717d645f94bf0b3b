"""Where the database is."""

import pytest

from realtime.settings.store_url import database_path


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
