"""What the guides' programs are built with: npm, Go, Maven and PHP, and what they fetch.

Everything is kept from run to run: npm's packages and Maven's classes in pytest's cache, modules
where Go and Maven keep them. Where a tool or its registry is missing, the test is given up on as
`absent` does. Everything here blocks.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.guides.pages import ADDRESS, file
from tests.support.kept import one_at_a_time
from tests.support.programs import absent, require

_HERE: Final = Path(__file__).parent
_FETCH_S: Final = 120.0
_DONE: Final = "done"
_NODE: Final = "install Node.js 18 or newer with npm"
_GO: Final = "install Go 1.21 or newer"
_JAVA: Final = "install a JDK 17 or newer and Maven"

HUB_PROPERTY: Final = "hub"
"""Java's system property with the address of the hub: compiling for each would take too long."""

CHANNEL_PROPERTY: Final = "channel"
"""The same for the channel, which is the pages' one otherwise."""


@one_at_a_time
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
    for module_file in (_HERE / "go").iterdir():
        shutil.copy(module_file, source.parent)
    binary = source.with_suffix("")
    command = [go, "build", "-o", str(binary), str(source)]
    _run(command, source.parent, "let Go reach its module proxy")
    return binary


@one_at_a_time
def kotlin_classes(cache: Path) -> list[str]:
    """Compile the Kotlin programs of the guides at once; the command to run one, but for its name.

    The one that connects takes the hub's address from the property HUB_PROPERTY, and its channel
    from CHANNEL_PROPERTY.
    """
    java = require("java", _JAVA)
    maven = require("mvn", _JAVA)
    app = file("kotlin", "App.kt")
    sources = {
        "src/App.kt": app.replace(
            f'const val HUB = "{ADDRESS}"',
            f'val HUB: String = System.getProperty("{HUB_PROPERTY}")',
        ).replace('"room:lobby"', f'System.getProperty("{CHANNEL_PROPERTY}")'),
        "src/Mint.kt": file("tokens", "Mint.kt"),
    }
    folder = _kept(cache, "kotlin", sources)
    command = [maven, "--batch-mode", "--quiet", "compile"]
    _once(folder, command, "let Maven reach its repository")
    target = folder / "target"
    return [java, "-cp", f"{target / 'classes'}:{target / 'dependency' / '*'}"]


def _kept(cache: Path, name: str, texts: Mapping[str, str] | None = None) -> Path:
    """A copy of a folder beside this file, and further files in it; it stays, one a content."""
    texts = texts or {}
    source = _HERE / name
    digest = hashlib.sha256(repr(sorted(texts.items())).encode())
    for path in sorted(source.iterdir()):
        digest.update(path.read_bytes())
    folder = cache / f"{name}-{digest.hexdigest()[:16]}"
    if not (folder / _DONE).exists():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder)
        for name, text in texts.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
    return folder


def _once(folder: Path, command: Sequence[str], hint: str) -> None:
    """Run a command there unless it has succeeded before."""
    done = folder / _DONE
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
