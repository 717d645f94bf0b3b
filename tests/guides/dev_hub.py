"""A hub as the guides have it started: `realtime serve --dev`, in a folder of its own.

Everything here blocks.
"""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.support.processes import HubProcess

_TIMEOUT_S: Final = 10.0
_SETTING: Final = re.compile(r"REALTIME_|(PORT|REDIS_URL|MONGODB_URI)$")


class DevHub(HubProcess):
    """Like HubProcess, with the settings of `--dev` in place of those for tests.

    `variables` are of the environment, for what a guide sets by them; in force at the next start.
    """

    def __init__(self, directory: Path, variables: Mapping[str, str] | None = None) -> None:
        super().__init__(directory)
        self.variables = dict(variables or {})

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def launch_command(self, *words: str) -> None:
        """See base."""
        with (self.directory / "hub.log").open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "realtime", *words, "--dev"],
                cwd=self.directory,
                env={
                    **{name: os.environ[name] for name in os.environ if not _SETTING.match(name)},
                    **self.variables,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def forget(self) -> None:
        """Throw the database away and keep the secrets: at its next start it knows no position."""
        for path in self.directory.glob("realtime-dev.db*"):
            if path.suffix not in (".secret", ".api_key"):
                path.unlink()

    def secret(self) -> str:
        """What tokens are signed with."""
        return (self.directory / "realtime-dev.db.secret").read_text().strip()

    def token(self, user: str) -> str:
        """What the route of `--dev` answers to a page."""
        request = urllib.request.Request(  # noqa: S310 - a hub of our own
            f"{self.url}/dev/token",
            data=json.dumps({"user": user}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            return str(json.load(response)["token"])

    def call(self, method: str, /, **parameters: Any) -> Any:
        """Call a method of the server API; the result."""
        key = (self.directory / "realtime-dev.db.api_key").read_text().strip()
        request = urllib.request.Request(  # noqa: S310 - a hub of our own
            f"{self.api_url}/{method}",
            data=json.dumps(parameters).encode(),
            headers={"X-API-Key": key, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            return json.load(response)["result"]
