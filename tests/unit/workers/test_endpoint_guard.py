"""Which endpoints Web Push may post to; the connections over a real port."""

import socket
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest

from tests.unit.workers.google_house import notice
from tests.unit.workers.push_house import PRIVATE_KEY, SUBJECT, PushHouse, loopback, push_house
from workers.providers.base import Delivered, Later
from workers.providers.endpoint_guard import (
    ENDPOINT_MAX_CHARS,
    PUSH_SERVICES,
    EndpointGuard,
    EndpointRefused,
)
from workers.providers.posting import AddressRefused
from workers.providers.webpush import WebPushProvider

NOWHERE = "not a public address"


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/abc:APA91b-x_y",
        "https://updates.push.services.mozilla.com/wpush/v2/gAAAA",
        "https://web.push.apple.com/QOXx",
        "https://wns2-par02p.notify.windows.com/w/?token=BQYAAAD%2fa%2bb%3d",
        "https://FCM.GoogleApis.com/fcm/send/abc",
    ],
)
def test_the_push_services_of_browsers_are_allowed_to_the_letter(endpoint: str) -> None:
    assert str(EndpointGuard().check(endpoint)) == endpoint


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("https://example.com/x", "not an allowed push service"),
        ("https://fcm.googleapis.com.example.com/x", "not an allowed push service"),
        ("https://evilfcm.googleapis.com/x", "not an allowed push service"),
        ("https://notify.windows.com/x", "not an allowed push service"),
        ("https://xnotify.windows.com/x", "not an allowed push service"),
        ("https://example.com/fcm.googleapis.com", "not an allowed push service"),
        ("https://example.com#@fcm.googleapis.com/", "not an allowed push service"),
        ("https://example.com?@fcm.googleapis.com/", "not an allowed push service"),
        ("https://fcm.googleapis.com@example.com/", "a URL with a user"),
        ("https://a:b@fcm.googleapis.com/", "a URL with a user"),
        ("http://fcm.googleapis.com/x", "not https"),
        ("ftp://fcm.googleapis.com/x", "not https"),
        ("file:///etc/passwd", "not a URL"),
        ("https://fcm.googleapis.com:22/x", "another port than 443"),
        ("https://fcm.googleapis.com:80/x", "another port than 443"),
        ("https://fcm.googleapis.com:99999/x", "not a URL"),
        ("https://fcm.googleapis.com./x", "not a URL"),
        ("https://fcm%2egoogleapis.com/x", "not a URL"),
        ("https://fcm.googleapis.com\\@example.com/x", "not a URL"),
        ("https://fcm.googleapis.com/a b", "not a URL"),
        ("https://fcm.googleapis.com/a\r\nX: y", "not a URL"),
        ("https://fcm.googleapis.com/ä", "not a URL"),
        ("https://fcm.googleapis.com/" + "a" * ENDPOINT_MAX_CHARS, "not a URL"),
        ("https://127.0.0.1/x", "not an allowed push service"),
        ("//fcm.googleapis.com/x", "not https"),
        ("fcm.googleapis.com/x", "not a URL"),
        ("https://", "not a URL"),
        ("", "not a URL"),
    ],
)
def test_anything_else_is_refused(endpoint: str, why: str) -> None:
    with pytest.raises(EndpointRefused) as caught:
        EndpointGuard().check(endpoint)
    assert caught.value.why == why


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "2130706433",
        "127.1",
        "0x7f000001",
        "0x7f.0.0.0x1",
        "017700000001",
        "10.0.0.0x1",
    ],
)
def test_an_address_in_the_place_of_a_name_is_checked_where_every_service_is_allowed(
    host: str,
) -> None:
    with pytest.raises(EndpointRefused) as caught:
        EndpointGuard(allowed=["*"]).check(f"https://{host}/x")
    assert caught.value.why == NOWHERE


def test_with_every_service_allowed_a_public_one_is() -> None:
    guard = EndpointGuard(allowed=["*"])
    assert guard.check("https://ntfy.sh/up")
    assert guard.check("https://8.8.8.8/up")
    with pytest.raises(EndpointRefused):
        guard.check("http://ntfy.sh/up")
    with pytest.raises(EndpointRefused):
        guard.check("https://ntfy.sh:8443/up")


