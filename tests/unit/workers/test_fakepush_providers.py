"""The providers of FCM and Web Push against the fake world: what phones show in the end."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from workers.fakepush import Device, FakePush
from workers.providers.base import (
    Delivered,
    Failed,
    Later,
    Misconfigured,
    Notice,
    Provider,
    Rejected,
    Target,
)
from workers.providers.endpoint_guard import EndpointGuard
from workers.providers.fcm import FcmProvider
from workers.providers.webpush import WebPushProvider


def notice(**changed: Any) -> Notice:
    fields: dict[str, Any] = {
        "act": "show",
        "id": str(uuid.uuid4()),
        "collapse": "c" * 32,
        "title": "Ann",
        "body": "Hello",
        "badge": 3,
        "data": {"channel": "chat:1"},
        "expires": int(time.time()) + 3_600,
    }
    return Notice(**{**fields, **changed})


def target(device: Device) -> Target:
    told = device.told()
    return Target(
        device.provider,
        device.kind,
        told["address"],
        p256dh=told["p256dh"],
        auth=told["auth"],
    )


@pytest.fixture
async def fake() -> AsyncIterator[FakePush]:
    async with FakePush() as fake:
        yield fake


@pytest.fixture(params=["fcm", "webpush"])
async def provider(request: pytest.FixtureRequest, fake: FakePush) -> AsyncIterator[Provider]:
    provider = make_fcm(fake) if request.param == "fcm" else make_webpush(fake)
    yield provider
    await provider.close()


def make_fcm(fake: FakePush) -> FcmProvider:
    account = fake.world.account.told()
    return FcmProvider(
        project=account["project_id"],
        client_email=account["client_email"],
        private_key=account["private_key"],
        key_id=account["private_key_id"],
        token_uri=account["token_uri"],
        base_url=fake.fcm_url,
    )


def make_webpush(fake: FakePush) -> WebPushProvider:
    return WebPushProvider(
        private_key=fake.vapid_private_key,
        subject="mailto:push@example.com",
        guard=EndpointGuard(own=[fake.webpush_origin], allow_http=True),
    )


async def test_a_notification_is_shown_and_replaced(fake: FakePush, provider: Provider) -> None:
    bob = fake.world.make_device(provider.name, name="bob")
    assert isinstance(await provider.send(target(bob), notice()), Delivered)
    assert isinstance(await provider.send(target(bob), notice(body="Hello again")), Delivered)
    [shown] = bob.phone.visible.values()
    assert (shown.title, shown.body, bob.phone.badge) == ("Ann", "Hello again", 3)
    assert bob.phone.count.value == 2


async def test_what_says_nothing_is_shown_as_well(fake: FakePush, provider: Provider) -> None:
    bob = fake.world.make_device(provider.name)
    assert isinstance(await provider.send(target(bob), notice(title="", body="")), Delivered)
    assert list(bob.phone.visible) == ["c" * 32]


async def test_a_clear_takes_away_what_was_shown(fake: FakePush) -> None:
    provider = make_fcm(fake)
    try:
        bob = fake.world.make_device("fcm")
        await provider.send(target(bob), notice())
        clear = notice(act="clear", title="", body="", badge=0)
        assert isinstance(await provider.send(target(bob), clear), Delivered)
        assert (bob.phone.visible, bob.phone.cleared, bob.phone.badge) == ({}, 1, 0)
    finally:
        await provider.close()


async def test_a_long_text_is_cut_to_what_is_taken(fake: FakePush, provider: Provider) -> None:
    bob = fake.world.make_device(provider.name)
    sent = await provider.send(target(bob), notice(body="ä" * 5_000))
    assert isinstance(sent, Delivered)
    [shown] = bob.phone.visible.values()
    assert shown.body.startswith("äää")


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("dead", Rejected),
        ("busy_device", Later),
        ("busy", Later),
        ("unavailable", Later),
        ("internal_error", Later),
        ("third_party", Misconfigured),
        ("bad_payload", Failed),
        ("too_large", Failed),
        ("drop", Later),
        ("goaway", Later),
    ],
)
async def test_each_outcome_is_understood(
    fake: FakePush, provider: Provider, what: Any, kind: type[object]
) -> None:
    bob, ann = (fake.world.make_device(provider.name) for _ in range(2))
    if what != "third_party":
        # That credentials are wrong can be told only from those that were never good.
        assert isinstance(await provider.send(target(ann), notice()), Delivered)
    fake.world.script(bob, what, times=2, retry_after_s=7)
    assert isinstance(await provider.send(target(bob), notice()), kind)


async def test_hundreds_of_phones_get_one_each(fake: FakePush, provider: Provider) -> None:
    phones = [fake.world.make_device(provider.name) for _ in range(300)]
    sent = await asyncio.gather(*(provider.send(target(each), notice()) for each in phones))
    assert {type(each) for each in sent} == {Delivered}
    assert {each.phone.count.value for each in phones} == {1}
