"""The walls of the design, read from the source; each is shown to fail on a few lines first.

What may be imported where, who starts tasks and reads the environment, how long files and functions
may be, how files may be called, and that everything public says what it is.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[1]

FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 70
VAGUE_NAMES: Final = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
DRIVER_PACKAGES: Final = ("realtime.stores", "realtime.brokers", "realtime.queues")
PURE_PACKAGES: Final = (
    "realtime.protocol",
    "realtime.websocket",
    "realtime.channels",
    "realtime.auth",
    "realtime.limits",
    "realtime.backoff",
)
DRIVER_LIBRARIES: Final = ("redis", "pymongo", "sqlite3")
TASK_STARTERS: Final = {"create_task", "ensure_future"}


@dataclass(frozen=True, slots=True)
class Wall:
    """Modules inside `inside` must not import what is named; each by package, with all in it."""

    inside: Sequence[str]
    never: Sequence[str]
    but: Sequence[str] = ()
    """Modules of `inside` that may."""


WALLS: Final = (
    Wall(PURE_PACKAGES, ("asyncio", "aiohttp", "redis", "pymongo", "time", "os")),
    Wall(("realtime.hub",), ("aiohttp", *DRIVER_LIBRARIES)),
    Wall(
        ("realtime.chat",),
        ("realtime.hub", "realtime.server", "realtime.wiring", "aiohttp", *DRIVER_LIBRARIES),
    ),
    Wall(
        ("realtime.cluster",),
        ("realtime.hub", "realtime.server", "realtime.wiring", "aiohttp", *DRIVER_LIBRARIES),
    ),
    Wall(
        # Hubs and workers share it, and chat builds on it: it knows rows, and nothing that runs.
        ("realtime.push",),
        (
            "realtime.auth",
            "realtime.brokers",
            "realtime.channels",
            "realtime.chat",
            "realtime.cli",
            "realtime.cluster",
            "realtime.hub",
            "realtime.protocol",
            "realtime.server",
            "realtime.websocket",
            "realtime.wiring",
            "aiohttp",
            "os",
            "time",
            *DRIVER_LIBRARIES,
        ),
    ),
    Wall(DRIVER_PACKAGES, ("realtime.hub", "realtime.server", "realtime.wiring")),
    Wall(("realtime",), ("workers",), but=("realtime.cli",)),
    Wall(
        ("workers",),
        ("realtime.hub", "realtime.server", "realtime.protocol", *DRIVER_LIBRARIES),
    ),
    Wall(("load",), ("realtime", "workers")),
)


@dataclass(frozen=True, slots=True)
class Source:
    """One file, parsed. `module` is its dotted name; a package is its `__init__`."""

    module: str
    text: str
    is_package: bool = False

    @property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text)


def sources(*tops: str) -> Iterator[Source]:
    """Every Python file under these folders of the project."""
    for top in tops:
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            module = ".".join(parts[:-1] if is_package else parts)
            yield Source(module, path.read_text(), is_package)


def within(module: str, packages: Sequence[str]) -> bool:
    """Whether the module is one of these, or inside one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def imported(source: Source) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything imported, wherever in the file; names from, too.

    `from realtime import hub` is `realtime` and `realtime.hub`: which of both is a module cannot
    be told from the text, and no wall forbids one without the other.
    """
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                keep = len(source.module.split(".")) - node.level + source.is_package
                base = ".".join([*source.module.split(".")[:keep], *base.split(".")]).strip(".")
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def wall_breaches(source: Source) -> Iterator[str]:
    """Imports that go through a wall."""
    for wall in WALLS:
        if within(source.module, wall.inside) and not within(source.module, wall.but):
            for line, name in imported(source):
                if within(name, wall.never):
                    yield f"{source.module}:{line} imports {name}"


def driver_breaches(source: Source) -> Iterator[str]:
    """Only the wiring knows the drivers; a driver knows its own contract and nothing beside it."""
    own = next((package for package in DRIVER_PACKAGES if within(source.module, [package])), None)
    if source.module == "realtime.wiring":
        return
    for line, name in imported(source):
        package = next((driver for driver in DRIVER_PACKAGES if within(name, [driver])), None)
        if package is None or within(name, [f"{package}.base"]) or name == package:
            continue
        if own == package and driver_of(name, package) == driver_of(source.module, package):
            continue
        if within(source.module, ["realtime.cli"]):
            # A command that works on a store's files opens it without a hub.
            continue
        yield f"{source.module}:{line} imports {name}"


def driver_of(module: str, package: str) -> str:
    """Which driver of a package a module belongs to, by the first word of its name.

    `realtime.stores.sqlite_log` and `realtime.stores.sqlite.log` are both of `sqlite`.
    """
    return module.removeprefix(f"{package}.").split(".")[0].split("_")[0]


def task_breaches(source: Source) -> Iterator[str]:
    """Tasks without a parent: whatever starts one, unless it is called on a task group."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name, owner = node.func.attr, ast.unparse(node.func.value)
            grouped = name == "create_task" and owner.lower().endswith(("group", "tasks"))
            if name in TASK_STARTERS and not grouped:
                yield f"{source.module}:{node.lineno} calls {owner}.{name}"
        elif isinstance(node, ast.ImportFrom) and node.module == "asyncio":
            for alias in node.names:
                if alias.name in TASK_STARTERS:
                    yield f"{source.module}:{node.lineno} imports asyncio.{alias.name}"


