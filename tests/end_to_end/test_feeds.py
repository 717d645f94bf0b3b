"""Feeds on two hubs that share a store and a bus: timelines are what a naive merge says they are.

Authors have more followers than are copied to, or fewer, and go from the one to the other; whatever
is taken away is missing from the next page of every node; numbers are told while people look.
"""

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from tests.support.chat_users import CHANGES, UNLIMITED, Refusal, SocketUser, refusal, socket_user
from tests.support.hub_cluster import HubCluster, hub_cluster
from tests.support.polling import eventually

FEED: Final = {"namespace": "feed"}

COPIED_MAX: Final = 2
"""Followers of an author up to whom posts are copied."""

SEED: Final = 4_711

_IDS: Final = itertools.count(1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubCluster]:
    """Two hubs with feeds."""
    chat = {**UNLIMITED, "fanout_followers_max": COPIED_MAX}
    changes = {**CHANGES, "chat": chat}
    with hub_cluster(tmp_path_factory.mktemp("cluster"), 2, changes, starts=False) as cluster:
        for hub in cluster.hubs:
            hub.program = ("tests.end_to_end.hurried_hub",)
        cluster.start()
        yield cluster
        assert cluster.complaints() == []


@dataclass
class Somebody:
    """A user with a connection to each node."""

    name: str
    nodes: list[SocketUser]

    async def post(self, text: Any, node: int = 0) -> Any:
        """Post; what was answered."""
        data = {"text": text}
        return await self.nodes[node].call("feed.post", client_id=fresh_id(), data=data, **FEED)

    async def follow(self, author: "Somebody", node: int = 0) -> Any:
        """Follow somebody; the feed's channel."""
        return (await self.nodes[node].call("feed.follow", author=author.name, **FEED))["channel"]

    async def unfollow(self, author: "Somebody", node: int = 0) -> None:
        """Follow somebody no more."""
        await self.nodes[node].call("feed.unfollow", author=author.name, **FEED)

    async def delete(self, offset: int, node: int = 0) -> None:
        """Take a post back."""
        await self.nodes[node].call(
            "feed.delete", author=self.name, offset=offset, client_id=fresh_id(), **FEED
        )

    async def timeline(self, node: int, limit: int = 50) -> list[Any]:
        """All pages of the timeline."""
        posts: list[Any] = []
        cursor = ""
        while True:
            page = await self.page(node, limit, cursor)
            posts += page["posts"]
            cursor = page.get("cursor", "")
            if not cursor:
                return posts

    async def page(self, node: int, limit: int, cursor: str = "") -> Any:
        """One page of it."""
        return await self.nodes[node].call("feed.timeline", limit=limit, cursor=cursor, **FEED)

    async def texts(self, node: int) -> list[Any]:
        """What the timeline says."""
        return [post["data"]["text"] for post in await self.timeline(node)]


Meet = Callable[[str], Any]


def fresh_id() -> str:
    """A client id that nobody has used."""
    return f"c{next(_IDS)}"


@pytest.fixture
async def meet(cluster: HubCluster, room: str) -> AsyncIterator[Meet]:
    """Connect somebody of this test's own to each node."""
    async with contextlib.AsyncExitStack() as stack:

        async def connect(name: str) -> Somebody:
            user = f"{name}-{room}"
            nodes = [
                await stack.enter_async_context(socket_user(hub.websocket_url, user))
                for hub in cluster.hubs
            ]
            return Somebody(user, nodes)

        yield connect


async def test_a_post_is_in_timelines_on_every_node_and_followers_are_told(meet: Meet) -> None:
    ann, bob = await meet("ann"), await meet("bob")
    await ann.post("before")
    channel = await bob.follow(ann, node=1)
    for node in (0, 1):
        assert await bob.texts(node) == ["before"]
    watcher = bob.nodes[1]
    assert await watcher.client.error("subscribe", channel=channel) == 0
    for number in range(3):
        posted = await ann.post(number)
        for node in (0, 1):
            assert (await bob.texts(node))[0] == number
    await watcher.client.until(lambda: len(watcher.client.pushes("pub", channel)) == 3)
    hinted = bob.nodes[0]
    await hinted.client.until(
        lambda: any(hint["place"] == posted["place"] for hint in hinted.hints("post"))
    )
    assert ann.name not in channel


