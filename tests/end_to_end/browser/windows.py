"""Windows of headless Chromium on the hub's page, driven by `windows.mjs` under Node.

An installed Chromium is used, and `playwright-core` from npm to talk to it. What is missing gives
up on the test as `tests.support.programs.absent` says.
"""

import asyncio
import hashlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from tests.support.kept import one_at_a_time
from tests.support.programs import absent, require

Scheme = Literal["light", "dark"]

_SOURCE: Final = Path(__file__).parent
_FILES: Final = ("package.json", "package-lock.json", "windows.mjs")
_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_INSTALL_S: Final = 60.0
_CALL_S: Final = 30.0
_LINE_MAX: Final = 4 * 1024 * 1024


class WindowError(Exception):
    """What was asked of a window did not happen in time, or its page is not as expected."""


@dataclass(frozen=True)
class Seen:
    """What a window has met beside its page, since it was opened."""

    addresses: list[str]
    """Of everything it asked for, websockets included."""
    complaints: list[str]
    """Errors and warnings of scripts and of the browser, such as a breach of the content policy."""
    offsets: list[int]
    """Of every publication that the hub sent, live and recovered, in order; history is left out."""


class Windows:
    """Made by `open_windows`; a window is called by its user. Each call is bounded in time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def open(
        self, url: str, user: str, width: int = 1280, height: int = 800, scheme: Scheme = "light"
    ) -> str:
        """Open the page in a profile of its own and sign in; answers the page's content policy."""
        size = {"width": width, "height": height, "scheme": scheme}
        policy: str = await self._call("open", user, url=url, **size)
        return policy

    async def reload(self, user: str) -> None:
        """Load the page anew; the user stays signed in."""
        await self._call("reload", user)

    async def close(self, user: str) -> None:
        """Close the window, as a user does."""
        await self._call("close", user)

    async def say(self, user: str, *texts: str) -> None:
        """Write messages and send each with Enter."""
        for text in texts:
            await self._call("say", user, text=text)

    async def publish(self, user: str, data: dict[str, str | int]) -> None:
        """Publish to the lobby as `user`, over a connection that the page knows nothing of."""
        await self._call("publish", user, data=data)

    async def type(self, user: str, text: str) -> None:
        """Write without sending."""
        await self._call("type", user, text=text)

    async def connection(self, user: str, state: str) -> None:
        """Wait until the page shows its connection as "connected", "waiting", …"""
        await self._call("connection", user, state=state)

    async def messages(self, user: str, count: int) -> list[tuple[str, str]]:
        """Wait for so many messages of the log; (author, text) of all on screen, top to bottom."""
        await self._call("settled", user, state="stored", count=count)
        return [(author, text) for author, text in await self._call("messages", user)]

    async def queued(self, user: str, count: int) -> None:
        """Wait until so many messages are shown as not sent yet."""
        await self._call("settled", user, state="queued", count=count)

    async def people(self, user: str, count: int) -> list[str]:
        """Wait until so many users are shown as here; their names."""
        names: list[str] = await self._call("people", user, count=count)
        return names

    async def activity(self, user: str, text: str) -> None:
        """Wait until the line above the field says `text`."""
        await self._call("activity", user, text=text)

    async def seen(self, user: str) -> Seen:
        """What the window has met so far."""
        return Seen(**await self._call("seen", user))

    async def overflow(self, user: str) -> int:
        """Pixels by which anything of the room is out of the window; 0 where all fits."""
        pixels: int = await self._call("overflow", user)
        return pixels

    async def screenshot(self, user: str, path: Path) -> None:
        """Write what the window shows, as PNG."""
        await self._call("screenshot", user, path=str(path))

    async def _call(self, call: str, user: str, **details: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps({"call": call, "user": user, **details})
        self._process.stdin.write(line.encode() + b"\n")
        async with asyncio.timeout(_CALL_S):
            answer = await self._process.stdout.readline()
        if not answer:
            raise WindowError(f"{call}: the browser has ended")
        document = json.loads(answer)
        if "error" in document:
            raise WindowError(f"{call} in the window of {user}: {document['error']}")
        return document["result"]


@asynccontextmanager
async def open_windows(driver: Path) -> AsyncIterator[Windows]:
    """Start a browser; `driver` is from `install`. It is gone when the context is left."""
    browser = next((name for name in _BROWSERS if shutil.which(name)), _BROWSERS[0])
    process = await asyncio.create_subprocess_exec(
        require("node", "install Node.js 20 or newer"),
        str(driver),
        require(browser, "install the package chromium of your system"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_MAX,
    )
    assert process.stdin is not None
    try:
        yield Windows(process)
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(_CALL_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


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