def environment_breaches(source: Source) -> Iterator[str]:
    """The environment is read by the settings alone."""
    if within(source.module, ["realtime.settings"]):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"}:
            yield f"{source.module}:{node.lineno} reads {ast.unparse(node)}"
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            for alias in node.names:
                if alias.name in {"environ", "environb", "getenv"}:
                    yield f"{source.module}:{node.lineno} imports os.{alias.name}"


def size_breaches(source: Source) -> Iterator[str]:
    """Files and functions that are too long to be read at once."""
    lines = len(source.text.splitlines())
    if lines > FILE_LINES_MAX:
        yield f"{source.module} has {lines} lines, more than {FILE_LINES_MAX}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield f"{source.module}:{node.lineno} {node.name} has {length} lines"


def name_breaches(source: Source) -> Iterator[str]:
    """Files whose name does not say what is in them."""
    for part in source.module.split("."):
        if VAGUE_NAMES & set(part.split("_")):
            yield f"{source.module} is called {part}"


def docstring_breaches(source: Source) -> Iterator[str]:
    """Modules, classes and functions that everybody may use and nobody explains."""
    if ast.get_docstring(source.tree) is None:
        yield f"{source.module} has no docstring"
    yield from _undocumented(source.module, source.tree)


def _undocumented(owner: str, body: ast.Module | ast.ClassDef) -> Iterator[str]:
    for node in body.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        # An override of another class's documented method inherits its docstring.
        inherits = any(ast.unparse(item).endswith("override") for item in node.decorator_list)
        if node.name.startswith("_") or inherits:
            continue
        name = f"{owner}.{node.name}"
        if ast.get_docstring(node) is None:
            yield f"{name} (line {node.lineno}) has no docstring"
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(name, node)


Check = Callable[[Source], Iterator[str]]


@pytest.mark.parametrize(
    ("check", "tops"),
    [
        (wall_breaches, ("realtime", "workers", "load")),
        (driver_breaches, ("realtime", "workers")),
        (task_breaches, ("realtime", "workers", "load")),
        (environment_breaches, ("realtime", "workers", "load")),
        (size_breaches, ("realtime", "workers", "load", "tests")),
        (name_breaches, ("realtime", "workers", "load", "tests")),
        (docstring_breaches, ("realtime", "workers", "load")),
    ],
)
def test_the_project_keeps_its_walls(check: Check, tops: Sequence[str]) -> None:
    breaches = [breach for source in sources(*tops) for breach in check(source)]
    assert breaches == []


def test_the_walls_are_about_packages_that_exist() -> None:
    """A package that was renamed would leave a wall around nothing."""
    modules = {source.module for source in sources("realtime", "workers", "load")}
    missing = {name for wall in WALLS for name in (*wall.inside, *wall.but)} - modules
    # Push queues come with the workers.
    assert missing <= {"realtime.queues"}


