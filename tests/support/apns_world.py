"""Both hosts of APNs, and a provider that sends to them."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from realtime.settings.secret import Secret
from tests.support.apns import SetClock, make_pem
from tests.support.apns_server import ApnsServer, Asked
from tests.support.certificates import make_certificate
from workers.providers.apns.key import ProviderKey
from workers.providers.apns.provider import ApnsProvider
from workers.providers.base import Notice, Outcome, Target

PEM = make_pem()

NOTICE = Notice(
    act="show",
    id="123e4567-e89b-12d3-a456-426614174000",
    collapse="c" * 32,
    title="Ann",
    body="Hello",
    badge=3,
    data={"channel": "chat:1"},
    expires=1_900_000_000,
)


def device(number: int) -> str:
    """A device's token."""
    return f"{number:064x}"


def target(number: int = 1, **fields: Any) -> Target:
    """A device in production, but for these fields."""
    plain = Target("apns", "token", device(number), environment="production")
    return msgspec.structs.replace(plain, **fields)


def make_key() -> ProviderKey:
    """The key of these tests, always the same."""
    return ProviderKey(Secret(PEM), key_id="KEY1234567", team_id="TEAM123456")


class ApnsWorld:
    """Two servers and what it takes to make providers for them."""

    def __init__(self, directory: Path) -> None:
        self.certificate = make_certificate(directory, "apns")
        self.production = ApnsServer()
        self.sandbox = ApnsServer()
        self.clock = SetClock()

    @asynccontextmanager
    async def provider(self, **settings: Any) -> AsyncIterator[ApnsProvider]:
        """One that runs; closed at the end."""
        provider = ApnsProvider(
            make_key(),
            **{
                "topic": "org.example.chat",
                "clock": self.clock,
                "random": lambda: 0.5,
                "production_url": self.production.url,
                "sandbox_url": self.sandbox.url,
                "ca_file": str(self.certificate.certificate),
                "timeout_s": 10.0,
                **settings,
            },
        )
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(provider.run())
            try:
                yield provider
            finally:
                await provider.close()
                running.cancel()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["ApnsWorld"]:
        """Both servers, until the end."""
        await self.production.start(self.certificate)
        await self.sandbox.start(self.certificate)
        try:
            yield self
        finally:
            await self.production.stop()
            await self.sandbox.stop()


class Sending:
    """Notices that are under way, one to each device, as tasks of a group."""

    def __init__(self, provider: ApnsProvider, numbers: Iterable[int], tasks: asyncio.TaskGroup):
        self.tasks = [
            tasks.create_task(provider.send(target(number), NOTICE)) for number in numbers
        ]

    async def outcomes(self) -> list[Outcome]:
        """What has become of them, in order."""
        async with asyncio.timeout(10):
            return [await task for task in self.tasks]


def devices(asked: Iterable[Asked]) -> list[int]:
    """Which devices requests are for."""
    return [int(each.device, 16) for each in asked]
