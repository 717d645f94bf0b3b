"""`config/Dockerfile`, read: its stages, and what containers of it run with what environment.

It reads what our file uses, not all that there is: no heredocs, no build arguments.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from tests.deployment.command import CONFIG, Command

DOCKERFILE: Final = CONFIG / "Dockerfile"
_CONTINUED: Final = re.compile(r"\\\n\s*")
_STAGE: Final = re.compile(r"(?P<base>\S+)( AS (?P<name>\S+))?")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: `word` in capitals, `flags` by name, and what follows."""

    word: str
    flags: Mapping[str, str]
    text: str

    @property
    def words(self) -> list[str]:
        """What follows, as words or as its JSON list."""
        return exec_form(self.text) if self.text.startswith("[") else shlex.split(self.text)


@dataclass(slots=True)
class Stage:
    """One `FROM`, and what follows it."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, word: str) -> list[Instruction]:
        """Every instruction of that word, in order."""
        return [found for found in self.instructions if found.word == word]

    def one(self, word: str) -> Instruction:
        """The only instruction of that word."""
        (found,) = self.all(word)
        return found

    @property
    def environment(self) -> dict[str, str]:
        """What `ENV` sets; `$PATH` is left as it is."""
        return dict(
            word.split("=", 1) for instruction in self.all("ENV") for word in instruction.words
        )

    @property
    def directory(self) -> PurePosixPath:
        """The last `WORKDIR`."""
        return PurePosixPath(self.all("WORKDIR")[-1].text)


def exec_form(text: str) -> list[str]:
    """Read a command that is written as a JSON list."""
    words: list[str] = json.loads(text)
    assert all(isinstance(word, str) for word in words), text
    return words


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in _CONTINUED.sub(" ", "\n".join(lines)).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            flags = {}
            while flag := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
                flags[flag[1]] = flag[2]
                rest = rest[flag.end() :]
            yield Instruction(word.upper(), flags, rest.strip())


def stages() -> list[Stage]:
    """The stages of the file, the image last."""
    found: list[Stage] = []
    for instruction in _instructions(DOCKERFILE.read_text(encoding="utf-8")):
        if instruction.word == "FROM":
            match = _STAGE.fullmatch(instruction.text)
            assert match is not None, instruction.text
            found.append(Stage(match["base"], match["name"] or ""))
        else:
            found[-1].instructions.append(instruction)
    return found


def container(
    where: str, host: str, arguments: list[str] | None, environment: Mapping[str, str]
) -> Command:
    """What a container of the image runs, with the image's own arguments if None are given."""
    image = stages()[-1]
    entry = image.one("ENTRYPOINT").words
    arguments = image.one("CMD").words if arguments is None else arguments
    return Command(
        where=where,
        host=host,
        argv=(*entry, *arguments),
        environment=image.environment | dict(environment),
    )


def health_check() -> list[str]:
    """The command of `HEALTHCHECK`."""
    return exec_form(stages()[-1].one("HEALTHCHECK").text.removeprefix("CMD "))
