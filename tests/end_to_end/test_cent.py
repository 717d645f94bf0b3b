"""The published `cent` library, unpatched, drives the server API (protocol 5)."""

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import cent
import pytest

from tests.end_to_end.conftest import MakeHub
from tests.support.configuration import API_KEY
from tests.support.processes import HubProcess
from tests.support.server_api import ServerApi
from tests.support.tokens import connection_token
from tests.support.wire_client import WireClient, open_wire


@pytest.fixture
async def client(hub: HubProcess) -> AsyncIterator[cent.AsyncClient]:
    """cent's asynchronous client."""
    async with aiohttp.ClientSession() as session:
        yield cent.AsyncClient(hub.api_url, API_KEY, timeout=10, session=session)


@pytest.fixture
def user(room: str) -> str:
    """A user whom no other test knows."""
    return f"user-{room}"


@pytest.fixture
async def wire(hub: HubProcess, user: str) -> AsyncIterator[WireClient]:
    """A connection of `user`."""
    async with open_wire(hub.websocket_url) as wire:
        await wire.connect(connection_token(user, info={"name": "Ann"}))
        yield wire


async def connection_id(hub: HubProcess, wire: WireClient, token: str) -> str:
    """Connect; the connection's id."""
    client: str = (await wire.connect(token))["connect"]["client"]
    return client


async def test_publish_answers_with_the_position(client: cent.AsyncClient, channel: str) -> None:
    first = await client.publish(cent.PublishRequest(channel=channel, data={"n": 1}))
    second = await client.publish(cent.PublishRequest(channel=channel, data={"n": 2}))
    assert (first.offset, second.offset) == (1, 2)
    assert first.epoch == second.epoch != ""


async def test_publish_to_an_ephemeral_channel_has_no_position(
    client: cent.AsyncClient, room: str
) -> None:
    result = await client.publish(cent.PublishRequest(channel=f"live:{room}", data=1))
    assert (result.offset, result.epoch) == (0, "")


async def test_the_same_idempotency_key_publishes_once(
    client: cent.AsyncClient, channel: str
) -> None:
    request = cent.PublishRequest(channel=channel, data={"n": 1}, idempotency_key="key")
    results = [await client.publish(request) for _ in range(3)]
    assert [result.offset for result in results] == [1, 1, 1]
    history = await client.history(cent.HistoryRequest(channel=channel, limit=10))
    assert history.offset == 1


async def test_publish_can_leave_history_out(
    client: cent.AsyncClient, wire: WireClient, channel: str
) -> None:
    await wire.command("subscribe", channel=channel)
    await client.publish(cent.PublishRequest(channel=channel, data="fleeting", skip_history=True))
    assert await wire.push("pub", channel) == {"data": "fleeting"}
    history = await client.history(cent.HistoryRequest(channel=channel, limit=10))
    assert (history.publications, history.offset) == ([], 0)


async def test_broadcast_publishes_to_every_channel(
    client: cent.AsyncClient, channel: str, room: str
) -> None:
    channels = [channel, f"unknown:{room}", f"live:{room}"]
    request = cent.BroadcastRequest(channels=channels, data="all", tags={"a": "b"})
    responses = (await client.broadcast(request)).responses
    assert responses[0].result is not None
    assert responses[0].result.offset == 1
    assert responses[1].error is not None
    assert responses[1].error.code == 102
    assert responses[2].error is None
    history = await client.history(cent.HistoryRequest(channel=channel, limit=1))
    assert [(entry.data, entry.tags) for entry in history.publications] == [("all", {"a": "b"})]


async def test_subscribe_and_unsubscribe_reach_the_user(
    client: cent.AsyncClient, wire: WireClient, user: str, channel: str
) -> None:
    await client.subscribe(cent.SubscribeRequest(user=user, channel=channel, data={"why": 1}))
    assert (await wire.push("subscribe", channel))["data"] == {"why": 1}
    await client.publish(cent.PublishRequest(channel=channel, data="x"))
    assert (await wire.push("pub", channel))["data"] == "x"
    await client.unsubscribe(cent.UnsubscribeRequest(user=user, channel=channel))
    assert (await wire.push("unsubscribe", channel))["code"] == 2000


