import asyncio
from collections.abc import AsyncIterator

import pytest

from realtime.chat import tiers as module
from realtime.chat.service import ChatService
from realtime.chat.tiers import RULES, SLOW_MODE_S, Tier, Tiers, next_tier
from realtime.errors import CallRefused
from realtime.settings.schema import ChatSettings
from tests.support.chat import ROOM, ChatParts, caller, chat_parts


@pytest.fixture
async def parts() -> AsyncIterator[ChatParts]:
    async with chat_parts() as made:
        yield made


@pytest.fixture
def tiers(parts: ChatParts) -> Tiers:
    return Tiers(parts.stage)


@pytest.mark.parametrize(
    ("live", "tier"),
    [
        (0, "S"),
        (100, "S"),
        (101, "M"),
        (2_000, "M"),
        (2_001, "L"),
        (20_000, "L"),
        (20_001, "XL"),
        (10**9, "XL"),
    ],
)
def test_a_channel_grows_into_the_tier_of_its_size(live: int, tier: Tier) -> None:
    assert next_tier("S", live) == tier


@pytest.mark.parametrize(
    ("before", "live", "tier"),
    [
        ("M", 81, "M"),
        ("M", 80, "S"),
        ("L", 1_601, "L"),
        ("L", 1_600, "M"),
        ("L", 80, "S"),
        ("XL", 16_001, "XL"),
        ("XL", 16_000, "L"),
        ("XL", 0, "S"),
    ],
)
def test_it_comes_down_with_a_fifth_less(before: Tier, live: int, tier: Tier) -> None:
    assert next_tier(before, live) == tier


def test_one_about_as_large_as_a_limit_does_not_go_to_and_fro() -> None:
    tier: Tier = "S"
    changes = 0
    for live in [99, 101, 98, 102, 95, 101, 90, 110] * 10:
        after = next_tier(tier, live)
        changes += after != tier
        tier = after
    assert changes == 1


def test_each_tier_goes_without_what_the_smaller_ones_do() -> None:
    assert [rules.receipts for rules in RULES.values()] == ["each", "merged", "off", "off"]
    assert [rules.typing for rules in RULES.values()] == [True, True, False, False]
    assert [rules.presence for rules in RULES.values()] == [
        "members",
        "members",
        "counts",
        "counts",
    ]
    assert [rules.slow_mode_s for rules in RULES.values()] == [0, 0, 0, 5]


async def test_a_change_is_told_once_to_whoever_is_there(parts: ChatParts, tiers: Tiers) -> None:
    assert tiers.of("room:a") == "S"
    parts.stage.subscribed["room:a"] = 101
    assert tiers.of("room:a") == "M"
    assert tiers.of("room:a") == "M"
    parts.stage.subscribed["room:a"] = 80
    assert tiers.rules("room:a").receipts == "each"
    assert parts.stage.signals == [
        ("room:a", "tier", b'{"tier":"M"}'),
        ("room:a", "tier", b'{"tier":"S"}'),
    ]


async def test_one_that_shrinks_unnoticed_is_noticed(parts: ChatParts, tiers: Tiers) -> None:
    for name in ("room:a", "room:b"):
        parts.stage.subscribed[name] = 3_000
        tiers.of(name)
    parts.stage.subscribed["room:a"] = 3
    del parts.stage.subscribed["room:b"]
    parts.stage.signals.clear()
    tiers.review()
    assert parts.stage.signals == [("room:a", "tier", b'{"tier":"S"}')]
    assert len(tiers) == 0


async def test_what_is_known_is_bounded(
    parts: ChatParts, tiers: Tiers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHANNELS_MAX", 2)
    for name in ("room:a", "room:b", "room:c"):
        parts.stage.subscribed[name] = 3_000
        tiers.of(name)
    assert len(tiers) == 2
    assert tiers.of("room:a") == "L"


async def test_the_loop_reviews(
    parts: ChatParts, tiers: Tiers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REVIEW_S", 0.001)
    reviewed = asyncio.Event()
    monkeypatch.setattr(tiers, "review", reviewed.set)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        loop = group.create_task(tiers.run())
        await reviewed.wait()
        loop.cancel()


async def test_the_largest_channels_are_slow_unless_somebody_has_said_how_slow() -> None:
    async with chat_parts() as parts:
        service = ChatService(
            store=parts.store,
            stage=parts.stage,
            memberships=parts.memberships,
            clock=parts.clock,
            settings=ChatSettings(),
            namespaces={"room": ROOM},
            data_max_bytes=1_000,
        )

        async def send(number: int) -> None:
            data = b'{"channel":"room:big","client_id":"%d","data":1}' % number
            await service.call(caller("bob"), "chat.send", data)

        made = b'{"namespace":"room","id":"big","client_id":"c","members":[{"user":"bob"}]}'
        await service.call(caller("ada"), "chat.create", made)
        await send(1)
        await send(2)
        parts.stage.subscribed["room:big"] = 30_000
        await service.call(caller("ada"), "chat.channel", b'{"channel":"room:big"}')
        await send(3)
        with pytest.raises(CallRefused) as refused:
            await send(4)
        assert (refused.value.why, refused.value.retry_after_s) == ("slow_mode", SLOW_MODE_S)
        parts.clock.now_ms += SLOW_MODE_S * 1_000
        await send(4)
        changed = b'{"channel":"room:big","client_id":"u","settings":{"slow_mode_s":0}}'
        await service.call(caller("ada"), "chat.update", changed)
        await send(5)
        await send(6)
