"""Each answer of APNs means one thing, and none of ours is a reason to forget a device."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.providers.apns.answers import TokenOverused, TokenRefused, Verdict, WrongHost, judge
from workers.providers.base import Delivered, Failed, Later, Misconfigured, Rejected


def said(reason: str, **more: int) -> bytes:
    """The body of an answer."""
    return json.dumps({"reason": reason, **more}).encode()


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b"", Delivered()),
        (
            410,
            said("Unregistered", timestamp=1754000000123),
            Rejected("Unregistered", 1754000000123),
        ),
        (410, said("ExpiredToken", timestamp=5), Rejected("ExpiredToken", 5)),
        (410, said("Unregistered"), Rejected("Unregistered")),
        (410, b"gone", Rejected("status 410")),
        (400, said("BadDeviceToken"), WrongHost("BadDeviceToken")),
        (400, said("DeviceTokenNotForTopic"), Rejected("DeviceTokenNotForTopic", parked=True)),
        (400, said("TopicDisallowed"), Rejected("TopicDisallowed", parked=True)),
        (400, said("BadTopic"), Failed("BadTopic")),
        (400, said("PayloadEmpty"), Failed("PayloadEmpty")),
        (400, b"", Failed("status 400")),
        (403, said("ExpiredProviderToken"), TokenRefused("ExpiredProviderToken", expired=True)),
        (403, said("InvalidProviderToken"), TokenRefused("InvalidProviderToken")),
        (403, said("MissingProviderToken"), TokenRefused("MissingProviderToken")),
        (403, said("Forbidden"), Misconfigured("Forbidden")),
        (403, b"", Misconfigured("status 403")),
        (404, said("BadPath"), Failed("BadPath")),
        (405, said("MethodNotAllowed"), Failed("MethodNotAllowed")),
        (413, said("PayloadTooLarge"), Failed("PayloadTooLarge")),
        (429, said("TooManyRequests"), Later("TooManyRequests", scope="device")),
        (
            429,
            said("TooManyProviderTokenUpdates"),
            TokenOverused("TooManyProviderTokenUpdates"),
        ),
        (500, said("InternalServerError"), Later("InternalServerError")),
        (503, said("ServiceUnavailable"), Later("ServiceUnavailable")),
        (503, said("Shutdown"), Later("Shutdown")),
        (502, b"<html>a proxy's page</html>", Later("status 502")),
        (301, b"", Failed("status 301")),
    ],
)
def test_each_answer_means_one_thing(status: int, body: bytes, verdict: Verdict) -> None:
    assert judge(status, body) == verdict


def test_a_delivered_push_has_the_name_that_apns_gives_it() -> None:
    assert judge(200, b"", apns_id="eabeae54") == Delivered("eabeae54")


def test_an_answer_may_ask_for_patience() -> None:
    assert judge(429, said("Busy"), after_s=7) == Later("Busy", 7, scope="device")
    assert judge(503, said("Busy"), after_s=7) == Later("Busy", 7)


def test_words_that_are_none_of_apples_are_not_repeated() -> None:
    assert judge(400, said("line\nbreak")) == Failed("status 400")
    assert judge(400, said("x" * 5000)) == Failed("x" * 100)


@given(st.integers(200, 599), st.binary(max_size=60))
def test_only_410_and_what_is_said_of_an_address_may_cost_a_device(
    status: int, body: bytes
) -> None:
    verdict = judge(status, body)
    assert not isinstance(verdict, Rejected) or status == 410
