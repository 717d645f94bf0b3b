"""What a room is set to keep is all that any node shows of it, and soon all that is in the store.

Two hubs and a worker, which is the one that frees what is hidden.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import pytest

from tests.support.chat_users import (
    CHANGES,
    SocketUser,
    refusal,
    rest_session,
    rest_user,
    socket_user,
)
from tests.support.configuration import shared_by_nodes
from tests.support.hub_cluster import HubCluster, hub_cluster
from tests.support.polling import eventually
from tests.support.processes import HubProcess
from tests.support.raw_contents import holders, mongo_documents
from tests.support.server_api import ServerApi, open_api

PLANTED: Final = "what-nobody-is-to-keep"

ELSEWHERE_S: Final = 1.0
"""How long a node that does not follow a room may go by what it was set to before."""

SWEPT_S: Final = 20.0
"""How long the worker may take: half a second between rounds, and first it has to get the task."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubCluster]:
    """Two hubs with rooms, which leave freeing to the worker beside them."""
    with hub_cluster(tmp_path_factory.mktemp("cluster"), 2, CHANGES) as cluster:
        folder = tmp_path_factory.mktemp("worker")
        url = f"{cluster.mongo.url}/realtime"
        settings = {**CHANGES, **shared_by_nodes(url, cluster.redis.url, name="worker")}
        worker = HubProcess(folder, settings)
        worker.program = ("tests.end_to_end.hurried_hub",)
        worker.launch_command("worker")
        try:
            yield cluster
            assert [*cluster.complaints(), *worker.complaints()] == []
        finally:
            worker.end()


@pytest.fixture
async def stack() -> AsyncIterator[contextlib.AsyncExitStack]:
    """What closes whatever a test has opened."""
    async with contextlib.AsyncExitStack() as stack:
        yield stack


async def make(owner: SocketUser, name: str, **settings: Any) -> str:
    """A room with four messages, of which the first three have what is planted; its channel."""
    made = await owner.call(
        "chat.create",
        namespace="room",
        id=name,
        client_id=name,
        members=[{"user": "member"}],
        settings=settings,
    )
    channel: str = made["channel"]
    for number in range(4):
        text = f"{PLANTED} {name}" if number < 3 else "harmless"
        await owner.call("chat.send", channel=channel, client_id=str(number), data={"text": text})
    return channel


async def set_to(owner: SocketUser, channel: str, client_id: str, **settings: Any) -> None:
    await owner.call("chat.update", channel=channel, client_id=client_id, settings=settings)


async def heard_of(user: SocketUser, channel: str, offset: int) -> None:
    """Wait until an entry has come to a subscriber."""
    client = user.client
    await client.until(
        lambda: offset in [told.body["offset"] for told in client.pushes("pub", channel)]
    )


async def on_the_wire(user: SocketUser, channel: str) -> list[int]:
    """What the protocol's own history shows."""
    reply = await user.client.command("history", channel=channel, limit=100)
    return [item["offset"] for item in reply["history"].get("publications", [])]


async def in_chat(user: SocketUser, channel: str) -> list[int]:
    """What chat shows, events included."""
    page = await user.call("chat.history", channel=channel, events=True)
    return sorted(item["offset"] for item in page["messages"])


async def by_api(api: ServerApi, channel: str) -> list[int]:
    """What the app's own backend is shown."""
    page = await api.call("history", channel=channel, limit=100)
    return [item["offset"] for item in page["publications"]]


async def unread(user: SocketUser, channel: str) -> int:
    """What the user is told to be unread."""
    synced = await user.call("chat.sync")
    (count,) = [item.get("unread", 0) for item in synced["channels"] if item["channel"] == channel]
    return int(count)


async def test_both_nodes_show_no_more_at_once_and_the_store_soon_has_no_more(
    cluster: HubCluster, apis: list[ServerApi], stack: contextlib.AsyncExitStack, room: str
) -> None:
    urls = [hub.websocket_url for hub in cluster.hubs]
    owner = await stack.enter_async_context(socket_user(urls[0], "owner"))
    members = [await stack.enter_async_context(socket_user(url, "member")) for url in urls]
    channel = await make(owner, room)
    for member in members:
        assert await member.client.error("subscribe", channel=channel) == 0
        assert await on_the_wire(member, channel) == [1, 2, 3, 4, 5]
        assert await in_chat(member, channel) == [1, 2, 3, 4, 5]
        assert await unread(member, channel) == 4
    assert list(holders(mongo_documents(cluster.mongo.url), {room: f"{PLANTED} {room}".encode()}))
    await set_to(owner, channel, "less", history_size=2)
    for member in members:
        # A node that follows the room has it with the entry that says so.
        await heard_of(member, channel, 6)
    for member, api in zip(members, apis, strict=True):
        assert await on_the_wire(member, channel) == [5, 6]
        assert await in_chat(member, channel) == [5, 6]
        assert await by_api(api, channel) == [5, 6]
        assert await unread(member, channel) == 1
        gone = await refusal(member, "chat.thread", channel=channel, offset=2)
        assert gone.code == 404
        await member.client.command("unsubscribe", channel=channel)
        position = {"recover": True, "offset": 2, "epoch": ""}
        reply = await member.client.command("subscribe", channel=channel, **position)
        assert not reply["subscribe"].get("recovered", False)
        assert not reply["subscribe"].get("publications")

    async def is_clean() -> bool:
        planted = {room: f"{PLANTED} {room}".encode()}
        return not list(holders(mongo_documents(cluster.mongo.url), planted))

    await eventually(is_clean, SWEPT_S)
    assert await on_the_wire(members[0], channel) == [5, 6]
    assert (await apis[1].call("history", channel=channel))["offset"] == 6


async def test_a_node_that_does_not_follow_the_room_knows_within_a_second_and_one_that_starts(
    cluster: HubCluster, stack: contextlib.AsyncExitStack, room: str
) -> None:
    owner = await stack.enter_async_context(socket_user(cluster.hubs[0].websocket_url, "owner"))
    session = await stack.enter_async_context(rest_session())
    member = rest_user(cluster.hubs[1], session, "member")
    channel = await make(owner, room)

    async def shown() -> list[int]:
        page = await member.call("chat.history", channel=channel, events=True)
        return sorted(item["offset"] for item in page["messages"])

    assert await shown() == [1, 2, 3, 4, 5]
    await set_to(owner, channel, "less", history_size=3)
    await asyncio.sleep(ELSEWHERE_S)
    assert await shown() == [4, 5, 6]
    await set_to(owner, channel, "even less", history_size=1)
    await asyncio.to_thread(cluster.hubs[1].restart)
    assert await shown() == [7]
    async with open_api(cluster.hubs[1]) as api:
        assert await by_api(api, channel) == [7]


async def test_a_room_may_be_made_so_that_its_messages_vanish(
    cluster: HubCluster, stack: contextlib.AsyncExitStack, room: str
) -> None:
    owners = [
        await stack.enter_async_context(socket_user(hub.websocket_url, "owner"))
        for hub in cluster.hubs
    ]
    channel = await make(owners[0], room, history_ttl_s=2)
    assert await in_chat(owners[0], channel) == await in_chat(owners[1], channel)

    async def is_empty() -> bool:
        return not any([await in_chat(owner, channel) for owner in owners])

    await eventually(is_empty, 4.0)
    assert await unread(owners[1], channel) == 0
