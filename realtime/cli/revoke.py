"""`realtime revoke`: tell a running hub that tokens no longer count."""

import argparse
import http.client
import json
import ssl
import sys
from typing import Final
from urllib.parse import SplitResult, urlsplit

from realtime.cli.sources import Commands, add_config, add_dev, load_settings
from realtime.errors import SettingsError
from realtime.settings.development import API_KEY, ORIGIN
from realtime.settings.schema import ServerSettings

TIMEOUT_S: Final = 10.0
ANSWER_MAX_BYTES: Final = 65_536
_ANY_HOST: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104

_OTHER_NAME: Final = (62, 64)
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL's x509_vfy.h."""


class Failed(Exception):
    """The hub did not do it; the text says why."""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("revoke", help="refuse a user's tokens issued before now, or one")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("user", metavar="USER", nargs="?", help="id of the user")
    which.add_argument("--jti", metavar="ID", help="id of one token: its claim `jti`")
    parser.add_argument("--url", help="address of the hub; else where the settings say it listens")
    add_config(parser)
    add_dev(parser, "use the key that `realtime serve --dev` has made and kept")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask the hub and print what came of it."""
    loaded = load_settings(arguments, needs=(API_KEY,))
    settings = loaded.settings
    if not settings.api.keys and not settings.auth.insecure:
        raise SettingsError(["api.keys: not set; the hub takes a revocation only with a key"])
    if loaded.origins.get("api.keys") == ORIGIN:
        # Made for this process alone; one that is kept has its file's name as origin.
        raise SettingsError(
            ["store.url: beside a database in memory no API key is kept that a hub could know"]
        )
    url = _parse(own_url(settings.server) if arguments.url is None else arguments.url)
    body = {"jti": arguments.jti} if arguments.user is None else {"user": arguments.user}
    try:
        ask(url, settings.api.keys[0].reveal() if settings.api.keys else None, body)
    except Failed as failed:
        print(f"realtime: not revoked: {failed}", file=sys.stderr)
        return 1
    print("revoked")
    return 0


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


def _parse(url: str) -> SplitResult:
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


def ask(url: SplitResult, key: str | None, body: dict[str, str]) -> None:
    """Post to the hub's server API (protocol 5). Raises Failed.

    No redirect is followed and no proxy used: the key is for this address alone.
    """
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers["X-API-Key"] = key
    connection = _connection(url)
    try:
        connection.request(
            "POST",
            f"{url.path.rstrip('/')}/api/revoke",
            json.dumps(body),
            headers,
        )
        answer = connection.getresponse()
        status, text = answer.status, answer.read(ANSWER_MAX_BYTES)
    except (OSError, http.client.HTTPException) as error:
        # A wrong line is told by its kind alone: it is whatever listens there that wrote it.
        reason = error.strerror if isinstance(error, OSError) else None
        raise Failed(
            f"no answer from {url.netloc}: {reason or type(error).__name__}"
            + _other_name(error, url)
        ) from None
    finally:
        connection.close()
    _judge(status, text)


def _connection(url: SplitResult) -> http.client.HTTPConnection:
    host = url.hostname or ""
    if url.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, url.port, timeout=TIMEOUT_S, context=context)
    return http.client.HTTPConnection(host, url.port, timeout=TIMEOUT_S)


def _other_name(error: Exception, url: SplitResult) -> str:
    """Say what helps where the certificate is good, but for another name than the one asked."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return ""
    if error.verify_code not in _OTHER_NAME:
        return ""
    port = "" if url.port is None else f":{url.port}"
    return f"; --url https://<name in the certificate>{port} reaches it by that name"


def _judge(status: int, text: bytes) -> None:
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
