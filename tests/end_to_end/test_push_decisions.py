"""Who is told of a message on their phone, who is not, and why, as a hub and its services see it.

Each of what is decided is explained, in the words that an operator would read.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

import pytest
import pytest_asyncio

from realtime.auth.device_names import device_name
from tests.support.attentive_client import AttentiveClient, open_client
from tests.support.proxy import open_proxy
from tests.support.push_town import PROVIDERS, ROOM, Person, Room, Town, open_town
from tests.support.sdks import Sdks, installed
from tests.support.wire_client import open_wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACK_WAIT_S: Final = 3
"""As `push.ack_wait`: time for a ping, a pong and a write on a busy machine."""

GOES_S: Final = 0.1
"""How long before a message, or after it, a phone goes from the network."""

SENT: Final = "The service has taken it."
SEEN: Final = "A device in the foreground had it in time."


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """Rooms whose members are told of everything, and of what mentions them."""
    namespaces = {"room": ROOM, "quiet": {**ROOM, "push": "mentions"}}
    async with open_town(
        tmp_path_factory.mktemp("town"),
        {"namespaces": namespaces, "push": {"ack_wait": f"{ACK_WAIT_S}s"}},
    ) as town:
        yield town


async def enter(client: AttentiveClient, room: Room, who: Person) -> None:
    """Connect as somebody, and subscribe to a room."""
    assert "connect" in await client.connect(who.user.token)
    assert "subscribe" in await client.command("subscribe", channel=room.channel)


# Seen.


async def test_who_reads_in_a_client_that_knows_nothing_of_this_is_told_nothing(
    town: Town, sdks: Sdks
) -> None:
    names = installed(["python", "javascript"])
    alice, absent, *readers = await town.people(2 + len(names), "fcm")
    room = await town.room(alice, absent, *readers)
    async with AsyncExitStack() as stack:
        clients = []
        for name, reader in zip(names, readers, strict=True):
            sdk = await sdks.open(name, town.hub.websocket_url, reader.user.token)
            stack.push_async_callback(sdk.close)
            clients.append(await sdk.joined())
            await sdk.subscribed(room.channel)
        offset = await room.say(alice)
        await absent.hears()
        for client, reader in zip(clients, readers, strict=True):
            assert await room.why(reader, offset, "seen") == f"{SEEN} ({client})"
    assert (await room.why(absent, offset, "sent")).startswith(SENT)
    town.stays_silent(*readers)


async def test_who_says_that_it_was_delivered_in_the_foreground_is_told_nothing(
    town: Town,
) -> None:
    """An app that calls ours needs no pong for it."""
    alice, bob = await town.people(2, "fcm")
    room = await town.room(alice, bob)
    async with open_wire(town.hub.websocket_url) as client:
        client.answers_pings = False
        assert "connect" in await client.connect(bob.user.token)
        await client.command(
            "rpc", method="presence.set", data={"state": "active", "device_id": "tablet"}
        )
        offset = await room.say(alice)
        told = {"channel": room.channel, "offset": offset}
        assert "rpc" in await client.command("rpc", method="chat.delivered", data=told)
        by = device_name(bob.name, "tablet")
        assert await room.why(bob, offset, "seen") == f"{SEEN} ({by})"
    town.stays_silent(bob)


async def test_who_is_not_looking_is_told_soon_though_their_socket_is_open(town: Town) -> None:
    """The idle desktop must not swallow what the phone in the pocket is to show."""
    alice, desktop, hidden = await town.people(3, "fcm")
    room = await town.room(alice, desktop, hidden)
    url = town.hub.websocket_url
    async with open_client(url) as idle, open_client(url) as covered:
        for client, who, state in ((idle, desktop, "away"), (covered, hidden, "background")):
            await enter(client, room, who)
            await client.command("rpc", method="presence.set", data={"state": state})
        said_ms = time.time() * 1_000
        offset = await room.say(alice)
        for client, who in ((idle, desktop), (covered, hidden)):
            await who.hears(within_s=ACK_WAIT_S)
            (shown,) = who.visible()
            assert 1_000 <= shown.at_ms - said_ms < ACK_WAIT_S * 1_000
            assert (await room.why(who, offset, "sent")).startswith(SENT)
            # It was given it, and answers pings.
            assert client.pushes("pub", room.channel)


# Gone without a goodbye.


async def go_before(town: Town, sdks: Sdks, room: Room, alice: Person, bob: Person) -> int:
    """The phone has left the network just before the message: to the hub it is still there."""
    async with open_proxy(town.hub.port) as proxy:
        sdk = await sdks.open("python", proxy.websocket_url, bob.user.token)
        await sdk.joined()
        await sdk.subscribed(room.channel)
        proxy.refusing = True
        assert proxy.strand() == 1
        await asyncio.sleep(GOES_S)
        offset = await room.say(alice)
        await bob.hears()
        await sdk.close()
    return offset


async def go_during(town: Town, sdks: Sdks, room: Room, alice: Person, bob: Person) -> int:
    """It leaves while the message is on its way."""
    async with open_proxy(town.hub.port) as proxy:
        sdk = await sdks.open("python", proxy.websocket_url, bob.user.token)
        await sdk.joined()
        await sdk.subscribed(room.channel)
        proxy.refusing = True
        proxy.stall()
        offset = await room.say(alice)
        await asyncio.sleep(GOES_S)
        assert proxy.strand() == 1
        proxy.resume()
        await bob.hears()
        assert sdk.journal.all("publication", room.channel) == []
        await sdk.close()
    return offset


async def go_after(town: Town, sdks: Sdks, room: Room, alice: Person, bob: Person) -> int:
    """It leaves when the message has reached its socket, before the app has done anything."""
    async with open_proxy(town.hub.port) as proxy, open_wire(proxy.websocket_url) as client:
        client.answers_pings = False
        assert "connect" in await client.connect(bob.user.token)
        assert "subscribe" in await client.command("subscribe", channel=room.channel)
        offset = await room.say(alice)
        assert (await client.push("pub", room.channel))["offset"] == offset
        await asyncio.sleep(GOES_S)
        assert proxy.strand() == 1
        await bob.hears()
    return offset


async def go_with_a_reset(town: Town, sdks: Sdks, room: Room, alice: Person, bob: Person) -> int:
    """The hub is told that the connection is gone, as where a phone's system ends it."""
    async with open_proxy(town.hub.port) as proxy:
        sdk = await sdks.open("python", proxy.websocket_url, bob.user.token)
        await sdk.joined()
        await sdk.subscribed(room.channel)
        proxy.refusing = True
        assert proxy.cut() == 1
        await asyncio.sleep(GOES_S)
        offset = await room.say(alice)
        await bob.hears()
        await sdk.close()
    return offset


