"""What workers and hubs tell each other, and how much of it is believed."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import pytest

import workers.words as words_module
from realtime.brokers.base import BUS_VERSION, ControlMessage
from realtime.push.waking import PUSH_WAKE
from tests.support.apns import SetClock
from tests.unit.workers.test_gate import Scripted
from workers.gate import Gate
from workers.words import RESTS, TOKEN, TOKEN_WANTED, WHY_MAX, WorkerWords

EPOCH: Final = "epoch"
NOW_S: Final = 1_000.0


class Bus:
    """Carries words to all others at once, or to the one they are for."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, str | None]] = []
        self.receivers: dict[str, Callable[[ControlMessage], None]] = {}

    def control(self, message: ControlMessage, *, to: str | None = None) -> None:
        self.said.append((message.node, message.kind, to))
        for node, receive in self.receivers.items():
            if node != message.node and to in (None, node):
                receive(message)


class House:
    """Workers on one bus."""

    def __init__(self) -> None:
        self.bus = Bus()
        self.woken: list[str] = []
        self.clock = SetClock()

    def worker(self, node: str) -> WorkerWords:
        words = WorkerWords(
            self.bus,  # type: ignore[arg-type]  # as much of a broker as is needed
            node=node,
            epoch=EPOCH,
            wake=lambda: self.woken.append(node),
            wall=lambda: NOW_S,
        )
        words.gates["fcm"] = Gate(
            Scripted(), per_s=0, pause_s=60, clock=self.clock, random=lambda: 0.5
        )
        self.bus.receivers[node] = words.receive
        return words


def word(kind: str, body: Mapping[str, Any] | bytes = b"{}", **fields: Any) -> ControlMessage:
    encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return ControlMessage("hub", kind, encoded, **{"epoch": EPOCH, **fields})


async def test_hubs_wake_workers_but_not_those_of_another_deployment() -> None:
    house = House()
    words = house.worker("w1")
    words.receive(word(PUSH_WAKE, epoch="another"))
    words.receive(word(PUSH_WAKE, version=BUS_VERSION + 1))
    words.receive(ControlMessage("w1", PUSH_WAKE, b"{}", epoch=EPOCH))
    words.receive(word("of a later version"))
    assert house.woken == []
    words.receive(word(PUSH_WAKE))
    assert house.woken == ["w1"]


async def test_a_provider_rests_for_all_workers() -> None:
    house = House()
    teller, hearer = house.worker("w1"), house.worker("w2")
    teller.tell_rest("fcm", 30.0, "429")
    assert hearer.gates["fcm"].is_resting
    assert not teller.gates["fcm"].is_resting
    teller.tell_rest("apns", 30.0, "a provider that the others have not")


@pytest.mark.parametrize(
    "body",
    [
        {"provider": "fcm", "seconds": 3_601, "why": ""},
        {"provider": "fcm", "seconds": 0, "why": ""},
        {"provider": "fcm", "seconds": -1, "why": ""},
        {"provider": "sms", "seconds": 10, "why": ""},
        {"provider": "fcm", "seconds": "10", "why": ""},
        b"\xff",
        b"[" * 9,
    ],
)
async def test_a_rest_that_makes_no_sense_is_not_believed(body: Mapping[str, Any] | bytes) -> None:
    words = House().worker("w1")
    words.receive(word(RESTS, body))
    assert not words.gates["fcm"].is_resting


async def test_of_the_reason_of_a_rest_not_more_is_kept_than_is_read() -> None:
    words = House().worker("w1")
    words.receive(word(RESTS, {"provider": "fcm", "seconds": 9, "why": "x" * 10_000}))
    assert words.gates["fcm"]._breaker.why == "x" * WHY_MAX


async def test_a_token_is_shared_and_asked_for_by_who_has_none() -> None:
    house = House()
    first = house.worker("w1")
    await first.put("token", 900, 3_000)
    second = house.worker("w2")
    assert await second.get() == ("token", 900)
    assert house.bus.said == [
        ("w1", TOKEN, None),
        ("w2", TOKEN_WANTED, None),
        ("w1", TOKEN, "w2"),
    ]
    await second.put("newer", 950, 3_000)
    assert await first.get() == ("newer", 950)
    await first.put("older", 940, 3_000)
    assert await second.get() == ("newer", 950)


async def test_who_gets_no_answer_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words_module, "ANSWER_S", 0)
    words = House().worker("w1")
    async with asyncio.timeout(5):
        assert await words.get() is None


async def test_a_token_that_has_run_out_is_none() -> None:
    words = House().worker("w1")
    words.receive(word(TOKEN, {"token": "old", "iat": 1, "until": NOW_S - 1}))
    assert await words.get() is None


@pytest.mark.parametrize(
    "body",
    [
        {"token": "of the future", "iat": 1_061, "until": 2_000.0},
        {"token": "for ever", "iat": 950, "until": 9_000.0},
        {"token": "x" * 5_000, "iat": 950, "until": 2_000.0},
    ],
)
async def test_a_token_that_makes_no_sense_takes_nobodys_place(body: Mapping[str, Any]) -> None:
    words = House().worker("w1")
    words.receive(word(TOKEN, {"token": "good", "iat": 900, "until": 2_000.0}))
    words.receive(word(TOKEN, body))
    assert await words.get() == ("good", 900)


def test_a_token_is_in_no_repr() -> None:
    assert "secret" not in repr(words_module.TokenUsed("secret", 1, 2.0))
    assert "secret" not in repr(House().worker("w1"))
