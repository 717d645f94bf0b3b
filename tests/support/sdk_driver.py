"""A program that hosts clients of a published SDK in another language, and its clients.

One process serves a whole test run, for starting it is what costs: Node 0.2 s, a JVM a second.
Calls go to it as JSON lines, {id, client, call, ...arguments}; results come back as {client, id,
result}, {client, id, error: {code, message}} or, for a mistake in the driver, {client, id,
failure}; and what an SDK tells its application as {client, event, channel, fields}. Payloads that
are bytes in the SDK are Base64 in these lines, and null where they are empty.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from tests.support.sdk import (
    Event,
    History,
    Payloads,
    Person,
    SdkClient,
    SdkError,
    SubscribeOptions,
)

_CALL_S: Final = 10.0
_END_S: Final = 5.0

Document = dict[str, Any]
Heard = Callable[[Document | None], None]


class SdkDriver:
    """The process; `open_driver` starts and ends it. Its clients may live in different loops."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        self._numbers = itertools.count(1)
        self._heard: dict[int, Heard] = {}
        self._ended = False
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._reader = threading.Thread(target=self._read, name="sdk-driver", daemon=True)
        self._reader.start()

    def __repr__(self) -> str:
        return f"<SdkDriver pid={self._process.pid} of {len(self._heard)} clients>"

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def attach(self, heard: Heard) -> int:
        """A number for a new client; `heard` is called in another thread with each of its lines,
        and with None when the process has ended."""
        with self._reading:
            if self._ended:
                raise ConnectionError("the driver has ended")
            number = next(self._numbers)
            self._heard[number] = heard
        return number

    def detach(self, number: int) -> None:
        """Hear nothing more of a client, from now on. Idempotent."""
        with self._reading:
            self._heard.pop(number, None)

    def tell(self, document: Document) -> None:
        """Write one line; blocks for as long as the process takes nothing in."""
        assert self._process.stdin is not None
        with self._writing:
            self._process.stdin.write(json.dumps(document).encode() + b"\n")
            self._process.stdin.flush()

    def end(self) -> None:
        """Let the process end by itself, or else kill it. Blocks."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            document = json.loads(line)
            with self._reading:
                if heard := self._heard.get(document["client"]):
                    heard(document)
        with self._reading:
            self._ended = True
            for heard in self._heard.values():
                heard(None)


@contextlib.contextmanager
def open_driver(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> Iterator[SdkDriver]:
    """A driver for as long as the block lasts; `environment` goes on top of the test's own."""
    driver = SdkDriver(command, environment or {})
    try:
        yield driver
    finally:
        driver.end()


class DrivenSdk(SdkClient):
    """One client in a driver. `opened` comes before anything else."""

    def __init__(self, driver: SdkDriver, payloads: Payloads) -> None:
        super().__init__()
        self._driver = driver
        self._payloads = payloads
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._ids = itertools.count(1)
        self._loop = asyncio.get_running_loop()
        self._number = driver.attach(self._hear)
        self._closed = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._number} of {self._driver!r}>"

    @property
    def pid(self) -> int:
        """Of the process that it runs in."""
        return self._driver.pid

    async def opened(self, **options: Any) -> None:
        """Make the client in the driver."""
        await self._call("open", **options)

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
        await self._call("publish", channel=channel, data=self._to_line(data))

    async def presence(self, channel: str) -> dict[str, Person]:
        """See base."""
        clients = await self._call("presence", channel=channel)
        return {
            client: Person(
                person["user"],
                self._payloads.info(self._from_line(person["conn_info"])),
                self._payloads.info(self._from_line(person["chan_info"])),
            )
            for client, person in clients.items()
        }

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
        entries = [
            (offset, self._payloads.seen(self._from_line(data)))
            for offset, data in result["entries"]
        ]
        return History(entries, result["offset"], result["epoch"])

    async def rpc(self, method: str, data: Any) -> Any:
        """See base."""
        answer = await self._call("rpc", method=method, data=self._to_line(data))
        return self._payloads.seen(self._from_line(answer))

    async def close(self) -> None:
        """See base."""
        if not self._closed:
            self._closed = True
            try:
                await self._call("close")
            finally:
                self._driver.detach(self._number)

    # Lines

    async def _call(self, call: str, **arguments: Any) -> Any:
        number = next(self._ids)
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._calls[number] = answer
        self._driver.tell({"id": number, "client": self._number, "call": call, **arguments})
        async with asyncio.timeout(_CALL_S):
            return await answer

    def _hear(self, document: Document | None) -> None:
        # A test that gave up may have taken its loop with it.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._heard, document)

    def _heard(self, document: Document | None) -> None:
        if document is None:
            for answer in self._calls.values():
                if not answer.done():
                    answer.set_exception(ConnectionError("the driver has ended"))
        elif "event" in document:
            fields = self._fields(document["event"], document["fields"])
            self.journal.record(Event(document["event"], document["channel"], fields))
        else:
            self._answered(self._calls.pop(document["id"]), document)

    def _answered(self, answer: asyncio.Future[Any], document: Document) -> None:
        if answer.done():
            # The caller gave up on it.
            return
        if "error" in document:
            answer.set_exception(SdkError(**document["error"]))
        elif "failure" in document:
            answer.set_exception(AssertionError(document["failure"]))
        else:
            answer.set_result(document.get("result"))

    def _fields(self, event: str, fields: Document) -> Document:
        for name in ("conn_info", "chan_info"):
            if name in fields:
                fields[name] = self._payloads.info(self._from_line(fields[name]))
        if "data" in fields:
            data = self._from_line(fields["data"])
            is_payload = event == "publication"
            fields["data"] = self._payloads.seen(data) if is_payload else self._payloads.info(data)
        return fields

    def _to_line(self, data: Any) -> Any:
        payload = self._payloads.given(data)
        if self._payloads is Payloads.VALUES:
            return payload
        return base64.b64encode(payload).decode()

    def _from_line(self, payload: Any) -> Any:
        if self._payloads is Payloads.VALUES or payload is None:
            return payload
        return base64.b64decode(payload)
