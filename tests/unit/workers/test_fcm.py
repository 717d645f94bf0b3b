"""The provider of FCM, over a real port."""

import asyncio
import logging
import socket
from typing import Any

import pytest
from aiohttp import web

from tests.unit.workers.google_house import (
    ADDRESS,
    error,
    google_house,
    key_pair,
    notice,
    says,
    target,
)
from workers.providers.base import Delivered, Failed, Later, Misconfigured, Rejected, Target
from workers.providers.fcm import PROOF_LIFE_S, FcmProvider
from workers.providers.fcm_answers import ACCESS_REFUSED
from workers.providers.google_token import ACCOUNT_REFUSED, CLOCK_WRONG, TOKEN_URL_WRONG

INVALID_TOKEN = error(
    400, "INVALID_ARGUMENT", message="The registration token is not a valid FCM registration token"
)
SKEW = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
    "Check your iat and exp values in the JWT claim."
)


def refused(description: str, word: str = "invalid_grant") -> Any:
    return says({"error": word, "error_description": description}, 400)


async def test_a_notice_is_posted_with_a_token_of_the_account() -> None:
    async with google_house() as (house, fcm):
        assert await fcm.send(target(), notice()) == Delivered("projects/acme/messages/1")
        assert house.bearers == ["access-1"]
        assert house.sent[0]["token"] == ADDRESS


async def test_a_token_and_a_connection_serve_many() -> None:
    async with google_house() as (house, fcm):
        for _ in range(5):
            await fcm.send(target(), notice())
        assert len(house.assertions) == 1
        assert len(house.connections) == 1


async def test_a_crowd_of_first_sends_asks_for_one_token() -> None:
    async with google_house() as (house, fcm), asyncio.TaskGroup() as group:
        house.gate.clear()
        sends = [group.create_task(fcm.send(target(), notice())) for _ in range(50)]
        await house.waiting.acquire()
        house.gate.set()
        assert {type(await send) for send in sends} == {Delivered}
        assert len(house.assertions) == 1


async def test_a_token_is_renewed_at_four_fifths_of_its_life() -> None:
    async with google_house() as (house, fcm):
        await fcm.send(target(), notice())
        house.clock.now_ms += 2_879_000
        await fcm.send(target(), notice())
        house.clock.now_ms += 2_000
        await fcm.send(target(), notice())
        assert house.bearers == ["access-1", "access-1", "access-2"]


async def test_while_a_token_is_renewed_the_others_use_the_old_one() -> None:
    async with google_house() as (house, fcm), asyncio.TaskGroup() as group:
        await fcm.send(target(), notice())
        await house.waiting.acquire()
        await house.waiting.acquire()
        house.clock.now_ms += 3_000_000
        house.gate.clear()
        first = group.create_task(fcm.send(target(), notice()))
        await house.waiting.acquire()
        second = group.create_task(fcm.send(target("other"), notice()))
        await house.waiting.acquire()
        assert [sent["token"] for sent in house.sent] == [ADDRESS, "other"]
        house.gate.set()
        assert isinstance(await first, Delivered)
        assert isinstance(await second, Delivered)
        assert house.bearers == ["access-1", "access-1", "access-2"]


async def test_a_renewal_that_fails_costs_nothing_while_the_old_token_is_good() -> None:
    async with google_house() as (house, fcm):
        await fcm.send(target(), notice())
        house.clock.now_ms += 3_000_000
        house.grants = [says({}, 503)]
        assert isinstance(await fcm.send(target(), notice()), Delivered)
        assert isinstance(await fcm.send(target(), notice()), Delivered)
        assert len(house.assertions) == 2
        house.clock.now_ms += 30_000
        await fcm.send(target(), notice())
        assert house.bearers == ["access-1", "access-1", "access-1", "access-3"]