async def test_a_phone_that_has_just_left_the_network_is_told(town: Town, sdks: Sdks) -> None:
    """A tenth of a second before, during and after the message: each time exactly once."""
    alice = await town.person("fcm")
    goings = (go_before, go_during, go_after, go_with_a_reset)
    gone = await town.people(len(goings), *PROVIDERS)
    rooms = [await town.room(alice, bob) for bob in gone]
    async with asyncio.TaskGroup() as tasks:
        going = [
            tasks.create_task(go(town, sdks, own, alice, bob))
            for go, own, bob in zip(goings, rooms, gone, strict=True)
        ]
    for own, bob, task in zip(rooms, gone, going, strict=True):
        assert (await own.why(bob, task.result(), "sent")).startswith(SENT)
        for provider in PROVIDERS:
            assert bob.bodies(provider) == ["hello"]
    town.stays_silent(*gone)


async def test_a_phone_that_has_answered_before_it_leaves_is_told_nothing(
    town: Town, sdks: Sdks
) -> None:
    """It was in the foreground, and had it: that is what its user was looking at."""
    alice, bob = await town.people(2, "fcm")
    room = await town.room(alice, bob)
    async with open_proxy(town.hub.port) as proxy:
        sdk = await sdks.open("python", proxy.websocket_url, bob.user.token)
        client = await sdk.joined()
        await sdk.subscribed(room.channel)
        offset = await room.say(alice)
        await sdk.next("publication", room.channel)
        await asyncio.sleep(GOES_S)
        proxy.refusing = True
        assert proxy.strand() == 1
        assert await room.why(bob, offset, "seen") == f"{SEEN} ({client})"
        await sdk.close()
    town.stays_silent(bob)


# By whom, and what they want.


async def test_what_users_have_set_holds(town: Town) -> None:
    alice, usual, *others = await town.people(8, "fcm")
    muted, mutes_all, none, mentions, never, always = others
    room = await town.room(alice, usual, *others)
    at = {"channel": room.channel}
    await muted.call("push.change_channel", muted_until=-1, **at)
    until = int(time.time() * 1_000) + 3_600_000
    await mutes_all.call("push.change", muted_until=until)
    await none.call("push.change_channel", level="none", **at)
    await mentions.call("push.change_channel", level="mentions", **at)
    await never.call("push.change", level="none")
    # What is set for a channel is said with more thought than what is set for all.
    await always.call("push.change", level="mentions")
    await always.call("push.change_channel", level="all", **at)
    first = await room.say(alice, "anybody")
    for who in (usual, always):
        await who.hears()
        assert (await room.why(who, first, "sent")).startswith(SENT)
    is_muted = "The user had muted the channel, or everything."
    not_told = "The user is not told of such messages here, by their settings or the channel's."
    assert await room.why(muted, first, "muted") == f"{is_muted} (the channel)"
    assert await room.why(mutes_all, first, "muted") == f"{is_muted} (everything)"
    for who in (none, mentions, never):
        assert await room.why(who, first, "never_recipient") == not_told
    # And what mentions them all:
    second = await room.say(alice, "you", mentions=[usual.name, *(each.name for each in others)])
    for who in (usual, always):
        await who.hears(2)
        assert who.bodies() == ["you"]
    await mentions.hears()
    assert (await room.why(mentions, second, "sent")).startswith(SENT)
    assert await room.why(muted, second, "muted") == f"{is_muted} (the channel)"
    assert await room.why(mutes_all, second, "muted") == f"{is_muted} (everything)"
    for who in (none, never):
        assert await room.why(who, second, "never_recipient") == not_told
    assert await room.why(mentions, first, "never_recipient") == not_told
    town.stays_silent(alice, usual, *others)


