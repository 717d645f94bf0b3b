"""What the guide's programs mint, a hub takes: to connect, and for a channel that needs a token."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
from websockets.sync.client import connect

from tests.guides.dev_hub import DevHub
from tests.guides.pages import write_file
from tests.guides.toolchains import go_build, kotlin_classes
from tests.support.programs import require

_RUN_S: Final = 20.0
VIP: Final = "$room:vip"

# The first time, modules and packages are fetched and compiled.
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevHub]:
    hub = DevHub(tmp_path_factory.mktemp("hub"))
    hub.start()
    yield hub
    hub.end()


def run(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> list[str]:
    """The lines that a program prints."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=_RUN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def ask(hub: DevHub, *commands: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Send commands over a new connection; the replies in the order of the commands."""
    with connect(hub.websocket_url) as socket:
        replies = {}
        for number, command in enumerate(commands, start=1):
            socket.send(json.dumps({"id": number, **command}))
            while number not in replies:
                for line in str(socket.recv(timeout=_RUN_S)).splitlines():
                    document = json.loads(line)
                    replies[document.get("id", 0)] = document
        return [replies[number] for number in range(1, len(commands) + 1)]


def check(hub: DevHub, tokens: list[str]) -> None:
    """Both tokens do what the page says."""
    connection, subscription = tokens
    connected, refused, subscribed, presence = ask(
        hub,
        {"connect": {"token": connection}},
        {"subscribe": {"channel": VIP}},
        {"subscribe": {"channel": VIP, "token": subscription}},
        {"presence": {"channel": VIP}},
    )
    # The hub of `--dev` has chat, and users their personal channels.
    assert list(connected["connect"]["subs"]) == ["room:lobby", "#alice"]
    assert 590 <= connected["connect"]["ttl"] <= 600
    assert refused["error"]["code"] == 103
    assert "error" not in subscribed
    (person,) = presence["presence"]["presence"].values()
    assert (person["user"], person["conn_info"]) == ("alice", {"name": "Alice"})


def test_a_token_minted_in_python(hub: DevHub, tmp_path: Path) -> None:
    write_file("tokens", "mint.py", tmp_path, hub.address)
    check(hub, run([sys.executable, "mint.py", "alice"], tmp_path, {"SECRET": hub.secret()}))


def test_a_token_minted_in_javascript(hub: DevHub, tmp_path: Path, javascript: Path) -> None:
    write_file("tokens", "mint.mjs", tmp_path, hub.address)
    (tmp_path / "node_modules").symlink_to(javascript)
    check(hub, run(["node", "mint.mjs", "alice"], tmp_path, {"SECRET": hub.secret()}))


def test_a_token_minted_in_go(hub: DevHub, tmp_path: Path) -> None:
    binary = go_build(write_file("tokens", "mint.go", tmp_path, hub.address))
    check(hub, run([str(binary), "alice"], tmp_path, {"SECRET": hub.secret()}))


def test_a_token_minted_in_kotlin(hub: DevHub, tmp_path: Path, cache: Path) -> None:
    command = [*kotlin_classes(cache), "MintKt", "alice"]
    check(hub, run(command, tmp_path, {"SECRET": hub.secret()}))


def test_a_token_minted_in_php(hub: DevHub, tmp_path: Path) -> None:
    php = require("php", "install php-cli")
    write_file("tokens", "mint.php", tmp_path, hub.address)
    check(hub, run([php, "mint.php", "alice"], tmp_path, {"SECRET": hub.secret()}))


@pytest.mark.parametrize(
    ("claims", "opened"),
    [
        ({"channels": [VIP]}, True),
        ({"subs": {VIP: {}}}, True),
        ({}, False),
    ],
)
def test_who_only_listens_gets_a_channel_that_needs_a_token_by_the_connections_claims(
    hub: DevHub, claims: dict[str, Any], opened: bool
) -> None:
    """A subscription token in `subs` of the request, which the page advises against, does not."""
    who = {"sub": "alice", "exp": int(time.time()) + 60}
    connection = jwt.encode({**who, **claims}, hub.secret(), algorithm="HS256")
    subscription = jwt.encode({**who, "channel": VIP}, hub.secret(), algorithm="HS256")
    body = {"token": connection, "subs": {VIP: {"token": subscription}}}
    request = urllib.request.Request(  # noqa: S310 - a hub of our own
        f"{hub.url}/connection/uni_http_stream", data=json.dumps(body).encode()
    )
    with urllib.request.urlopen(request, timeout=_RUN_S) as response:  # noqa: S310
        connected = json.loads(response.readline())["connect"]
    assert (VIP in connected.get("subs", {})) is opened


def test_a_token_signed_with_a_private_key(tmp_path: Path) -> None:
    """The hub has the public key only."""
    require("openssl", "install openssl")
    for name in ("rsa.sh", "mint_rsa.py"):
        write_file("tokens", name, tmp_path, "")
    run(["sh", "-e", "rsa.sh"], tmp_path)
    (token,) = run([sys.executable, "mint_rsa.py", "alice"], tmp_path)
    variables = {
        "REALTIME_AUTH__HMAC_SECRET": "a-secret-that-this-token-is-not-signed-with",
        "REALTIME_AUTH__RSA_PUBLIC_KEY": (tmp_path / "public.pem").read_text(),
    }
    hub = DevHub(tmp_path, variables)
    try:
        hub.start()
        (connected,) = ask(hub, {"connect": {"token": token}})
        assert "ttl" in connected["connect"]
    finally:
        hub.end()
