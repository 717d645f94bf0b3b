"""`realtime serve --dev` as a new user starts it."""

import subprocess
import sys
from typing import Any, Final

import aiohttp

from tests.support.configuration import Sections, to_toml
from tests.support.processes import HubProcess

_CALL: Final = aiohttp.ClientTimeout(total=10.0)


class DevHub(HubProcess):
    """`realtime serve --dev`, with nothing configured but where the database is."""

    def configure(self, changes: Sections) -> None:
        """Write the settings anew; `changes` are all there is beside the store's address."""
        store = {"store": {"url": f"sqlite:///{self.directory / 'hub.db'}"}}
        self._settings.write_text(to_toml(store | dict(changes)))

    def launch(self) -> None:
        """See base."""
        arguments = [sys.executable, "-m", "realtime", "serve", "--dev"]
        arguments += ["--config", str(self._settings), "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    async def post(self, user: str, path: str, **params: Any) -> Any:
        """Call chat over HTTP, as an app of this user's that is not the page; its answer."""
        async with aiohttp.ClientSession(self.url, timeout=_CALL) as session:
            async with session.post("/dev/token", json={"user": user}) as response:
                token = (await response.json())["token"]
            headers = {"Authorization": f"Bearer {token}"}
            address = f"/api/v1/{path}"
            async with session.post(address, json=params, headers=headers) as response:
                response.raise_for_status()
                return await response.json()