async def test_a_mute_ends_by_itself(town: Town) -> None:
    alice, bob, carol = await town.people(3, "fcm")
    room = await town.room(alice, bob, carol)
    until = int(time.time() * 1_000) + 1_500
    await bob.call("push.change_channel", channel=room.channel, muted_until=until)
    await carol.call("push.change", muted_until=until)
    first = await room.say(alice, "too early")
    await room.why(bob, first, "muted")
    await room.why(carol, first, "muted")
    await asyncio.sleep(max(0.0, until / 1_000 - time.time()))
    second = await room.say(alice, "late enough")
    for who in (bob, carol):
        await who.hears()
        assert who.bodies() == ["late enough"]
        assert (await room.why(who, second, "sent")).startswith(SENT)
        assert who.devices["fcm"].phone.count.value == 1


async def test_in_a_channel_for_mentions_others_are_not_told(town: Town) -> None:
    alice, bob, carol = await town.people(3, "fcm")
    room = await town.room(alice, bob, carol, namespace="quiet")
    await carol.call("push.change_channel", channel=room.channel, level="all")
    first = await room.say(alice, "anybody")
    await carol.hears()
    assert await room.why(bob, first, "never_recipient") == (
        "The user is not told of such messages here, by their settings or the channel's."
    )
    second = await room.say(alice, "bob", mentions=[bob.name])
    await bob.hears()
    assert (await room.why(bob, second, "sent")).startswith(SENT)
    assert bob.bodies() == ["bob"]


async def test_who_has_sent_it_and_whom_one_has_blocked_are_not_told(town: Town) -> None:
    alice, blocks, blocked, usual = await town.people(4, "fcm")
    room = await town.room(alice, blocks, blocked, usual)
    await blocks.call("user.block", user=alice.name)
    await alice.call("user.block", user=blocked.name)
    offset = await room.say(alice)
    await usual.hears()
    why = "The user and who has sent it block one another, or one the other."
    assert await room.why(blocks, offset, "blocked") == why
    assert await room.why(blocked, offset, "blocked") == why
    assert await room.why(alice, offset, "own_message") == "The user has sent it."
    # What the one who is blocked has said last does not hide what others said before.
    other = await room.say(usual, "of somebody else")
    await blocks.hears()
    assert blocks.bodies() == ["of somebody else"]
    assert (await room.why(blocks, other, "sent")).startswith(SENT)
    assert blocks.devices["fcm"].phone.count.value == 1
    assert await room.why(blocks, offset, "blocked") == why
    town.stays_silent(alice)


async def test_replies_and_what_is_said_between_two_are_told(town: Town) -> None:
    alice, bob, carol = await town.people(3, "fcm")
    room = await town.room(alice, bob, carol, title="Lobby")
    first = await room.say(alice, "question")
    await bob.hears()
    await carol.hears()
    reply = await room.say(bob, "answer", reply_to=first)
    await alice.hears()
    await carol.hears(2)
    assert [(shown.title, shown.body) for shown in carol.visible()] == [
        (f"{bob.name} in Lobby", "answer")
    ]
    assert (await room.why(alice, reply, "sent")).startswith(SENT)
    for namespace in ("room", "quiet"):  # there, whatever is said is said to one
        opened = await alice.call("chat.direct", namespace=namespace, user=bob.name)
        direct = Room(town, opened["channel"])
        offset = await direct.say(alice, "just you")
        assert (await direct.why(bob, offset, "sent")).startswith(SENT)
        assert (bob.visible()[-1].title, bob.visible()[-1].body) == (alice.name, "just you")


async def test_who_has_no_device_is_not_told(town: Town) -> None:
    alice, bob = await town.people(2)
    room = await town.room(alice, bob)
    why = await room.why(bob, await room.say(alice), "no_device")
    assert why == "The user has no device that can be notified."
    stranger = await town.person("fcm")
    why = await room.why(stranger, await room.say(alice), "not_a_member")
    assert why == "The user is not in the channel, or was not then."
