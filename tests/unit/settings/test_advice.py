"""What is allowed and probably not wanted."""

from realtime.settings.advice import advice
from realtime.settings.schema import (
    ApiSettings,
    AuthSettings,
    BrokerSettings,
    ServerSettings,
    Settings,
    StoreSettings,
)
from realtime.settings.secret import Secret

API = ApiSettings(keys=(Secret("key"),))
AUTH = AuthSettings(hmac_secret=Secret("x" * 32))


def starts(settings: Settings) -> list[str]:
    return [line.partition(":")[0] for line in advice(settings)]


def test_good_settings_need_none() -> None:
    assert starts(Settings(api=API, auth=AUTH)) == []


def test_a_hub_without_any_key_refuses_everyone() -> None:
    assert starts(Settings()) == ["auth", "api.keys"]


def test_guests_need_no_key() -> None:
    assert starts(Settings(api=API, auth=AuthSettings(anonymous=True))) == []


def test_any_origin_is_a_surprise_where_others_can_connect() -> None:
    server = ServerSettings(host="10.0.0.1", allowed_origins=("*",))
    assert starts(Settings(api=API, auth=AUTH, server=server)) == ["server.allowed_origins"]
    server = ServerSettings(allowed_origins=("*",))
    assert starts(Settings(api=API, auth=AUTH, server=server)) == []


def test_insecure_is_said_aloud() -> None:
    assert starts(Settings(auth=AuthSettings(insecure=True))) == ["auth.insecure"]


def test_a_node_alone_on_mongodb_is_told_that_it_must_be() -> None:
    store = StoreSettings(url="mongodb://host")
    assert starts(Settings(api=API, auth=AUTH, store=store)) == ["broker.url"]
    redis = BrokerSettings(url="redis://host")
    assert starts(Settings(api=API, auth=AUTH, store=store, broker=redis)) == []