def test_an_operators_own_origin_is_itself_and_nothing_beside_it() -> None:
    guard = EndpointGuard(own=["https://ntfy.lan:8443", "https://10.0.0.5"])
    assert guard.check("https://ntfy.lan:8443/up")
    assert guard.check("https://10.0.0.5/up")
    for endpoint in (
        "https://ntfy.lan/up",
        "https://a.ntfy.lan:8443/up",
        "http://ntfy.lan:8443/up",
        "https://10.0.0.6/up",
        "https://user@ntfy.lan:8443/up",
    ):
        with pytest.raises(EndpointRefused):
            guard.check(endpoint)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"own": ["http://ntfy.lan"]}, "not https"),
        ({"own": ["ntfy.lan"]}, "own origin"),
        ({"own": ["https://ntfy.lan/up"]}, "more than a host"),
        ({"own": ["https://u@ntfy.lan"]}, "own origin"),
        ({"own": ["https://ntfy.lan:x"]}, "not a URL"),
        ({"allowed": ["https://fcm.googleapis.com"]}, "no host"),
        ({"allowed": ["*.FCM.com"]}, "no host"),
        ({"allowed": ["fcm.*.com"]}, "no host"),
        ({"allowed": [""]}, "no host"),
    ],
)
def test_a_list_that_would_not_mean_what_it_says_is_refused(arguments: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        EndpointGuard(**arguments)


def test_the_services_of_browsers_are_a_valid_list() -> None:
    assert EndpointGuard(allowed=PUSH_SERVICES)


class Names:
    """A resolver that answers as it is told; the last answer for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


async def test_of_many_addresses_the_public_ones_are_left() -> None:
    guard = EndpointGuard(resolve=Names(["10.0.0.1", "8.8.8.8", "::1", "2606:4700::1111"]))
    assert await guard.addresses("fcm.googleapis.com", 443) == ["8.8.8.8", "2606:4700::1111"]


async def test_a_name_that_leads_home_is_refused() -> None:
    guard = EndpointGuard(resolve=Names(["127.0.0.1", "fe80::1%eth0"]))
    with pytest.raises(AddressRefused, match=NOWHERE):
        await guard.addresses("fcm.googleapis.com", 443)


def test_an_own_origin_with_a_password_is_refused_without_it() -> None:
    for own in ("https://u:planted@ntfy.lan", "https://u:planted@ntfy.lan:x"):
        with pytest.raises(ValueError, match="own origin") as caught:
            EndpointGuard(own=[own])
        assert "planted" not in str(caught.value)


async def test_a_name_that_cannot_even_be_asked_for_is_no_surprise() -> None:
    async with push_house() as (house, _):
        other = WebPushProvider(
            private_key=PRIVATE_KEY, subject=SUBJECT, guard=EndpointGuard(allowed=["*"])
        )
        try:
            device = house.target(origin=f"https://{'a' * 64}.example.com")
            assert isinstance(await other.send(device, notice()), Later)
        finally:
            await other.close()


async def test_an_own_origin_may_lead_home_at_its_own_port_alone() -> None:
    guard = EndpointGuard(own=["https://ntfy.lan:8443"], resolve=Names(["10.0.0.5"]))
    assert await guard.addresses("ntfy.lan", 8443) == ["10.0.0.5"]
    with pytest.raises(AddressRefused):
        await guard.addresses("ntfy.lan", 443)


async def test_the_systems_names_are_resolved() -> None:
    guard = EndpointGuard(own=["https://localhost:8443"])
    assert "127.0.0.1" in await guard.addresses("localhost", 8443)


async def test_no_connection_is_made_to_a_name_that_leads_home() -> None:
    """The listener would take anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        guard = EndpointGuard(allowed=["*"], resolve=loopback)
        connector = guard.connector(limit=1)
        async with aiohttp.ClientSession(connector=connector) as session:
            url = f"http://push.example.com:{listener.getsockname()[1]}/"
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await session.post(url)
        assert isinstance(caught.value.os_error, AddressRefused)
        with pytest.raises(BlockingIOError):
            listener.accept()


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """The name exists nowhere: who resolved it once more would not get through."""
    async with push_house(host="push.invalid") as (house, webpush):
        assert await _sent(house, webpush) == Delivered()
        assert len(house.bodies) == 1


async def test_a_name_that_changes_after_it_was_checked_gains_nothing() -> None:
    names = Names(["127.0.0.1"], ["10.255.255.1"])
    async with push_house(host="push.invalid") as (house, _):
        own = WebPushProvider(
            private_key=PRIVATE_KEY,
            subject=SUBJECT,
            guard=EndpointGuard(own=[house.origin], allow_http=True, resolve=names),
            wall=house.clock.monotonic,
        )
        try:
            for _ in range(3):
                assert await _sent(house, own) == Delivered()
        finally:
            await own.close()
        assert names.asked == 1
        assert len(house.bodies) == 3


async def test_an_allowed_service_whose_name_leads_home_is_tried_again_later() -> None:
    """Resolvers have bad days: nobody is forgotten for it, and nobody is connected to."""
    async with push_house() as (house, _):
        guard = EndpointGuard(resolve=loopback)
        other = WebPushProvider(
            private_key=PRIVATE_KEY,
            subject=SUBJECT,
            guard=guard,
        )
        house.origin = "https://fcm.googleapis.com"
        try:
            assert await _sent(house, other) == Later(NOWHERE, scope="device")
        finally:
            await other.close()
        assert house.bodies == []


async def _sent(house: PushHouse, webpush: WebPushProvider) -> object:
    return await webpush.send(house.target(), notice())