async def test_pages_are_stable_while_posts_arrive(meet: Meet) -> None:
    bob = await meet("bob")
    authors = [await meet(name) for name in ("ann", "cid", "dan")]
    for author in authors:
        await bob.follow(author)
    for number in range(24):
        await authors[number % 3].post(number)
    expected = list(range(24))[::-1]
    seen: list[int] = []
    cursor, arrived = "", 24
    while True:
        page = await bob.page(arrived % 2, 5, cursor)
        seen += [post["data"]["text"] for post in page["posts"]]
        cursor = page.get("cursor", "")
        if not cursor:
            break
        async with asyncio.TaskGroup() as tasks:
            for author in authors:
                tasks.create_task(author.post(arrived, node=1))
                arrived += 1
    assert seen == expected
    assert len(await bob.texts(0)) == arrived


async def test_what_is_taken_away_is_missing_from_the_next_page_on_every_node(meet: Meet) -> None:
    bob, ann, cid, dan = [await meet(name) for name in ("bob", "ann", "cid", "dan")]
    others = [await meet(f"other{number}") for number in range(COPIED_MAX + 1)]
    for author in (ann, cid, dan):
        await bob.follow(author)
    for other in others:  # ann is too large for copies
        await other.follow(ann)
    posts = {author.name: await author.post(author.name) for author in (ann, cid, dan)}
    assert await bob.texts(1) == [dan.name, cid.name, ann.name]

    await ann.delete(posts[ann.name]["offset"])
    assert await bob.texts(1) == [dan.name, cid.name]
    await bob.unfollow(cid, node=1)
    assert await bob.texts(0) == [dan.name]
    await dan.nodes[0].call("user.block", user=bob.name)
    for node in (1, 0):
        assert await bob.texts(node) == []
        refused = await refusal(bob.nodes[node], "feed.follow", author=dan.name, **FEED)
        assert (refused.code, refused.why) == (103, "blocked")
        refused = await refusal(bob.nodes[node], "feed.posts", author=dan.name, **FEED)
        assert refused.code == 103
    await dan.nodes[1].call("user.unblock", user=bob.name)
    await bob.follow(dan, node=1)
    assert await bob.texts(0) == [dan.name]


async def test_what_was_seen_on_one_device_is_seen_on_the_other(meet: Meet) -> None:
    ann, bob = await meet("ann"), await meet("bob")
    await bob.follow(ann)
    posts = [await ann.post(number) for number in range(4)]
    assert (await bob.page(1, 50))["unseen"] == 4
    await bob.nodes[0].call("feed.seen", place=posts[2]["place"], **FEED)
    page = await bob.page(1, 50)
    assert (page["unseen"], page["seen_at"]) == (1, posts[2]["at"])
    phone = bob.nodes[1]
    await phone.client.until(
        lambda: any(hint["seen_at"] == posts[2]["at"] for hint in phone.hints("timeline"))
    )
    await bob.nodes[1].call("feed.seen", place=posts[0]["place"], **FEED)
    assert (await bob.page(0, 50))["unseen"] == 1


async def test_numbers_are_told_a_few_times_a_second_at_most(meet: Meet) -> None:
    ann = await meet("ann")
    crowd = [await meet(f"fan{number}") for number in range(6)]
    posted = await ann.post("look")
    here = {"author": ann.name, "offset": posted["offset"], **FEED}
    watcher = ann.nodes[1].client
    assert await watcher.error("subscribe", channel=posted["channel"]) == 0
    for number, fan in enumerate(crowd):
        node = fan.nodes[number % 2]
        view = {"author": ann.name, "offsets": [posted["offset"]], **FEED}
        for _ in range(2):  # a second look does not count
            await node.call("feed.view", **view)
        await node.call("feed.react", emoji="x", client_id=fresh_id(), **here)

    async def counted() -> bool:
        (post,) = (await ann.nodes[0].call("feed.posts", author=ann.name, **FEED))["posts"]
        return (post.get("views"), post["reactions"]["x"]["count"]) == (len(crowd), len(crowd))

    await eventually(counted, 15)

    def told() -> list[Any]:
        pushes = watcher.pushes("pub", posted["channel"])
        return [push for push in pushes if push.body.get("tags", {}).get("kind") == "counters"]

    await watcher.until(
        lambda: any(len(crowd) in push.body["data"]["counters"].values() for push in told())
    )
    assert all("offset" not in push.body for push in told()), "numbers are stored nowhere"
    # Each node tells five times a second at most.
    assert len(told()) <= 2 * (1 + (told()[-1].at - told()[0].at) / 0.2)


