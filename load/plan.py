"""What to run: from a profile and from the command line, strictly. Pure but for reading the file.

A profile is TOML with a table for each scenario. `all` is a table of what holds for every scenario;
a scenario's own comes on top of it, and the command line on top of that:

    [all]
    processes = 2
    thresholds = ["errors<0.1%"]

    [fanout]
    clients = 1000
    rate = 50
    thresholds = ["p99<50ms", "errors<0.1%"]

What no scenario knows is an error that names its place: a misspelt `cleints` would otherwise run,
and pass, with other clients than its author believes.
"""

import difflib
import tomllib
from collections.abc import Collection, Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from load.thresholds import Threshold, ThresholdError, parse

ALL: Final = "all"
"""The table of a profile that holds for every scenario."""

PROFILES: Final = ("small", "medium", "large")
"""Those that come along; any other `--profile` is a path."""

DEFAULT: Final = PROFILES[0]
"""What holds where no `--profile` is given."""

URLS_MAX: Final = 64
PROCESSES_MAX: Final = 256
THRESHOLDS_MAX: Final = 32

Format = Literal["json", "protobuf"]
Values = Mapping[str, Any]


class PlanError(ValueError):
    """It cannot be run; has all that is wrong, a sentence each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(*self.problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


class Credentials(msgspec.Struct, frozen=True):
    """Where tokens come from, one file of both; without any, clients send none. And a key."""

    secret_file: str = ""
    """A file whose one line is the HS256 secret; each client gets a token of its own user."""
    tokens_file: str = ""
    """A file of tokens, one a line, dealt to the clients in turn."""
    api_key_file: str = ""
    """A file whose one line is a key of the server API, to take away what the run has put there."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All that a run needs to know. It holds no secret, only where one is."""

    scenario: str
    urls: tuple[str, ...]
    """Hubs; client `i` goes to the `i`-th, round and round."""
    parameters: Values
    """What the scenario was asked for; the scenario's own struct checks it."""
    thresholds: tuple[Threshold, ...] = ()
    until: Threshold | None = None
    """Raise the load until this one breaks."""
    credentials: Credentials = Credentials()
    format: Format = "json"
    processes: int = 1
    seed: int = 1
    ca_file: str = ""
    """A PEM file of the authorities to believe in place of the system's, for `wss`."""
    sources: tuple[str, ...] = ()
    """Addresses of this machine to connect from; without any the system chooses."""
    hub_pid: int | None = None
    """A hub on this machine whose memory and CPU are drawn beside what was measured."""
    out: str = ""
    """Folder for the report; "" writes none."""


def read_profile(name: str) -> dict[str, dict[str, Any]]:
    """The tables of a profile that comes along, or of a file. Raises PlanError."""
    try:
        if name in PROFILES:
            text = files("load").joinpath("profiles", f"{name}.toml").read_text("utf-8")
        else:
            text = Path(name).read_text("utf-8")
        tables = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        known = ", ".join(PROFILES)
        raise PlanError([f"profile {name}: {error} (those that come along: {known})"]) from None
    stray = [key for key, value in tables.items() if not isinstance(value, dict)]
    if stray:
        raise PlanError(f"profile {name}: {key} is in no table" for key in stray)
    return tables


def merged(
    tables: Mapping[str, Values], scenario: str, given: Values, keys: Mapping[str, Collection[str]]
) -> dict[str, Any]:
    """What holds for a scenario: `all`, its own table, and what was `given`, in this order.

    `keys` has the keys that each scenario knows. Every table is checked, not only that of the
    scenario that runs. Keys of `all` that only other scenarios know are left out. Raises PlanError.
    """
    problems = []
    everywhere = frozenset().union(*keys.values())
    for table, values in tables.items():
        if table != ALL and table not in keys:
            problems.append(f"{table}: no such scenario{nearest(table, keys)}")
            continue
        known = everywhere if table == ALL else keys[table]
        problems += [
            f"{table}.{key}: no such key{nearest(key, known)}" for key in values if key not in known
        ]
    if problems:
        raise PlanError(problems)
    shared = {key: value for key, value in tables.get(ALL, {}).items() if key in keys[scenario]}
    return {**shared, **tables.get(scenario, {}), **given}


def read_thresholds(texts: object, path: str) -> tuple[Threshold, ...]:
    """Read a list of them. Raises PlanError, with every one that is wrong."""
    if not isinstance(texts, list | tuple) or len(texts) > THRESHOLDS_MAX:
        raise PlanError([f"{path}: a list of at most {THRESHOLDS_MAX} texts"])
    found, problems = [], []
    for text in texts:
        try:
            found.append(parse(str(text)))
        except ThresholdError as error:
            problems.append(f"{path}: {error}")
    if problems:
        raise PlanError(problems)
    return tuple(found)


def check_urls(urls: Iterable[str]) -> tuple[str, ...]:
    """What clients connect to. A URL without a path gets the usual one. Raises PlanError."""
    found, problems = [], []
    for url in urls:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            problems.append(f"--url: {error}")
            continue
        if parts.scheme not in {"ws", "wss"} or not parts.hostname:
            problems.append(f"--url {shown_url(url)}: like ws://127.0.0.1:8000")
        elif parts.username is not None or parts.password is not None:
            problems.append(f"--url {shown_url(url)}: name and password have no place in it")
        elif port == 0:
            problems.append(f"--url {shown_url(url)}: no port to connect to")
        else:
            path = parts.path.rstrip("/") or "/connection/websocket"
            found.append(parts._replace(path=path, fragment="").geturl())
    if not problems and not 0 < len(found) <= URLS_MAX:
        problems.append(f"--url: 1 to {URLS_MAX} of them")
    if problems:
        raise PlanError(problems)
    return tuple(found)


def shown_url(url: str) -> str:
    """A URL for reports and messages: without name, password and query, where secrets may be."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        return parts._replace(netloc=host, query="", fragment="").geturl()
    except ValueError:
        return "(not a URL)"


def nearest(name: str, known: Iterable[str]) -> str:
    """` (did you mean …?)`, where something that is known is close to the name; else ""."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
