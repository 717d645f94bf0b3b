"""The settings file."""

import re
import tomllib
from collections.abc import Mapping
from typing import Final

from realtime.settings.gathered import Gathered, dotted
from realtime.settings.kinds import KINDS, NAMESPACES, OPTION_KINDS, Kind
from realtime.settings.shape import shape, shown
from realtime.settings.suggest import nearest
from realtime.settings.text_file import Unreadable, read_text

NAMESPACE_NAME: Final = re.compile(r"[A-Za-z0-9_-]{2,}")
"""Protocol 4.1."""


def gather_file(path: str, gathered: Gathered) -> None:
    """Add what the TOML file at `path` says, and all that is wrong with it."""
    origin = path if path.isprintable() else ascii(path)
    try:
        tree = tomllib.loads(read_text(path))
    except Unreadable as unreadable:
        gathered.refuse(f"{origin}: cannot be read: {unreadable}", ())
    except (ValueError, RecursionError) as error:
        # The parser's texts name a place and at most one character or a key, never a value.
        gathered.refuse(f"{origin}: not TOML: {error}", ())
    else:
        _gather(tree, origin, gathered)


def _gather(tree: Mapping[str, object], origin: str, gathered: Gathered) -> None:
    for name, value in tree.items():
        if name == NAMESPACES:
            _gather_namespaces(value, origin, gathered)
        elif name not in KINDS:
            _refuse_section(name, value, origin, gathered)
        elif not isinstance(value, dict):
            problem = f"{name} ({origin}): expected a table; got {shape(value)}"
            gathered.refuse(problem, (name,))
        else:
            _gather_keys((name,), value, origin, gathered)


def _gather_namespaces(value: object, origin: str, gathered: Gathered) -> None:
    if not isinstance(value, dict):
        problem = f"{NAMESPACES} ({origin}): expected a table; got {shape(value)}"
        gathered.refuse(problem, (NAMESPACES,))
        return
    for name, options in value.items():
        at = (NAMESPACES, name)
        if not NAMESPACE_NAME.fullmatch(name):
            problem = (
                f"{NAMESPACES}.{shown(name)} ({origin}): expected a name of letters, digits, "
                f"`_` and `-`, at least two; got {shape(name)}"
            )
            gathered.refuse(problem)
        elif not isinstance(options, dict):
            problem = f"{dotted(at)} ({origin}): expected a table; got {shape(options)}"
            gathered.refuse(problem, at)
        else:
            gathered.namespaces[name] = origin
            _gather_keys(at, options, origin, gathered)


def _gather_keys(
    prefix: tuple[str, ...], table: Mapping[str, object], origin: str, gathered: Gathered
) -> None:
    known = OPTION_KINDS if prefix[0] == NAMESPACES else KINDS[prefix[0]]
    for key, value in table.items():
        if key in known:
            gathered.accept((*prefix, key), known[key], value, origin)
            continue
        meant = _meant(prefix, key, known)
        problem = f"{dotted(prefix)}.{shown(key)} ({origin}): unknown key"
        if meant:
            problem += f"; did you mean {dotted(meant)}?"
        gathered.refuse(problem, *([meant] if meant else []))


def _meant(prefix: tuple[str, ...], key: str, known: Mapping[str, Kind]) -> tuple[str, ...] | None:
    if here := nearest(key, known):
        return (*prefix, here)
    # The right key in the wrong section.
    return next(((section, key) for section, keys in KINDS.items() if key in keys), None)


def _refuse_section(name: str, value: object, origin: str, gathered: Gathered) -> None:
    what = "section" if isinstance(value, dict) else "key"
    problem = f"{shown(name)} ({origin}): unknown {what}"
    owner = next((section for section, keys in KINDS.items() if name in keys), None)
    meant = nearest(name, [*KINDS, NAMESPACES])
    if owner is not None and what == "key":
        gathered.refuse(f"{problem}; did you mean {owner}.{name}?", (owner, name))
    elif meant:
        gathered.refuse(f"{problem}; did you mean {meant}?", (meant,))
    else:
        gathered.refuse(problem)
