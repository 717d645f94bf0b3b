"""Somebody else in a guide's play, over HTTP. Everything here blocks."""

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from tests.guides.dev_hub import DevHub

_TIMEOUT_S: Final = 10.0
_UNTIL_S: Final = 15.0
_POLL_S: Final = 0.05


class Person:
    """A user with a token of their own, who calls operations by their paths."""

    def __init__(self, hub: DevHub, user: str) -> None:
        self._hub = hub
        self.user = user
        self._token = hub.token(user)
        self._calls = 0

    def call(self, method: str, path: str, **body: Any) -> Any:
        """Make a call; the result. A write gets a new `client_id`, unless it has one."""
        if method != "GET":
            self._calls += 1
            body = {"client_id": f"{self.user}-{self._calls}"} | body
        return self.ask(method, path, body)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The same of an operation whose writes have no `client_id`."""
        request = urllib.request.Request(  # noqa: S310 - a hub of our own
            f"{self._hub.url}/api/v1{quote(path, safe='/:?=&,')}",
            data=json.dumps(body).encode() if body else None,
            headers={"Authorization": f"Bearer {self._token}"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            return json.load(response)

    def read(self, path: str) -> str:
        """What is streamed."""
        request = urllib.request.Request(  # noqa: S310 - a hub of our own
            f"{self._hub.url}/api/v1{path}", headers={"Authorization": f"Bearer {self._token}"}
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            return str(response.read().decode())

    def wait_until(self, holds: Callable[[], bool], within_s: float = _UNTIL_S) -> None:
        """Wait until what is asked by calls is so."""
        deadline = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(_POLL_S)
