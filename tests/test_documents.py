"""The files in `config/` and the Procfile hold what they say.

In a settings file a line `# key = value` states a default, or ends in `# example` where the key is
not set or empty by default; an active line says with `# default: value` what it changes. Namespaces
are examples, and say nothing of defaults.
"""

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from realtime.settings.describe import toml_value
from realtime.settings.development import NAMESPACES
from realtime.settings.kinds import KINDS, SECTIONS
from realtime.settings.load import load

ROOT: Final = Path(__file__).resolve().parents[1]
FILES: Final = ("config/development.toml", "config/production.toml")

_TABLE: Final = re.compile(r"\[([a-z.]+)\]")
_LINE: Final = re.compile(r"(?P<off># )?(?P<key>[a-z_]+) = (?P<value>.*?)(  # (?P<note>.*))?")
_DEFAULT: Final = "default: "


@dataclass(frozen=True, slots=True)
class Statement:
    """A line of a settings file about a key. `off`: it is commented out."""

    section: str
    key: str
    value: object
    off: bool
    note: str

    def __str__(self) -> str:
        return f"{self.section}.{self.key}"


def statements(text: str) -> Iterator[Statement]:
    """Read the lines about keys that are not a namespace's."""
    section = ""
    for line in text.splitlines():
        if table := _TABLE.fullmatch(line):
            section = table[1]
        elif (match := _LINE.fullmatch(line)) and not section.startswith("namespaces."):
            value = parse(match["value"])
            yield Statement(section, match["key"], value, bool(match["off"]), match["note"] or "")


def parse(value: str) -> object:
    """Read one value of TOML."""
    return tomllib.loads(f"value = {value}")["value"]


def default(statement: Statement) -> object:
    """The schema's default as TOML has it; None where the key is not set."""
    value = getattr(SECTIONS[statement.section](), statement.key)
    return None if value is None else parse(toml_value(value))


def wrong(statement: Statement) -> str | None:
    """Say what the schema does not know, or knows otherwise."""
    if statement.key not in KINDS.get(statement.section, {}):
        return "there is no such key"
    expected = default(statement)
    if statement.note == "example" and statement.off:
        return None if expected in (None, [], {}) else "it has a default, and is no example"
    if statement.off:
        stated = statement.value
    elif statement.note.startswith(_DEFAULT):
        stated = parse(statement.note.removeprefix(_DEFAULT))
        if statement.value == expected:
            return "it is active and changes nothing"
    else:
        return "it is active and does not say what it changes"
    # 1 is True, and 5 is 5.0, in Python but not in TOML.
    same = stated == expected and type(stated) is type(expected)
    return None if same else f"it states {stated!r} as default; the schema has {expected!r}"


def of_file(name: str) -> list[Statement]:
    return list(statements((ROOT / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", FILES)
def test_what_a_settings_file_says_of_a_key_is_what_the_schema_says(name: str) -> None:
    assert {str(said): problem for said in of_file(name) if (problem := wrong(said))} == {}


@pytest.mark.parametrize("name", FILES)
def test_a_settings_file_says_nothing_twice(name: str) -> None:
    said = [str(statement) for statement in of_file(name)]
    assert len(said) == len(set(said))


def test_every_key_of_the_schema_is_in_the_file_for_development() -> None:
    said = {str(statement) for statement in of_file("config/development.toml")}
    assert said == {f"{section}.{key}" for section, kinds in KINDS.items() for key in kinds}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("# port = 8000", None),
        ("# port = 8001", "it states 8001 as default; the schema has 8000"),
        ("# drain_s = 10", "it states 10 as default; the schema has 10.0"),
        ("# prot = 8000", "there is no such key"),
        ("# port = 9000  # example", "it has a default, and is no example"),
        ('# tls_key = "/key.pem"  # example', None),
        ('# tls_key = "/key.pem"', "it states '/key.pem' as default; the schema has None"),
        ("port = 9000  # default: 8000", None),
        ("port = 9000  # default: 80", "it states 80 as default; the schema has 8000"),
        ("port = 8000  # default: 8000", "it is active and changes nothing"),
        ("port = 9000", "it is active and does not say what it changes"),
    ],
)
def test_a_line_that_is_not_true_is_found(line: str, problem: str | None) -> None:
    (statement,) = statements(f"[server]\n{line}")
    assert wrong(statement) == problem


@pytest.mark.parametrize("name", FILES)
def test_a_settings_file_can_be_loaded(name: str) -> None:
    load(str(ROOT / name), {})


@pytest.mark.parametrize("name", FILES)
def test_every_line_that_is_commented_out_is_toml_too(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    taken = re.sub(r"(?m)^# ([a-z_]+ = .*)$", r"\1", text)
    assert set(tomllib.loads(taken)) <= {*KINDS, "namespaces"}


def test_the_rooms_of_the_file_for_development_are_those_of_dev_without_a_file() -> None:
    assert load(str(ROOT / "config/development.toml"), {}).namespaces == NAMESPACES


def test_the_namespaces_that_the_readme_shows_can_be_used(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"(?ms)^```toml\n(.*?)^```$", readme)
    file = tmp_path / "shown.toml"
    file.write_text(shown)
    assert set(load(str(file), {}).namespaces) == {"room", "chat"}


def test_no_secret_is_in_the_file_for_production() -> None:
    settings = load(str(ROOT / "config/production.toml"), {})
    assert settings.auth.hmac_secret is None
    assert settings.api.keys == ()


def procfile() -> dict[str, str]:
    """The commands by the names of their processes."""
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    return dict(line.split(": ", 1) for line in lines)


@pytest.mark.parametrize("name", procfile())
def test_every_process_of_the_procfile_has_the_file_for_production(name: str) -> None:
    program, *_, option, config = shlex.split(procfile()[name])
    assert (program, option, config) == ("realtime", "--config", "config/production.toml")


def test_the_procfile_starts_a_hub_that_the_platform_can_reach() -> None:
    """With PORT, and secrets from the environment, as platforms give them."""
    program, action, option, config = shlex.split(procfile()["web"])
    assert (program, action, option) == ("realtime", "serve", "--config")
    secret = "a-secret-for-tests-of-more-than-32-bytes"
    settings = load(
        str(ROOT / config),
        {"PORT": "5000", "REALTIME_AUTH__HMAC_SECRET": secret, "REALTIME_API__KEYS": "one"},
    )
    assert (settings.server.host, settings.server.port) == ("0.0.0.0", 5000)  # noqa: S104
    assert settings.auth.hmac_secret is not None
    assert settings.auth.hmac_secret.reveal() == secret
