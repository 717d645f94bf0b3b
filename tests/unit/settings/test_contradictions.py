"""All rules are asked."""

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
