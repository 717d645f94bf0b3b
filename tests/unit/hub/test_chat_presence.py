"""Where very many are in a channel of chat, how many is told, and not who."""

from realtime.chat.service import ChatService
from realtime.protocol.calls import PresenceCall
from realtime.settings.schema import ChatSettings
from tests.support.chat import FEED, ROOM, chat_parts
from tests.support.chat_hub import chat_node, chat_settings
from tests.support.hub import ALL_HISTORY


async def test_in_a_large_channel_presence_is_numbers() -> None:
    async with chat_node(chat_settings({"log": ALL_HISTORY})) as chat:
        await chat.join("alice")
        alice = await chat.node.subscribed("room:1")
        await alice.subscribe("log:1")
        assert len((await alice.command("presence", channel="room:1"))["presence"]["presence"]) == 1
        chat.chat.large |= {"room:1", "log:1"}
        assert await alice.refused("presence", channel="room:1") == 108
        stats = (await alice.command("presence_stats", channel="room:1"))["presence_stats"]
        assert stats == {"num_clients": 1, "num_users": 1}
        # Chat has no say in other channels, and the app's backend may always ask.
        assert "error" not in await alice.command("presence", channel="log:1")
        assert len((await chat.node.api.presence(PresenceCall("room:1"))).presence) == 1


async def test_who_may_not_read_presence_is_not_told_that_a_channel_is_large() -> None:
    async with chat_node() as chat:
        chat.chat.large.add("room:1")
        stranger = await chat.node.connected("stranger")
        assert await stranger.refused("presence", channel="room:1") == 103


async def test_the_tier_decides_with_some_play() -> None:
    async with chat_parts() as parts:
        service = ChatService(
            store=parts.store,
            stage=parts.stage,
            memberships=parts.memberships,
            clock=parts.clock,
            settings=ChatSettings(),
            namespaces={"room": ROOM, "feed": FEED},
            data_max_bytes=65_536,
        )
        shown = []
        for live in (1, 101, 2_000, 2_001, 1_700, 30_000, 1_500):
            parts.stage.subscribed["room:a"] = live
            shown.append(service.shows_who("room:a"))
        assert shown == [True, True, True, False, False, False, True]
