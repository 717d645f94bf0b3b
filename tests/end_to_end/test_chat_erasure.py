"""What was erased or deleted is nowhere: neither in files, documents and keys, nor in a log.

The hub that erases is killed again and again, and whoever goes on ends it. The others in the user's
channels go on, and what is unread for them is right.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.end_to_end.chat_planted import PLANTED, SAID_IN_EACH, TALKED_IN, USER, Garden, lines, sow
from tests.support.chat_users import CHANGES, Refusal, rest_session, rest_user, socket_user
from tests.support.hub_cluster import HubCluster, hub_cluster
from tests.support.polling import eventually
from tests.support.processes import HubProcess
from tests.support.raw_contents import (
    holders,
    mongo_documents,
    redis_values,
    sqlite_files,
)

KILLS: Final = {1: 3, 2: 1}
"""How often each hub is killed midway, by how many there are: another one waits for a lease."""

DONE_S: Final = 90.0
"""Within which an erasure is done after the last kill, on a machine that is busy."""

Contents = Callable[[], Iterator[tuple[str, bytes]]]


@dataclass
class House:
    """Hubs that share a store, and all that is in it."""

    hubs: list[HubProcess]
    contents: Contents


@pytest.fixture(params=["sqlite", "mongo"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """A hub on SQLite, or two on MongoDB and Redis."""
    with contextlib.ExitStack() as stack:
        if request.param == "sqlite":
            hub = HubProcess(tmp_path, CHANGES)
            stack.callback(hub.end)
            house = House([hub], lambda: sqlite_files(tmp_path / "hub.db"))
        else:
            changes = {**CHANGES, "server": {}}
            cluster = stack.enter_context(hub_cluster(tmp_path, 2, changes, starts=False))
            cluster.init()
            house = House(cluster.hubs, lambda: everything(cluster))
        for hub in house.hubs:
            hub.start()
        yield house
        for hub in house.hubs:
            assert hub.complaints() == []


def everything(cluster: HubCluster) -> Iterator[tuple[str, bytes]]:
    """All documents and all keys."""
    yield from mongo_documents(cluster.mongo.url)
    yield from redis_values(cluster.redis.url)


def talk(house: House, path: Path) -> None:
    """Have many rooms be talked in."""
    path.write_text("\n".join(lines()))
    imported = house.hubs[0].command("import", str(path), timeout_s=60)
    assert imported.returncode == 0, imported.stderr


async def erase(hub: HubProcess) -> str:
    """Order the erasure as an admin; its id."""
    async with rest_session() as session:
        admin = rest_user(hub, session, "root", role="admin")
        erasure: str = (await admin.call("user.erase", user=USER))["erasure"]
        return erasure


async def report(hub: HubProcess, erasure: str) -> Any:
    """How far it is; None where the hub cannot say."""
    async with rest_session() as session:
        admin = rest_user(hub, session, "root", role="admin")
        try:
            return await admin.call("user.erasure", erasure=erasure)
        except (Refusal, OSError):
            return None


async def kill_midway(house: House, erasure: str) -> int:
    """Kill every hub in turn, each time after the erasure has gone on; how far it was at last."""
    channels = -1
    for _ in range(KILLS[len(house.hubs)]):
        for hub in house.hubs:
            seen = channels

            async def went_on() -> bool:
                nonlocal channels
                told = await report(house.hubs[0], erasure)
                assert told is None or "done" not in told, "it was done before it was killed"
                channels = max(channels, told["report"]["channels"] if told else -1)
                return channels > seen  # noqa: B023 - waited for at once

            await eventually(went_on, DONE_S)
            await asyncio.to_thread(hub.kill9)
            await asyncio.to_thread(hub.start)
    return channels


@pytest.mark.timeout(400)
async def test_nothing_of_who_is_erased_is_anywhere_whenever_hubs_are_killed(
    house: House, tmp_path: Path
) -> None:
    for hub in house.hubs:
        await asyncio.to_thread(hub.terminate)  # an import into SQLite has it to itself
    await asyncio.to_thread(talk, house, tmp_path / "lines.jsonl")
    for hub in house.hubs:
        await asyncio.to_thread(hub.start)
    garden = await sow(house.hubs[0])
    there = {line.partition(" in ")[0] for line in holders(house.contents(), PLANTED)}
    missing = set(PLANTED) - there
    assert missing <= {"wording", "regret", "post"}, (
        f"{missing} was not planted, or is gone already"
    )

    before = await unread_of(house.hubs[-1], "other")
    erasure = await erase(house.hubs[0])
    midway = await kill_midway(house, erasure)
    assert midway < TALKED_IN

    async def is_done() -> bool:
        told = await report(house.hubs[-1], erasure)
        return bool(told and told.get("done"))

    await eventually(is_done, DONE_S)
    told = (await report(house.hubs[0], erasure))["report"]
    # What was done in the moment before a kill is not counted.
    lost_max = KILLS[len(house.hubs)] * len(house.hubs) * SAID_IN_EACH // 2
    assert told["entries"]["message"] >= TALKED_IN * SAID_IN_EACH // 2 - lost_max
    for hub in house.hubs:
        assert "sown-" not in hub.log
    assert holders(house.contents(), PLANTED) == []
    await others_go_on(house, garden, before)
    for hub in house.hubs:
        await asyncio.to_thread(hub.terminate)
    assert holders(house.contents(), PLANTED) == []


async def unread_of(hub: HubProcess, name: str) -> dict[str, int]:
    """What is unread for somebody, by channel."""
    async with socket_user(hub.websocket_url, name) as user:
        synced = await user.call("chat.sync")
        return {channel["channel"]: channel.get("unread", 0) for channel in synced["channels"]}


async def others_go_on(house: House, garden: Garden, before: dict[str, int]) -> None:
    """The others' channels work, and what is unread is what a recount says."""
    async with (
        socket_user(house.hubs[0].websocket_url, "friend") as friend,
        socket_user(house.hubs[-1].websocket_url, "other") as other,
    ):
        page = await friend.call("chat.history", channel=garden.room)
        mine = [message for message in page["messages"] if message["user"] == "friend"]
        assert [message["data"]["text"] for message in mine] == ["thanks", "you there"]
        for message in page["messages"]:
            if message["user"] != "friend":
                assert (message["user"], message["data"]) == ("", {})
        members = await friend.call("chat.members", channel=garden.room)
        assert [member["user"] for member in members["members"]] == ["friend", "other"]
        direct = await friend.call("chat.history", channel=garden.direct)
        texts = [message["data"] for message in direct["messages"] if message["user"]]
        assert texts == [{"text": "I keep it"}]
        timeline = await friend.call("feed.timeline", namespace="feed")
        assert timeline["posts"] == []

        counts = await unread_of(house.hubs[-1], "other")
        assert counts.keys() == before.keys()
        assert all(counts[channel] <= before[channel] for channel in counts)
        sent = await friend.call(
            "chat.send", channel=garden.room, client_id="after", data={"text": "goes on"}
        )
        assert sent["n"] > 0
        after = await unread_of(house.hubs[0], "other")
        assert after[garden.room] == counts[garden.room] + 1
        history = await other.call("chat.history", channel=garden.room)
        synced = (await other.call("chat.sync"))["channels"]
        (read,) = [item for item in synced if item["channel"] == garden.room]
        fresh = [
            message
            for message in history["messages"]
            if message["offset"] > read.get("read", 0) and "deleted_at" not in message
        ]
        assert after[garden.room] == len(fresh)
        assert json.dumps([history, direct, timeline]).count("planted") == 0


