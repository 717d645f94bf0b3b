"""The settings that hold, as an operator may see them: TOML, with who said so beside each."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from realtime.settings.durations import Duration
from realtime.settings.kinds import KINDS, NAMESPACES, OPTION_KINDS, SECTIONS
from realtime.settings.load import DEFAULT, Loaded
from realtime.settings.passwords import without_password
from realtime.settings.secret import MASK, Secret

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
"""A key that TOML takes without quotes."""


def describe(loaded: Loaded) -> str:
    """Write all settings as TOML that can be read again, but for the secrets: those are `***`.

    A key that is not set is a comment. In addresses, passwords and queries are `***` too.
    """
    tables: dict[str, object] = {name: getattr(loaded.settings, name) for name in SECTIONS}
    for name, options in loaded.settings.namespaces.items():
        tables[f"{NAMESPACES}.{name}"] = options
    return "\n".join(
        line for name, table in tables.items() for line in _table(name, table, loaded.origins)
    )


def _table(name: str, table: object, origins: Mapping[str, str]) -> Iterator[str]:
    yield f"[{name}]"
    for key in KINDS.get(name, OPTION_KINDS):
        value = getattr(table, key)
        # A variable's or a file's name may have anything in it.
        origin = ascii(origins.get(f"{name}.{key}", DEFAULT))[1:-1]
        if value is None:
            yield f"# {key} is not set  # {origin}"
        else:
            shown = without_password(value) if key.endswith("url") else value
            yield f"{key} = {toml_value(shown)}  # {origin}"
    yield ""


def toml_value(value: object) -> str:
    """Write a value as TOML does; a secret as `"***"`."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case Secret():
            return toml_value(MASK)
        case Duration():
            return toml_value(str(value))
        case Mapping():
            members = (f"{_key(name)} = {toml_value(item)}" for name, item in value.items())
            return f"{{ {', '.join(members)} }}" if value else "{}"
        case tuple():
            return f"[{', '.join(toml_value(item) for item in value)}]"
        case _:
            # JSON's escapes are TOML's; only DEL has to be one in TOML and not in JSON.
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else toml_value(name)
