"""What happens while a notification waits, or after it was shown; and what it says."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

import pytest
import pytest_asyncio

from tests.support.polling import eventually
from tests.support.push_town import PROVIDERS, ROOM, Person, Room, Town, open_town
from tests.support.server_api import open_api
from tests.support.wire_client import open_wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACK_WAIT_S: Final = 2
"""As `push.ack_wait`: nobody here shows anything, but by reading."""

SENT: Final = "The service has taken it."
NOT_A_MEMBER: Final = "The user is not in the channel, or was not then."

SECRET: Final = "the code is 4711"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """Rooms as usual, rooms of which nothing is said, and rooms with words of their own."""
    words = {
        "push_title": {"default": "{sender} @ {title}", "de": "{sender} in „{title}“"},
        "push_body": {
            "default": "says: {text}",
            "pt": "diz: {text}",
            "pt-BR": "falou: {text}",
            "de": "{text} ({count} ungelesen)",
        },
    }
    namespaces = {
        "room": ROOM,
        "secret": {**ROOM, "push_content": False},
        "worded": {**ROOM, **words},
    }
    async with open_town(
        tmp_path_factory.mktemp("town"),
        {"namespaces": namespaces, "push": {"ack_wait": f"{ACK_WAIT_S}s"}},
    ) as town:
        yield town


@contextlib.asynccontextmanager
async def looking(town: Town, who: Person) -> AsyncIterator[None]:
    """Have a device of somebody in the foreground that shows nothing: what is said has to wait."""
    async with open_wire(town.hub.websocket_url) as client:
        client.answers_pings = False
        assert "connect" in await client.connect(who.user.token)
        yield


async def waits(room: Room, who: Person, offset: int) -> None:
    """Wait until somebody is to be told, and see that they are not yet."""

    async def is_decided() -> bool:
        sentence = await room.why(who, offset, "waiting")
        assert sentence.startswith("It is not decided yet, or is to be tried again. (")
        return " (until " in sentence

    await eventually(is_decided)
    assert who.bodies() == []


# While it waits.


async def test_what_was_changed_before_the_wait_is_over_is_told_as_it_is(town: Town) -> None:
    alice = await town.person()
    edited, deleted, partly, read = people = [await town.person(*PROVIDERS) for _ in range(4)]
    rooms = [await town.room(alice, who) for who in people]
    async with contextlib.AsyncExitStack() as stack:
        for who in people:
            await stack.enter_async_context(looking(town, who))
        offsets = [await room.say(alice, "a first thing") for room in rooms]
        later = await rooms[2].say(alice, "a second thing")
        for room, who, offset in zip(rooms, people, offsets, strict=True):
            await waits(room, who, offset)
        await rooms[0].act(alice, "chat.edit", offset=offsets[0], data={"text": "the right thing"})
        await rooms[1].act(alice, "chat.delete", offset=offsets[1])
        await rooms[2].act(alice, "chat.delete", offset=later)
        await read.call("chat.read", channel=rooms[3].channel, offset=offsets[3])
        await edited.hears()
        await partly.hears()
        why = await rooms[1].why(deleted, offsets[1], "deleted")
        assert why == "It was deleted before anybody was told."
        assert await rooms[3].why(read, offsets[3], "read") == "The user had read it already."
    for provider in PROVIDERS:
        assert edited.bodies(provider) == ["the right thing"]
        # One that was deleted does not take the one before it along.
        assert partly.bodies(provider) == ["a first thing"]
    assert (await rooms[0].why(edited, offsets[0], "sent")).startswith(SENT)
    assert await rooms[2].why(partly, later, "deleted") == why
    assert (await rooms[2].why(partly, offsets[2], "sent")).startswith(SENT)
    town.stays_silent(*people)


async def test_who_is_not_there_any_more_when_the_wait_is_over_is_not_told(town: Town) -> None:
    alice = await town.person()
    kicked, left, banned, suspended = people = await town.people(4, "fcm")
    room = await town.room(alice, *people)
    async with open_api(town.hub) as api, contextlib.AsyncExitStack() as stack:
        for who in people:
            await stack.enter_async_context(looking(town, who))
        offset = await room.say(alice)
        for who in people:
            await waits(room, who, offset)
        await room.act(alice, "chat.kick", user=kicked.name)
        await room.act(left, "chat.leave")
        await room.act(alice, "chat.ban", user=banned.name)
        await api.call("ban", user=suspended.name, channel=room.channel)
        for who in people:
            assert await room.why(who, offset, "not_a_member") == NOT_A_MEMBER
    town.stays_silent(*people)


async def test_several_messages_become_one_notification_of_the_newest(town: Town) -> None:
    alice, bob = await town.person(), await town.person(*PROVIDERS)
    room = await town.room(alice, bob)
    async with looking(town, bob):
        first, second, third = [await room.say(alice, text) for text in ("one", "two", "three")]
        await waits(room, bob, third)
        await bob.hears()
    for provider in PROVIDERS:
        assert bob.bodies(provider) == ["three"]
        assert bob.devices[provider].phone.count.value == 1
    why = "One notification told of it and of later messages. (by "
    for offset in (first, second):
        assert await room.why(bob, offset, "merged") == f"{why}{third})"
    assert (await room.why(bob, third, "sent")).startswith(SENT)
    # The next one takes its place.
    await room.say(alice, "four")
    await bob.hears(2)
    for provider in PROVIDERS:
        assert bob.bodies(provider) == ["four"]
    town.stays_silent(bob)


# After it was shown.


async def until_gone(who: Person) -> None:
    """Wait until no phone shows anything but where nothing can be taken away."""

    async def is_gone() -> bool:
        return not (who.visible("fcm") or who.visible("apns"))

    await eventually(is_gone)


async def test_what_is_read_on_one_device_goes_away_on_the_others(town: Town) -> None:
    alice, bob = await town.person(), await town.person(*PROVIDERS)
    rooms = [await town.room(alice, bob) for _ in range(2)]
    first, second = [await room.say(alice, "hello") for room in rooms]
    await bob.hears(2)
    for provider in PROVIDERS:
        assert bob.bodies(provider) == ["hello", "hello"]
    phones = {name: device.phone for name, device in bob.devices.items()}
    assert [phones[name].badge for name in ("fcm", "apns")] == [2, 2]
    await bob.call("chat.read", channel=rooms[0].channel, offset=first)
    await bob.devices["fcm"].phone.count.wait(3, timeout_s=5)
    await bob.devices["apns"].phone.count.wait(3, timeout_s=5)
    for name in ("fcm", "apns"):
        (shown,) = bob.visible(name)
        assert f"{rooms[1].channel}" in str(shown.payload)
        assert (phones[name].cleared, phones[name].badge) == (1, 1)
    await bob.call("chat.read", channel=rooms[1].channel, offset=second)
    await until_gone(bob)
    assert [phones[name].badge for name in ("fcm", "apns")] == [0, 0]
    # A browser must show something for all that it is sent: its page tidies up by itself.
    assert bob.bodies("webpush") == ["hello", "hello"]
    assert phones["webpush"].count.value == 2
    for room, offset in zip(rooms, (first, second), strict=True):
        assert (await room.why(bob, offset, "sent")).startswith(SENT)
    town.stays_silent(bob)


async def test_what_is_deleted_goes_away(town: Town) -> None:
    alice, bob = await town.person(), await town.person(*PROVIDERS)
    room = await town.room(alice, bob)
    offset = await room.say(alice, "oh no")
    await bob.hears()
    await room.act(alice, "chat.delete", offset=offset)
    await until_gone(bob)
    assert (await room.why(bob, offset, "sent")).startswith(SENT)
    assert bob.bodies("webpush") == ["oh no"]
    # What is said then is told as ever.
    await room.say(alice, "better")
    await bob.hears(2)
    for provider in PROVIDERS:
        assert bob.bodies(provider) == ["better"]
    town.stays_silent(bob)


async def test_what_goes_away_does_not_wait_for_what_is_new(town: Town) -> None:
    alice = await town.person()
    people = [await town.person(*PROVIDERS) for _ in range(2)]
    rooms = [await town.room(alice, who) for who in people]
    first = [await room.say(alice, "oh no") for room in rooms]
    now = datetime.now(UTC)
    minute = now.hour * 60 + now.minute
    quiet = {"start_minute": (minute - 60) % 1_440, "end_minute": (minute + 60) % 1_440}
    for who in people:
        await who.hears()
        await who.call("push.change", quiet={"zone": "UTC", **quiet})
    second = [await room.say(alice, "better") for room in rooms]
    for room, who, offset in zip(rooms, people, second, strict=True):
        await room.why(who, offset, "quiet_hours")
        assert who.bodies("fcm") == ["oh no"]
    await rooms[0].act(alice, "chat.delete", offset=first[0])
    await people[1].call("chat.read", channel=rooms[1].channel, offset=first[1])
    for room, who, offset in zip(rooms, people, second, strict=True):
        await until_gone(who)
        await room.why(who, offset, "quiet_hours")
    town.stays_silent(*people)


# What it says.


async def test_nothing_is_said_of_what_is_secret(town: Town) -> None:
    alice, bob = await town.person(), await town.person(*PROVIDERS)
    await alice.call("user.update", user=alice.name, client_id="named", name="Alice Doe")
    room = await town.room(alice, bob, namespace="secret", title="Board")
    offset = await room.say(alice, SECRET)
    await bob.hears()
    for provider in PROVIDERS:
        (received,) = bob.visible(provider)
        whole = str(received)
        for word in (SECRET, "4711", "Alice", "Board"):
            assert word not in whole
        # Where to look for it is said.
        assert room.channel in whole
        assert f"'{offset}'" in whole


async def test_everybody_is_told_in_their_own_language(town: Town) -> None:
    alice = await town.person()
    await alice.call("user.update", user=alice.name, client_id="named", name="Alice")
    spoken = {
        "": ("Alice @ Lobby", "says: hi"),
        "fr": ("Alice @ Lobby", "says: hi"),
        "de-AT": ("Alice in „Lobby“", "hi (1 ungelesen)"),
        "pt-BR": ("Alice @ Lobby", "falou: hi"),
        "pt-PT": ("Alice @ Lobby", "diz: hi"),
    }
    people = {locale: await town.person(*PROVIDERS, locale=locale) for locale in spoken}
    room = await town.room(alice, *people.values(), namespace="worded", title="Lobby")
    await room.say(alice, "hi")
    for locale, who in people.items():
        await who.hears()
        for provider in PROVIDERS:
            (shown,) = who.visible(provider)
            assert (shown.title, shown.body) == spoken[locale]
