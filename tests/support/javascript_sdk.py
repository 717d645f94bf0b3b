"""The published JavaScript SDK (npm `centrifuge`) under Node, one process per client.

`javascript/driver.mjs` translates: calls come as JSON lines on its stdin, results and events leave
as JSON lines on its stdout.
"""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Self

from tests.support.programs import absent, require
from tests.support.sdk import Event, History, Person, SdkClient, SdkError, SubscribeOptions

_SOURCE: Final = Path(__file__).with_name("javascript")
_INSTALL_S: Final = 50
_CALL_S: Final = 10.0
_LINE_MAX: Final = 16 * 1024 * 1024
_HINT: Final = "install Node.js 18 or newer with npm"


def install(cache: Path) -> Path:
    """Install the packages of `javascript/package-lock.json` beside a copy of the driver.

    Answers the driver's path. `cache` keeps them from run to run, one folder per content. Gives up
    on the test as `absent` does where Node, npm or the registry is missing. Blocks.
    """
    require("node", _HINT)
    npm = require("npm", _HINT)
    files = sorted(_SOURCE.iterdir())
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    directory = cache / f"javascript-{digest[:16]}"
    driver = directory / "driver.mjs"
    installed = directory / "installed"
    if installed.exists():
        return driver
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
    return driver


class JavaScriptSdk(SdkClient):
    """Made by `open`; `token` and `tokens` as for `PythonSdk`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        super().__init__()
        self._process = process
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._last_id = 0
        # `close` waits for it, and a call fails when it ends.
        self._reader = asyncio.get_running_loop().create_task(self._read())

    @classmethod
    async def open(
        cls,
        driver: Path,
        url: str,
        token: str = "",
        tokens: Sequence[str] = (),
        certificate: Path | None = None,
    ) -> Self:
        """Start Node and make a client in it; `certificate` is one more to trust."""
        process = await asyncio.create_subprocess_exec(
            require("node", _HINT),
            str(driver),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_MAX,
            env=os.environ | ({"NODE_EXTRA_CA_CERTS": str(certificate)} if certificate else {}),
        )
        client = cls(process)
        await client._call("open", url=url, token=token, tokens=list(tokens))
        return client

    async def connect(self) -> None:
        """See base."""
        await self._call("connect")

    async def disconnect(self) -> None:
        """See base."""
        await self._call("disconnect")

    async def subscribe(self, channel: str, options: SubscribeOptions) -> None:
        """See base."""
        await self._call("subscribe", channel=channel, options=asdict(options))

    async def unsubscribe(self, channel: str) -> None:
        """See base."""
        await self._call("unsubscribe", channel=channel)

    async def publish(self, channel: str, data: Any) -> None:
        """See base."""
        await self._call("publish", channel=channel, data=data)

    async def presence(self, channel: str) -> dict[str, Person]:
        """See base."""
        clients = await self._call("presence", channel=channel)
        return {client: Person(**person) for client, person in clients.items()}

    async def presence_stats(self, channel: str) -> tuple[int, int]:
        """See base."""
        clients, users = await self._call("presence_stats", channel=channel)
        return clients, users

    async def history(
        self,
        channel: str,
        *,
        limit: int = 0,
        since: tuple[int, str] | None = None,
        reverse: bool = False,
    ) -> History:
        """See base."""
        position = {"offset": since[0], "epoch": since[1]} if since else None
        result = await self._call(
            "history", channel=channel, limit=limit, since=position, reverse=reverse
        )
        entries = [(offset, data) for offset, data in result["entries"]]
        return History(entries, result["offset"], result["epoch"])

    async def rpc(self, method: str, data: Any) -> Any:
        """See base."""
        return await self._call("rpc", method=method, data=data)

    async def close(self) -> None:
        """See base."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(_CALL_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reader

    async def _call(self, call: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        self._last_id += 1
        number = self._last_id
        self._calls[number] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": number, "call": call, **arguments})
        self._process.stdin.write(line.encode() + b"\n")
        async with asyncio.timeout(_CALL_S):
            await self._process.stdin.drain()
            return await self._calls[number]

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            document = json.loads(line)
            if "event" in document:
                fields = document["fields"]
                self.journal.record(Event(document["event"], document["channel"], fields))
                continue
            answer = self._calls.pop(document["id"])
            if answer.done():
                # The caller gave up on it.
                continue
            if "error" in document:
                answer.set_exception(SdkError(**document["error"]))
            else:
                answer.set_result(document.get("result"))
        for answer in self._calls.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the driver has ended"))
