"""What users would pick instead, each as it is installed by name: how it is started, and addressed.

Their settings and the one small server lie beside this file. Each has one process; none keeps
history.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.measure.rows.bench import free_port
from tests.measure.rows.workloads import CHANNEL, Dialect, wire
from tests.support.configuration import HMAC_SECRET

FOLDER: Final = Path(__file__).parent
NCHAN_PLACES: Final = (
    "/usr/lib/nginx/modules",
    "/usr/share/nginx/modules",
    "/usr/lib64/nginx/modules",
)
PROBE_MAX_S: Final = 10.0

PAYLOAD: Final = '{"t":"%T"}'
PAYLOAD_BYTES: Final = len(PAYLOAD) - len("%T") + len("@T") + 19

Command = Callable[[int, Path], list[str] | None]
"""What serves at a port, with a folder for its files; None where it is not installed."""


class System(NamedTuple):
    """A server to be measured. `hint` says how to install it."""

    name: str
    hint: str
    command: Command
    dialect: Dialect


def filled(template: str, words: Mapping[str, object]) -> str:
    """Settings with the words put in; each stands between two @."""
    for name, value in words.items():
        template = template.replace(f"@{name}@", str(value))
    return template


def _settings(name: str, folder: Path, **words: object) -> str:
    path = folder / name
    path.write_text(filled((FOLDER / name).read_text(), words))
    return str(path)


def _socketio(port: int, folder: Path) -> list[str] | None:
    del folder
    node = shutil.which("node")
    if node is None:
        return None
    found = subprocess.run(
        [node, "-e", "require.resolve('socket.io')"],
        cwd=FOLDER,
        capture_output=True,
        timeout=PROBE_MAX_S,
        check=False,
    )
    return None if found.returncode else [node, str(FOLDER / "socketio.js"), str(port)]


def _nats(port: int, folder: Path) -> list[str] | None:
    program = _program("nats-server")
    if program is None:
        return None
    settings = _settings("nats.conf", folder, PORT=port, CLIENTS=free_port())
    return [program, "--config", settings]


def _nchan(port: int, folder: Path) -> list[str] | None:
    nginx = shutil.which("nginx", path=_PATH)
    modules = [Path(place, "ngx_nchan_module.so") for place in NCHAN_PLACES]
    module = next((path for path in modules if path.exists()), None)
    if nginx is None or module is None:
        return None
    settings = _settings("nchan.conf", folder, PORT=port, FOLDER=folder, MODULE=module)
    return [nginx, "-p", str(folder), "-c", settings]


def _centrifugo(port: int, folder: Path) -> list[str] | None:
    program = _program("centrifugo")
    if program is None:
        return None
    settings = _settings("centrifugo.json", folder, PORT=port, SECRET=HMAC_SECRET)
    return [program, "--config", settings]


_GO_PROGRAMS: Final = Path(os.environ.get("GOBIN") or Path.home() / "go" / "bin")
_PATH: Final = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", str(_GO_PROGRAMS)))


def _program(name: str) -> str | None:
    return shutil.which(name, path=_PATH)


def _socketio_event(number: int, *words: str) -> str:
    return f"42{number}{json.dumps(words, separators=(',', ':'))}"


SOCKETIO: Final = Dialect(
    path="/socket.io/?EIO=4&transport=websocket",
    opening=(
        "@wait:0{",
        "40",
        "@wait:40{",
        _socketio_event(1, "join", CHANNEL),
        "@wait:431",
    ),
    publish=_socketio_event(2, "send", CHANNEL, "%T"),
    ping="2",
    pong="3",
)

NATS: Final = Dialect(
    path="/",
    opening=(
        "@wait:INFO",
        r'CONNECT {"verbose":false,"pedantic":false,"protocol":1}\r\n'
        rf"SUB {CHANNEL} 1\r\nPING\r\n",
        "@wait:PONG",
    ),
    publish=rf"PUB {CHANNEL} {PAYLOAD_BYTES}\r\n{PAYLOAD}\r\n",
    binary=True,
)

NCHAN: Final = Dialect(
    path="/feed",
    rooms_path="/room/%i",
    publish=PAYLOAD,
    # It does not say when one is subscribed.
    settle_ms=1_500,
)

RIVALS: Final[Sequence[System]] = (
    System(
        "Socket.IO (Node)",
        "npm install --no-package-lock --prefix tests/measure/rivals",
        _socketio,
        SOCKETIO,
    ),
    System(
        "nats-server",
        "apt install nats-server, or go install github.com/nats-io/nats-server/v2@latest",
        _nats,
        NATS,
    ),
    System("nginx with nchan", "apt install nginx libnginx-mod-nchan", _nchan, NCHAN),
    System(
        "Centrifugo",
        "go install github.com/centrifugal/centrifugo/v6@latest",
        _centrifugo,
        wire(),
    ),
)