async def test_disconnect_closes_all_but_the_kept_connections(
    hub: HubProcess, client: cent.AsyncClient, user: str
) -> None:
    token = connection_token(user)
    async with open_wire(hub.websocket_url) as kept, open_wire(hub.websocket_url) as closed:
        kept_id = await connection_id(hub, kept, token)
        await connection_id(hub, closed, token)
        await client.disconnect(
            cent.DisconnectRequest(
                user=user,
                whitelist=[kept_id],
                disconnect=cent.Disconnect(code=4242, reason="moved"),
            )
        )
        assert await closed.closed() == (4242, "moved")
        assert "presence_stats" in await kept.command("presence_stats", channel="chat:any")


async def test_disconnect_can_name_one_connection(
    hub: HubProcess, client: cent.AsyncClient, user: str
) -> None:
    token = connection_token(user)
    async with open_wire(hub.websocket_url) as kept, open_wire(hub.websocket_url) as closed:
        await connection_id(hub, kept, token)
        closed_id = await connection_id(hub, closed, token)
        await client.disconnect(cent.DisconnectRequest(user=user, client=closed_id))
        assert (await closed.closed())[0] == 3503
        assert "presence_stats" in await kept.command("presence_stats", channel="chat:any")


async def test_refresh_ends_a_connection_that_expired(
    client: cent.AsyncClient, wire: WireClient, user: str
) -> None:
    await client.refresh(cent.RefreshRequest(user=user, expire_at=int(time.time()) + 3600))
    assert "presence_stats" in await wire.command("presence_stats", channel="chat:any")
    await client.refresh(cent.RefreshRequest(user=user, expired=True))
    assert (await wire.closed())[0] == 3005


async def test_presence_names_who_is_there(
    hub: HubProcess, client: cent.AsyncClient, user: str, channel: str
) -> None:
    async with open_wire(hub.websocket_url) as wire:
        identity = await connection_id(hub, wire, connection_token(user, info={"name": "Ann"}))
        await wire.command("subscribe", channel=channel)
        presence = (await client.presence(cent.PresenceRequest(channel=channel))).presence
        assert list(presence) == [identity]
        info = presence[identity]
        assert (info.user, info.client, info.conn_info) == (user, identity, {"name": "Ann"})
        stats = await client.presence_stats(cent.PresenceStatsRequest(channel=channel))
        assert (stats.num_clients, stats.num_users) == (1, 1)


async def test_history_is_read_in_pages_both_ways(client: cent.AsyncClient, channel: str) -> None:
    for number in range(1, 6):
        await client.publish(cent.PublishRequest(channel=channel, data=number))

    async def read(**options: object) -> list[int]:
        page = await client.history(cent.HistoryRequest(channel=channel, **options))  # type: ignore[arg-type]
        assert page.offset == 5
        assert page.epoch
        return [publication.offset for publication in page.publications]

    assert await read() == []
    assert await read(limit=-1) == [1, 2, 3, 4, 5]
    assert await read(limit=2) == [1, 2]
    assert await read(limit=2, since=cent.StreamPosition(offset=2)) == [3, 4]
    assert await read(limit=2, reverse=True) == [5, 4]
    assert await read(limit=9, since=cent.StreamPosition(offset=3), reverse=True) == [2, 1]


async def test_history_is_removed_but_offsets_go_on(client: cent.AsyncClient, channel: str) -> None:
    for number in range(3):
        await client.publish(cent.PublishRequest(channel=channel, data=number))
    await client.history_remove(cent.HistoryRemoveRequest(channel=channel))
    page = await client.history(cent.HistoryRequest(channel=channel, limit=-1))
    assert (page.publications, page.offset) == ([], 3)
    assert (await client.publish(cent.PublishRequest(channel=channel, data=4))).offset == 4


