"""What the sources gave, checked by type, before it becomes `Settings`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from realtime.settings.check import Mismatch, convert
from realtime.settings.kinds import KINDS, NAMESPACES, OPTION_KINDS, SECTIONS, Kind
from realtime.settings.schema import ChannelOptions, Settings
from realtime.settings.shape import shown

Path = tuple[str, ...]
"""("server", "port") or ("namespaces", "chat", "presence")."""

COMMAND_LINE: Final = "command line"


@dataclass(frozen=True, slots=True)
class Given:
    """A value of the right type, and who gave it: a file, a variable, the command line."""

    value: object
    origin: str


def dotted(path: Path) -> str:
    """Write a path as messages and TOML do."""
    return ".".join(path)


def kind_at(path: Path) -> Kind | None:
    """What may stand at a path; None if there is no such setting."""
    match path:
        case (section, key) if section in KINDS:
            return KINDS[section].get(key)
        case (namespaces, _, key) if namespaces == NAMESPACES:
            return OPTION_KINDS.get(key)
        case _:
            return None


@dataclass(slots=True)
class Gathered:
    """The values by path; a later source replaces what an earlier one gave.

    `namespaces` has every namespace that was named, even without a key. `problems` is all that was
    wrong. `unclear` are paths whose value was wrong, so that nobody may conclude from them.
    """

    values: dict[Path, Given] = field(default_factory=dict)
    namespaces: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    unclear: set[Path] = field(default_factory=set)

    def accept(self, path: Path, kind: Kind, value: object, origin: str) -> None:
        """Take a value for the path of a setting of this kind, or note what is wrong with it."""
        try:
            converted = convert(kind, value)
        except Mismatch as mismatch:
            self.refuse(f"{dotted(path)}{mismatch.at} ({origin}): {mismatch}", path)
            return
        if kind.named and isinstance(converted, dict):
            converted = self._table(path, replace(kind, named=False), converted, origin)
        self.values[path] = Given(converted, origin)

    def _table(
        self, path: Path, kind: Kind, table: Mapping[str, object], origin: str
    ) -> Mapping[str, object]:
        """What is good in a table; all that is not is noted."""
        good: dict[str, object] = {}
        for name, value in table.items():
            at = f"{dotted(path)}.{shown(name)}"
            if not name:
                self.refuse(f"{at} ({origin}): expected a name; got an empty text", path)
                continue
            try:
                good[name] = convert(kind, value)
            except Mismatch as mismatch:
                self.refuse(f"{at}{mismatch.at} ({origin}): {mismatch}", path)
        return MappingProxyType(good)

    def refuse(self, problem: str, *paths: Path) -> None:
        """Note a problem; what `paths` should have been is not known."""
        self.problems.append(problem)
        self.unclear.update(paths)

    def doubts(self, path: Path) -> bool:
        """Whether nobody knows what was meant at `path`: it, or all around it, was wrong."""
        return any(path[: len(wrong)] == wrong for wrong in self.unclear)

    def build(self) -> Settings:
        """Make settings of what was given; whatever was not has its default."""
        sections: dict[str, Any] = {
            name: section(**self._keys(name)) for name, section in SECTIONS.items()
        }
        namespaces = {
            name: ChannelOptions(**self._keys(NAMESPACES, name)) for name in self.namespaces
        }
        return Settings(**sections, namespaces=MappingProxyType(namespaces))

    def origins(self) -> Mapping[str, str]:
        """Who gave each value, by dotted path; what is missing has its default."""
        return {dotted(path): given.origin for path, given in self.values.items()}

    def _keys(self, *prefix: str) -> dict[str, Any]:
        return {path[-1]: given.value for path, given in self.values.items() if path[:-1] == prefix}
