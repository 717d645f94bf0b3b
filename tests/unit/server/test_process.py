"""The end of a hub process: what is under way when it is told to stop."""

import asyncio
import signal
import socket
from typing import cast

import aiohttp
import pytest
from aiohttp import web

from realtime.hub.hub import Hub
from realtime.server import garbage
from realtime.server.door import Doorway
from realtime.server.gate import Gate
from realtime.server.http import make_application
from realtime.server.parent import LISTENING, Parent
from realtime.server.process import Process
from realtime.settings.schema import ServerSettings

TIMEOUT_S = 10.0


class CommittingHub:
    """Answers `commit` while it runs, some time after it was told to drain."""

    def __init__(self) -> None:
        self.clients: list[object] = []
        self.asked = asyncio.Event()
        self._commit: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """See Hub."""
        try:
            await asyncio.Event().wait()
        finally:
            if self.asked.is_set() and not self._commit.done():
                self._commit.set_exception(ConnectionError("the hub has ended"))

    async def drain(self, seconds: float) -> None:
        """See Hub."""
        asyncio.get_running_loop().call_later(0.05, self._committed)

    async def commit(self) -> str:
        """What a publish through the server API waits for."""
        self.asked.set()
        return await self._commit

    def _committed(self) -> None:
        if not self._commit.done():
            self._commit.set_result("stored")


class Publishing:
    """A route that waits for the hub."""

    def __init__(self, hub: CommittingHub) -> None:
        self._hub = hub

    def add_to(self, router: web.UrlDispatcher) -> None:
        """See Routes."""
        router.add_get("/publish", self.publish)

    async def publish(self, request: web.Request) -> web.Response:
        """Answer once it is committed."""
        return web.Response(text=await self._hub.commit())


def make_process(hub: CommittingHub, parent: Parent | None = None) -> Process:
    """A process whose HTTP has one route, on any free port."""
    return Process(
        ServerSettings(port=0, drain_s=0),
        hub=cast(Hub, hub),
        gate=Gate(connections_max=1, connection_rate=0),
        public=web.AppRunner(make_application([Publishing(hub)]), shutdown_timeout=5),
        internal=None,
        doorway=lambda http: cast(Doorway, http),
        reload=lambda: None,
        parent=parent,
    )


async def test_a_request_under_way_is_answered_while_the_hub_still_commits(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(garbage, "freeze", lambda: None)  # it would hold for all other tests
    hub = CommittingHub()
    process = make_process(hub)
    async with asyncio.timeout(TIMEOUT_S), aiohttp.ClientSession() as session:
        running = asyncio.get_running_loop().create_task(process.run())
        url = ""
        while not url:
            await asyncio.sleep(0)
            url = capsys.readouterr().err.partition("listening on ")[2].strip()

        async def publish() -> str:
            async with session.get(f"{url}/publish") as response:
                return await response.text()

        asking = asyncio.get_running_loop().create_task(publish())
        await hub.asked.wait()
        signal.raise_signal(signal.SIGTERM)
        assert await asking == "stored"
        await running


async def test_a_worker_tells_its_parent_that_it_listens_and_ends_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(garbage, "freeze", lambda: None)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    loop = asyncio.get_running_loop()
    with ours:
        process = make_process(CommittingHub(), Parent(theirs))
        async with asyncio.timeout(TIMEOUT_S), asyncio.TaskGroup() as tasks:
            tasks.create_task(process.run())
            assert await loop.sock_recv(ours, 2) == LISTENING
            # The parent says it, for all of them at once.
            assert "listening on" not in capsys.readouterr().err
            ours.close()
    assert theirs.fileno() < 0
