"""A user who looks at nothing hears of everything, in one subscription and one call."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.end_to_end.chat_houses import CHANGES, House, build
from tests.support.attentive_client import AttentiveClient, open_client
from tests.support.processes import HubProcess
from tests.support.server_api import open_api

NUMBERS = iter(range(1_000_000))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub with rooms, whose tests take rooms of their own."""
    hub = HubProcess(tmp_path_factory.mktemp("hub"), CHANGES)
    try:
        hub.start()
        yield hub
        assert hub.complaints() == []
    finally:
        hub.end()


@pytest.fixture
async def house(hub: HubProcess, room: str) -> AsyncIterator[House]:
    """A room with everybody in it, and a message."""
    async with open_api(hub) as api:
        yield await build(api, room)


async def enter(client: AttentiveClient, house: House, who: str) -> str:
    """Connect as somebody; answers their personal channel, to which they are subscribed."""
    reply = await client.connect(house.token(who))
    (personal,) = reply["connect"]["subs"]
    return str(personal)


async def call(client: AttentiveClient, method: str, **params: Any) -> Any:
    """Perform an operation over the socket."""
    reply = await client.command("rpc", method=method, data=params)
    assert "error" not in reply, reply
    return reply["rpc"]["data"]


async def send(client: AttentiveClient, house: House, text: str) -> int:
    """Send a message to the room."""
    sent = await call(
        client,
        "chat.send",
        channel=house.channel,
        client_id=f"c{next(NUMBERS)}",
        data={"text": text},
    )
    return int(sent["offset"])


def hints(client: AttentiveClient, personal: str, kind: str) -> list[dict[str, Any]]:
    """What was hinted at so far."""
    told = [push.body["data"] for push in client.pushes("pub", personal)]
    return [hint for hint in told if hint["type"] == kind]


async def test_a_member_who_looks_at_nothing_hears_of_a_message_and_syncs(
    hub: HubProcess, house: House
) -> None:
    url = hub.websocket_url
    async with open_client(url) as owner, open_client(url) as member:
        await enter(owner, house, "owner")
        personal = await enter(member, house, "member")
        before = await call(member, "chat.sync")
        offset = await send(owner, house, "hello")
        await member.until(lambda: bool(hints(member, personal, "channel")))
        hint = hints(member, personal, "channel")[-1]
        assert (hint["channel"], hint["offset"]) == (house.channel, offset)
        assert hint["last"]["data"] == {"text": "hello"}
        after = await call(member, "chat.sync", since=before["since"])
        (channel,) = [item for item in after["channels"] if item["channel"] == house.channel]
        assert (channel["head"], channel["last"]["data"]) == (offset, {"text": "hello"})
        assert channel["unread"] == before["channels"][0].get("unread", 0) + 1


async def test_who_looks_at_the_channel_is_not_hinted_at(hub: HubProcess, house: House) -> None:
    url = hub.websocket_url
    async with open_client(url) as owner, open_client(url) as member, open_client(url) as reader:
        await enter(owner, house, "owner")
        personal = await enter(member, house, "member")
        elsewhere = await enter(reader, house, "reader")
        assert await member.error("subscribe", channel=house.channel) == 0
        await send(owner, house, "hello")
        await reader.until(lambda: bool(hints(reader, elsewhere, "channel")))
        await member.until(lambda: bool(member.pushes("pub", house.channel)))
        assert hints(member, personal, "channel") == []


async def test_reading_on_one_device_is_told_to_the_other_and_to_members(
    hub: HubProcess, house: House
) -> None:
    url = hub.websocket_url
    async with open_client(url) as owner, open_client(url) as phone, open_client(url) as tablet:
        await enter(owner, house, "owner")
        assert await owner.error("subscribe", channel=house.channel) == 0
        await enter(phone, house, "member")
        personal = await enter(tablet, house, "member")
        offset = await send(owner, house, "hello")
        assert await call(phone, "chat.read", channel=house.channel) == {"offset": offset}
        await tablet.until(lambda: bool(hints(tablet, personal, "marker")))
        hint = hints(tablet, personal, "marker")[-1]
        assert (hint["channel"], hint["read"], hint["unread"]) == (house.channel, offset, 0)
        assert hint["badge"] == 0

        def receipts() -> list[Any]:
            pushed = owner.pushes("pub", house.channel)
            return [push.body["data"] for push in pushed if is_receipt(push.body)]

        await owner.until(lambda: bool(receipts()))
        assert receipts() == [{"user": house.user("member"), "delivered": offset, "read": offset}]


def is_receipt(publication: dict[str, Any]) -> bool:
    return bool(publication.get("tags", {}).get("kind") == "receipt")


async def test_what_was_sent_just_before_the_hub_was_stopped_is_unread_afterwards(
    hub: HubProcess, house: House
) -> None:
    async with open_client(hub.websocket_url) as owner, open_client(hub.websocket_url) as member:
        await enter(owner, house, "owner")
        await enter(member, house, "member")
        await call(member, "chat.read", channel=house.channel)
        await send(owner, house, "before")
        # Heads and markers are written within seconds; a stop writes them at once.
        began = time.monotonic()
        assert await asyncio.to_thread(hub.terminate) == 0
        assert time.monotonic() - began < 10
    hub.start()
    for who, unread in (("member", 1), ("owner", 0)):
        async with open_client(hub.websocket_url) as client:
            await enter(client, house, who)
            channels = (await call(client, "chat.sync"))["channels"]
            (channel,) = [item for item in channels if item["channel"] == house.channel]
            assert channel.get("unread", 0) == unread
