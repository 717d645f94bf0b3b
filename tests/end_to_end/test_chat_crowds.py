"""Reactions in a big room, by SDKs that we did not write: few frames, and everything is in them.

Two hubs share a store and a bus; who looks is on the one, and who reacts on the other.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

import pytest
from websockets.asyncio.client import ClientConnection

from tests.end_to_end.conftest import OpenSdk
from tests.support.chat_users import CHANGES, UNLIMITED, RestUser, rest_session, rest_user
from tests.support.hub_cluster import HubCluster, hub_cluster
from tests.support.proxy import open_proxy
from tests.support.sdk import Event, SdkClient
from tests.support.tokens import connection_token

MEMBERS_MAX: Final = 5
"""Members up to whom reactions are told one by one."""

INTERVAL_S: Final = 0.2
"""The least time between two frames of reactions alone."""

CUTS: Final = 5
"""How often a connection is cut while everyone reacts."""

PYTHON: Final = ("python", "python-protobuf")
SDKS: Final = (*PYTHON, "javascript", "javascript-protobuf", "javascript-sse")

Gather = Callable[[int], Awaitable[list[RestUser]]]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubCluster]:
    """Two hubs with rooms that soon count as big."""
    changes = {**CHANGES, "chat": {**UNLIMITED, "reactions_members_max": MEMBERS_MAX}}
    with hub_cluster(tmp_path_factory.mktemp("cluster"), 2, changes) as cluster:
        yield cluster
        assert cluster.complaints() == []


@pytest.fixture(params=SDKS)
def sdk_name(request: pytest.FixtureRequest) -> str:
    """Which SDK, on which transport, in which format."""
    name: str = request.param
    return name


@pytest.fixture
async def gather(cluster: HubCluster, room: str) -> AsyncIterator[Gather]:
    """Makes users of the second hub, over REST, who are nobody else's."""
    async with rest_session() as session:

        async def made(count: int) -> list[RestUser]:
            return [rest_user(cluster.hubs[1], session, f"{n}-{room}") for n in range(count)]

        yield made


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, str | bytes]]:
    """When each frame came that a Python SDK was sent, and what was in it."""
    came: list[tuple[float, str | bytes]] = []
    recv = ClientConnection.recv

    async def noted(self: ClientConnection, *args: Any, **options: Any) -> str | bytes:
        frame: str | bytes = await recv(self, *args, **options)
        came.append((time.monotonic(), frame))
        return frame

    monkeypatch.setattr(ClientConnection, "recv", noted)
    return came


async def a_room(users: Sequence[RestUser], watcher: str) -> str:
    """A room of these and whoever watches, with a message at 2 and a reaction to it at 3."""
    members = [{"user": name} for name in (*(user.name for user in users[1:]), watcher)]
    made = await users[0].call(
        "chat.create", namespace="room", client_id="c", title="R", members=members
    )
    channel: str = made["channel"]
    await users[0].call("chat.send", channel=channel, client_id="m", data={"text": "react!"})
    return channel


async def looking(
    open_sdk: OpenSdk, url: str, watcher: str, channel: str, first: RestUser
) -> SdkClient:
    """An SDK that is subscribed, on a hub that has seen how large the room is."""
    sdk = await open_sdk(url, connection_token(watcher))
    await sdk.joined()
    await sdk.subscribed(channel)
    await react(first, channel, "👀", "look")
    await sdk.next("publication", channel)
    await asyncio.sleep(0.5)  # there is no word of a look at the store
    return sdk


async def react(user: RestUser, channel: str, emoji: str, id: str, *, shown: bool = True) -> Any:
    method = "chat.react" if shown else "chat.unreact"
    return await user.call(method, channel=channel, offset=2, emoji=emoji, client_id=id)


async def everyone_reacts(users: Sequence[RestUser], channel: str) -> int:
    """Each gives two reactions, tries the first again, and half take it back; how many entries."""

    async def reacts(number: int, user: RestUser) -> int:
        first = await react(user, channel, "👍", "1")
        await react(user, channel, "🎉", "2")
        again = await react(user, channel, "👍", "1")
        assert again == {**first, "duplicate": True}
        if number % 2:
            return 2
        await react(user, channel, "👍", "3", shown=False)
        return 3

    return sum(await asyncio.gather(*(reacts(number, user) for number, user in enumerate(users))))


def counted(events: Sequence[Event]) -> dict[str, int]:
    """What a client makes of reactions, one after the other."""
    given = {
        (event["data"]["emoji"], event["user"]): event["data"]["shown"]
        for event in events
        if event["tags"].get("kind") == "reaction"
    }
    return dict(Counter(emoji for (emoji, _), shown in given.items() if shown))


async def truth(user: RestUser, channel: str) -> dict[str, int]:
    """How often each was given, as the message has it."""
    message = await user.call("chat.message", channel=channel, offset=2)
    return {emoji: reaction["count"] for emoji, reaction in message["reactions"].items()}


