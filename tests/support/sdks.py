"""Every published SDK that the tests drive, on each transport and with each format, by name."""

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.support import java_sdk, javascript_sdk
from tests.support.java_sdk import JavaSdk
from tests.support.javascript_sdk import JavaScriptSdk, Transport
from tests.support.python_sdk import PythonSdk
from tests.support.sdk import Payloads, SdkClient
from tests.support.sdk_driver import SdkDriver, open_driver

Language = Literal["python", "javascript", "java"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One SDK in one of its ways."""

    language: Language
    transport: Transport = "websocket"
    protobuf: bool = False

    @property
    def is_emulated(self) -> bool:
        """Whether what the client says comes in requests of its own, beside its stream."""
        return self.transport != "websocket"


KINDS: Final[Mapping[str, Kind]] = {
    "python": Kind("python"),
    "python-protobuf": Kind("python", protobuf=True),
    "javascript": Kind("javascript"),
    "javascript-protobuf": Kind("javascript", protobuf=True),
    "javascript-sse": Kind("javascript", "sse"),
    "javascript-http_stream": Kind("javascript", "http_stream"),
    "javascript-http_stream-protobuf": Kind("javascript", "http_stream", protobuf=True),
    "java": Kind("java", protobuf=True),
}


def all_but(*names: str) -> list[str]:
    """The names of the others."""
    assert set(names) <= set(KINDS)
    return [name for name in KINDS if name not in names]


def installed(names: Sequence[str]) -> list[str]:
    """Those of the names whose language this machine has, for tests that take any mixture of SDKs.

    In CI that is all of them: one that is missing fails whoever opens it. Elsewhere those that are
    left out are in `LEFT_OUT`, and said at the end of the run.
    """
    there = [
        name
        for name in names
        if os.environ.get("CI") or all(map(shutil.which, _PROGRAMS[KINDS[name].language]))
    ]
    LEFT_OUT.update(set(names) - set(there))
    return there


LEFT_OUT: Final[set[str]] = set()
"""SDKs that mixtures were without."""


_PROGRAMS: Final[Mapping[Language, Sequence[str]]] = {
    "python": (),
    "javascript": ("node", "npm"),
    "java": ("java", "mvn"),
}

_COMMANDS: Final[Mapping[Language, Callable[[Path], list[str]]]] = {
    "javascript": javascript_sdk.install,
    "java": java_sdk.build,
}


class Sdks:
    """Makes clients, and the driver of each language once it is needed.

    `cache` keeps what drivers are built of, from run to run. `end` comes last, after every client
    was closed.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._drivers: dict[tuple[Language, Path | None], SdkDriver] = {}
        self._stack = contextlib.ExitStack()

    def __repr__(self) -> str:
        return f"<Sdks {list(self._drivers.values())}>"

    async def open(
        self,
        name: str,
        url: str,
        token: str = "",
        tokens: Sequence[str] = (),
        certificate: Path | None = None,
        *,
        raw: bool = False,
        emulation_at: str = "",
    ) -> SdkClient:
        """A client of the hub whose address for websockets is `url`, not connected yet.

        `name` is one of KINDS. With `raw`, payloads are bytes, which takes Protobuf; otherwise
        values that are JSON. `certificate` is the one to trust, but for Java. `emulation_at` is the
        address for websockets of another hub, that is sent what does not go through the stream.
        Blocks until a driver is built that was not; where a program is missing gives up on the test
        as `absent` does.
        """
        kind = KINDS[name]
        assert kind.protobuf or not raw, f"{name} has no bytes"
        payloads = Payloads.VALUES
        if kind.protobuf:
            payloads = Payloads.BYTES if raw else Payloads.JSON
        if kind.language == "python":
            return PythonSdk(url, token, tokens, certificate, payloads)
        driver = self.driver(kind.language, certificate)
        if kind.language == "java":
            return await JavaSdk.open(driver, url, token, tokens, payloads)
        return await JavaScriptSdk.open(
            driver,
            url,
            token,
            tokens,
            transport=kind.transport,
            payloads=payloads,
            emulation_at=emulation_at,
        )

    def driver(self, language: Language, certificate: Path | None = None) -> SdkDriver:
        """The driver of a language; where a certificate is to be trusted, one of its own."""
        key = language, certificate
        if key not in self._drivers:
            environment = {"NODE_EXTRA_CA_CERTS": str(certificate)} if certificate else {}
            driver = open_driver(_COMMANDS[language](self._cache), environment)
            self._drivers[key] = self._stack.enter_context(driver)
        return self._drivers[key]

    def end(self) -> None:
        """End the drivers. Blocks."""
        self._stack.close()
