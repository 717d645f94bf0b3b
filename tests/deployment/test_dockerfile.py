"""The Dockerfile: right by what can be read, and by running its lines as far as that is possible.

No Docker engine is needed. The stage that builds runs in a folder: its COPY lines copy, its RUN
lines are run, with `/src`, `/wheels`, `/opt/realtime` and `/var/lib/realtime` being folders in it.
What it leaves in `/opt/realtime` is then run as the image's ENTRYPOINT, CMD and HEALTHCHECK say.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

import pytest

from tests.deployment import image
from tests.deployment.children import started
from tests.deployment.command import CONFIG, ROOT, Command
from tests.deployment.places import Places

_BUILT: Final = ("/src", "/wheels", "/opt/realtime", "/var/lib/realtime")
_BUILT_PATH: Final = re.compile(rf"(?<![\w.])({'|'.join(_BUILT)})(?![\w-])")
_BUILD_S: Final = 240.0
# Variables that pip needs here to find its registry.
_PASSED_ON: Final = ("PIP_INDEX_URL", "PIP_CONFIG_FILE", "SSL_CERT_FILE", "HOME")


def ignored() -> list[str]:
    """The lines of `.dockerignore` that say something."""
    text = (CONFIG / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def sources(instruction: image.Instruction) -> list[str]:
    """What a COPY copies from the repository."""
    return [] if "from" in instruction.flags else instruction.words[:-1]


class Build:
    """The folder that the first stage is run in."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.stage = image.stages()[0]

    def here(self, text: str) -> str:
        """Where the image's paths are here, and python and pip."""
        text = _BUILT_PATH.sub(lambda match: str(self.directory / match[1][1:]), text)
        return re.sub(r"^(python|pip) ", rf"{sys.executable} -m \1 ", text).replace(
            "-m python -m", "-m"
        )

    def run(self) -> None:
        """Copy and run, in the order of the file."""
        source = self.directory / "src"
        source.mkdir(parents=True)
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment["PATH"] = os.environ["PATH"]
        for instruction in self.stage.instructions:
            if instruction.word == "COPY":
                self._copy(instruction, source)
            elif instruction.word == "RUN":
                done = subprocess.run(
                    ["sh", "-euc", self.here(instruction.text)],
                    cwd=source,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=_BUILD_S,
                )
                assert done.returncode == 0, f"{instruction.text}\n{done.stdout}{done.stderr}"

    def _copy(self, instruction: image.Instruction, source: Path) -> None:
        *names, target = instruction.words
        for name in names:
            if (ROOT / name).is_dir():
                shutil.copytree(
                    ROOT / name, source / target, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                shutil.copy(ROOT / name, source / target)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the first stage was run."""
    directory = tmp_path_factory.mktemp("build")
    Build(directory).run()
    return directory


def test_a_base_is_a_certain_one() -> None:
    for stage in image.stages():
        assert re.fullmatch(r"python:3\.1[1-9]-slim", stage.base)


def test_the_image_is_not_root_and_says_how_it_is_stopped_and_asked() -> None:
    last = image.stages()[-1]
    user, group = last.one("USER").text.split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert last.one("STOPSIGNAL").text == "SIGTERM"
    assert image.health_check() == ["realtime", "health"]
    assert last.one("ENTRYPOINT").words == ["realtime"]
    assert last.one("CMD").words == ["serve"]


def test_the_image_has_what_the_first_stage_made_and_no_way_to_make_it() -> None:
    first, last = image.stages()
    assert last.all("RUN") == []
    assert all("--without-pip" in run.text for run in first.all("RUN") if "venv" in run.text)
    made = [copy for copy in last.all("COPY") if "from" in copy.flags]
    assert {copy.flags["from"] for copy in made} == {first.name}
    owner = last.one("USER").text
    for copy in made:
        writable = copy.words[-1] == str(last.directory)
        assert copy.flags.get("chown") == (owner if writable else None)


def test_everything_that_is_copied_is_there_and_sent_to_the_builder() -> None:
    taken = {line.removeprefix("!") for line in ignored() if line.startswith("!")}
    assert ignored()[0] == "*"
    copied = {
        name for stage in image.stages() for copy in stage.all("COPY") for name in sources(copy)
    }
    assert copied == taken
    assert all((ROOT / name).exists() for name in copied)


def test_the_settings_file_of_the_image_is_where_it_is_looked_for() -> None:
    last = image.stages()[-1]
    (settings,) = [copy for copy in last.all("COPY") if sources(copy)]
    assert settings.words == ["config/production.toml", last.environment["REALTIME_CONFIG"]]


def test_ports_are_those_that_it_listens_on() -> None:
    last = image.stages()[-1]
    internal = last.environment["REALTIME_SERVER__INTERNAL_PORT"]
    assert last.one("EXPOSE").words == ["8000", internal]
    # So that the health check asks a worker as it asks a hub.
    assert last.environment["REALTIME_PUSH__METRICS_PORT"] == internal


@pytest.mark.timeout(300)
def test_what_the_first_stage_makes_is_a_hub_without_pip(built: Path) -> None:
    program = built / "opt/realtime/bin"
    version = subprocess.run(
        [str(program / "realtime"), "--version"], capture_output=True, text=True, timeout=20
    )
    assert version.stdout.startswith("realtime "), version.stderr
    assert not (program / "pip").exists()
    assert (built / "var/lib/realtime").is_dir()
    modules = list(built.rglob("site-packages/realtime/server/pages/*"))
    assert modules, "the wheel lacks the files beside the code"


@pytest.fixture
def hub(built: Path, tmp_path: Path) -> Iterator[tuple[Places, Command]]:
    """Places for a container of the image by itself, and what it runs by default."""
    places = Places(tmp_path)
    production = (CONFIG / "production.toml").read_text(encoding="utf-8")
    places.write("/etc/realtime/realtime.toml", production)
    secrets = {
        "REALTIME_AUTH__HMAC_SECRET": "a-secret-of-thirty-two-bytes-or-more",
        "REALTIME_API__KEYS": "one",
    }
    yield places, image.container("Dockerfile", "hub", None, secrets)


@pytest.mark.timeout(300)
def test_a_container_by_itself_becomes_well_and_ends_in_good_order(
    built: Path, hub: tuple[Places, Command]
) -> None:
    places, command = hub
    directory = built / PurePosixPath(image.stages()[-1].directory).relative_to("/")

    def placed(command: Command) -> tuple[list[str], dict[str, str]]:
        argv, environment = places.command(command)
        # The image's own program, not the checkout's.
        environment["PATH"] = f"{built / 'opt/realtime/bin'}:{os.environ['PATH']}"
        return argv, environment

    with started(directory) as children:
        child = children.start("hub", *placed(command))
        check = placed(command.instead(*image.health_check()))
        child.until(lambda: children.run(*check).returncode == 0, "well")
        assert child.terminate() == 0, child.log
    assert (directory / "realtime.db").exists()
