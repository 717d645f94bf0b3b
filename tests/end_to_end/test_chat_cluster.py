"""Two hubs on one store and one bus are one chat: what happens through one is so on the other.

Whoever is put out is refused every call in two seconds, whatever the bus does; who comes in is in
at once; unread is what a recount says; hints find their users; and a user has one allowance.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import pytest

from realtime.stores.mongo import MongoStore
from tests.end_to_end.chat_crowd import Count, Crowd, Person, logs_of, recount
from tests.end_to_end.cluster_bus import break_bus
from tests.end_to_end.cluster_taking import CUT_S, Publishers
from tests.support.chat_users import (
    CHANGES,
    NAMESPACES,
    OPERATIONS,
    Refusal,
    SocketUser,
    refusal,
    socket_user,
)
from tests.support.hub_cluster import HubCluster, hub_cluster
from tests.support.mongo_servers import database_url
from tests.support.permission_matrix import PARAMS
from tests.support.redis_servers import RedisServer
from tests.support.server_api import ServerApi

MEMBERS_CALLS: Final = sorted(
    name
    for name, operation in OPERATIONS.items()
    if operation.who in ("member", "writer", "moderator", "owner", "sender")
    and "{channel}" in operation.path
)
"""What nobody may who is not in the room."""

SEED: Final = 20_260_301


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubCluster]:
    """Two hubs with rooms; whoever stops Redis starts it again."""
    with hub_cluster(tmp_path_factory.mktemp("cluster"), 2, CHANGES) as cluster:
        yield cluster
        assert cluster.complaints() == []


@pytest.fixture
async def stack() -> AsyncIterator[contextlib.AsyncExitStack]:
    """What closes whatever a test has opened."""
    async with contextlib.AsyncExitStack() as stack:
        yield stack


async def everywhere(
    cluster: HubCluster, stack: contextlib.AsyncExitStack, name: str
) -> list[SocketUser]:
    """Somebody with a connection to each node."""
    return [
        await stack.enter_async_context(socket_user(hub.websocket_url, name))
        for hub in cluster.hubs
    ]


async def create(owner: SocketUser, name: str, *members: str) -> str:
    """A room of this name with these members; its channel."""
    made = await owner.call(
        "chat.create",
        namespace="room",
        id=name,
        client_id=name,
        members=[{"user": member} for member in members],
    )
    channel: str = made["channel"]
    return channel


def params_of(method: str, channel: str) -> dict[str, Any]:
    """Good parameters of an operation in a room whose second entry is a message."""
    params = {**PARAMS[method], "channel": channel}
    if params.get("offset") == "message":
        params["offset"] = 2
    if "client_id" in OPERATIONS[method].params.__struct_fields__:
        params["client_id"] = "anew"
    return params


@pytest.mark.parametrize("act", ["kick", "ban"])
@pytest.mark.parametrize("bus", ["up", "stopping", "dying", "dead"])
async def test_who_is_put_out_is_refused_every_call_on_every_node_in_two_seconds(
    cluster: HubCluster,
    redis: RedisServer,
    apis: list[ServerApi],
    stack: contextlib.AsyncExitStack,
    room: str,
    bus: str,
    act: str,
) -> None:
    owner, *_ = await everywhere(cluster, stack, f"owner-{room}")
    victims = await everywhere(cluster, stack, f"victim-{room}")
    channel = await create(owner, room, victims[0].name, "target")
    await owner.call("chat.send", channel=channel, client_id="m", data={"text": "welcome"})
    for victim in victims:
        assert await victim.client.error("subscribe", channel=channel) == 0
        await victim.call("chat.sync")
        await victim.call("chat.history", channel=channel)
    publishers = Publishers(apis, [channel])
    async with asyncio.TaskGroup() as group:
        for number in range(len(apis)):
            group.create_task(publishers.run(number))
        for victim in victims:
            await victim.client.until(lambda: len(victim.client.pushes("pub", channel)) > 4)  # noqa: B023 - waited for at once
        since = (await victims[0].call("chat.sync"))["since"]
        if bus == "dying":  # this very moment, and nobody knows it yet
            redis.kill9()
        await break_bus(bus, redis, apis)
        await owner.call(f"chat.{act}", channel=channel, user=victims[0].name, client_id=act)
        done_at = time.monotonic()
        await asyncio.sleep(CUT_S)
        for victim in victims:
            for method in MEMBERS_CALLS:
                refused = await refusal(victim, method, **params_of(method, channel))
                assert refused.code in (103, 404), (method, refused)
            assert channel not in str((await victim.call("chat.sync"))["channels"])
            assert (await victim.call("chat.sync", since=since))["removed"] == [channel]
            position = {"recover": True, "offset": 1, "epoch": ""}
            assert await victim.client.error("subscribe", channel=channel, **position) == 103
            assert await victim.client.error("history", channel=channel, limit=1) == 103
            assert await victim.client.error("publish", channel=channel, data={}) == 103
        publishers.stop()
    for victim in victims:
        (told,) = victim.client.pushes("unsubscribe", channel)
        heard = victim.client.pushes("pub", channel)[-1]
        assert max(told.at, heard.at) - done_at <= CUT_S


@pytest.mark.parametrize("bus", ["up", "stopping", "dead"])
async def test_what_somebody_becomes_through_one_node_they_are_on_the_other_at_once(
    cluster: HubCluster,
    redis: RedisServer,
    apis: list[ServerApi],
    stack: contextlib.AsyncExitStack,
    room: str,
    bus: str,
) -> None:
    owner = await everywhere(cluster, stack, f"owner-{room}")
    guest = await everywhere(cluster, stack, f"guest-{room}")
    channel = await create(owner[0], room)
    await break_bus(bus, redis, apis)
    for number in range(8):
        here, there = guest[number % 2], guest[1 - number % 2]
        assert (await refusal(there, "chat.history", channel=channel)).code in (103, 404)
        await here.call("chat.join", channel=channel, client_id=f"join-{number}")
        data = {"text": f"hi {number}"}
        await there.call("chat.send", channel=channel, client_id=f"hi-{number}", data=data)
        page = await there.call("chat.history", channel=channel)
        assert page["messages"][-1]["data"] == data
        (mine,) = (await there.call("chat.sync"))["channels"]
        assert (mine["channel"], mine.get("unread", 0)) == (channel, 0)
        await here.call("chat.leave", channel=channel, client_id=f"leave-{number}")
        (synced,) = (await owner[1 - number % 2].call("chat.sync"))["channels"]
        assert synced["unread"] == number + 1


async def test_hints_find_their_users_on_the_other_node(
    cluster: HubCluster, redis: RedisServer, stack: contextlib.AsyncExitStack, room: str
) -> None:
    owner, phone = await everywhere(cluster, stack, f"owner-{room}")
    _, member = await everywhere(cluster, stack, f"member-{room}")
    channel = await create(owner, room, member.name)
    await hinted(member, "member", lambda hint: hint["channel"] == channel)
    await owner.call("chat.send", channel=channel, client_id="1", data={"text": "hello"})
    told = await hinted(member, "channel", lambda hint: hint["offset"] == 2)
    assert (told["n"], told["last"]["data"]) == (1, {"text": "hello"})
    await member.call("chat.send", channel=channel, client_id="2", data={"text": "hello you"})
    await owner.call("chat.read", channel=channel)
    told = await hinted(phone, "marker", lambda hint: hint["read"] == 3)
    assert (told["unread"], told["badge"]) == (0, 0)
    await member.call("presence.watch", users=[owner.name])
    await owner.call("presence.set", state="away")
    await phone.call("presence.set", state="away")
    await hinted(member, "presence", lambda hint: hint["users"][0]["state"] == "away")


async def hinted(
    user: SocketUser, kind: str, holds: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Wait for such a hint."""
    await user.client.until(lambda: any(holds(hint) for hint in user.hints(kind)))
    return next(hint for hint in user.hints(kind) if holds(hint))


