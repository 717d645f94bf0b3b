"""The small load generator and the yardstick of `shared/bench`: built, pinned to cores and run.

`wsload` opens connections, says the frames it is given and counts what comes; `fanlimit` is a
server that only broadcasts. Their README says how.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from tests.measure.rows.workloads import YARDSTICK, Dialect, Workload

BUILD_MAX_S: Final = 60.0
LOAD_MAX_S: Final = 60
"""How long `wsload` may take to connect, and again to play."""

START_MAX_S: Final = 10.0
POLL_S: Final = 0.02
TOKENS: Final = "WSLOAD_TOKENS"
"""The variable that names the file of tokens, one a line, for `%K` in a frame."""

_ANCHOR: Final = "    else if (t->b[i] == '%' && i + 1 < t->n && t->b[i + 1] == 'T')"
_FRAME: Final = "static void frame(Conn *c, Tpl *t)"
_READ_TOKENS: Final = f"""
static char **toks; static int ntoks = -1;
static void read_toks(void) {{
  char *name = getenv("{TOKENS}"), *text = NULL; size_t size = 0; ntoks = 0;
  FILE *file = name ? fopen(name, "r") : NULL;
  while (file && getline(&text, &size, file) > 0) {{
    text[strcspn(text, "\\n")] = 0;
    toks = realloc(toks, (ntoks + 1) * sizeof *toks); toks[ntoks++] = strdup(text);
  }}
}}
"""
_PUT_TOKEN: Final = """    else if (t->b[i] == '%' && i + 1 < t->n && t->b[i + 1] == 'K') {
      if (ntoks < 0) read_toks();
      n += sprintf((char *)body + n, "%s", ntoks ? toks[idx % ntoks] : ""); i++;
    }
