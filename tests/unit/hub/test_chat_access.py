"""What members may, and nobody else: by what the user is in a room, on every path of the hub.

The verdicts are written down here from design 6 and the rules of chat, not taken from the code.
"""

import asyncio
from typing import Any, Final

import pytest

from realtime.errors import DELETED, CallRefused
from realtime.protocol.calls import SubscribeCall
from realtime.settings.schema import ChannelOptions
from tests.support.chat_hub import ROOM, ChatNode, chat_node, chat_settings
from tests.support.hub import settled, until
from tests.support.peer import Document, Peer

OPEN: Final = ChannelOptions(
    history_size=-1,
    presence=True,
    chat="room",
    subscribe=("user",),
    publish=("user",),
    read_history=("user",),
    read_presence=("user",),
)
"""A room that every user may read."""

FEED: Final = ChannelOptions(
    history_size=-1, chat="feed", subscribe=("member",), read_history=("member",)
)

WITHIN: Final = {"owner", "moderator", "member", "reader", "admin"}
"""Who may read what is for members."""

EVERYONE: Final = (
    *("owner", "moderator", "member", "reader", "admin"),
    *("left", "kicked", "banned", "invited", "stranger", "guest", "guest by role"),
)

OPERATIONS: Final = ("subscribe", "recover", "history", "presence", "presence_stats")


async def furnish(chat: ChatNode, channel: str = "room:1") -> None:
    """Have somebody of every kind in the room, each under the name of what they are."""
    for role in ("owner", "moderator", "member", "reader"):
        await chat.join(role, channel=channel, role=role)
    for user, act in (("left", "leave"), ("kicked", "kick"), ("banned", "ban")):
        await chat.join(user, channel=channel)
        await chat.act(act, user, channel, until=-1)
    await chat.act("invite", "", channel, users=[{"user": "invited"}])
    await chat.join("guest by role", channel=channel)


async def arrive(chat: ChatNode, who: str, **fields: Any) -> tuple[Peer, Document]:
    """Somebody, connected, and what the connect was answered."""
    peer = chat.node.peer()
    role = {"admin": "admin", "guest by role": "guest"}.get(who, "user")
    token = "" if who == "guest" else chat.node.token(who, role=role)
    return peer, await peer.connect(token, **fields)


def command(operation: str, channel: str = "room:1") -> tuple[str, Document]:
    """The command for an operation, and its fields."""
    if operation == "recover":
        return "subscribe", {"channel": channel, "recover": True, "offset": 0}
    return operation, {"channel": channel} | ({"limit": 1} if operation == "history" else {})


async def verdicts(chat: ChatNode, operation: str, channel: str = "room:1") -> set[str]:
    """Who is allowed an operation; whoever is not is told 103 and nothing else."""
    allowed = set()
    for who in EVERYONE:
        peer, _ = await arrive(chat, who)
        method, fields = command(operation, channel)
        reply = await peer.command(method, **fields)
        if "error" in reply:
            assert reply["error"]["code"] == 103, (who, reply)
            assert channel not in peer.client.subscriptions
        else:
            allowed.add(who)
        peer.leave()
    return allowed


@pytest.mark.parametrize("followed", [False, True], ids=["cold", "followed"])
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_what_is_for_members_is_for_members_alone(operation: str, followed: bool) -> None:
    """Whether the node has to look them up each time, or follows the room and knows."""
    async with chat_node(chat_settings(anonymous=True)) as chat:
        await furnish(chat)
        if followed:
            peer, _ = await arrive(chat, "owner")
            await peer.subscribe("room:1")
        assert await verdicts(chat, operation) == WITHIN


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_what_is_for_every_user_is_not_for_who_is_banned(operation: str) -> None:
    async with chat_node(chat_settings({"open": OPEN}, anonymous=True)) as chat:
        await furnish(chat, "open:1")
        allowed = await verdicts(chat, operation, "open:1")
        assert allowed == set(EVERYONE) - {"banned", "guest", "guest by role"}


@pytest.mark.parametrize("operation", ["subscribe", "recover", "history"])
async def test_a_feed_is_for_its_followers_where_it_says_members(operation: str) -> None:
    async with chat_node(chat_settings({"feed": FEED}, anonymous=True)) as chat:
        await furnish(chat, "feed:1")
        assert await verdicts(chat, operation, "feed:1") == WITHIN


@pytest.mark.parametrize("position", [{}, {"recover": True, "offset": 0}], ids=["new", "recovers"])
async def test_a_connect_brings_back_rooms_that_the_user_is_still_in(position: Document) -> None:
    async with chat_node(chat_settings(anonymous=True)) as chat:
        await furnish(chat)
        for who in EVERYONE:
            peer, told = await arrive(chat, who, subs={"room:1": position})
            assert ("room:1" in told.get("subs", {})) is (who in WITHIN), who
            assert ("room:1" in peer.client.subscriptions) is (who in WITHIN), who
            peer.leave()


async def test_a_ban_is_over_every_token_and_nothing_else_is() -> None:
    async with chat_node() as chat:
        await furnish(chat)
        for who in ("left", "kicked", "stranger", "banned"):
            allowed = who != "banned"
            peer = chat.node.peer()
            told = await peer.connect(chat.node.token(who, channels=["room:1"]))
            assert ("room:1" in told["subs"]) is allowed
            peer.leave()
            peer = await chat.node.connected(who)
            token = chat.node.token(who, channel="room:1")
            reply = await peer.command("subscribe", channel="room:1", token=token)
            assert ("error" not in reply) is allowed
            peer.leave()