async def arrived(sdk: SdkClient, channel: str, count: int, *, after: int = 2) -> list[Event]:
    """So many publications behind an offset, of which none is missing, twice or out of order."""
    async with asyncio.timeout(20):
        while len(sdk.journal.all("publication", channel)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    events = sdk.journal.all("publication", channel)
    offsets = [event["offset"] for event in events]
    assert offsets == list(range(after + 1, after + 1 + count))
    return events


def with_pushes(
    frames: Sequence[tuple[float, str | bytes]], channel: str
) -> list[tuple[float, str | bytes]]:
    """The frames that say something of the room."""
    name = channel.encode()
    return [
        (at, frame)
        for at, frame in frames
        if name in (frame.encode() if isinstance(frame, str) else frame)
    ]


@pytest.mark.parametrize("sdk_name", PYTHON, indirect=True)
async def test_a_big_room_takes_few_frames_and_the_counts_end_right(
    cluster: HubCluster,
    open_sdk: OpenSdk,
    gather: Gather,
    room: str,
    frames: list[tuple[float, str | bytes]],
) -> None:
    users = await gather(24)
    channel = await a_room(users, f"eve-{room}")
    sdk = await looking(open_sdk, cluster.hubs[0].websocket_url, f"eve-{room}", channel, users[0])
    frames.clear()
    entries = await everyone_reacts(users, channel)
    events = await arrived(sdk, channel, 1 + entries)
    expected = {"👀": 1, "👍": 12, "🎉": 24}
    assert entries == 60
    assert counted(events) == await truth(users[0], channel) == expected
    told = with_pushes(frames, channel)
    assert len(told) <= 2 + (told[-1][0] - told[0][0]) / INTERVAL_S


@pytest.mark.parametrize("sdk_name", PYTHON, indirect=True)
async def test_so_does_a_feed_with_many_followers(
    cluster: HubCluster,
    open_sdk: OpenSdk,
    gather: Gather,
    room: str,
    frames: list[tuple[float, str | bytes]],
) -> None:
    author, *users = await gather(12)
    feed = {"namespace": "feed", "author": author.name}
    for user in users:
        await user.call("feed.follow", **feed)
    posted = await author.call("feed.post", namespace="feed", client_id="p", data={"text": "hi"})
    channel = posted["channel"]
    sdk = await open_sdk(cluster.hubs[0].websocket_url, connection_token(f"eve-{room}"))
    await sdk.joined()
    await sdk.subscribed(channel)

    async def reacts(user: RestUser, id: str) -> None:
        await user.call("feed.react", **feed, offset=posted["offset"], emoji=id, client_id=id)

    await reacts(users[0], "look")
    await sdk.next("publication", channel)
    await asyncio.sleep(0.5)  # there is no word of a look at the store
    frames.clear()
    await asyncio.gather(*(reacts(user, id) for user in users for id in ("👍", "🎉", "🔥")))
    await arrived(sdk, channel, 1 + 3 * len(users), after=1)
    told = with_pushes(frames, channel)
    assert len(told) <= 2 + (told[-1][0] - told[0][0]) / INTERVAL_S
    page = await users[0].call("feed.posts", **feed)
    shown = {emoji: one["count"] for emoji, one in page["posts"][0]["reactions"].items()}
    assert shown == {"look": 1, "👍": 11, "🎉": 11, "🔥": 11}
    assert counted(sdk.journal.all("publication", channel)) == shown


@pytest.mark.parametrize("sdk_name", PYTHON, indirect=True)
async def test_in_a_smaller_room_each_has_a_frame_of_its_own(
    cluster: HubCluster,
    open_sdk: OpenSdk,
    gather: Gather,
    room: str,
    frames: list[tuple[float, str | bytes]],
) -> None:
    users = await gather(MEMBERS_MAX - 1)
    channel = await a_room(users, f"eve-{room}")
    sdk = await looking(open_sdk, cluster.hubs[0].websocket_url, f"eve-{room}", channel, users[0])
    frames.clear()
    entries = await everyone_reacts(users, channel)
    await arrived(sdk, channel, 1 + entries)
    assert len(with_pushes(frames, channel)) == entries


async def test_a_message_waits_for_no_reaction_and_overtakes_none(
    cluster: HubCluster, open_sdk: OpenSdk, gather: Gather, room: str
) -> None:
    users = await gather(12)
    channel = await a_room(users, f"eve-{room}")
    sdk = await looking(open_sdk, cluster.hubs[0].websocket_url, f"eve-{room}", channel, users[0])

    async def says() -> None:
        for number in range(10):
            await users[0].call("chat.send", channel=channel, client_id=f"s{number}", data=number)
            await asyncio.sleep(0.03)

    entries, _ = await asyncio.gather(everyone_reacts(users, channel), says())
    events = await arrived(sdk, channel, 1 + entries + 10)
    assert [event["data"] for event in events if "kind" not in event["tags"]] == list(range(10))
    assert counted(events) == await truth(users[0], channel)


async def test_who_comes_back_in_the_midst_of_it_has_missed_nothing(
    cluster: HubCluster, open_sdk: OpenSdk, gather: Gather, room: str
) -> None:
    users = await gather(MEMBERS_MAX + 1)
    channel = await a_room(users, f"eve-{room}")
    async with contextlib.AsyncExitStack() as stack:
        hub = cluster.hubs[0]
        proxy = await stack.enter_async_context(open_proxy(hub.port))
        url = hub.websocket_url.replace(f":{hub.port}", f":{proxy.port}")
        sdk = await looking(open_sdk, url, f"eve-{room}", channel, users[0])

        async def cuts() -> None:
            for _ in range(CUTS):
                proxy.cut()
                await sdk.next("subscribed", channel)
            over.set()

        async def reacts_on(user: RestUser) -> int:
            given = 0
            while not over.is_set():
                await react(user, channel, "👍", f"on{given}", shown=given % 2 == 0)
                given += 1
            return given

        over = asyncio.Event()
        *given, _ = await asyncio.gather(*map(reacts_on, users), cuts())
        events = await arrived(sdk, channel, 1 + sum(filter(None, given)))
    assert counted(events) == await truth(users[0], channel)
    again = sdk.journal.all("subscribed", channel)[1:]
    assert len(again) == CUTS
    assert all(event["recovered"] for event in again)