async def test_channels_are_found_by_pattern(
    client: cent.AsyncClient, wire: WireClient, channel: str, room: str
) -> None:
    for name in (channel, f"live:{room}"):
        await wire.command("subscribe", channel=name)
    found = (await client.channels(cent.ChannelsRequest(pattern=f"*{room}"))).channels
    assert {name: info.num_clients for name, info in found.items()} == {
        channel: 1,
        f"live:{room}": 1,
    }
    assert list((await client.channels(cent.ChannelsRequest(pattern=f"chat:{room}"))).channels) == [
        channel
    ]
    assert channel in (await client.channels(cent.ChannelsRequest())).channels


async def test_info_tells_about_the_node(make_hub: MakeHub, channel: str) -> None:
    """On a hub of its own, so that the numbers are known."""
    hub = make_hub({})
    await asyncio.to_thread(hub.start)
    async with open_wire(hub.websocket_url) as wire, aiohttp.ClientSession() as session:
        await wire.connect(connection_token("ann"))
        await wire.command("subscribe", channel=channel)
        client = cent.AsyncClient(hub.api_url, API_KEY, timeout=10, session=session)
        [node] = (await client.info(cent.InfoRequest())).nodes
    assert node.uid
    assert node.name
    assert node.version
    assert (node.num_clients, node.num_users, node.num_channels, node.num_subs) == (1, 1, 1, 1)


@pytest.mark.parametrize("parallel", [False, True])
async def test_a_batch_answers_every_command(
    client: cent.AsyncClient, channel: str, parallel: bool
) -> None:
    requests = [
        cent.PublishRequest(channel=channel, data=1),
        cent.PresenceRequest(channel=channel),
        cent.HistoryRequest(channel=channel),
        cent.InfoRequest(),
    ]
    batch = await client.batch(cent.BatchRequest(requests=requests, parallel=parallel))
    published, presence, history, info = batch.replies
    assert isinstance(published, cent.PublishResult)
    assert published.offset == 1
    assert isinstance(presence, cent.PresenceResult)
    assert presence.presence == {}
    assert isinstance(history, cent.HistoryResult)
    assert isinstance(info, cent.InfoResult)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (cent.PublishRequest(channel="unknown:x", data=1), 102),
        (cent.HistoryRequest(channel="unknown:x"), 102),
        (cent.PresenceRequest(channel="unknown:x"), 102),
        (cent.HistoryRequest(channel="plain:x"), 108),
        (cent.HistoryRemoveRequest(channel="plain:x"), 108),
        (cent.PresenceRequest(channel="plain:x"), 108),
        (cent.PresenceStatsRequest(channel="plain:x"), 108),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, cent.CentRequest) else str(value),
)
async def test_errors_have_their_code(
    client: cent.AsyncClient, request_: cent.CentRequest[cent.CentResult], code: int
) -> None:
    method = getattr(client, request_.api_method)
    with pytest.raises(cent.CentApiResponseError) as refused:
        await method(request_)
    assert refused.value.code == code


async def test_a_wrong_key_is_unauthorized(hub: HubProcess) -> None:
    async with aiohttp.ClientSession() as session:
        client = cent.AsyncClient(hub.api_url, "another-key", timeout=10, session=session)
        with pytest.raises(cent.CentUnauthorizedError):
            await client.info(cent.InfoRequest())


async def test_the_synchronous_client_works_too(
    hub: HubProcess, api: ServerApi, channel: str
) -> None:
    def use() -> cent.HistoryResult:
        client = cent.Client(hub.api_url, API_KEY, timeout=10)
        client.publish(cent.PublishRequest(channel=channel, data="from a thread"))
        return client.history(cent.HistoryRequest(channel=channel, limit=1))

    history = await asyncio.to_thread(use)
    assert [publication.data for publication in history.publications] == ["from a thread"]
    assert [entry["data"] for entry in (await history_of(api, channel))] == ["from a thread"]


async def history_of(api: ServerApi, channel: str) -> list[dict[str, object]]:
    """What the API itself shows."""
    publications: list[dict[str, object]] = (await api.call("history", channel=channel, limit=-1))[
        "publications"
    ]
    return publications
