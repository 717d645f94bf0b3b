import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from realtime.chat.counters import COUNTERS_MAX, Counters
from tests.support.chat import ChatParts, chat_parts
from tests.support.hub import until


@pytest.fixture
async def parts() -> AsyncIterator[ChatParts]:
    async with chat_parts() as made:
        yield made


@pytest.fixture
def counters(parts: ChatParts) -> Counters:
    return Counters(parts.stage, parts.clock)


async def test_the_first_is_told_at_once_and_the_others_together(
    parts: ChatParts, counters: Counters
) -> None:
    counters.count("feed:a", "1:views", 1)
    await counters.send_due()
    for views in range(2, 100):
        counters.count("feed:a", "1:views", views)
        counters.count("feed:a", "2:likes", views // 10)
        await counters.send_due()
        parts.clock.now_ms += 2
    parts.clock.now_ms += 4
    await counters.send_due()
    assert parts.stage.signals == [
        ("feed:a", "counters", b'{"counters":{"1:views":1}}'),
        ("feed:a", "counters", b'{"counters":{"1:views":99,"2:likes":9}}'),
    ]


async def test_a_busy_channel_gets_five_signals_a_second_and_the_last_value(
    parts: ChatParts, counters: Counters
) -> None:
    for number in range(1_000):
        counters.count("feed:a", "1:views", number)
        await counters.send_due()
        parts.clock.now_ms += 1
    parts.clock.now_ms += 200
    await counters.send_due()
    assert len(parts.stage.signals) == 6
    assert parts.stage.signals[-1][2] == b'{"counters":{"1:views":999}}'


async def test_channels_do_not_wait_for_each_other(parts: ChatParts, counters: Counters) -> None:
    counters.count("feed:a", "1:views", 1)
    await counters.send_due()
    counters.count("feed:b", "1:views", 2)
    await counters.send_due()
    assert [signal[0] for signal in parts.stage.signals] == ["feed:a", "feed:b"]


async def test_of_too_many_counters_the_latest_are_told(
    parts: ChatParts, counters: Counters
) -> None:
    for number in range(COUNTERS_MAX):
        counters.count("feed:a", f"{number}:views", number)
    counters.count("feed:a", "0:views", 1_000)
    for number in range(2):
        counters.count("feed:a", f"{number}:likes", number)
    await counters.send_due()
    ((_, _, data),) = parts.stage.signals
    told = msgspec.json.decode(data)["counters"]
    assert len(told) == COUNTERS_MAX
    assert (told["0:views"], told["3:views"], told["1:likes"]) == (1_000, 3, 1)
    assert told.keys().isdisjoint({"1:views", "2:views"})


async def test_the_loop_tells_by_itself(parts: ChatParts, counters: Counters) -> None:
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(counters.run())
        counters.count("feed:a", "1:views", 1)
        await until(lambda: parts.stage.signals)
        loop.cancel()