async def test_the_server_api_subscribes_whom_it_wants_but_who_is_banned() -> None:
    async with chat_node() as chat:
        await furnish(chat)
        for who in ("left", "stranger", "banned"):
            peer = await chat.node.connected(who)
            await chat.node.api.subscribe(SubscribeCall(user=who, channel="room:1"))
            assert ("room:1" in peer.client.subscriptions) is (who != "banned")


async def test_a_ban_that_is_over_keeps_nobody_out_of_what_is_for_users() -> None:
    async with chat_node(chat_settings({"open": OPEN})) as chat:
        until_ms = chat.node.clock.wall_ms() + 60_000
        await chat.act("ban", "bob", "open:1", until=until_ms)
        peer = await chat.node.connected("bob")
        assert await peer.refused("subscribe", channel="open:1") == 103
        chat.node.clock.move(61)
        await peer.subscribe("open:1")


async def test_nobody_is_a_member_of_a_channel_that_is_no_chat() -> None:
    other = ChannelOptions(history_size=-1, subscribe=("member",), read_history=("member",))
    async with chat_node(chat_settings({"other": other})) as chat:
        peer = await chat.node.connected("alice")
        for method in ("subscribe", "history"):
            assert await peer.refused(method, channel="other:1") == 103


async def test_insecure_gives_everything_but_what_a_ban_takes() -> None:
    async with chat_node(chat_settings(insecure=True)) as chat:
        await furnish(chat)
        stranger, banned = (
            await chat.node.connected("stranger"),
            await chat.node.connected("banned"),
        )
        await stranger.subscribe("room:1")
        assert await banned.refused("subscribe", channel="room:1") == 103


# Looking up


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_store_that_is_away_is_a_reason_to_try_again(
    operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with chat_node() as chat:
        await chat.join("alice")
        peer = await chat.node.connected("alice")

        async def fail(channel: str, user: str) -> None:
            raise TimeoutError

        monkeypatch.setattr(chat.memberships, "look_up", fail)
        method, fields = command(operation)
        assert await peer.refused(method, **fields) == 100
        monkeypatch.undo()
        assert "error" not in await peer.command(method, **fields)


async def test_what_comes_after_a_command_that_looks_up_is_answered_after_it() -> None:
    async with chat_node() as chat:
        await chat.join("alice")
        peer = await chat.node.connected("alice")
        numbers = peer.send_batch(
            ("subscribe", {"channel": "room:1"}), ("presence", {"channel": "room:1"})
        )
        reply = await peer.reply(numbers[1])
        assert list(reply["presence"]["presence"]) == [peer.id]


async def test_a_connect_that_names_more_rooms_than_a_connection_may_have_is_refused() -> None:
    async with chat_node() as chat:
        peer = chat.node.peer()
        subs: Document = {f"room:{number}": {} for number in range(200)}
        peer.send("connect", token=chat.node.token("alice"), subs=subs)
        assert await peer.closed() == 3505


async def test_a_client_that_leaves_while_it_is_looked_up_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with chat_node() as chat:
        await chat.join("alice")
        waiting, inner = asyncio.Event(), chat.memberships.look_up

        async def late(channel: str, user: str) -> Any:
            await waiting.wait()
            return await inner(channel, user)

        connected = await chat.node.connected("alice")
        monkeypatch.setattr(chat.memberships, "look_up", late)
        connecting = chat.node.peer()
        connecting.send("connect", token=chat.node.token("alice"), subs={"room:1": {}})
        connected.send("subscribe", channel="room:1")
        await settled()
        connecting.leave()
        connected.leave()
        waiting.set()
        await settled()
        await until(lambda: not len(chat.node.hub.delivery))


# Publishing


@pytest.mark.parametrize("who", EVERYONE)
async def test_who_may_publish_is_for_the_service_to_say_if_the_list_has_members(who: str) -> None:
    """It answers retries of what was allowed once, so it must be asked."""
    async with chat_node(chat_settings(anonymous=True)) as chat:
        await furnish(chat)
        peer, _ = await arrive(chat, who)
        chat.chat.refusal = CallRefused(DELETED)
        is_guest = who in ("guest", "guest by role")
        assert await peer.refused("publish", channel="room:1", data=1) == (103 if is_guest else 410)
        assert len(chat.chat.prepared) == (0 if is_guest else 1)


async def test_nobody_publishes_where_the_list_has_nobody_or_the_log_of_bans_says_so() -> None:
    shut = ChannelOptions(history_size=-1, chat="room", subscribe=("member",))
    async with chat_node(chat_settings({"shut": shut})) as chat:
        peer = await chat.node.connected("alice")
        assert await peer.refused("publish", channel="shut:1", data=1) == 103
        chat.node.hub.revocations._ban("alice", "room:1", 0)
        assert await peer.refused("publish", channel="room:1", data=1) == 103
        assert chat.chat.prepared == []


async def test_without_the_service_a_reader_and_a_follower_have_no_voice() -> None:
    async with chat_node() as chat:
        await furnish(chat)
        chat.node.hub.publishing.chat = None
        for who, allowed in (("member", True), ("reader", False), ("banned", False)):
            peer = await chat.node.connected(who)
            await peer.command("history", channel="room:1")  # looks the user up
            reply = await peer.command("publish", channel="room:1", data=1)
            assert ("error" not in reply) is allowed, who


def test_the_rooms_of_this_table_are_for_members() -> None:
    assert ROOM.subscribe == ROOM.read_history == ROOM.read_presence == ("member",)
