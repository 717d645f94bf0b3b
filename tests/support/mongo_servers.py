"""Servers that speak MongoDB's protocol: one of a test's own, or the one that the tests share.

Everything here blocks: asynchronous tests call what takes time through `asyncio.to_thread`. A
server listens on loopback, keeps its data in a folder of its own, and is ended by whoever made it.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from realtime.stores.mongo import MongoStore
from tests.support.programs import absent

URL_VARIABLE: Final = "REALTIME_TEST_MONGODB_URL"
"""Names a server that tests use in place of their own; each test has a database of its own in it.
Tests that stop or kill the server start another one, by `PROGRAM_VARIABLE`."""

PROGRAM_VARIABLE: Final = "REALTIME_TEST_MONGODB_PROGRAM"
"""The path of a server's program, `mongod`, `ferretdb` or `nx-27017` by its name."""

_URL: Final = re.compile(r"(?P<servers>mongodb(?:\+srv)?://[^/?]+)(?:/[^?]*)?(?P<options>\?.*)?")
_PORTS: Final = range(20_000, 32_000)
"""Below the kernel's own choices."""

_START_S: Final = 20.0
_STOP_S: Final = 10.0
_ANSWER_S: Final = 5.0
_POLL_S: Final = 0.02


SOCKETS_LEFT: Final = pytest.mark.filterwarnings(
    r"ignore:Exception ignored in. <socket\.socket:pytest.PytestUnraisableExceptionWarning"
)
"""For tests that close a store whose server is away: PyMongo 4.20 leaves the socket of a connection
that it was about to make to the collector, when it is closed meanwhile."""


class MongoFailed(Exception):
    """A server did not do in time what it was asked; has the end of its log."""


class ReadyMongoStore(MongoStore):
    """A store that sets itself up, as `realtime store init` would, whatever its database has."""

    async def open(self) -> None:
        """`init`, then `open`."""
        await self.init()
        await super().open()


class MongoServer:
    """One server as a child. Who makes one calls `end` at last.

    The port is any free one and stays the same from one start to the next, as does the data.
    """

    def __init__(self, program: str | None = None) -> None:
        self._program = program or find_program()
        self.port = _free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="realtime-mongo-"))
        (self._folder / "data").mkdir()
        self._child: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"<MongoServer pid={self._child and self._child.pid} port={self.port}>"

    @property
    def url(self) -> str:
        """Where it listens, without a database."""
        return f"mongodb://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        return self._running().pid

    @property
    def log(self) -> str:
        """What it has written since the first start."""
        path = self._folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start, and wait until it answers. Raises MongoFailed."""
        with (self._folder / "server.log").open("ab") as log:
            self._child = subprocess.Popen(
                [self._program, *_arguments(self._program, self._folder, self.port)],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if self._child.poll() is not None:
                raise MongoFailed(f"exit {self._child.returncode}:\n{self.log[-2000:]}")
            if time.monotonic() > deadline:
                raise MongoFailed(f"no answer after {_START_S} s:\n{self.log[-2000:]}")
            time.sleep(_POLL_S)

    def pause(self) -> None:
        """SIGSTOP: it accepts connections, since the kernel does, and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def kill9(self) -> None:
        """SIGKILL to the whole group; it is gone when this returns."""
        child = self._running()
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(_STOP_S)
        self._child = None

    def restart(self) -> None:
        """`kill9`, then `start` on the same port and data."""
        self.kill9()
        self.start()

    def end(self) -> None:
        """Make sure that nothing is left running or lying about. Idempotent."""
        if self._child is not None:
            self.kill9()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        with contextlib.suppress(PyMongoError), _client(self.url) as client:
            client.admin.command("ping")
            return True
        return False

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._child is None:
            raise MongoFailed("not running")
        return self._child


def find_program() -> str:
    """The server's program that was named, else that of `nx-27017`; gives up on the test if there
    is none."""
    named = os.environ.get(PROGRAM_VARIABLE)
    if named:
        return named
    packaged = Path(sys.executable).with_name("nx-27017")
    program = str(packaged) if packaged.exists() else shutil.which("nx-27017")
    if program is None:
        absent("nx-27017 is not installed", 'pip install -e ".[tests]"')
    return program


@contextlib.contextmanager
def mongo_server(program: str | None = None) -> Iterator[MongoServer]:
    """One server, started, for as long as the block lasts."""
    server = MongoServer(program)
    try:
        server.start()
        yield server
    finally:
        server.end()


@contextlib.contextmanager
def shared_mongo() -> Iterator[str]:
    """The address of the server that tests share, for a fixture of a session: the one that the
    environment names, else one of its own."""
    named = os.environ.get(URL_VARIABLE)
    if named:
        yield named
        return
    with mongo_server() as server:
        yield server.url


@contextlib.contextmanager
def mongo_database(server_url: str) -> Iterator[str]:
    """The address of an empty database on the server, dropped afterwards."""
    name = f"realtime_test_{uuid4().hex[:12]}"
    yield database_url(server_url, name)
    with _client(server_url) as client:
        client.drop_database(name)


def database_url(server_url: str, name: str) -> str:
    """The server's address with this database in it."""
    found = _URL.fullmatch(server_url)
    if found is None:
        raise ValueError("not the address of a MongoDB server")
    return f"{found['servers']}/{name}{found['options'] or ''}"


def _client(url: str) -> "contextlib.closing[MongoClient[dict[str, Any]]]":
    return contextlib.closing(
        MongoClient(
            url,
            serverSelectionTimeoutMS=_ANSWER_S * 1000,
            connectTimeoutMS=_ANSWER_S * 1000,
            socketTimeoutMS=_ANSWER_S * 1000,
        )
    )


def _arguments(program: str, folder: Path, port: int) -> Sequence[str]:
    data = folder / "data"
    match Path(program).name:
        case "mongod":
            return ["--dbpath", str(data), "--port", str(port), "--bind_ip", "127.0.0.1"]
        case "ferretdb":
            return [
                "--handler=sqlite",
                f"--sqlite-url=file:{data}/",
                f"--listen-addr=127.0.0.1:{port}",
                "--debug-addr=-",
                "--telemetry=disable",
                f"--state-dir={folder}",
            ]
        case _:
            log, pid = folder / "nx.log", folder / "nx.pid"
            names = ["--log-file", str(log), "--pid-file", str(pid)]
            return ["--data-dir", str(data), "-p", str(port), *names]


def _free_port() -> int:
    """A port that nobody has now; the server takes it a moment later."""
    offset = int.from_bytes(os.urandom(2), "big")
    for step in range(len(_PORTS)):
        port = _PORTS[(offset + step) % len(_PORTS)]
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise MongoFailed("no port is free")