async def test_hints_may_be_lost_with_the_bus_and_sync_knows_all_the_same(
    cluster: HubCluster, redis: RedisServer, stack: contextlib.AsyncExitStack, room: str
) -> None:
    owner, _ = await everywhere(cluster, stack, f"owner-{room}")
    _, member = await everywhere(cluster, stack, f"member-{room}")
    channel = await create(owner, room, member.name)
    since = (await member.call("chat.sync"))["since"]
    redis.pause()
    for number in range(3):
        await owner.call("chat.send", channel=channel, client_id=f"{number}", data={"n": number})
        (synced,) = (await member.call("chat.sync", since=since))["channels"]
        assert (synced["unread"], synced["last"]["data"]) == (number + 1, {"n": number})


async def gather(
    cluster: HubCluster, stack: contextlib.AsyncExitStack, room: str, luck: random.Random
) -> Crowd:
    """Six people on both nodes, two rooms and two direct channels of theirs."""
    people = []
    for number in range(6):
        nodes = await everywhere(cluster, stack, f"{'abcdef'[number]}-{room}")
        chance = random.Random(luck.random())  # noqa: S311 - not a secret
        people.append(Person(nodes[0].name, nodes, chance))
    names = [person.name for person in people]
    rooms = []
    for number, owner in enumerate(people[:2]):
        others = [name for name in names if name != owner.name]
        rooms.append(await create(owner.nodes[0], f"{room}-{number}", *others))
        await owner.call(
            "chat.role",
            channel=rooms[-1],
            user=people[2].name,
            role="moderator",
            client_id=f"mod-{number}",
        )
    directs = {}
    for one, other in ((people[0], people[1]), (people[1], people[2])):
        made = await one.call("chat.direct", namespace="room", user=other.name)
        directs[made["channel"]] = frozenset((one.name, other.name))
    return Crowd(people, rooms, directs, luck)


