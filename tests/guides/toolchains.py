"""What the guides' programs are built with: npm, Go, Maven and PHP, and what they fetch.

Everything is kept from run to run: npm's packages and Maven's classes in pytest's cache, modules
where Go and Maven keep them. Where a tool or its registry is missing, the test is given up on as
`absent` does. Everything here blocks.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.support.programs import absent, require

_HERE: Final = Path(__file__).parent
_FETCH_S: Final = 55.0
_NODE: Final = "install Node.js 18 or newer with npm"
_GO: Final = "install Go 1.21 or newer"


def node_modules(cache: Path) -> Path:
    """The folder `node_modules` with what `javascript/package-lock.json` names."""
    require("node", _NODE)
    npm = require("npm", _NODE)
    folder = _kept(cache, "javascript")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    _once(folder, command, "let npm reach its registry")
    return folder / "node_modules"


def go_build(source: Path) -> Path:
    """Build a program of one file with the modules of `go/go.mod`; the binary."""
    go = require("go", _GO)
    for file in (_HERE / "go").iterdir():
        shutil.copy(file, source.parent)
    binary = source.with_suffix("")
    command = [go, "build", "-o", str(binary), str(source)]
    _run(command, source.parent, "let Go reach its module proxy")
    return binary


def _kept(cache: Path, name: str) -> Path:
    """A copy of a folder beside this file that stays, one for each content."""
    source = _HERE / name
    digest = hashlib.sha256(
        b"".join(file.read_bytes() for file in sorted(source.rglob("*")) if file.is_file())
    )
    folder = cache / f"{name}-{digest.hexdigest()[:16]}"
    if not folder.exists():
        shutil.copytree(source, folder)
    return folder


def _once(folder: Path, command: Sequence[str], hint: str) -> None:
    """Run a command there unless it has succeeded before."""
    done = folder / "done"
    if not done.exists():
        _run(command, folder, hint)
        done.touch()


def _run(command: Sequence[str], folder: Path, hint: str) -> None:
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, timeout=_FETCH_S, text=True
        )
    except subprocess.CalledProcessError as error:
        told = f"{error.stdout}{error.stderr}".strip()
        absent(f"{' '.join(command[:2])} failed", f"{hint}: {told[-3000:]}")
    except subprocess.TimeoutExpired as error:
        absent(f"{' '.join(command[:2])} took too long", f"{hint}: {error}")