DELETED: Final = {
    name: f"taken-{name}-77aa".encode()
    for name in ("first", "second", "third", "reply", "whisper", "post", "repost", "mine")
}
"""Texts that are taken back."""

GONE_S: Final = 20.0
"""Within which nothing is left of what was taken back, files included."""


def wrong(name: str) -> dict[str, str]:
    """A message with a text that will be taken back."""
    return {"text": DELETED[name].decode()}


@pytest.mark.timeout(180)
async def test_nothing_of_what_was_deleted_is_anywhere(house: House) -> None:
    async with (
        socket_user(house.hubs[0].websocket_url, "friend") as friend,
        socket_user(house.hubs[-1].websocket_url, "other") as other,
    ):
        made = await friend.call(
            "chat.create", namespace="room", client_id="room", members=[{"user": "other"}]
        )
        here = {"channel": made["channel"]}
        direct = await friend.call("chat.direct", namespace="room", user="other")
        there = {"channel": direct["channel"]}
        feed = {"namespace": "feed"}
        assert await other.client.error("subscribe", **here) == 0
        await other.call("feed.follow", author="friend", **feed)
        await friend.call("chat.send", client_id="1", data=wrong("first"), **here)
        for name in ("second", "third"):
            await friend.call("chat.edit", client_id=name, offset=2, data=wrong(name), **here)
        await other.call("chat.send", client_id="2", data=wrong("reply"), reply_to=2, **here)
        await other.call("chat.send", client_id="3", data=wrong("mine"), **here)
        await friend.call("chat.send", client_id="4", data=wrong("whisper"), **there)
        await friend.call("feed.post", client_id="5", data=wrong("post"), **feed)
        edit = {"author": "friend", "offset": 1, **feed}
        await friend.call("feed.edit", client_id="6", data=wrong("repost"), **edit)
        assert len((await other.call("feed.timeline", **feed))["posts"]) == 1
        planted = {line.partition(" in ")[0] for line in holders(house.contents(), DELETED)}
        assert {"third", "reply", "whisper", "repost", "mine"} <= planted

        await friend.call("chat.delete", client_id="d1", offset=2, **here)
        await other.call("chat.delete", client_id="d2", offset=5, **here)
        await friend.call("chat.delete", client_id="d3", offset=6, **here)  # of another, as owner
        await friend.call("chat.delete", client_id="d4", offset=2, **there)
        await friend.call("feed.delete", client_id="d5", **edit)
        synced = await other.call("chat.sync")
        assert "taken-" not in json.dumps(synced)
        assert (await other.call("feed.timeline", **feed))["posts"] == []

        async def is_gone() -> bool:
            return holders(house.contents(), DELETED) == []

        with contextlib.suppress(TimeoutError):
            await eventually(is_gone, GONE_S)
        assert holders(house.contents(), DELETED) == []
    for hub in house.hubs:
        assert "taken-" not in hub.log
