"""Loading the settings: a TOML file, then the environment, then the command line.

What comes later wins. Everything that is wrong, in all of them, is told at once.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from realtime.errors import SettingsError
from realtime.settings.contradiction import Contradiction
from realtime.settings.contradictions import contradictions
from realtime.settings.development import Development
from realtime.settings.environment import CONFIG, gather_environment
from realtime.settings.gathered import COMMAND_LINE, Gathered, dotted, kind_at
from realtime.settings.kinds import KINDS
from realtime.settings.schema import Settings
from realtime.settings.toml_file import gather_file

DEFAULT: Final = "default"

Overrides = Mapping[tuple[str, str], object]
_NOTHING: Final[Overrides] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and where they come from: `origins` by dotted path; what is missing is default."""

    settings: Settings
    origins: Mapping[str, str]


def load(config_path: str | None, environ: Mapping[str, str]) -> Settings:
    """Load settings from a file (None for none) and an environment.

    Raises SettingsError with all problems; none of them has a secret's value.
    """
    return load_from(config_path, environ).settings


def from_process(
    config_path: str | None,
    overrides: Overrides = _NOTHING,
    *,
    development: Development | None = None,
) -> Loaded:
    """Load settings for this process, as `load_from` does.

    Without a path, the file is the one that REALTIME_CONFIG names, if it does. This is the one
    place that reads the process's environment.
    """
    environ = dict(os.environ)
    return load_from(
        config_path or environ.get(CONFIG) or None, environ, overrides, development=development
    )


def load_from(
    config_path: str | None,
    environ: Mapping[str, str],
    overrides: Overrides = _NOTHING,
    *,
    development: Development | None = None,
) -> Loaded:
    """Load settings and tell where each comes from.

    `overrides` are the command line's, by section and key: ("server", "port"). `development`
    fills in what all sources leave open, for `--dev`. Raises SettingsError with all problems.
    """
    gathered = Gathered()
    if config_path is not None:
        gather_file(config_path, gathered)
    gather_environment(environ, gathered)
    for (section, key), value in overrides.items():
        gathered.accept((section, key), KINDS[section][key], value, COMMAND_LINE)
    if development is not None:
        development.complete(gathered)
    settings = gathered.build()
    for contradiction in contradictions(settings):
        if not any(gathered.doubts(path) for path in contradiction.paths):
            gathered.problems.append(_told(contradiction, gathered))
    if gathered.problems:
        raise SettingsError(gathered.problems)
    return Loaded(settings, gathered.origins())


def _told(contradiction: Contradiction, gathered: Gathered) -> str:
    return f"{', '.join(_names(contradiction, gathered))}: {contradiction.text}"


def _names(contradiction: Contradiction, gathered: Gathered) -> Iterator[str]:
    place = contradiction.place
    for path in contradiction.paths:
        if kind_at(path) is not None:
            given = gathered.values.get(path)
            yield f"{dotted(path)}{place} ({given.origin if given else DEFAULT})"
        place = ""