async def test_a_token_that_is_refused_is_renewed_once_by_all_together() -> None:
    async with google_house() as (house, fcm), asyncio.TaskGroup() as group:
        await fcm.send(target(), notice())
        house.revoked.add("access-1")
        sends = [group.create_task(fcm.send(target(), notice())) for _ in range(20)]
        assert {type(await send) for send in sends} == {Delivered}
        assert len(house.assertions) == 2


async def test_a_second_refusal_is_a_matter_of_settings() -> None:
    async with google_house() as (house, fcm):
        house.revoked |= {"access-1", "access-2"}
        assert await fcm.send(target(), notice()) == ACCESS_REFUSED
        assert house.bearers == ["access-1", "access-2"]


@pytest.mark.parametrize(
    ("grant", "outcome"),
    [
        (refused(SKEW), CLOCK_WRONG),
        (refused("Invalid JWT Signature."), ACCOUNT_REFUSED),
        (refused("Invalid grant: account not found"), ACCOUNT_REFUSED),
        (refused("", "unauthorized_client"), ACCOUNT_REFUSED),
        (refused("", "temporarily_unavailable"), Later("access token: temporarily_unavailable")),
        (says("x", 404), TOKEN_URL_WRONG),
        (says({"token": "x"}), TOKEN_URL_WRONG),
        (says({"access_token": "a\r\nb", "expires_in": 9}), TOKEN_URL_WRONG),
        (says({"access_token": "a", "expires_in": 0}), TOKEN_URL_WRONG),
        (says({}, 503, {"Retry-After": "9"}), Later("access token: 503", 9.0)),
        (says({}, 429), Later("access token: 429")),
    ],
)
async def test_without_a_token_the_outcome_says_why(grant: Any, outcome: object) -> None:
    async with google_house() as (house, fcm):
        house.grants = [grant]
        assert await fcm.send(target(), notice()) == outcome
        assert house.sent == []
        house.clock.now_ms += 1_000
        assert isinstance(await fcm.send(target(), notice()), Delivered)


async def test_a_crowd_shares_the_failure_to_get_a_token() -> None:
    async with google_house() as (house, fcm), asyncio.TaskGroup() as group:
        house.grants = [refused(SKEW)]
        house.gate.clear()
        sends = [group.create_task(fcm.send(target(), notice())) for _ in range(50)]
        await house.waiting.acquire()
        house.gate.set()
        assert {(await send) for send in sends} == {CLOCK_WRONG}
        assert len(house.assertions) == 1


async def test_cancelling_who_asks_for_a_token_leaves_it_to_the_next() -> None:
    async with google_house() as (house, fcm), asyncio.TaskGroup() as group:
        house.gate.clear()
        first = group.create_task(fcm.send(target(), notice()))
        await house.waiting.acquire()
        second = group.create_task(fcm.send(target(), notice()))
        first.cancel()
        await house.waiting.acquire()
        house.gate.set()
        assert isinstance(await second, Delivered)


async def test_a_bad_address_is_forgotten_only_after_a_payload_like_it_was_accepted() -> None:
    async with google_house() as (house, fcm):
        house.answers = [INVALID_TOKEN]
        assert isinstance(await fcm.send(target(), notice()), Later)
        await fcm.send(target("good"), notice())
        house.answers = [INVALID_TOKEN] * 3
        assert await fcm.send(target(), notice()) == Rejected("INVALID_ARGUMENT")
        # A clear is another payload, and an hour later nothing is known of this one either.
        assert isinstance(await fcm.send(target(), notice(act="clear")), Later)
        house.clock.now_ms += int(PROOF_LIFE_S * 1_000)
        assert isinstance(await fcm.send(target(), notice()), Later)


async def test_no_more_calls_at_once_than_allowed() -> None:
    async with google_house(concurrency=3) as (house, fcm), asyncio.TaskGroup() as group:
        await fcm.send(target(), notice())
        house.gate.clear()
        sends = [group.create_task(fcm.send(target(), notice())) for _ in range(10)]
        for _ in range(5):
            await house.waiting.acquire()
        house.gate.set()
        assert {type(await send) for send in sends} == {Delivered}
        assert house.at_once_max == 3


