"""The APNs provider against the fake world: what phones show in the end."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from realtime.settings.secret import Secret
from tests.support.apns_world import NOTICE
from workers.fakepush.credentials import TOPIC
from workers.fakepush.devices import Device
from workers.fakepush.server import FakePush
from workers.providers.apns.key import ProviderKey
from workers.providers.apns.provider import ApnsProvider
from workers.providers.base import Delivered, Later, Misconfigured, Rejected, Target


class RunningClock:
    """This machine's clocks."""

    def monotonic(self) -> float:
        """See `realtime.cluster.clock.Clock`."""
        return time.monotonic()

    def wall_ms(self) -> int:
        """See `realtime.cluster.clock.Clock`."""
        return time.time_ns() // 1_000_000


@pytest.fixture
async def fake() -> AsyncIterator[FakePush]:
    async with FakePush() as fake:
        yield fake


@asynccontextmanager
async def running(fake: FakePush) -> AsyncIterator[ApnsProvider]:
    """A provider of this world."""
    key = fake.world.apns_key
    provider = ApnsProvider(
        ProviderKey(Secret(key.pem()), key_id=key.key_id, team_id=key.team_id),
        topic=TOPIC,
        clock=RunningClock(),
        random=random.random,
        production_url=fake.apns_production_url,
        sandbox_url=fake.apns_sandbox_url,
        ca_file=str(fake.ca_file),
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(provider.run())
        try:
            yield provider
        finally:
            await provider.close()
            task.cancel()


def target(device: Device) -> Target:
    """A device that did not say where it is."""
    return Target("apns", "token", device.address)


async def test_a_notification_is_shown_replaced_and_cleared(fake: FakePush) -> None:
    bob = fake.world.make_device("apns", name="bob")
    async with running(fake) as provider:
        assert isinstance(await provider.send(target(bob), NOTICE), Delivered)
        edited = msgspec.structs.replace(NOTICE, body="Hello again")
        assert isinstance(await provider.send(target(bob), edited), Delivered)
        assert [shown.body for shown in bob.phone.visible.values()] == ["Hello again"]
        clear = msgspec.structs.replace(NOTICE, act="clear", title="", body="")
        assert isinstance(await provider.send(target(bob), clear), Delivered)
        assert list(bob.phone.visible) == []


async def test_a_thousand_phones_get_one_each_through_a_goaway(fake: FakePush) -> None:
    phones = [fake.world.make_device("apns") for _ in range(1000)]
    fake.world.script(phones[300], "goaway", times=1)
    fake.world.script(phones[700], "goaway", times=1)
    async with running(fake) as provider:
        outcomes = await asyncio.gather(*(provider.send(target(each), NOTICE) for each in phones))
    assert {type(each) for each in outcomes} == {Delivered}
    assert {each.phone.count.value for each in phones} == {1}


async def test_a_phone_is_found_in_either_environment(fake: FakePush) -> None:
    bob = fake.world.make_device("apns", environment="sandbox")
    async with running(fake) as provider:
        outcome = await provider.send(target(bob), NOTICE)
    assert isinstance(outcome, Delivered) and outcome.environment == "sandbox"
    assert bob.phone.count.value == 1


async def test_a_phone_is_dead_since_the_moment_that_apns_names(fake: FakePush) -> None:
    bob = fake.world.make_device("apns")
    fake.world.script(bob, "dead", since_ms=1_754_000_000_123)
    async with running(fake) as provider:
        assert await provider.send(target(bob), NOTICE) == Rejected(
            "Unregistered", since=1_754_000_000_123
        )


async def test_a_clock_that_is_wrong_costs_no_device(fake: FakePush) -> None:
    bob = fake.world.make_device("apns")
    fake.world.rule({"skew_s": 3700.0})
    async with running(fake) as provider:
        for _ in range(3):
            assert await provider.send(target(bob), NOTICE) == Misconfigured("ExpiredProviderToken")
        fake.world.rule({"skew_s": 0.0})
        assert isinstance(await provider.send(target(bob), NOTICE), Delivered)


async def test_a_key_that_was_revoked_costs_no_device(fake: FakePush) -> None:
    bob = fake.world.make_device("apns")
    async with running(fake) as provider:
        assert isinstance(await provider.send(target(bob), NOTICE), Delivered)
        fake.world.new_apns_key()
        outcome = await provider.send(target(bob), NOTICE)
        assert outcome == Misconfigured("InvalidProviderToken")


async def test_a_busy_phone_is_spared_for_as_long_as_apns_asks(fake: FakePush) -> None:
    bob = fake.world.make_device("apns")
    fake.world.script(bob, "busy_device", times=1, retry_after_s=17)
    async with running(fake) as provider:
        outcome = await provider.send(target(bob), NOTICE)
        assert outcome == Later("TooManyRequests", 17.0, scope="device")
        assert isinstance(await provider.send(target(bob), NOTICE), Delivered)


async def test_a_push_that_was_shown_before_its_answer_was_lost_replaces_itself(
    fake: FakePush,
) -> None:
    bob = fake.world.make_device("apns")
    fake.world.script(bob, "drop", times=1)
    async with running(fake) as provider:
        assert isinstance(await provider.send(target(bob), NOTICE), Later)
        assert isinstance(await provider.send(target(bob), NOTICE), Delivered)
    assert bob.phone.count.value == 2
    assert len(bob.phone.visible) == 1
    assert {received.id for received in bob.phone.received} == {NOTICE.id}
