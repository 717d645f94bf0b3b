"""HTTP by curl, which knows nothing of ours and hides nothing."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.support.programs import require

BROKEN_OFF: Final = 18
"""Exit code of curl: the answer ended before it was complete."""

_TIMEOUT_S: Final = 60
_CHUNK_BYTES: Final = 65_536


@dataclass(frozen=True)
class Answered:
    """What came back. `exit` is curl's: 0 where the answer was complete."""

    exit: int
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        """The media type, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0]


async def curl(
    url: str,
    *,
    method: str = "GET",
    token: str = "",
    data: Any = None,
    headers: Mapping[str, str] | None = None,
    begun: asyncio.Event | None = None,
) -> Answered:
    """Make a request. `data` is sent as JSON, or as it is where it is bytes.

    `begun` is set when the answer begins to come in.
    """
    command = [require("curl", "apt install curl"), "-sSiN", "--http1.1", "--path-as-is"]
    command += ["--max-time", str(_TIMEOUT_S), "-X", method]
    told = dict(headers or {})
    if token:
        told["Authorization"] = f"Bearer {token}"
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    if data is not None:
        told.setdefault("Content-Type", "application/json")
        told["Expect"] = ""
        command += ["--data-binary", "@-"]
    for name, value in told.items():
        command += ["-H", f"{name}: {value}" if value else f"{name}:"]
    process = await asyncio.create_subprocess_exec(
        *command,
        url,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_TIMEOUT_S + 5):
            assert process.stdout is not None
            assert process.stdin is not None
            if data is not None:
                process.stdin.write(body)
            process.stdin.close()
            out = await process.stdout.read(_CHUNK_BYTES)
            if begun is not None:
                begun.set()
            out += await process.stdout.read()
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    head, _, rest = out.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split(" ")[1]) if lines[0] else 0
    pairs = (line.partition(":") for line in lines[1:])
    found = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Answered(process.returncode, status, found, rest)