async def test_a_service_that_hangs_is_left_in_time() -> None:
    async with google_house(timeout_s=0.3, concurrency=1) as (house, fcm):
        house.gate.clear()
        async with asyncio.TaskGroup() as group:
            first = group.create_task(fcm.send(target(), notice()))
            await house.waiting.acquire()
            second = group.create_task(fcm.send(target(), notice()))
        assert first.result() == Later("timeout")
        assert second.result() in (Later("busy", scope="device"), Later("timeout"))


async def test_a_service_that_is_not_there_is_asked_again_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    async with google_house(base_url=f"http://127.0.0.1:{port}") as (_, fcm):
        assert await fcm.send(target(), notice()) == Later("ClientConnectorError")


async def test_a_redirect_is_not_followed() -> None:
    async def away() -> web.Response:
        return web.Response(status=307, headers={"Location": "/token"})

    async with google_house() as (house, fcm):
        house.answers = [away]
        assert isinstance(await fcm.send(target(), notice()), Misconfigured)
        assert len(house.assertions) == 1


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    async def flood() -> web.Response:
        return web.Response(status=503, body=b"x" * 5_000_000)

    async with google_house() as (house, fcm):
        house.answers = [flood]
        assert await fcm.send(target(), notice()) == Later("503")
        assert isinstance(await fcm.send(target(), notice()), Delivered)


async def test_a_subscription_is_nothing_for_fcm() -> None:
    async with google_house() as (house, fcm):
        device = Target("fcm", "subscription", "https://push.example.com/1")
        assert isinstance(await fcm.send(device, notice()), Failed)
        assert house.sent == []


async def test_after_closing_nothing_is_sent() -> None:
    async with google_house() as (house, fcm):
        await fcm.send(target(), notice())
        await fcm.close()
        await fcm.close()
        assert await fcm.send(target(), notice()) == Later("closed")
        assert len(house.sent) == 1


async def test_it_runs_until_it_is_cancelled() -> None:
    async with google_house() as (_, fcm), asyncio.TaskGroup() as group:
        running = group.create_task(fcm.run())
        assert isinstance(await fcm.send(target(), notice()), Delivered)
        assert not running.done()
        running.cancel()


def test_a_key_that_cannot_be_read_is_told_without_its_text() -> None:
    planted = "-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----\n"
    for key in (planted, "planted", ""):
        with pytest.raises(ValueError, match="private key") as caught:
            FcmProvider(project="acme", client_email="e", private_key=key, key_id="k")
        assert "planted" not in str(caught.value)
        assert caught.value.__suppress_context__


async def test_no_secret_is_in_a_log_or_an_outcome(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever goes wrong: the address, the key and the tokens stay where they are."""
    caplog.set_level(logging.DEBUG)

    async def echo() -> web.Response:
        return web.json_response({"error": {"message": ADDRESS, "status": ADDRESS}}, status=400)

    async def broken() -> web.Response:
        raise ConnectionResetError

    texts: list[str] = []
    for scripts in ([echo], [INVALID_TOKEN], [broken], [error(404, "UNREGISTERED")]):
        async with google_house() as (house, fcm):
            house.answers = list(scripts)
            texts += [repr(await fcm.send(target(), notice())), repr(fcm), repr(fcm._token)]
            texts.append(repr(target()))
            assert house.sent[0]["token"] == ADDRESS
    async with google_house(base_url="http://127.0.0.1:1") as (_, fcm):
        texts.append(repr(await fcm.send(target(), notice())))
    ours = [
        r for r in caplog.records if not r.name.startswith(("aiohttp.access", "aiohttp.server"))
    ]
    seen = "\n".join([*texts, *(record.getMessage() for record in ours)])
    for secret in (ADDRESS, "access-1", key_pair()[0].splitlines()[1]):
        assert secret not in seen