@dataclass
class Model:
    """Who follows whom, who wants nothing of whom, and what was posted and is still there."""

    follows: set[tuple[str, str]] = field(default_factory=set)
    blocks: set[tuple[str, str]] = field(default_factory=set)
    posts: dict[str, dict[int, str]] = field(default_factory=dict)

    def blocked(self, one: str, other: str) -> bool:
        """Whether either has blocked the other."""
        return bool({(one, other), (other, one)} & self.blocks)

    def timeline(self, user: str) -> list[str]:
        """Places of everything that they follow, the newest first."""
        places = [
            place
            for follower, author in self.follows
            if follower == user
            for place in self.posts.get(author, {}).values()
        ]
        return sorted(places, reverse=True)


@dataclass
class Town:
    """People who do anything, and the model of it."""

    people: list[Somebody]
    luck: random.Random
    model: Model = field(default_factory=Model)
    grown: set[str] = field(default_factory=set)
    """Who has had more followers than are copied to."""
    shrunk: set[str] = field(default_factory=set)
    """Who has had no more than that after having had more."""

    async def act(self) -> None:
        """One thing that somebody does through some node."""
        one, other = self.luck.sample(self.people, 2)
        node, model = self.luck.randrange(2), self.model
        acts = ("post", "follow", "unfollow", "delete", "block", "unblock")
        act = self.luck.choices(acts, (10, 8, 3, 3, 1, 2))[0]
        with contextlib.suppress(Refusal):
            match act:
                case "post":
                    posted = await one.post("said", node)
                    model.posts.setdefault(one.name, {})[posted["offset"]] = posted["place"]
                case "follow":
                    await one.follow(other, node)
                    assert not model.blocked(one.name, other.name)
                    model.follows.add((one.name, other.name))
                case "unfollow":
                    await one.unfollow(other, node)
                    model.follows.discard((one.name, other.name))
                case "delete" if model.posts.get(one.name):
                    offset = self.luck.choice(list(model.posts[one.name]))
                    await one.delete(offset, node)
                    del model.posts[one.name][offset]
                case "block":
                    await one.nodes[node].call("user.block", user=other.name)
                    model.blocks.add((one.name, other.name))
                    pair = {(one.name, other.name), (other.name, one.name)}
                    model.follows -= pair
                case "unblock":
                    await one.nodes[node].call("user.unblock", user=other.name)
                    model.blocks.discard((one.name, other.name))

    def count(self) -> None:
        """Note who has many followers now, and who has no more."""
        for person in self.people:
            followers = sum(author == person.name for _, author in self.model.follows)
            if followers > COPIED_MAX:
                self.grown.add(person.name)
            elif person.name in self.grown:
                self.shrunk.add(person.name)

    async def hold(self, somebody: Somebody) -> None:
        """Whether both nodes show somebody what the model says."""
        expected = self.model.timeline(somebody.name)
        for node in range(2):
            limit = self.luck.choice((7, 50, 200))
            shown = [post["place"] for post in await somebody.timeline(node, limit)]
            assert shown == expected, somebody.name


@pytest.mark.parametrize(
    "operations", [150, pytest.param(1_000, marks=[pytest.mark.thorough, pytest.mark.timeout(900)])]
)
async def test_timelines_are_what_a_naive_merge_says(meet: Meet, operations: int) -> None:
    people = [await meet(f"p{number}-{operations}") for number in range(6)]
    town = Town(people, random.Random(SEED))  # noqa: S311 - not a secret
    for number in range(operations):
        await town.act()
        town.count()
        await town.hold(people[number % len(people)])
    for somebody in people:
        await town.hold(somebody)
    assert town.grown
    assert town.shrunk, "nobody went past the limit and back"
