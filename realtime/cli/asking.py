"""Asking a running hub something, for commands that do."""

import argparse
import http.client
import json
import ssl
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from realtime.cli.sources import add_config, add_dev, load_settings
from realtime.errors import SettingsError
from realtime.settings.development import API_KEY, ORIGIN
from realtime.settings.schema import ServerSettings

TIMEOUT_S: Final = 10.0
ANSWER_MAX_BYTES: Final = 1_048_576

OPERATOR: Final = "realtime"
"""The user on whose behalf commands call operations of chat; they do nothing that has a name."""

_ANY_HOST: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})

_OTHER_NAME: Final = (62, 64)
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL's x509_vfy.h."""


class Failed(Exception):
    """The hub did not do it; the text says why."""


def add_hub(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which hub is asked, and with which key."""
    parser.add_argument("--url", help="address of the hub; else where the settings say it listens")
    add_config(parser)
    add_dev(parser, "use the key that `realtime serve --dev` has made and kept")


class Asked(NamedTuple):
    """Which hub is asked, and with which key; None for one that needs none."""

    url: SplitResult
    key: str | None


def order(
    arguments: argparse.Namespace, method: str, body: Mapping[str, object], *, done: str
) -> int:
    """Have the hub of `add_hub`'s options do it, and print what came of it; the exit code.

    `done` is one word, "revoked". Raises SettingsError.
    """
    hub = asked(arguments)
    try:
        ask(hub.url, hub.key, method, body)
    except Failed as failed:
        return told(failed, done)
    print(done)
    return 0


def told(failed: Failed, done: str) -> int:
    """Say why it is not `done`; the exit code."""
    print(f"realtime: not {done}: {failed}", file=sys.stderr)
    return 1


def asked(arguments: argparse.Namespace) -> Asked:
    """The hub of `add_hub`'s options. Raises SettingsError."""
    loaded = load_settings(arguments, needs=(API_KEY,))
    settings = loaded.settings
    if not settings.api.keys and not settings.auth.insecure:
        hint = "" if arguments.dev else " (beside `realtime serve --dev`: --dev)"
        raise SettingsError([f"api.keys: not set; the hub takes orders only with a key{hint}"])
    if loaded.origins.get("api.keys") == ORIGIN:
        # Made for this process alone; one that is kept has its file's name as origin.
        raise SettingsError(
            ["store.url: beside a database in memory no API key is kept that a hub could know"]
        )
    url = parse_url(own_url(settings.server) if arguments.url is None else arguments.url)
    return Asked(url, settings.api.keys[0].reveal() if settings.api.keys else None)


def own_url(server: ServerSettings) -> str:
    """Return where the server API of a hub with these settings is, seen from its machine.

    Raises SettingsError where that is not known before it runs: port 0.
    """
    port = server.port if server.internal_port is None else server.internal_port
    if port == 0:
        raise SettingsError(["--url: needed where the hub listens on any free port"])
    host = _ANY_HOST.get(server.host, server.host)
    scheme = "http" if server.tls_certificate is None else "https"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def parse_url(url: str) -> SplitResult:
    """Take an address of `--url` apart. Raises SettingsError."""
    expected = 'expected an address, "https://hub.example.com"'
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise SettingsError([f"--url: {expected}"])
    if parts.query or parts.fragment or parts.username is not None:
        raise SettingsError([f"--url: {expected}, without user, query and fragment"])
    return parts


def perform(hub: Asked, operation: str, params: Mapping[str, object]) -> Mapping[str, Any]:
    """Have an operation of chat performed as an admin; its result. Raises Failed."""
    body = {"user": OPERATOR, "method": operation, "params": dict(params)}
    data = ask(hub.url, hub.key, "rpc", body).get("data")
    if not isinstance(data, dict):
        raise Failed("answered without a result")
    return data


def ask(
    url: SplitResult, key: str | None, method: str, body: Mapping[str, object]
) -> Mapping[str, Any]:
    """Call a method of the hub's server API (protocol 5); its result. Raises Failed.

    No redirect is followed and no proxy used: the key is for this address alone.
    """
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers["X-API-Key"] = key
    status, text = exchange(
        url,
        "POST",
        f"{url.path.rstrip('/')}/api/{method}",
        json.dumps(dict(body)),
        headers,
        timeout_s=TIMEOUT_S,
    )
    return _judge(status, text)


def exchange(
    url: SplitResult,
    verb: str,
    path: str,
    body: str | None = None,
    headers: Mapping[str, str] = _NO_HEADERS,
    *,
    timeout_s: float,
    verifies: bool = True,
) -> tuple[int, bytes]:
    """One HTTP request and the status and text of its answer. Raises Failed.

    `timeout_s` is for each step of it. `verifies`: whether the certificate must be good for the
    name; only who sends nothing secret may do without.
    """
    connection = _connection(url, timeout_s, verifies)
    try:
        connection.request(verb, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read(ANSWER_MAX_BYTES)
    except (OSError, http.client.HTTPException) as error:
        # A wrong line is told by its kind alone: it is whatever listens there that wrote it.
        reason = error.strerror if isinstance(error, OSError) else None
        raise Failed(
            f"no answer from {url.netloc}: {reason or type(error).__name__}"
            + _other_name(error, url)
        ) from None
    finally:
        connection.close()


def _connection(url: SplitResult, timeout_s: float, verifies: bool) -> http.client.HTTPConnection:
    host = url.hostname or ""
    if url.scheme != "https":
        return http.client.HTTPConnection(host, url.port, timeout=timeout_s)
    context = ssl.create_default_context()
    if not verifies:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, url.port, timeout=timeout_s, context=context)


def _other_name(error: Exception, url: SplitResult) -> str:
    """Say what helps where the certificate is good, but for another name than the one asked."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return ""
    if error.verify_code not in _OTHER_NAME:
        return ""
    port = "" if url.port is None else f":{url.port}"
    return f"; --url https://<name in the certificate>{port} reaches it by that name"


def _judge(status: int, text: bytes) -> Mapping[str, Any]:
    if status == http.client.UNAUTHORIZED:
        raise Failed("the hub does not know the first of api.keys")
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if isinstance(answer, dict) and isinstance(answer.get("error"), dict):
        error = answer["error"]
        raise Failed(f"error {error.get('code')!r}: {error.get('message')!r}")
    if status != http.client.OK or not isinstance(answer, dict):
        raise Failed(f"answered with HTTP status {status}")
    result = answer.get("result")
    return result if isinstance(result, dict) else {}
