"""What becomes of a notice, by what APNs says. Real sockets, TLS and HTTP/2."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.apns_server import Asked
from tests.support.apns_world import NOTICE, ApnsWorld, Sending, device, make_key, target
from workers.providers.apns.provider import ApnsProvider, Environment
from workers.providers.apns.tokens import MemoryToken
from workers.providers.base import (
    Delivered,
    Failed,
    Later,
    Misconfigured,
    Outcome,
    Rejected,
    Target,
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApnsWorld]:
    async with ApnsWorld(tmp_path).serving() as world:
        yield world


def saying(status: int, reason: str, **more: int) -> Callable[[Asked], None]:
    """A server that says this to everybody."""
    return lambda asked: asked.answer(status, reason, **more)


async def test_a_notice_is_delivered_as_apns_asks_for_it(world: ApnsWorld) -> None:
    async with world.provider() as provider:
        assert provider.name == "apns"
        assert await provider.send(target(7), NOTICE) == Delivered(NOTICE.id)
    [asked] = world.production.asked
    token = asked.headers["authorization"]
    assert token.startswith("bearer ")
    assert {name: value for name, value in asked.headers.items() if name != "authorization"} == {
        ":method": "POST",
        ":scheme": "https",
        ":authority": f"127.0.0.1:{world.production.port}",
        ":path": f"/3/device/{device(7)}",
        "apns-topic": "org.example.chat",
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-expiration": "1900000000",
        "apns-id": NOTICE.id,
        "apns-collapse-id": NOTICE.collapse,
    }
    assert json.loads(asked.body)["aps"]["alert"] == {"title": "Ann", "body": "Hello"}


async def test_a_clear_is_a_background_push(world: ApnsWorld) -> None:
    clear = msgspec.structs.replace(NOTICE, act="clear")
    async with world.provider() as provider:
        assert isinstance(await provider.send(target(), clear), Delivered)
    [asked] = world.production.asked
    assert asked.headers["apns-push-type"] == "background"
    assert asked.headers["apns-priority"] == "5"
    payload = json.loads(asked.body)
    assert payload["aps"] == {"content-available": 1}
    assert (payload["act"], payload["channel"]) == ("clear", "chat:1")


@pytest.mark.parametrize(
    ("status", "reason", "more", "outcome"),
    [
        (
            410,
            "Unregistered",
            {"timestamp": 1754000000123},
            Rejected("Unregistered", 1754000000123),
        ),
        (400, "DeviceTokenNotForTopic", {}, Rejected("DeviceTokenNotForTopic", parked=True)),
        (400, "BadDeviceToken", {}, Rejected("BadDeviceToken")),
        (400, "BadTopic", {}, Failed("BadTopic")),
        (413, "PayloadTooLarge", {}, Failed("PayloadTooLarge")),
        (403, "Forbidden", {}, Misconfigured("Forbidden")),
        (429, "TooManyRequests", {}, Later("TooManyRequests", scope="device")),
        (503, "ServiceUnavailable", {}, Later("ServiceUnavailable")),
    ],
)
async def test_what_apns_says_is_what_becomes_of_it(
    world: ApnsWorld, status: int, reason: str, more: dict[str, int], outcome: Outcome
) -> None:
    world.production.answer = saying(status, reason, **more)
    async with world.provider() as provider:
        assert await provider.send(target(), NOTICE) == outcome
    assert len(world.production.asked) == 1
    assert world.sandbox.asked == []


async def test_a_wait_that_apns_asks_for_is_passed_on(world: ApnsWorld) -> None:
    world.production.answer = lambda asked: asked.answer_raw(429, b"", retry_after="30")
    async with world.provider() as provider:
        outcome = await provider.send(target(), NOTICE)
    assert outcome == Later("status 429", 30.0, scope="device")


@pytest.mark.parametrize("first", ["production", "sandbox"])
async def test_a_device_that_did_not_say_where_it_is_is_found(
    world: ApnsWorld, first: Environment
) -> None:
    hosts = {"production": world.production, "sandbox": world.sandbox}
    second: Environment = "sandbox" if first == "production" else "production"
    hosts[first].answer = saying(400, "BadDeviceToken")
    async with world.provider(environment=first) as provider:
        outcome = await provider.send(target(environment=""), NOTICE)
    assert outcome == Delivered(NOTICE.id, environment=second)
    assert [len(host.asked) for host in hosts.values()] == [1, 1]


async def test_an_address_that_is_bad_everywhere_is_rejected(world: ApnsWorld) -> None:
    world.production.answer = world.sandbox.answer = saying(400, "BadDeviceToken")
    async with world.provider() as provider:
        assert await provider.send(target(environment=""), NOTICE) == Rejected("BadDeviceToken")
    assert len(world.production.asked) == len(world.sandbox.asked) == 1


async def test_a_key_for_one_environment_pauses_nothing_for_a_device_of_the_other(
    world: ApnsWorld,
) -> None:
    world.production.answer = saying(400, "BadDeviceToken")
    world.sandbox.answer = saying(403, "BadEnvironmentKeyIdInToken")
    async with world.provider() as provider:
        outcome = await provider.send(target(environment=""), NOTICE)
        assert outcome == Rejected("BadEnvironmentKeyIdInToken", parked=True)
        # Where the device is there for certain, it is our own mistake.
        outcome = await provider.send(target(environment="sandbox"), NOTICE)
        assert outcome == Misconfigured("BadEnvironmentKeyIdInToken")


async def test_an_expired_token_is_renewed_once_for_everybody(world: ApnsWorld) -> None:
    tokens: list[str] = []

    def answer(asked: Asked) -> None:
        if asked.token not in tokens:
            tokens.append(asked.token)
        asked.answer() if asked.token != tokens[0] else asked.answer(403, "ExpiredProviderToken")

    world.production.answer = answer
    async with world.provider() as provider, asyncio.TaskGroup() as tasks:
        outcomes = await Sending(provider, range(30), tasks).outcomes()
    assert outcomes == [Delivered(NOTICE.id)] * 30
    assert len(tokens) == 2


async def test_a_token_that_was_good_may_expire_again_soon(world: ApnsWorld) -> None:
    def answer(asked: Asked) -> None:
        """Each token is good for one push."""
        used = sum(each.token == asked.token for each in world.production.asked)
        asked.answer(*(() if used == 1 else (403, "ExpiredProviderToken")))

    world.production.answer = answer
    async with world.provider() as provider:
        for _ in range(4):
            assert await provider.send(target(), NOTICE) == Delivered(NOTICE.id)


@pytest.mark.parametrize(
    "reason", ["ExpiredProviderToken", "InvalidProviderToken", "MissingProviderToken"]
)
async def test_a_token_that_is_always_refused_is_our_own_mistake(
    world: ApnsWorld, reason: str
) -> None:
    world.production.answer = saying(403, reason)
    async with world.provider() as provider:
        for _ in range(3):
            assert await provider.send(target(), NOTICE) == Misconfigured(reason)
    # The first was tried once more, with another token; after that no more are made.
    assert len(world.production.asked) == 4
    assert len({asked.token for asked in world.production.asked}) == 2


async def test_a_token_that_changes_too_often_is_given_up_for_the_others(world: ApnsWorld) -> None:
    shared = MemoryToken()
    world.production.answer = saying(429, "TooManyProviderTokenUpdates")
    async with world.provider(shared=shared) as provider:
        outcome = await provider.send(target(), NOTICE)
        assert outcome == Later("TooManyProviderTokenUpdates", 60.0)
        theirs = make_key().sign(world.clock.wall_ms() // 1000)
        await shared.put(theirs.text, theirs.iat, 3000)
        await provider.send(target(), NOTICE)
        world.production.answer = lambda asked: asked.answer()
        assert isinstance(await provider.send(target(), NOTICE), Delivered)
    assert world.production.asked[-1].token == theirs.text


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"address": "../../secret"}, Rejected("not a device token")),
        ({"address": device(1) + "/"}, Rejected("not a device token")),
        ({"address": ""}, Rejected("not a device token")),
        ({"app": "org.example\r\nx: y"}, Rejected("not a bundle id", parked=True)),
    ],
)
async def test_what_a_client_made_up_does_not_reach_the_network(
    world: ApnsWorld, fields: dict[str, Any], outcome: Outcome
) -> None:
    async with world.provider() as provider:
        assert await provider.send(target(**fields), NOTICE) == outcome
    assert world.production.connections == []


async def test_data_that_is_too_long_is_not_sent(world: ApnsWorld) -> None:
    notice = msgspec.structs.replace(NOTICE, data={"channel": "x" * 5000})
    async with world.provider() as provider:
        assert await provider.send(target(), notice) == Failed("the data is too long")
    assert world.production.connections == []


async def test_a_device_may_be_of_another_app(world: ApnsWorld) -> None:
    async with world.provider() as provider:
        await provider.send(target(app="org.example.other"), NOTICE)
    assert world.production.asked[0].headers["apns-topic"] == "org.example.other"


async def test_addresses_and_tokens_are_in_no_log_and_no_repr(
    world: ApnsWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world.production.answer = saying(403, "InvalidProviderToken")
    async with world.provider() as provider:
        outcome = await provider.send(target(9), NOTICE)
        texts = [caplog.text, repr(provider), repr(outcome), repr(target(9))]
    assert "refused" in caplog.text
    for secret in (device(9), NOTICE.body, *(asked.token for asked in world.production.asked)):
        assert not any(secret in text for text in texts)


@pytest.mark.parametrize(
    "settings",
    [
        {"topic": ""},
        {"topic": "a b"},
        {"production_url": "http://127.0.0.1"},
        {"production_url": "https://"},
        {"sandbox_url": "https://user:secret@127.0.0.1"},
        {"sandbox_url": "https://127.0.0.1/path"},
        {"sandbox_url": "https://127.0.0.1:99999"},
        {"sandbox_url": "https://" + "a" * 64},
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, settings: dict[str, str]) -> None:
    world = ApnsWorld(tmp_path)
    with pytest.raises(ValueError) as caught:
        ApnsProvider(
            make_key(),
            clock=world.clock,
            random=lambda: 0.5,
            **{"topic": "a", **settings},  # type: ignore[arg-type] # settings are all text here
        )
    assert "secret" not in str(caught.value)


async def test_a_notice_for_nobody_waits_no_longer_than_it_may(world: ApnsWorld) -> None:
    """`run` is not running: nobody connects."""
    provider = ApnsProvider(
        make_key(), topic="a", clock=world.clock, random=lambda: 0.5, timeout_s=0.05
    )
    assert await provider.send(Target("apns", "token", device(1)), NOTICE) == Later("timeout")
