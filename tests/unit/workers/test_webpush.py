"""The provider of Web Push, over a real port."""

import asyncio
import logging
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.support.certificates import make_certificate
from tests.unit.workers.google_house import notice
from tests.unit.workers.push_house import PRIVATE_KEY, SUBJECT, loopback, push_house, status
from workers.providers.aes128gcm import BODY_MAX_BYTES
from workers.providers.base import Delivered, Failed, Later, Misconfigured, Rejected
from workers.providers.endpoint_guard import EndpointGuard
from workers.providers.push_origins import FAILURES_MAX, PROOF_LIFE_S, REST_S
from workers.providers.webpush import TTL_MAX_S, WebPushProvider


async def test_a_notice_is_read_by_the_browser_alone() -> None:
    async with push_house() as (house, webpush):
        told = notice()
        assert await webpush.send(house.target(), told) == Delivered()
        assert house.told == [
            {
                "act": "show",
                "id": told.id,
                "collapse": told.collapse,
                "badge": 3,
                "title": "Bob",
                "body": "Lunch?",
                "data": {"channel": "chat:1", "offset": "7"},
            }
        ]
        assert b"Lunch" not in house.bodies[0]


async def test_the_service_learns_how_long_how_urgent_and_what_it_replaces() -> None:
    async with push_house() as (house, webpush):
        told = notice()
        await webpush.send(house.target(), told)
        await webpush.send(house.target(), notice(urgent=False, expires=told.expires + TTL_MAX_S))
        first, second = house.headers
        assert (first["TTL"], first["Urgency"], first["Topic"]) == ("3600", "high", told.collapse)
        assert (second["TTL"], second["Urgency"]) == (str(TTL_MAX_S), "normal")
        assert first["Content-Encoding"] == "aes128gcm"
        assert "X-WNS-Cache-Policy" not in first
        assert "Cookie" not in second


async def test_the_url_is_asked_for_as_the_browser_gave_it() -> None:
    async with push_house() as (house, webpush):
        path = "/w/%2fa/../b:c?token=BQY%2f%2b%3d&x=a+b"
        await webpush.send(house.target(path), notice())
        assert house.paths == [path]


@pytest.mark.parametrize(("life_s", "policy"), [(60, "cache"), (0, "no-cache")])
async def test_windows_is_told_what_ttl_says_already(life_s: int, policy: str) -> None:
    async with push_house(host="wns2-par02p.notify.windows.com") as (house, webpush):
        await webpush.send(house.target(), notice(expires=1_700_000_000 + life_s))
        assert house.headers[0]["X-WNS-Cache-Policy"] == policy
        assert house.headers[0]["TTL"] == str(life_s)


async def test_a_clear_is_never_sent() -> None:
    async with push_house() as (house, webpush):
        assert await webpush.send(house.target(), notice(act="clear")) == Delivered()
        assert house.bodies == []


@pytest.mark.parametrize("text", ["a" * 9_000, "ü" * 9_000, "👩‍👩‍👧" * 900])
async def test_a_long_text_is_cut_to_what_every_service_takes(text: str) -> None:
    async with push_house() as (house, webpush):
        assert await webpush.send(house.target(), notice(body=text)) == Delivered()
        assert BODY_MAX_BYTES - 50 < len(house.bodies[0]) <= BODY_MAX_BYTES
        assert house.told[0]["body"].endswith("…")


async def test_without_content_there_are_ids_alone() -> None:
    async with push_house() as (house, webpush):
        await webpush.send(house.target(), notice(title="", body="", badge=-1))
        assert set(house.told[0]) == {"act", "id", "collapse", "data"}


async def test_data_that_alone_is_too_long_fails_for_good() -> None:
    async with push_house() as (house, webpush):
        outcome = await webpush.send(house.target(), notice(data={"x": "y" * 4_000}))
        assert isinstance(outcome, Failed)
        assert house.bodies == []


async def test_what_is_too_long_for_a_service_is_sent_once_more_without_content() -> None:
    async with push_house() as (house, webpush):
        house.answers = [status(413)]
        assert await webpush.send(house.target(), notice()) == Delivered()
        assert set(house.told[1]) == {"act", "id", "collapse", "data", "badge"}
        house.answers = [status(413), status(413)]
        assert await webpush.send(house.target(), notice()) == Failed("413")
        house.answers = [status(413)]
        assert await webpush.send(house.target(), notice(title="", body="")) == Failed("413")
        assert len(house.bodies) == 5


async def test_a_subscription_that_is_gone_is_forgotten() -> None:
    async with push_house() as (house, webpush):
        house.answers = [status(410), status(404)]
        assert await webpush.send(house.target(), notice()) == Rejected("410")
        assert await webpush.send(house.target(), notice()) == Rejected("404")


async def test_a_refused_key_is_ours_until_the_service_has_accepted_it_for_others() -> None:
    async with push_house() as (house, webpush):
        house.answers = [status(403, '{"reason": "BadJwtToken"}')]
        outcome = await webpush.send(house.target(), notice())
        assert outcome == Misconfigured("a push service refuses our key: 403 BadJwtToken")
        house.clock.now_ms += 1_000
        assert await webpush.send(house.target("/push/bob"), notice()) == Delivered()
        house.answers = [status(403), status(403)]
        parked = await webpush.send(house.target(), notice())
        assert isinstance(parked, Rejected)
        assert parked.parked
        assert isinstance(await webpush.send(house.target("/push/eve"), notice()), Later)
        house.clock.now_ms += int(PROOF_LIFE_S * 1_000)
        house.answers = [status(401)]
        assert isinstance(await webpush.send(house.target("/push/joe"), notice()), Misconfigured)


