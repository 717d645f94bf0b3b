"""`python -m load push-settings`: what a hub has to be told, for its notifications to come here.

FCM's client in a hub wants a service account. One is made, with a key that opens nothing: the push
service of the load does not even look at who has signed.
"""

import argparse
import os
import secrets
import sys
from pathlib import Path
from typing import Final

import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

TOKEN_PATH: Final = "/token"  # noqa: S105 - a path
"""Where the push service of the load gives access tokens."""

PROJECT: Final = "load"

SERVICE: Final = "127.0.0.1:9710"
"""Where the push service of the load listens, unless told otherwise."""

ACCOUNT_FILE: Final = "load-push-account.json"

_RSA_BITS: Final = 2_048


def add_push_settings(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser("push-settings", help="what a hub needs for the scenario push")
    add = parser.add_argument
    add("--service", default=SERVICE, help=f"host and port where it finds the load ({SERVICE})")
    text = f"a throw-away service account is written there ({ACCOUNT_FILE})"
    add("--account", default=ACCOUNT_FILE, type=Path, metavar="FILE", help=text)


def show_push_settings(arguments: argparse.Namespace) -> int:
    """Do what it says; the exit code. Raises OSError."""
    sys.stdout.write(push_settings(arguments.service, arguments.account))
    return 0


def push_settings(service: str, account: Path) -> str:
    """TOML for the hub's configuration. Writes the service account's key to `account`, readable by
    its owner alone. `service` is host and port at which the hub finds the load. Raises OSError."""
    url = f"http://{service}"
    descriptor = os.open(account, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(_service_account(url), option=orjson.OPT_INDENT_2))
    # JSON's texts are TOML's.
    path = orjson.dumps(str(account.resolve())).decode()
    return (
        '# For `python -m load push`; the namespace of its rooms needs push = "all".\n'
        "[fcm]\n"
        f"credentials_file = {path}\n"
        f'base_url = "{url}"\n'
        f'token_url = "{url}{TOKEN_PATH}"\n'
        "\n"
        "# A load's users are busier than people.\n"
        "[chat]\n"
        "sends_per_s = 0.0\n"
        "creates_per_s = 0.0\n"
        "invites_per_s = 0.0\n"
    )


def _service_account(url: str) -> dict[str, str]:
    """The JSON file as Google's console gives it."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=_RSA_BITS)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": secrets.token_hex(20),
        "private_key": pem.decode("ascii"),
        "client_email": f"load@{PROJECT}.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"{url}{TOKEN_PATH}",
    }
