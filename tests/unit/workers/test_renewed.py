"""A key that is replaced is used without a restart, and what is no key changes nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import workers.providers.renewed as renewed_module
from realtime.errors import SettingsError
from tests.support.apns import SetClock
from tests.unit.workers.sending_house import Phones, until
from tests.unit.workers.test_gate import NOTICE, TARGET
from tests.unit.workers.test_making import account, settings
from workers.gate import Gate
from workers.making import make_gates
from workers.providers.base import Delivered, Later, Misconfigured
from workers.providers.renewed import RenewedProvider

REFUSED = Misconfigured("another key")


class Keyed(Phones):
    """Takes what is sent with the key "good"."""

    def __init__(self, key: bytes) -> None:
        super().__init__()
        self.answers[TARGET.address] = Delivered(key.decode()) if key != b"bad" else REFUSED
        self.is_closed = False

    async def close(self) -> None:
        self.is_closed = True


class House:
    """A provider whose key is in `content`; those that were `made`, and the gate before it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.made: list[Keyed] = []
        self.clock = SetClock()
        self.provider = RenewedProvider(self._read, self._make)
        self.gate = Gate(self.provider, per_s=0, pause_s=60, clock=self.clock, random=lambda: 0.5)
        self.provider.renewed = self.gate.renewed

    def _read(self) -> bytes:
        return self.content

    def _make(self, content: bytes) -> Keyed:
        if content == b"no key":
            raise SettingsError(["it is none"])
        self.made.append(Keyed(content))
        return self.made[-1]

    async def is_renewed(self) -> bool:
        return len(self.made) == 2

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.provider.run())
            yield
            task.cancel()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked all the time."""
    monkeypatch.setattr(renewed_module, "LOOK_S", 0.01)
    monkeypatch.setattr(renewed_module, "LOOK_MIN_S", 0.0)


async def test_a_key_that_was_refused_is_replaced_and_the_rest_is_over() -> None:
    house = House(b"bad")
    async with house.running():
        assert await house.gate.send(TARGET, NOTICE) == REFUSED
        assert await house.gate.send(TARGET, NOTICE) == Later(REFUSED.why, 60.0, asked=False)
        house.content = b"good"
        await until(house.is_renewed)
        assert await house.gate.send(TARGET, NOTICE) == Delivered("good")
    assert [provider.is_closed for provider in house.made] == [True, False]


async def test_who_is_refused_is_not_looked_for_later_than_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(renewed_module, "LOOK_S", 60.0)
    house = House(b"bad")
    async with house.running():
        house.content = b"good"
        assert await house.gate.send(TARGET, NOTICE) == REFUSED
        await until(house.is_renewed)


async def test_what_was_under_way_and_is_refused_is_sent_with_the_new_key() -> None:
    house = House(b"bad")
    hold = house.made[0].hold = asyncio.Event()
    async with house.running(), asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(house.gate.send(TARGET, NOTICE))
        await house.made[0].came.wait()
        house.content = b"good"
        await until(house.is_renewed)
        hold.set()
        assert await sending == Delivered("good")
        assert not house.gate.is_resting


async def test_another_rest_is_not_ended_by_another_key() -> None:
    house = House(b"good")
    house.made[0].answers[TARGET.address] = Later("429", 30.0)
    async with house.running():
        await house.gate.send(TARGET, NOTICE)
        house.content = b"better"
        await until(house.is_renewed)
        assert await house.gate.send(TARGET, NOTICE) == Later("429", 30.0, asked=False)


async def test_what_is_no_key_is_said_once_and_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House(b"good")
    async with house.running():
        house.content = b"no key"

        async def is_said() -> bool:
            return "goes on with the key it has" in caplog.text

        await until(is_said)
        assert await house.gate.send(TARGET, NOTICE) == Delivered("good")
        house.content = b"better"
        await until(house.is_renewed)
    assert caplog.text.count("goes on with the key it has") == 1


async def test_the_keys_of_fcm_and_apns_are_looked_at_while_it_runs(tmp_path: Path) -> None:
    gates = make_gates(
        settings(tmp_path), clock=SetClock(), workers=lambda: 1, tell=lambda *_: None
    )
    fcm, apns = gates["fcm"].provider, gates["apns"].provider
    assert isinstance(fcm, RenewedProvider)
    assert isinstance(apns, RenewedProvider)
    first = fcm._provider
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each.run()) for each in (fcm, apns)]
        (tmp_path / "account.json").write_bytes(account(project_id="another"))

        async def is_renewed() -> bool:
            return fcm._provider is not first

        await until(is_renewed)
        for task in running:
            task.cancel()
    for gate in gates.values():
        await gate.provider.close()
