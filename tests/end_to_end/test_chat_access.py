"""What somebody is in a room decides on every path, and nobody keeps what was taken from them."""

from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest

from tests.end_to_end.chat_houses import (
    CHANGES,
    EVERYONE,
    PATHS,
    House,
    build,
    empty,
    verdict,
)
from tests.support.attentive_client import AttentiveClient, open_client
from tests.support.processes import HubProcess
from tests.support.server_api import open_api

INSIDE: Final = {"owner", "moderator", "member", "reader", "admin"}


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
    """A room for members, that some have left."""
    async with open_api(hub) as api:
        house = await build(api, room)
        await empty(house)
        yield house


def allowed(who: str, path: str) -> bool:
    """Whether somebody may, in a room that is for members."""
    if path == "publish" and who in ("reader", "admin"):
        # An admin may do everything, but speaks in a room only as somebody who is in it.
        return who == "admin"
    return who in INSIDE


@pytest.mark.parametrize("path", PATHS)
async def test_every_path_asks_what_somebody_is_in_the_room(
    hub: HubProcess, house: House, path: str
) -> None:
    for who in EVERYONE:
        code = await verdict(house, who, path, hub.websocket_url)
        assert (code == 0) is allowed(who, path), (who, path, code)
        assert code in (0, 103, 404), (who, path, code)


@pytest.mark.parametrize("path", [path for path in PATHS if path != "publish"])
async def test_where_every_user_may_look_on_who_is_banned_may_not(
    hub: HubProcess, room: str, path: str
) -> None:
    async with open_api(hub) as api:
        house = await build(api, room, "stage")
        await empty(house)
        for who in EVERYONE:
            code = await verdict(house, who, path, hub.websocket_url)
            assert (code == 0) is (who not in ("banned", "guest")), (who, path, code)


async def test_who_is_subscribed_already_is_put_out(hub: HubProcess, room: str) -> None:
    async with open_api(hub) as api:
        house = await build(api, room)
        for who, act in (("left", "leave"), ("kicked", "kick"), ("banned", "ban")):
            async with (
                open_client(hub.websocket_url) as client,
                open_client(hub.websocket_url) as bystander,
            ):
                await subscribe(client, house, who)
                await subscribe(bystander, house, "member")
                await house.act(act, who)
                await house.speak(f"{who} is out")
                await bystander.until(lambda: len(bystander.pushes("pub", house.channel)) == 2)
                assert [t.body["code"] for t in client.pushes("unsubscribe", house.channel)] == [
                    2000
                ]
                texts = [told.body["data"] for told in client.pushes("pub", house.channel)]
                assert [text["act"] for text in texts] == [act]  # and nothing after it


async def test_who_is_taken_back_gets_what_was_missed(hub: HubProcess, room: str) -> None:
    async with open_api(hub) as api:
        house = await build(api, room)
        async with open_client(hub.websocket_url) as client:
            await subscribe(client, house, "kicked")
            await house.act("kick", "kicked")
            await client.until(lambda: len(client.pushes("unsubscribe", house.channel)) == 1)
            assert await client.error("subscribe", channel=house.channel) == 103
            await house.act("join", "kicked")
            reply = await client.command("subscribe", channel=house.channel, recover=True, offset=2)
            acts = [item["data"]["act"] for item in reply["subscribe"]["publications"]]
            assert acts == ["kick", "join"]


async def subscribe(client: AttentiveClient, house: House, who: str) -> None:
    """Connect as somebody and subscribe to the room."""
    await client.connect(house.token(who))
    assert await client.error("subscribe", channel=house.channel) == 0
