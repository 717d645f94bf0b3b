"""Settings that are allowed, but probably not what somebody wants."""

from collections.abc import Iterator

from realtime.settings.broker_url import broker_kind
from realtime.settings.hosts import is_loopback
from realtime.settings.schema import Settings
from realtime.settings.store_url import store_kind


def advice(settings: Settings) -> Iterator[str]:
    """Say what will surprise whoever runs the hub with these settings."""
    auth = settings.auth
    keys = (auth.hmac_secret, auth.rsa_public_key, auth.ecdsa_public_key, auth.jwks_url)
    if not any(keys) and not auth.anonymous and not auth.insecure:
        yield "auth: no key to verify tokens with, so every connection is refused"
    if not settings.api.keys and not auth.insecure:
        yield "api.keys: none is set, so the server API refuses everyone"
    if "*" in settings.server.allowed_origins and not is_loopback(settings.server.host):
        yield "server.allowed_origins: pages of every site may connect"
    if store_kind(settings.store.url) == "mongodb" and broker_kind(settings.broker.url) == "memory":
        yield (
            "broker.url: with memory:// this must be the only node on its database; others would "
            "hear of its messages late, and it of theirs"
        )
    if auth.insecure:
        yield "auth.insecure: nobody needs a token or an API key, and everybody may do everything"
