"""Windows of headless Chromium on the hub's page, driven by `windows.mjs` under Node.

An installed Chromium is used, and `playwright-core` from npm to talk to it. What is missing gives
up on the test as `tests.support.programs.absent` says.
"""

import asyncio
import hashlib
import json
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.end_to_end.browser.window import Call, Scheme, Window, WindowError
from tests.support.kept import one_at_a_time
from tests.support.programs import absent, require

_SOURCE: Final = Path(__file__).parent
_FILES: Final = ("package.json", "package-lock.json", "windows.mjs")
_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_INSTALL_S: Final = 60.0
_CALL_S: Final = 30.0


class Browser:
    """Made by `open_browser`; for one call at a time."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    async def call(self, call: Call) -> object:
        """Have the driver do something, within a bounded time."""
        answer = await asyncio.to_thread(self._exchange, json.dumps(call).encode() + b"\n")
        if not answer:
            raise WindowError(f"{call}: the browser has ended, or does not answer")
        document = json.loads(answer)
        if "error" in document:
            raise WindowError(f"{call}: {document['error']}")
        result: object = document["result"]
        return result

    def _exchange(self, line: bytes) -> bytes:
        """Write a line and read one; there are no others. Blocks."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], _CALL_S)
        return self._process.stdout.readline() if ready else b""


class Windows:
    """Windows of one test, and the profiles of their users."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._opened = 0

    async def open(
        self, url: str, user: str, width: int = 1280, height: int = 800, scheme: Scheme = "light"
    ) -> Window:
        """Open the page and sign in, in the user's profile: size and scheme are the first's."""
        self._opened += 1
        window = Window(f"{user}/{self._opened}", user, self._browser.call)
        await window.open(url, width, height, scheme)
        return window

    async def close(self) -> None:
        """Close all windows and forget all profiles."""
        await self._browser.call({"call": "forget"})


@contextmanager
def open_browser(driver: Path) -> Iterator[Browser]:
    """Start a browser; `driver` is from `install`. It is gone when the context is left. Blocks."""
    browser = next((name for name in _BROWSERS if shutil.which(name)), _BROWSERS[0])
    arguments = [
        require("node", "install Node.js 20 or newer"),
        str(driver),
        require(browser, "install the package chromium of your system"),
    ]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        try:
            yield Browser(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(_CALL_S)
            except subprocess.TimeoutExpired:
                process.kill()


@one_at_a_time
def install(cache: Path) -> Path:
    """Install `playwright-core` as `package-lock.json` pins it, beside a copy of the driver.

    Answers the driver's path. `cache` keeps both from run to run, one folder per content. Blocks.
    """
    npm = require("npm", "install Node.js 20 or newer with npm")
    digest = hashlib.sha256(b"".join((_SOURCE / name).read_bytes() for name in _FILES)).hexdigest()
    directory = cache / f"browser-{digest[:16]}"
    installed = directory / "installed"
    if not installed.exists():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for name in _FILES:
            shutil.copy(_SOURCE / name, directory)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            subprocess.run(
                command,
                cwd=directory,
                check=True,
                capture_output=True,
                timeout=_INSTALL_S,
                text=True,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            told = str(error.stderr or error).strip()
            absent("npm could not install playwright-core", f"let npm reach its registry: {told}")
        installed.touch()
    return directory / "windows.mjs"
