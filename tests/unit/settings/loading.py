"""Loading settings from texts, for tests."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from realtime.errors import SettingsError
from realtime.settings.load import load
from realtime.settings.schema import Settings

SECRET = "a-secret-for-tests-of-more-than-32-bytes"
NOTHING: Mapping[str, str] = {}


def load_text(folder: Path, toml: str, environ: Mapping[str, str] = NOTHING) -> Settings:
    """Load a file with this text, and this environment."""
    return load(str(write(folder, toml)), environ)


def problems(folder: Path, toml: str, environ: Mapping[str, str] = NOTHING) -> list[str]:
    """Name what is wrong with them, with the file called FILE; a test fails if nothing is."""
    path = write(folder, toml)
    with pytest.raises(SettingsError) as caught:
        load(str(path), environ)
    return [problem.replace(str(path), "FILE") for problem in caught.value.problems]


def environment_problems(environ: Mapping[str, str]) -> list[str]:
    """Name what is wrong with an environment alone."""
    with pytest.raises(SettingsError) as caught:
        load(None, environ)
    return list(caught.value.problems)


def write(folder: Path, toml: str) -> Path:
    """Write a settings file into the folder."""
    path = folder / "hub.toml"
    path.write_text(toml, encoding="utf-8")
    return path
