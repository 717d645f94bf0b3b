"""What is wrong with `store` and `broker`, and that all rules are asked."""

from pathlib import Path

import pytest

from realtime.settings.contradictions import contradictions
from realtime.settings.schema import (
    AuthSettings,
    BrokerSettings,
    ChannelOptions,
    ClientSettings,
    ServerSettings,
    Settings,
    StoreSettings,
)
from tests.unit.settings.loading import problems


def test_every_section_has_its_rules() -> None:
    settings = Settings(
        server=ServerSettings(port=1, internal_port=1),
        auth=AuthSettings(personal_namespace="none"),
        store=StoreSettings(url=""),
        broker=BrokerSettings(url=""),
        client=ClientSettings(pong_timeout_s=30.0),
        channels=ChannelOptions(force_recovery=True),
    )
    assert [found.paths[0][0] for found in contradictions(settings)] == [
        "server",
        "auth",
        "store",
        "broker",
        "client",
        "channels",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '[store]\nurl = "mongodb://u:password@h/db"',
            "store.url (FILE): mongodb:// is not supported by this version; "
            'expected "sqlite:///path" or "sqlite://:memory:"',
        ),
        (
            '[store]\nurl = "postgres://u:password@h/db"',
            'store.url (FILE): expected "sqlite:///path" or "sqlite://:memory:"',
        ),
        (
            '[broker]\nurl = "rediss://u:password@h/db"',
            'broker.url (FILE): rediss:// is not supported by this version; expected "memory://"',
        ),
        ('[broker]\nurl = "nats://h"', 'broker.url (FILE): expected "memory://"'),
        ('[broker]\nurl = "memory://x"', 'broker.url (FILE): expected "memory://"'),
    ],
)
def test_an_address_that_this_version_cannot_use_is_told_without_its_password(
    tmp_path: Path, text: str, problem: str
) -> None:
    assert problems(tmp_path, text) == [problem]
