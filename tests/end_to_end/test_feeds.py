"""Feeds of a running hub: by the socket and by HTTP, live and read again."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from tests.support.chat_users import (
    CHANGES,
    RestUser,
    SocketUser,
    refusal,
    rest_session,
    rest_user,
    socket_user,
)
from tests.support.processes import HubProcess

PRIVATE = {**CHANGES["namespaces"]["feed"], "subscribe": ["member"], "read_history": ["member"]}

NUMBERS = iter(range(1_000_000))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub with feeds, some of them private, whose tests have users of their own."""
    namespaces = {**CHANGES["namespaces"], "private": PRIVATE}
    hub = HubProcess(tmp_path_factory.mktemp("hub"), {**CHANGES, "namespaces": namespaces})
    try:
        hub.start()
        yield hub
        assert hub.complaints() == []
    finally:
        hub.end()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """What users over HTTP share."""
    async with rest_session() as session:
        yield session


@pytest.fixture
async def ann(hub: HubProcess, session: aiohttp.ClientSession) -> RestUser:
    """An author that no other test has."""
    return rest_user(hub, session, f"ann-{next(NUMBERS)}")


@pytest.fixture
async def bob(hub: HubProcess) -> AsyncIterator[SocketUser]:
    """A reader that no other test has."""
    async with socket_user(hub.websocket_url, f"bob-{next(NUMBERS)}") as bob:
        yield bob


async def post(author: RestUser, text: str, namespace: str = "feed") -> dict[str, Any]:
    """Post over HTTP."""
    data = {"text": text}
    posted = await author.call(
        "feed.post", namespace=namespace, client_id=f"p{next(NUMBERS)}", data=data
    )
    return dict(posted)


async def test_a_post_reaches_a_follower_in_every_way_there_is(
    ann: RestUser, bob: SocketUser
) -> None:
    followed = await bob.call("feed.follow", namespace="feed", author=ann.name)
    first = await post(ann, "one")
    assert first["channel"] == followed["channel"]
    await bob.client.until(lambda: bool(bob.hints("post")))
    (hint,) = bob.hints("post")
    assert hint == {
        "type": "post",
        "feed": first["channel"],
        "author": ann.name,
        "offset": 1,
        "place": first["place"],
    }
    subscribed = await bob.client.command("subscribe", channel=first["channel"], recover=True)
    assert "error" not in subscribed
    second = await post(ann, "two")
    await bob.client.until(lambda: bool(bob.client.pushes("pub", first["channel"])))
    (push,) = bob.client.pushes("pub", first["channel"])
    assert push.body["data"] == {"text": "two"}
    assert push.body["offset"] == second["offset"] == 2
    page = await bob.call("feed.timeline", namespace="feed", limit=1)
    (shown,) = page["posts"]
    assert (shown["data"], shown["place"], shown["author"]) == (
        {"text": "two"},
        second["place"],
        ann.name,
    )
    assert page["unseen"] == 2
    rest = await bob.call("feed.timeline", namespace="feed", cursor=page["cursor"])
    assert [one["place"] for one in rest["posts"]] == [first["place"]]
    assert "cursor" not in rest


async def test_views_and_reactions_are_told_to_who_looks(ann: RestUser, bob: SocketUser) -> None:
    posted = await post(ann, "look")
    await bob.client.command("subscribe", channel=posted["channel"])
    await bob.call("feed.view", namespace="feed", author=ann.name, offsets=[1])
    await bob.call(
        "feed.react", namespace="feed", author=ann.name, offset=1, emoji="👍", client_id="r"
    )

    def kinds() -> set[str]:
        pushes = bob.client.pushes("pub", posted["channel"])
        return {push.body.get("tags", {}).get("kind", "") for push in pushes}

    await bob.client.until(lambda: kinds() >= {"counters", "reaction"})
    (shown,) = (await ann.call("feed.posts", namespace="feed", author=ann.name))["posts"]
    assert shown["reactions"] == {"👍": {"count": 1}}
    assert shown["views"] == 1


async def test_a_block_ends_a_live_subscription_and_everything_else(
    ann: RestUser, bob: SocketUser
) -> None:
    posted = await post(ann, "mine")
    await bob.call("feed.follow", namespace="feed", author=ann.name)
    await bob.client.command("subscribe", channel=posted["channel"])
    await ann.call("user.block", user=bob.name)
    await bob.client.until(lambda: bool(bob.client.pushes("unsubscribe", posted["channel"])), 2.0)
    assert not (await bob.call("feed.timeline", namespace="feed"))["posts"]
    for method in ("subscribe", "history"):
        fields = {"limit": 1} if method == "history" else {}
        assert await bob.client.error(method, channel=posted["channel"], **fields) == 103
    for method in ("feed.posts", "feed.follow"):
        refused = await refusal(bob, method, namespace="feed", author=ann.name)
        assert (refused.code, refused.why) == (103, "blocked")
    await ann.call("user.unblock", user=bob.name)
    assert (await bob.call("feed.posts", namespace="feed", author=ann.name))["posts"]


async def test_a_private_feed_is_closed_to_whoever_does_not_follow(
    ann: RestUser, bob: SocketUser
) -> None:
    posted = await post(ann, "for few", "private")
    channel = posted["channel"]
    assert await bob.client.error("subscribe", channel=channel) == 103
    refused = await refusal(bob, "feed.posts", namespace="private", author=ann.name)
    assert (refused.code, refused.why) == (103, "not_a_member")
    await bob.call("feed.follow", namespace="private", author=ann.name)
    assert await bob.client.error("subscribe", channel=channel) == 0
    await bob.call("feed.unfollow", namespace="private", author=ann.name)
    await bob.client.until(lambda: bool(bob.client.pushes("unsubscribe", channel)), 2.0)
    assert await bob.client.error("subscribe", channel=channel) == 103


async def test_a_users_id_may_be_a_word_of_a_path(ann: RestUser) -> None:
    refused = await refusal(ann, "feed.follow", namespace="feed", author=ann.name)
    assert (refused.code, refused.field) == (422, "author")
    await ann.call("feed.follow", namespace="feed", author="following")
    await ann.call("feed.follow", namespace="feed", author="a/b c?d")
    page = await ann.call("feed.following", namespace="feed")
    assert {one["author"] for one in page["following"]} == {"following", "a/b c?d"}
    view = await ann.call("feed.get", namespace="feed", author="a/b c?d")
    assert view["followers"] == 1