"""


class BenchFailed(Exception):
    """What was to be measured could not be: the text says why."""


class Played(msgspec.Struct, frozen=True):
    """What `wsload` printed; rates are per second, waits are milliseconds."""

    conns: int
    ready: int
    dead: int
    connects_per_s: float
    published: int = 0
    lost: int = 0
    deliveries_per_s: float = 0.0
    p99_ms: float = 0.0


def played(text: str, messages: int) -> Played:
    """What `wsload` printed. Raises BenchFailed where connections or deliveries are missing, for
    such a rate says nothing; `messages` is how many it was to publish."""
    try:
        found = msgspec.json.decode(text, type=Played, strict=False)
    except msgspec.DecodeError:
        raise BenchFailed(f"no result of the load: {text.strip()[:200]!r}") from None
    if found.dead or found.ready < found.conns:
        raise BenchFailed(f"{found.ready} of {found.conns} connections were ready")
    if found.lost or found.published != messages:
        raise BenchFailed(f"{found.published} of {messages} published, {found.lost} lost")
    return found


def with_tokens(source: str) -> str:
    """`wsload.c` with `%K`: a token of its own for each connection, from a file.

    A source that has it already is left as it is. Raises BenchFailed if there is no place for it.
    """
    if TOKENS in source:
        return source
    if source.count(_ANCHOR) != 1 or source.count(_FRAME) != 1:
        raise BenchFailed("wsload.c has changed: no place found for tokens of its connections")
    source = source.replace(_FRAME, _READ_TOKENS + _FRAME)
    return source.replace(_ANCHOR, _PUT_TOKEN + _ANCHOR)


class Cores:
    """Where servers and load run: the first two cores that this process may use, or the one."""

    def __init__(self, available: Sequence[int]) -> None:
        self.all = sorted(available)
        self.server, self.load = self.all[0], self.all[min(1, len(self.all) - 1)]

    @contextlib.contextmanager
    def use(self, core: int) -> Iterator[None]:
        """What is started in the block runs on this core, for children inherit it."""
        os.sched_setaffinity(0, {core})
        try:
            yield
        finally:
            os.sched_setaffinity(0, self.all)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for_port(port: int, child: "subprocess.Popen[bytes]", what: str) -> None:
    """Wait until somebody listens there. Raises BenchFailed."""
    deadline = time.monotonic() + START_MAX_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if child.poll() is not None or time.monotonic() > deadline:
            raise BenchFailed(f"{what} does not listen")
        time.sleep(POLL_S)


class Held:
    """Connections that are opened and stay until the block is left."""

    def __init__(self, child: "subprocess.Popen[str]", connections: int) -> None:
        self._child = child
        self._connections = connections

    def __enter__(self) -> "Held":
        assert self._child.stdout is not None
        said = ""
        # The rest of the line comes at the end. Bounded: `wsload` gives up connecting by itself.
        while "connects_per_s" not in said:
            byte = self._child.stdout.read(1)
            if not byte:
                self.end()
                raise BenchFailed(f"the idle connections were not opened: {said}")
            said += byte
        if f'"ready": {self._connections}, "dead": 0' not in said:
            self.end()
            raise BenchFailed(f"of {self._connections} idle connections: {said}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """Hang up. Idempotent."""
        self._child.kill()
        self._child.communicate()


class Bench:
    """Both programs, built in `folder`, and the cores for servers and load."""

    def __init__(self, folder: Path) -> None:
        self.cores = Cores(sorted(os.sched_getaffinity(0)))
        self._wsload = folder / "wsload"
        self._fanlimit = folder / "fanlimit"

    def play(
        self, port: int, dialect: Dialect, workload: Workload, tokens: Path | None = None
    ) -> Played:
        """Put a server under a load, and answer what came of it. Raises BenchFailed."""
        words = dialect.words(workload)
        environment = {**os.environ, TOKENS: str(tokens)} if tokens else None
        with self.cores.use(self.cores.load):
            try:
                done = subprocess.run(
                    self._load(port, words),
                    capture_output=True,
                    text=True,
                    errors="replace",
                    env=environment,
                    timeout=2 * LOAD_MAX_S + 20,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise BenchFailed("the load does not come to an end") from None
        try:
            return played(done.stdout, workload.messages)
        except BenchFailed as failure:
            said = done.stderr.strip().splitlines()[:1]
            raise BenchFailed(f"{failure} {' '.join(said)[:200]}".rstrip()) from None

    def hold(self, port: int, dialect: Dialect, crowd: Workload, seconds: int) -> Held:
        """Idle connections for at most so long; to be used in a `with`."""
        words = dialect.words(crowd)
        with self.cores.use(self.cores.load):
            child = subprocess.Popen(
                [*self._load(port, words), "--hold", str(seconds)],
                stdout=subprocess.PIPE,
                text=True,
            )
        return Held(child, crowd.connections)

    def _load(self, port: int, words: Sequence[str]) -> list[str]:
        return [str(self._wsload), "--port", str(port), "--max", str(LOAD_MAX_S), *words]

    def limit(self, workload: Workload) -> Played:
        """What the yardstick makes of a workload: everybody receives everything."""
        port = free_port()
        with self.serve([str(self._fanlimit), str(port)], port, "fanlimit"):
            return self.play(port, YARDSTICK, workload)

    @contextlib.contextmanager
    def serve(
        self, command: Sequence[str], port: int, what: str, cwd: Path | None = None
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """A server on its core, for as long as the block lasts. Raises BenchFailed."""
        with self.cores.use(self.cores.server):
            child = subprocess.Popen(
                command,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        try:
            wait_for_port(port, child, what)
            yield child
        finally:
            child.terminate()
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def build(source: Path, folder: Path) -> Bench:
    """Compile both into `folder`. Raises BenchFailed with what is missing."""
    if shutil.which("cc") is None:
        raise BenchFailed("no C compiler: apt install gcc libc6-dev libssl-dev")
    for name in ("wsload.c", "fanlimit.c"):
        if not (source / name).is_file():
            raise BenchFailed(f"{source / name} is not there: name its folder with --bench")
    changed = folder / "wsload.c"
    changed.write_text(with_tokens((source / "wsload.c").read_text()))
    for name, code, libraries in (
        ("wsload", changed, ()),
        ("fanlimit", source / "fanlimit.c", ("-lcrypto",)),
    ):
        done = subprocess.run(
            ["cc", "-O2", "-w", "-o", folder / name, code, *libraries],
            capture_output=True,
            text=True,
            timeout=BUILD_MAX_S,
            check=False,
        )
        if done.returncode:
            raise BenchFailed(f"{name}.c is not compiled (libssl-dev?): {done.stderr[:300]}")
    return Bench(folder)
