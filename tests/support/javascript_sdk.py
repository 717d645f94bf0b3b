"""The published JavaScript SDK (npm `centrifuge`) under Node, on each of its transports.

`javascript/driver.mjs` is the driver, which `sdk_driver` describes.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, Self

from tests.support.kept import one_at_a_time
from tests.support.programs import absent, require
from tests.support.sdk import Payloads
from tests.support.sdk_driver import DrivenSdk, SdkDriver

_SOURCE: Final = Path(__file__).with_name("javascript")
_INSTALL_S: Final = 50
_HINT: Final = "install Node.js 18 or newer with npm"

Transport = Literal["websocket", "http_stream", "sse"]


@one_at_a_time
def install(cache: Path) -> list[str]:
    """Install the packages of `javascript/package-lock.json` beside a copy of the driver.

    Answers the command to start it. `cache` keeps them from run to run, one folder per content.
    Gives up on the test as `absent` does where Node, npm or the registry is missing. Blocks.
    """
    node = require("node", _HINT)
    npm = require("npm", _HINT)
    files = sorted(_SOURCE.iterdir())
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    directory = cache / f"javascript-{digest[:16]}"
    started_by = [node, str(directory / "driver.mjs")]
    installed = directory / "installed"
    if installed.exists():
        return started_by
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(_SOURCE, directory)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        subprocess.run(
            command, cwd=directory, check=True, capture_output=True, timeout=_INSTALL_S, text=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        told = str(error.stderr or error).strip()
        absent("npm could not install the JavaScript SDK", f"let npm reach its registry: {told}")
    installed.touch()
    return started_by


class JavaScriptSdk(DrivenSdk):
    """Made by `open`; `token` and `tokens` as for `PythonSdk`."""

    @classmethod
    async def open(
        cls,
        driver: SdkDriver,
        url: str,
        token: str = "",
        tokens: Sequence[str] = (),
        *,
        transport: Transport = "websocket",
        payloads: Payloads = Payloads.VALUES,
        emulation_at: str = "",
    ) -> Self:
        """Make a client in the driver that `install`'s command has started.

        `url` is the hub's for websockets, from which the other endpoints follow; `emulation_at` is
        another's, for requests beside the stream. Payloads other than VALUES are the SDK's with
        Protobuf.
        """
        client = cls(driver, payloads)
        await client.opened(
            url=url if transport == "websocket" else f"{_http(url)}/connection/{transport}",
            emulation=f"{_http(emulation_at or url)}/emulation",
            transport=transport,
            protobuf=payloads is not Payloads.VALUES,
            token=token,
            tokens=list(tokens),
        )
        return client


def _http(websocket_url: str) -> str:
    """The base of a hub's addresses for HTTP."""
    return websocket_url.replace("ws", "http", 1).removesuffix("/connection/websocket")