@pytest.mark.parametrize(
    ("check", "module", "text"),
    [
        (wall_breaches, "realtime.protocol.x", "import asyncio"),
        (wall_breaches, "realtime.websocket.x", "import os.path"),
        (wall_breaches, "realtime.channels.x", "def f():\n    from time import monotonic"),
        (wall_breaches, "realtime.auth.x", "from aiohttp import web"),
        (wall_breaches, "realtime.limits.x", "import redis.asyncio as redis"),
        (wall_breaches, "realtime.hub.x", "import aiohttp"),
        (wall_breaches, "realtime.cluster.x", "from realtime.hub.clock import Clock"),
        (wall_breaches, "realtime.cluster.x", "from realtime import wiring"),
        (wall_breaches, "realtime.cluster.x", "from pymongo.errors import PyMongoError"),
        (wall_breaches, "realtime.push.x", "from realtime.chat import service"),
        (wall_breaches, "realtime.push.x", "import time"),
        (wall_breaches, "realtime.stores.sqlite", "from realtime.hub import hub"),
        (wall_breaches, "realtime.stores.sqlite", "from realtime import server"),
        (wall_breaches, "realtime.stores.sqlite", "from ..hub import hub"),
        (wall_breaches, "realtime.brokers.memory", "import realtime.wiring"),
        (wall_breaches, "realtime.hub.x", "import workers.sender"),
        (wall_breaches, "workers.x", "from realtime.protocol import codec"),
        (wall_breaches, "workers.x", "import redis.asyncio"),
        (wall_breaches, "load.x", "import realtime"),
        (driver_breaches, "realtime.hub.x", "from realtime.stores.sqlite import SqliteStore"),
        (driver_breaches, "realtime.hub.x", "from realtime.brokers import memory"),
        (driver_breaches, "realtime.cluster.x", "from realtime.brokers import redis"),
        (driver_breaches, "workers.x", "from realtime.stores.mongo import MongoStore"),
        (driver_breaches, "realtime.stores.sqlite", "from realtime.brokers import memory"),
        (driver_breaches, "realtime.stores.sqlite", "from realtime.stores.mongo import log"),
        (task_breaches, "realtime.hub.x", "asyncio.create_task(f())"),
        (task_breaches, "realtime.hub.x", "loop.create_task(f())"),
        (task_breaches, "realtime.hub.x", "asyncio.ensure_future(f())"),
        (task_breaches, "realtime.hub.x", "from asyncio import create_task"),
        (environment_breaches, "realtime.hub.x", "os.environ['PORT']"),
        (environment_breaches, "realtime.cli.x", "from os import getenv"),
        (size_breaches, "realtime.x", "\n" * (FILE_LINES_MAX + 1)),
        (size_breaches, "realtime.x", "def f():\n" + "    x\n" * FUNCTION_LINES_MAX),
        (name_breaches, "realtime.hub.utils", ""),
        (name_breaches, "realtime.hub.session_manager", ""),
        (docstring_breaches, "realtime.x", "x = 1"),
        (docstring_breaches, "realtime.x", "'''Doc.'''\ndef f(): ..."),
        (
            docstring_breaches,
            "realtime.x",
            "'''Doc.'''\nclass A:\n  '''Doc.'''\n  def f(self): ...",
        ),
    ],
)
def test_each_wall_can_fail(check: Check, module: str, text: str) -> None:
    assert len(list(check(Source(module, text)))) == 1


@pytest.mark.parametrize(
    ("check", "module", "text"),
    [
        (wall_breaches, "realtime.protocol.x", "import timeit, realtime.model"),
        (wall_breaches, "realtime.server.x", "import asyncio, aiohttp, time"),
        (wall_breaches, "realtime.cli.work", "import workers.dispatcher"),
        (driver_breaches, "realtime.hub.x", "from realtime.stores.base import LogStore"),
        (driver_breaches, "realtime.wiring", "from realtime.stores.sqlite import SqliteStore"),
        (driver_breaches, "realtime.stores.sqlite_log", "from realtime.stores import sqlite_rows"),
        (driver_breaches, "realtime.stores.sqlite.log", "from realtime.stores.sqlite import rows"),
        (task_breaches, "realtime.hub.x", "group.create_task(f())\nself._group.create_task(g())"),
        (environment_breaches, "realtime.settings.x", "os.environ['PORT']"),
        (size_breaches, "realtime.x", "\n" * FILE_LINES_MAX),
        (size_breaches, "realtime.x", "def f():\n" + "    x\n" * (FUNCTION_LINES_MAX - 1)),
        (name_breaches, "realtime.hub.commits", ""),
        (docstring_breaches, "realtime.x", "'''Doc.'''\ndef _f(): ...\nclass _A:\n  def f(): ..."),
    ],
)
def test_what_keeps_the_walls_is_left_alone(check: Check, module: str, text: str) -> None:
    assert list(check(Source(module, text))) == []
