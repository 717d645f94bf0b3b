"""A command as a deployment file has it: what is run, in which environment, as which host."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
CONFIG: Final = ROOT / "config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`host` is the name under which other commands of the same file reach this one."""

    where: str
    host: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]

    def __str__(self) -> str:
        return self.where

    def instead(self, *argv: str) -> "Command":
        """The same place with another command, as a health check or a hook is."""
        return Command(where=self.where, host=self.host, argv=argv, environment=self.environment)