async def test_throttling_by_windows_is_throttling() -> None:
    async with push_house(host="wns2-par02p.notify.windows.com") as (house, webpush):
        house.answers = [status(406, Retry_After="900")]
        assert await webpush.send(house.target(), notice()) == Later("406", 900.0, "device")


async def test_a_service_in_trouble_is_left_alone_for_a_while() -> None:
    async with push_house() as (house, webpush):
        house.answers = [status(503)] * FAILURES_MAX
        for _ in range(FAILURES_MAX):
            assert await webpush.send(house.target(), notice()) == Later("503", scope="device")
        outcome = await webpush.send(house.target(), notice())
        assert isinstance(outcome, Later)
        assert (outcome.after_s, outcome.scope) == (REST_S, "device")
        assert len(house.bodies) == FAILURES_MAX
        house.clock.now_ms += int(REST_S * 1_000)
        assert await webpush.send(house.target(), notice()) == Delivered()


async def test_a_service_that_hangs_is_left_in_time_and_then_alone() -> None:
    async with push_house(timeout_s=0.2) as (house, webpush), asyncio.TaskGroup() as group:
        house.gate.clear()
        sends = [
            group.create_task(webpush.send(house.target(), notice())) for _ in range(FAILURES_MAX)
        ]
        assert {await send for send in sends} == {Later("timeout", scope="device")}
        outcome = await webpush.send(house.target(), notice())
        assert isinstance(outcome, Later)
        assert outcome.after_s == REST_S


async def test_a_redirect_is_not_followed() -> None:
    async with push_house() as (house, webpush):
        house.answers = [status(307, Location="/elsewhere")]
        assert await webpush.send(house.target(), notice()) == Failed("307")
        assert house.paths == ["/push/ada"]


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    async def flood() -> web.Response:
        return web.Response(status=400, body=b"x" * 5_000_000)

    async with push_house() as (house, webpush):
        house.answers = [flood]
        assert await webpush.send(house.target(), notice()) == Failed("400")
        assert await webpush.send(house.target(), notice()) == Delivered()


async def test_a_connection_serves_many() -> None:
    async with push_house() as (house, webpush):
        for _ in range(5):
            await webpush.send(house.target(), notice())
        assert len(house.connections) == 1


async def test_a_certificate_counts_only_from_a_known_authority(tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(files.certificate, files.key)
    async with push_house(tls=tls) as (house, webpush):
        outcome = await webpush.send(house.target(), notice())
        assert outcome == Later("ClientConnectorCertificateError", scope="device")
        assert house.bodies == []
        known = ssl.create_default_context(cafile=files.certificate)
        guard = EndpointGuard(own=[house.origin], tls=known)
        knowing = WebPushProvider(
            private_key=PRIVATE_KEY, subject=SUBJECT, guard=guard, wall=house.clock.monotonic
        )
        try:
            assert await knowing.send(house.target(), notice()) == Delivered()
        finally:
            await knowing.close()


async def test_an_endpoint_that_may_not_be_posted_to_is_parked() -> None:
    async with push_house() as (house, webpush):
        outcome = await webpush.send(house.target(origin="https://example.com"), notice())
        assert outcome == Rejected("not an allowed push service", parked=True)


async def test_a_subscription_whose_keys_are_none_is_forgotten() -> None:
    async with push_house() as (house, webpush):
        outcome = await webpush.send(house.target(p256dh="planted"), notice())
        assert isinstance(outcome, Rejected)
        assert "planted" not in repr(outcome)
        assert house.bodies == []


async def test_after_closing_nothing_is_sent() -> None:
    async with push_house() as (house, webpush):
        await webpush.send(house.target(), notice())
        await webpush.close()
        await webpush.close()
        assert await webpush.send(house.target(), notice()) == Later("closed", scope="device")
        assert len(house.bodies) == 1


async def test_it_runs_until_it_is_cancelled() -> None:
    async with push_house() as (house, webpush), asyncio.TaskGroup() as group:
        running = group.create_task(webpush.run())
        assert await webpush.send(house.target(), notice()) == Delivered()
        assert not running.done()
        running.cancel()


async def test_no_secret_is_in_a_log_or_an_outcome(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever goes wrong: the endpoint, its keys and ours stay where they are."""
    caplog.set_level(logging.DEBUG)

    async def broken() -> web.Response:
        raise ConnectionResetError

    texts: list[Any] = []
    async with push_house() as (house, webpush):
        device = house.target("/planted-endpoint")
        echo = status(400, f'{{"reason": "{device.address}"}}')
        for script in (
            echo,
            broken,
            status(410),
            status(403),
            status(302, Location=device.address),
        ):
            house.answers = [script]
            texts.append(await webpush.send(device, notice()))
        texts += [device, webpush, webpush._vapid]
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    origin = f"http://planted-endpoint.example.com:{port}"
    guard = EndpointGuard(own=[origin], allow_http=True, resolve=loopback)
    lost = WebPushProvider(private_key=PRIVATE_KEY, subject=SUBJECT, guard=guard)
    for other in (origin, "https://planted-endpoint.example.com", "planted-endpoint"):
        texts.append(await lost.send(house.target(origin=other), notice()))
    await lost.close()
    ours = [record for record in caplog.records if record.name != "aiohttp.access"]
    seen = "\n".join([*map(repr, texts), *(record.getMessage() for record in ours)])
    assert len(texts) == 11
    for secret in ("planted-endpoint", device.p256dh, device.auth, PRIVATE_KEY):
        assert secret not in seen
