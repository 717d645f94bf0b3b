"""What is wrong with how tokens are verified, and with what users are given."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from realtime.auth.keys import FixedKeys
from realtime.errors import SettingsError
from realtime.settings.contradiction import Contradiction
from realtime.settings.hosts import is_loopback
from realtime.settings.schema import AuthSettings, Settings
from realtime.settings.secret import Secret

HMAC_MIN_BYTES: Final = 32
"""RFC 7518, 3.2: a key of the size of the hash, or larger."""


def auth_contradictions(settings: Settings) -> Iterator[Contradiction]:
    """Name all that is wrong in `auth`."""
    auth = settings.auth
    yield from _secrets(auth)
    yield from _keys(auth)
    yield from _jwks(auth)
    if auth.insecure and not is_loopback(settings.server.host):
        yield Contradiction(
            (("auth", "insecure"), ("server", "host")),
            'insecure is for a loopback host only, "127.0.0.1", "::1" or "localhost"',
        )
    namespace = auth.personal_namespace
    if namespace and namespace not in settings.namespaces:
        paths = (("auth", "personal_namespace"), ("namespaces", namespace))
        yield Contradiction(paths, "there is no such namespace")


def _keys(auth: AuthSettings) -> Iterator[Contradiction]:
    """Let each key be made, as the hub will make it; its texts show nothing of the key."""
    texts = {
        "hmac_secret": _revealed(auth.hmac_secret),
        "hmac_previous_secret": _revealed(auth.hmac_previous_secret),
        "rsa_public_key": auth.rsa_public_key,
        "ecdsa_public_key": auth.ecdsa_public_key,
    }
    for key, text in texts.items():
        try:
            FixedKeys(**{key: text})
        except SettingsError as error:
            for problem in error.problems:
                yield Contradiction((("auth", key),), problem.removeprefix(f"auth.{key}: "))


def _secrets(auth: AuthSettings) -> Iterator[Contradiction]:
    for key in ("hmac_secret", "hmac_previous_secret"):
        text = _revealed(getattr(auth, key))
        length = 0 if text is None else len(text.encode("utf-8"))
        if text is not None and length < HMAC_MIN_BYTES:
            problem = f"expected at least {HMAC_MIN_BYTES} bytes; got {length}"
            yield Contradiction((("auth", key),), problem)
    if auth.hmac_previous_secret is not None and auth.hmac_secret is None:
        paths = (("auth", "hmac_previous_secret"), ("auth", "hmac_secret"))
        yield Contradiction(paths, "a previous secret needs a current one")


def _revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()


def _jwks(auth: AuthSettings) -> Iterator[Contradiction]:
    if auth.jwks_url is None:
        return
    if not _is_http(auth.jwks_url):
        text = 'expected an address, "https://example.com/keys.json"'
        yield Contradiction((("auth", "jwks_url"),), text)
    for key in ("hmac_secret", "rsa_public_key", "ecdsa_public_key"):
        if getattr(auth, key) is not None:
            paths = (("auth", "jwks_url"), ("auth", key))
            yield Contradiction(paths, f"where jwks_url is set only its keys count, not {key}")


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        # A port that is no number, or half an IPv6 address.
        return False
