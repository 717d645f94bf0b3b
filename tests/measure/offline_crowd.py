"""A hub with a push worker, fake push services, and rooms of members who are all offline.

Each of these is a process of its own. Members and their devices are written straight into the
store, for what is measured is not how they come there.
"""

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from realtime.push.rows import DEVICES
from realtime.rows import CHANNELS, MEMBERS
from realtime.stores.base import WRITES_MAX, Removal, TableStore, Write
from realtime.stores.mongo import MongoStore
from realtime.stores.sqlite import SQLiteStore
from tests.measure import steady_fakepush, watched_push
from tests.measure.watched_push import Watched
from tests.support.chat_users import NAMESPACES, UNLIMITED, RestUser, rest_user
from tests.support.configuration import shared_by_nodes
from tests.support.mongo_servers import MongoServer
from tests.support.processes import HubProcess
from tests.support.redis_servers import RedisServer

SMALL_ROOMS: Final = 50
"""Rooms of one offline member each."""

MEMBERS_MAX: Final = 200_000
CREATES: Final = "alice"
_MADE_MAX: Final = 5_000
_WAIT_S: Final = 10.0
_INSPECT: Final = re.compile(rb"inspect API at (\S+);")


class Crowd:
    """`open_crowd` makes one. `worker` is the process that sends, the hub itself for SQLite."""

    def __init__(
        self,
        hub: HubProcess,
        worker: HubProcess,
        store_url: str,
        fake: aiohttp.ClientSession,
        session: aiohttp.ClientSession,
        report: Path,
    ) -> None:
        self.hub = hub
        self.worker = worker
        self.small: list[dict[str, str]] = []
        """The devices of the members of the small rooms."""
        self._store_url = store_url
        self._fake = fake
        self._session = session
        self._report = report
        self._users: list[dict[str, str]] = []
        self._sent = 0

    @property
    def alice(self) -> RestUser:
        """Who sends everything."""
        return rest_user(self.hub, self._session, CREATES)

    async def fill(self, rooms: Sequence[str], size: int) -> None:
        """Make large rooms of the same `size` members, and the small ones; then start."""
        await asyncio.to_thread(self.hub.start)
        for name in [*rooms, *(f"small{number}" for number in range(SMALL_ROOMS))]:
            await self.alice.call(
                "chat.create", namespace="room", id=name, client_id=f"made {name}", title=name
            )
        await asyncio.to_thread(self.hub.terminate)
        self._users = [*await self._made("fcm", size // 2), *await self._made("apns", size // 2)]
        self.small = await self._made("fcm", SMALL_ROOMS)
        now_ms = time.time_ns() // 1_000_000
        store: TableStore
        async with contextlib.AsyncExitStack() as stack:
            if self._store_url.startswith("sqlite"):
                store = SQLiteStore(self._store_url.removeprefix("sqlite:///"))
                await store.open()
                stack.push_async_callback(store.close)
            else:
                store = MongoStore(self._store_url)
                await store.open()
                stack.push_async_callback(store.close)
            writes = self._rows(rooms, now_ms)
            while some := list(islice(writes, WRITES_MAX)):
                await store.write(some)
        await asyncio.to_thread(self.hub.start)
        if self.worker is not self.hub:
            self.worker.launch_command("worker")
        await self.warm_up()

    def _rows(self, rooms: Sequence[str], now_ms: int) -> Iterator[Write | Removal]:
        devices = [(f"u{number:06}", device) for number, device in enumerate(self._users)]
        for user, device in devices:
            yield _device(user, device, now_ms)
            for name in rooms:
                yield _member(f"room:{name}", user)
        for name in rooms:
            yield Write(CHANNELS, (f"room:{name}",), set={"members": len(devices) + 1})
        for number, device in enumerate(self.small):
            user, channel = f"s{number:06}", f"room:small{number}"
            yield _device(user, device, now_ms)
            yield _member(channel, user)
            yield Write(CHANNELS, (channel,), set={"members": 2})

    async def warm_up(self) -> None:
        """A message to each of the small rooms."""
        async with asyncio.timeout(60):
            for number in range(SMALL_ROOMS):
                await self.tell_small(number, 1)
        await asyncio.sleep(2.0)

    async def say(self, room: str) -> float:
        """Say something; the time before it was sent."""
        self._sent += 1
        began = time.time()
        await self.alice.call(
            "chat.send",
            channel=f"room:{room}",
            client_id=f"said {self._sent}",
            data={"text": "Hello to all of you, wherever you are"},
        )
        return began

    async def tell_small(self, number: int, count: int) -> float:
        """Say something in a small room, whose member is to have `count` by then; the ms that the
        push service had it after."""
        began = await self.say(f"small{number}")
        async with self._fake.get(
            f"/phones/{self.small[number]['id']}/wait",
            params={"count": count, "timeout_s": 60, "limit": 1},
        ) as answer:
            phone = await answer.json()
        assert phone["reached"], f"room small{number} was not told"
        return float(phone["received"][-1]["at_ms"] - 1_000 * began)

    async def told(self) -> int:
        """How many pushes came until now."""
        return await self._wait(1, 1)

    async def wait_for(self, count: int, timeout_s: float) -> None:
        """Wait until there were that many."""
        async with asyncio.timeout(timeout_s):
            while await self._wait(count, _WAIT_S) < count:
                continue

    async def _wait(self, count: int, timeout_s: float) -> int:
        params = {"count": count, "timeout_s": timeout_s}
        async with self._fake.get("/pushes/wait", params=params) as answer:
            return int((await answer.json())["count"])

    async def watched(self) -> Watched:
        """What was counted in the process that sends; the loop's pauses since the last time."""
        self._report.unlink(missing_ok=True)
        self.worker.send(signal.SIGUSR1)
        async with asyncio.timeout(_WAIT_S):
            while not self._report.exists():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.01)
        return msgspec.json.decode(self._report.read_bytes(), type=Watched)

    async def _made(self, provider: str, count: int) -> list[dict[str, str]]:
        devices: list[dict[str, str]] = []
        while len(devices) < count:
            asked = {"provider": provider, "count": min(_MADE_MAX, count - len(devices))}
            async with self._fake.post("/devices", json=asked) as answer:
                devices += (await answer.json())["devices"]
        return devices


def _member(channel: str, user: str) -> Write:
    return Write(MEMBERS, (channel, user), set={"role": "member", "joined_at": 1})


def _device(user: str, device: dict[str, str], now_ms: int) -> Write:
    told = {name: device.get(name, "") for name in ("provider", "kind", "address", "app")}
    told["environment"] = device.get("environment", "") if told["provider"] == "apns" else ""
    return Write(
        DEVICES,
        (user, "phone"),
        set={**told, "digest": told["address"], "registered_at": now_ms},
    )


def peak_kb(pid: int) -> int:
    """The most resident memory in KB since `forget_peak` (proc(5), VmHWM)."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.M)
    assert found is not None
    return int(found[1])


def forget_peak(pid: int) -> None:
    """Let `peak_kb` begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.asynccontextmanager
async def open_crowd(folder: Path, *, mongo: bool) -> AsyncIterator[Crowd]:
    """Nothing of it outlives the block."""
    async with contextlib.AsyncExitStack() as stack:
        fake_url = await stack.enter_async_context(_fake_push(folder))
        timeout = aiohttp.ClientTimeout(total=90)
        fake = await stack.enter_async_context(aiohttp.ClientSession(fake_url, timeout=timeout))
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        async with fake.get("/") as answer:
            changes: dict[str, Any] = (await answer.json())["settings"]
        room = {**NAMESPACES["room"], "push": "all", "members_max": MEMBERS_MAX}
        changes |= {"namespaces": {"room": room}, "chat": dict(UNLIMITED)}
        store_url = f"sqlite:///{folder / 'hub.db'}"
        if mongo:
            server, redis = MongoServer(), RedisServer()
            stack.callback(server.end)
            stack.callback(redis.end)
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(redis.start)
            store_url = f"{server.url}/realtime"
            changes |= shared_by_nodes(store_url, redis.url)
        hub = worker = HubProcess(folder, changes)
        stack.callback(hub.end)
        if mongo:
            hub.command("store", "init")
            (folder / "worker").mkdir()
            worker = HubProcess(folder / "worker", changes)
            stack.callback(worker.end)
        report = folder / "watched.json"
        worker.program = (watched_push.MODULE, str(report))
        yield Crowd(hub, worker, store_url, fake, session, report)


@contextlib.asynccontextmanager
async def _fake_push(folder: Path) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", steady_fakepush.MODULE, "--port", "0"),
        *("--directory", str(folder / "fake")),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            found = _INSPECT.search(await process.stdout.readline())
        assert found is not None
        yield found[1].decode()
    finally:
        process.terminate()
        await process.wait()
