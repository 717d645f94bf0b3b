"""What holds for all guides: links lead somewhere, versions are those that are run, paths exist."""

import json
import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest

from realtime.chat.table import ALL
from realtime.settings.kinds import SECTIONS
from realtime.settings.schema import ServerSettings
from tests.guides.pages import ADDRESS, blocks, file, pages

ROOT: Final = Path(__file__).resolve().parents[2]
HERE: Final = Path(__file__).parent

PLATFORMS: Final = {"javascript", "python", "go", "kotlin", "swift", "dart", "csharp", "curl"}
MATTERS: Final = {"tokens", "errors", "transports", "chat", "feeds", "import", "moderation", "push"}

NOT_RUN: Final = {"swift", "dart", "csharp"}
"""Whose toolchains are not where tests run; the pages say so."""

OPERATIONS: Final = {operation.name for operation in ALL}

_LINK: Final = re.compile(r"\]\((?!https://)([^)#]+)")
_KEY: Final = re.compile(r"`([a-z]+)\.([a-z_]+)`")
_PATH: Final = re.compile(r"/connection/(\w+)")


def prose(page: str) -> str:
    """A guide without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", pages()[page], flags=re.M | re.S)


def test_there_is_a_guide_for_each_platform_and_one_for_each_matter() -> None:
    assert set(pages()) == PLATFORMS | MATTERS


@pytest.mark.parametrize("page", sorted(pages()))
def test_every_link_to_a_guide_leads_to_one(page: str) -> None:
    for target in _LINK.findall(prose(page)):
        assert target.removesuffix(".md") in pages(), target


@pytest.mark.parametrize("page", sorted(pages()))
def test_every_link_to_a_section_leads_to_one(page: str) -> None:
    headings = {
        (name, re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-"))
        for name in pages()
        for heading in re.findall(r"^#+ (.+)$", prose(name), re.M)
    }
    for target, section in re.findall(r"\]\((?!https:)([^)#]*)#([^)]+)\)", prose(page)):
        assert (target.removesuffix(".md") or page, section) in headings, section


@pytest.mark.parametrize("page", sorted(pages()))
def test_every_setting_that_a_guide_names_exists(page: str) -> None:
    named = [
        (section, key)
        for section, key in _KEY.findall(prose(page))
        if section in SECTIONS and f"{section}.{key}" not in OPERATIONS
    ]
    # SDKs' objects are called `client` as well; all settings of that section have a `_`.
    named = [(section, key) for section, key in named if section != "client" or "_" in key]
    missing = [(section, key) for section, key in named if not hasattr(SECTIONS[section](), key)]
    assert missing == []


@pytest.mark.parametrize("page", sorted(pages()))
def test_every_method_that_a_guide_names_exists(page: str) -> None:
    subjects = {name.partition(".")[0] for name in OPERATIONS} - set(SECTIONS)
    named = [(subject, verb) for subject, verb in _KEY.findall(prose(page)) if subject in subjects]
    assert [name for name in map(".".join, named) if name not in OPERATIONS] == []


@pytest.mark.parametrize("page", sorted(pages()))
def test_the_readme_leads_to_every_guide(page: str) -> None:
    assert f"(realtime/guides/{page}.md)" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", sorted(PLATFORMS))
def test_a_guide_says_whether_its_program_is_run(page: str) -> None:
    text = pages()[page]
    assert ("has not been run by us" in text) == (page in NOT_RUN)
    assert ("run with" in text or "run under" in text) == (page not in NOT_RUN)
    if page not in NOT_RUN:
        assert any(block.file for block in blocks(page))


@pytest.mark.parametrize("page", sorted(PLATFORMS))
def test_a_program_is_for_a_hub_of_dev_and_its_rooms(page: str) -> None:
    code = "".join(block.text for block in blocks(page))
    assert ADDRESS in code
    assert "room:lobby" in code
    assert "/dev/token" in code


def test_the_versions_that_pages_name_are_those_that_are_run() -> None:
    node = json.loads((HERE / "javascript" / "package.json").read_text())["dependencies"]
    assert f"version {node['centrifuge']}" in pages()["javascript"]
    assert f"`ws` {node['ws']}" in pages()["javascript"]
    assert f"`eventsource` {node['eventsource']}" in pages()["curl"]
    assert f"run with {node['jsonwebtoken']}" in pages()["tokens"]

    module = (HERE / "go" / "go.mod").read_text()
    assert _go_version(module, "centrifugal/centrifuge-go") in pages()["go"]
    assert _go_version(module, "golang-jwt/jwt/v5") in pages()["tokens"]

    maven = (HERE / "kotlin" / "pom.xml").read_text()
    for artifact, page in (
        ("centrifuge-java", "kotlin"),
        ("json", "kotlin"),
        ("java-jwt", "tokens"),
    ):
        found = re.search(rf"<artifactId>{artifact}</artifactId>\s*<version>(.+)</version>", maven)
        assert found is not None
        assert found[1] in pages()[page]
    kotlin = re.search(r"<kotlin.version>(.+)</kotlin.version>", maven)
    assert kotlin is not None
    assert file("kotlin", "pom.xml").count(f"<version>{kotlin[1]}</version>") == 2


def _go_version(module: str, name: str) -> str:
    found = re.search(rf"github.com/{name} v(\S+)", module)
    assert found is not None
    return found[1]


def test_the_python_versions_that_pages_name_are_those_of_the_project() -> None:
    """Newer ones may be installed; what the pages name is what was last looked at."""
    named = re.search(r"run with version (\d+\.\d+)\.\d+", pages()["python"])
    assert named is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"centrifuge-python>={named[1]}" in project["optional-dependencies"]["tests"]
    assert version("pyjwt").startswith("2.")


def test_the_transports_that_the_page_names_are_those_that_there_are() -> None:
    default = ServerSettings().transports
    assert set(_PATH.findall(prose("transports"))) == {*default, "init"}
    assert json.dumps(list(default)) in prose("transports")
