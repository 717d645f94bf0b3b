"""Results in files: what a run leaves in a folder, and results that are read again."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from load.measured import Result, decode_result, encode
from load.report import html, junit
from load.scenarios.base import Subject

RESULT_BYTES_MAX: Final = 512 * 1024 * 1024
"""A larger file is no result: an hour of all scenarios with every histogram is some 20 MB."""


class UnreadableResult(Exception):
    """There is no result in this file; has its path and what is wrong."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


def read(path: Path) -> Result:
    """A result that `write` wrote. Blocks. Raises UnreadableResult."""
    try:
        if path.stat().st_size > RESULT_BYTES_MAX:
            raise UnreadableResult(path, f"more than {RESULT_BYTES_MAX:,} bytes")
        return decode_result(path.read_bytes())
    except OSError as error:
        raise UnreadableResult(path, error.strerror or type(error).__name__) from error
    except (msgspec.DecodeError, ValueError) as error:
        raise UnreadableResult(path, f"not a result of a load run: {error}") from error


def prepare(folder: Path) -> None:
    """Make the folder, if need be, and see that files can be written there: what is found out only
    after an hour of load has lost it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def write(result: Result, folder: Path, subject: Subject | None = None) -> list[Path]:
    """Write `result.json`, `report.html` and `junit.xml` into a folder, which is made if need be.

    Files of those names are replaced. Blocks. Raises OSError.
    """
    contents: Mapping[str, bytes] = {
        "result.json": encode(result),
        "report.html": html.report(result, subject).encode(),
        "junit.xml": junit.junit(result).encode(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in contents.items():
        paths.append(folder / name)
        paths[-1].write_bytes(content)
    return paths
