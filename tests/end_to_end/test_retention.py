"""Retention forgets entries, never offsets: not under load, not over a restart, not by removal."""

import asyncio

from tests.end_to_end.conftest import MakeHub
from tests.support.polling import eventually
from tests.support.server_api import ServerApi, open_api

CHANNEL = "brief:x"
OPTIONS = {
    "history_size": 5,
    "history_ttl": "300ms",
    "subscribe": ["user"],
    "read_history": ["user"],
}


async def visible(api: ServerApi) -> list[int]:
    """Offsets that history shows."""
    page = await api.call("history", channel=CHANNEL, limit=-1)
    return [publication["offset"] for publication in page["publications"]]


async def test_offsets_go_on_whatever_is_forgotten(make_hub: MakeHub) -> None:
    hub = make_hub({"namespaces": {"brief": OPTIONS}})
    await asyncio.to_thread(hub.start)
    async with open_api(hub) as api:
        for offset in range(1, 21):
            published = await api.call("publish", channel=CHANNEL, data=offset)
            assert published["offset"] == offset
            shown = await visible(api)
            # The newest are there, unless the machine was slow; never more than five.
            assert shown == list(range(1, offset + 1))[-5:][-len(shown) :] or shown == []

        async def is_empty() -> bool:
            return await visible(api) == []

        await eventually(is_empty)
        await asyncio.to_thread(hub.restart)
        assert await visible(api) == []
        assert (await api.call("history", channel=CHANNEL))["offset"] == 20
        assert (await api.call("publish", channel=CHANNEL, data=21))["offset"] == 21
        await api.call("history_remove", channel=CHANNEL)
        await asyncio.to_thread(hub.restart)
        published = await api.call("publish", channel=CHANNEL, data=22)
        assert published["offset"] == 22
        assert await visible(api) in ([22], [])