async def assert_recounted(cluster: HubCluster, crowd: Crowd) -> None:
    """Both nodes show everybody what a recount says."""
    store = MongoStore(database_url(cluster.mongo.url, "realtime"))
    await store.open()
    try:
        logs = await logs_of(store, [*crowd.rooms, *crowd.directs])
    finally:
        await store.close()
    for person in crowd.people:
        expected = recount(person, crowd, logs)
        unread = [count.unread for count in expected.values()]
        for node in person.nodes:
            synced = await node.call("chat.sync", badge="messages")
            shown = {
                channel["channel"]: Count(
                    channel.get("unread", 0),
                    channel.get("mentions", 0),
                    channel["head"],
                    channel["n"],
                )
                for channel in synced["channels"]
            }
            assert shown == expected, person.name
            assert synced["badge"] == min(sum(unread), 999)
            badge = (await node.call("chat.badge"))["badge"]
            assert badge == sum(count > 0 for count in unread)


@pytest.mark.parametrize(
    "operations",
    [400, pytest.param(10_000, marks=[pytest.mark.thorough, pytest.mark.timeout(3_600)])],
)
async def test_what_is_unread_is_what_a_recount_says_whoever_does_what_where(
    cluster: HubCluster,
    redis: RedisServer,
    stack: contextlib.AsyncExitStack,
    room: str,
    operations: int,
) -> None:
    luck = random.Random(SEED + operations)  # noqa: S311 - not a secret
    crowd = await gather(cluster, stack, f"{room}-{operations}", luck)
    for _ in range(max(4, operations // 1_000)):
        await crowd.act(operations // max(4, operations // 1_000))
        await assert_recounted(cluster, crowd)
    done = sum(person.done for person in crowd.people)
    assert done > operations / 2, "too little of what they wanted was allowed"
    unanswered = sum(person.unanswered for person in crowd.people)
    assert unanswered < operations / 50  # a machine that has other things to do


LIMITS: Final = {"sends_per_s": 2.0, "sends_burst": 10.0}


async def test_a_user_on_two_nodes_has_one_allowance(tmp_path: Any, room: str) -> None:
    changes = {"namespaces": NAMESPACES, "chat": {**CHANGES["chat"], **LIMITS}}
    with hub_cluster(tmp_path, 2, changes) as cluster:
        async with contextlib.AsyncExitStack() as stack:
            sender = await everywhere(cluster, stack, f"sender-{room}")
            channel = await create(sender[0], room)
            began_at = time.monotonic()
            admitted = await asyncio.gather(
                *(sends(node, channel, number, 6.0) for number, node in enumerate(sender))
            )
            took_s = time.monotonic() - began_at
            one = LIMITS["sends_burst"] + LIMITS["sends_per_s"] * took_s
            # Each node gives a little before it knows of the other.
            assert one * 0.6 <= sum(admitted) <= one * 1.4, admitted
            refused = await refused_send(sender[0], channel)
            assert refused.why == "rate"
            assert 1 <= refused.retry_after <= 5
        assert cluster.complaints() == []


async def sends(user: SocketUser, channel: str, node: int, seconds: float) -> int:
    """How many messages are taken by a node in that time."""
    taken, number, ends_at = 0, 0, time.monotonic() + seconds
    while time.monotonic() < ends_at:
        number += 1
        with contextlib.suppress(Refusal):
            await user.call("chat.send", channel=channel, client_id=f"{node}-{number}", data=1)
            taken += 1
        await asyncio.sleep(0.02)
    return taken


async def refused_send(user: SocketUser, channel: str) -> Refusal:
    """The first refusal of one who sends as fast as possible."""
    for number in range(100):
        try:
            await user.call("chat.send", channel=channel, client_id=f"last-{number}", data=1)
        except Refusal as refused:
            return refused
    raise AssertionError("nothing was refused")
