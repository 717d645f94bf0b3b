"""A file of commands that start hubs, and what they share, so that a soak can break them.

    prepare = [["hub", "make-indexes"]]
    env = { SECRET_FILE = "{folder}/secret" }

    [services.redis]
    command = ["redis-server", "--port", "6479"]
    address = "127.0.0.1:6479"
    faults = ["kill", "freeze"]

    [nodes.one]
    command = ["hub", "--port", "8101"]
    url = "ws://127.0.0.1:8101"
    env = { NAME = "one" }

Services are started first, in their order, then `prepare` is run, then the nodes are started; each
is there when its address takes connections. In texts `{folder}` is the folder of the run, where
logs are, and `{python}` the program that runs this. What no field is called is an error. What the
file asks for is run: it is to be trusted like a script.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from load.plan import PlanError, check_urls

EXAMPLES: Final = ("three-hubs",)
"""Files that come along, by name; any other is a path."""

PROCESSES_MAX: Final = 32
"""How many nodes, and how many services, a file may have."""

Words = Annotated[list[str], Meta(min_length=1, max_length=100)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,20}$")]
Kind = Literal["kill", "drain", "freeze"]


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the nodes share: a bus, a store."""

    command: Words
    address: Annotated[str, Meta(pattern=r"^[^\s:/]+:[0-9]{1,5}$")]
    """Takes connections when it is there: `127.0.0.1:6379`."""
    env: dict[str, str] = {}
    faults: tuple[Kind, ...] = ()
    """What may be done to it."""
    start_s: Annotated[float, Meta(gt=0, le=300)] = 30.0
    """How long it may take until it is there, in seconds."""
    stop_s: Annotated[float, Meta(gt=0, le=300)] = 30.0
    """How long it may take to end when it is told to, in seconds."""


class Node(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One hub."""

    command: Words
    url: str
    """Where clients connect."""
    env: dict[str, str] = {}
    faults: tuple[Kind, ...] = ("kill", "drain", "freeze")
    start_s: Annotated[float, Meta(gt=0, le=300)] = 30.0
    stop_s: Annotated[float, Meta(gt=0, le=300)] = 30.0

    @property
    def address(self) -> str:
        """Host and port of its URL."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'wss' else 80)}"


class NodesFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of a file."""

    nodes: Annotated[dict[Name, Node], Meta(min_length=1, max_length=PROCESSES_MAX)]
    services: Annotated[dict[Name, Service], Meta(max_length=PROCESSES_MAX)] = {}
    prepare: Annotated[list[Words], Meta(max_length=PROCESSES_MAX)] = []
    """Commands that are run to their end, one after another, when the services are there."""
    env: dict[str, str] = {}
    """What is in the environment of all, beside what is in ours."""

    @property
    def urls(self) -> tuple[str, ...]:
        """Where clients connect, node by node."""
        return tuple(node.url for node in self.nodes.values())

    @property
    def targets(self) -> dict[str, tuple[Kind, ...]]:
        """What may be done to whom, nodes first."""
        found: Mapping[str, Node | Service] = {**self.nodes, **self.services}
        return {name: process.faults for name, process in found.items()}


def read_nodes(name: str) -> NodesFile:
    """Read the file that comes along under a name, or the one at a path. Raises PlanError."""
    try:
        if name in EXAMPLES:
            text = files("load").joinpath("examples", f"{name}.toml").read_text("utf-8")
        else:
            text = Path(name).read_text("utf-8")
        found = msgspec.convert(tomllib.loads(text), NodesFile)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PlanError([f"--nodes {name}: {error}"]) from None
    except msgspec.ValidationError as error:
        raise PlanError([f"--nodes {name}: {error}"]) from None
    check_urls(found.urls)
    if both := found.nodes.keys() & found.services.keys():
        raise PlanError([f"--nodes {name}: {min(both)} is a node and a service"])
    return found


def filled(words: list[str], values: Mapping[str, Any]) -> list[str]:
    """Words with `{folder}` and the like in place; other braces stay as they are."""
    found = []
    for word in words:
        for key, value in values.items():
            word = word.replace(f"{{{key}}}", str(value))
        found.append(word)
    return found
