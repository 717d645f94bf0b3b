"""What a setting may be, read from the schema's types once, so that nothing says it twice."""

import types
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from realtime.settings.bounds import FromFile, NotEmpty, Range
from realtime.settings.durations import FORM, Duration
from realtime.settings.schema import ChannelOptions, Settings
from realtime.settings.secret import Secret

_TYPE_NAMES: Final[Mapping[type, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Secret: "a text, not empty",
    Duration: FORM,
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What one setting may be.

    `base` is the type of the value; `bound` narrows it; `choices` are all there are, for a text
    that names one of a few. `many`: it is a list of such values; `named`: a table of them, under
    names of the operator's own. `optional`: it may be not set.
    """

    base: type
    bound: Range | NotEmpty | None = None
    choices: tuple[str, ...] = ()
    many: bool = False
    named: bool = False
    optional: bool = False

    @property
    def from_file(self) -> bool:
        """Whether it is a key, a secret or may hold one: the environment may name a file for it."""
        return self.base is Secret or isinstance(self.bound, FromFile)

    def __str__(self) -> str:
        """What is expected, for messages; of a list or a table, what it holds."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if isinstance(self.bound, FromFile):
            return str(self.bound)
        name = _TYPE_NAMES[self.base]
        return f"{name}, {self.bound}" if self.bound else name


def kind_of(hint: Any) -> Kind:
    """Read a type of the schema. Raises TypeError for a form that nothing here knows yet."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        inner, _ = arguments
        return replace(kind_of(inner), optional=True)
    if origin is Annotated:
        base, bound = arguments
        return Kind(base, bound)
    if origin is Literal:
        return Kind(str, choices=arguments)
    if origin is tuple:
        item, _ = arguments
        return replace(kind_of(item), many=True)
    if origin is Mapping and arguments[0] is str:
        return replace(kind_of(arguments[1]), named=True)
    if hint not in _TYPE_NAMES:
        raise TypeError(f"the schema has a type that cannot be checked: {hint}")
    return Kind(hint)


def _kinds(section: type) -> Mapping[str, Kind]:
    hints = get_type_hints(section, include_extras=True)
    return {key: kind_of(hint) for key, hint in hints.items()}


NAMESPACES: Final = "namespaces"
"""The section whose keys are tables of their own, one a namespace."""

SECTIONS: Final[Mapping[str, type[Any]]] = {
    name: section for name, section in get_type_hints(Settings).items() if name != NAMESPACES
}
"""All other sections with the class of each, in the order of the schema."""

KINDS: Final[Mapping[str, Mapping[str, Kind]]] = {
    name: _kinds(section) for name, section in SECTIONS.items()
}
"""The keys of each."""

OPTION_KINDS: Final[Mapping[str, Kind]] = _kinds(ChannelOptions)
"""The keys of a namespace."""
