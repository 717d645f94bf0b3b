"""What becomes of notifications, and of devices, by what the providers' services answer.

Whatever they say, a message is not lost before it is too old, and a phone shows it once.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio

from tests.support.polling import eventually
from tests.support.push_town import PROVIDERS, ROOM, Document, Person, Room, Town, open_town
from workers.fakepush.outcomes import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

RETRY_AFTER_S: Final = 2

SENT: Final = "The service has taken it."
DEAD: Final = "The service knows the device's address no more, or not for this app."
WAITING: Final = "It is not decided yet, or is to be tried again."
REFUSED: Final = "The service will not take it."


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """Rooms whose members are told of everything, and who are not there."""
    async with open_town(tmp_path_factory.mktemp("town"), {"namespaces": {"room": ROOM}}) as town:
        yield town


async def on_device(room: Room, who: Person, offset: int, name: str = "") -> Document:
    """What is said of one device, the only one if it is not named."""
    devices = {each["device"]: each for each in (await room.explained(who, offset))["devices"]}
    found: Document = devices[name or next(iter(devices))]
    return found


# Addresses.


async def test_dead_addresses_are_forgotten_unless_they_came_back(town: Town) -> None:
    world = town.fake.world
    people = [await town.person(provider) for provider in PROVIDERS]
    (back,) = await town.people(1, "apns")
    day_ms = 86_400_000
    for who in people:
        (device,) = who.devices.values()
        world.script(device, "dead", since_ms=int(time.time() * 1_000) + day_ms)
    # Its phone had no app yesterday: it was installed again, and registered since.
    yesterday_ms = int(time.time() * 1_000) - day_ms
    world.script(back.devices["apns"], "dead", times=1, since_ms=yesterday_ms)
    room, offset = await town.say_to(*people, back)
    said = {"fcm": "UNREGISTERED", "apns": "Unregistered", "webpush": "410"}
    for who in people:
        (provider,) = who.devices
        assert await room.why(who, offset, "address_dead") == f"{DEAD} ({said[provider]})"

        async def is_forgotten(who: Person = who) -> bool:
            return await who.registered() == {}

        await eventually(is_forgotten)
    assert await room.why(back, offset, "address_dead") == f"{DEAD} (Unregistered)"
    assert set(await back.registered()) == {"apns"}
    again, offset = await town.say_to(*people, back)
    await back.hears()
    for who in people:
        why = await again.why(who, offset, "no_device")
        assert why == "The user has no device that can be notified."
        (device,) = who.devices.values()
        assert len(town.requests(device)) == 1
    town.stays_silent(*people, back)


async def test_where_a_device_is_found_is_remembered(town: Town) -> None:
    """An app in development that does not say so; and one that says what is wrong."""
    world = town.fake.world
    unsaid, wrong = await town.people(2)
    for who, said in ((unsaid, ""), (wrong, "production")):
        await who.register(world.make_device("apns", environment="sandbox"), environment=said)
    room, offset = await town.say_to(unsaid, wrong)
    await unsaid.hears()
    assert (await room.why(unsaid, offset, "sent")).startswith(SENT)
    assert await room.why(wrong, offset, "address_dead") == f"{DEAD} (BadDeviceToken)"

    async def is_remembered() -> bool:
        found = (await unsaid.registered())["apns"].get("environment")
        return found == "sandbox" and await wrong.registered() == {}

    await eventually(is_remembered)
    await town.say_to(unsaid)
    await unsaid.hears(2)
    asked = [(each.environment, each.status) for each in town.requests(unsaid.devices["apns"])]
    assert asked == [("production", 400), ("sandbox", 200), ("sandbox", 200)]
    town.stays_silent(unsaid, wrong)


async def test_devices_of_another_app_are_parked_until_they_register_again(town: Town) -> None:
    world = town.fake.world
    (phone,) = await town.people(1, "fcm")
    (other,) = await town.people(1)
    world.script(phone.devices["fcm"], "sender_mismatch", times=1)
    iphone = world.make_device("apns", app="dev.fakepush.other")
    await other.register(iphone, app="dev.fakepush.app")
    room, offset = await town.say_to(phone, other)
    said = {"fcm": "SENDER_ID_MISMATCH", "apns": "DeviceTokenNotForTopic"}
    for who in (phone, other):
        ((name, device),) = who.devices.items()
        assert await room.why(who, offset, "address_dead") == f"{DEAD} ({said[name]})"
        assert await who.parked(name) == said[name]
        again, offset_again = await town.say_to(who)
        # Nobody is asked any more.
        assert await again.why(who, offset_again, "address_dead") == f"{DEAD} ({said[name]})"
        assert len(town.requests(device)) == 1
        assert device.phone.count.value == 0
    await phone.register(phone.devices["fcm"])
    await other.register(iphone)
    await town.say_to(phone, other)
    for who in (phone, other):
        await who.hears()
        assert "parked" not in next(iter((await who.registered()).values()))
    town.stays_silent(phone, other)


async def test_endpoints_that_are_not_push_services_are_never_called(town: Town) -> None:
    """Whoever registers one chooses it: nothing in our network may be reached by that."""
    called = 0

    def on_call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal called
        called += 1
        writer.close()

    trap = await asyncio.start_server(on_call, "127.0.0.1", 0)
    async with trap:
        port = trap.sockets[0].getsockname()[1]
        endpoints = {
            f"http://127.0.0.1:{port}/push": "not https",
            f"http://localhost:{port}/push": "not https",
            f"https://127.0.0.1:{port}/push": "another port than 443",
            "https://127.0.0.1/push": "not an allowed push service",
            "https://[::1]/push": "not an allowed push service",
            "https://2130706433/push": "not an allowed push service",
            "https://169.254.169.254/latest/meta-data": "not an allowed push service",
            "https://fcm.googleapis.com.example.org/push": "not an allowed push service",
            town.fake.inspect_url: "not https",
        }
        people = await town.people(len(endpoints))
        for who, endpoint in zip(people, endpoints, strict=True):
            await who.register(town.fake.world.make_device("webpush"), address=endpoint)
        room, offset = await town.say_to(*people)
        for who, why in zip(people, endpoints.values(), strict=True):
            assert await room.why(who, offset, "address_dead") == f"{DEAD} ({why})"
            assert await who.parked("webpush") == why
    assert called == 0
    town.stays_silent(*people)


# Not now.


async def test_a_device_that_is_told_too_much_waits_and_holds_up_nobody(town: Town) -> None:
    busy = [await town.person(provider) for provider in PROVIDERS]
    others = [await town.person(provider) for provider in PROVIDERS]
    for who in busy:
        (device,) = who.devices.values()
        town.fake.world.script(device, "busy_device", times=1, retry_after_s=RETRY_AFTER_S)
    room, offset = await town.say_to(*busy, *others)
    for who in others:
        await who.hears()
    said = {"fcm": "QUOTA_EXCEEDED", "apns": "TooManyRequests", "webpush": "429"}
    for who in busy:
        (provider,) = who.devices
        await room.says(who, offset, f"{WAITING} ({said[provider]})")
    # Nor does it hold up what comes now.
    later = [await town.person(provider) for provider in PROVIDERS]
    await town.say_to(*later)
    for who in later:
        await who.hears(within_s=RETRY_AFTER_S)
    for who in (*busy, *others, *later):
        await who.hears()
        who.shows_once()
    for who in busy:
        (device,) = who.devices.values()
        first, second = town.requests(device)
        assert first.status == 429
        assert second.at_ms - first.at_ms >= RETRY_AFTER_S * 1_000
        assert (await room.why(who, offset, "sent")).startswith(SENT)
        assert (await on_device(room, who, offset))["tries"] == 2
    for who, after in zip(busy, later, strict=True):
        assert after.visible()[0].at_ms < who.visible()[0].at_ms
    town.stays_silent(*busy, *others, *later)


async def test_a_project_that_sends_too_much_rests_alone(town: Town) -> None:
    world = town.fake.world
    people = await town.people(5, "fcm")
    (other,) = await town.people(1, "apns")
    world.script("fcm", "busy", times=1, retry_after_s=RETRY_AFTER_S)
    room, offset = await town.say_to(people[0])
    why = f"{WAITING} (QUOTA_EXCEEDED)"
    await room.says(people[0], offset, why)
    # What comes now is not even tried, but by another service.
    room, offset = await town.say_to(*people[1:], other)
    await other.hears()
    await room.says(people[1], offset, why)
    for who in (*people, other):
        await who.hears()
        who.shows_once()
    asked = [each for who in people for each in town.requests(who.devices["fcm"])]
    (refused,) = [each for each in asked if each.status == 429]
    taken = [each.at_ms for each in asked if each.status == 200]
    assert len(taken) == len(people)
    assert min(taken) - refused.at_ms >= RETRY_AFTER_S * 1_000
    town.stays_silent(*people, other)


async def test_what_is_unavailable_for_a_while_is_told_once_afterwards(town: Town) -> None:
    # Fewer than make a push service of the web one that is left alone for half a minute.
    bursts: dict[Service, int] = {"fcm": 7, "apns": 7, "webpush": 4}
    people = await town.people(6, *PROVIDERS)
    for provider, times in bursts.items():
        town.fake.world.script(provider, "unavailable", times=times)
    room, offset = await town.say_to(*people)
    for who in people:
        await who.hears()
    for who in people:
        assert (await room.why(who, offset, "sent")).startswith(SENT)
        who.shows_once()
        assert set(await who.registered()) == set(PROVIDERS)
    town.stays_silent(*people)


async def test_no_push_is_lost_or_doubled_when_a_connection_goes_away(town: Town) -> None:
    """GOAWAY, as Apple sends it, once with streams that are answered yet and once with some that
    were never taken; and a connection that ends with answers under way."""
    world = town.fake.world
    people = await town.people(24, "apns")
    world.script("apns", "slow", times=8, delay_s=0.5)
    world.script("apns", "goaway", times=2)
    count = world.journal.count.value
    room, offset = await town.say_to(*people)
    assert await world.journal.count.wait(count + 6, timeout_s=5)
    town.fake.go_away("production")
    for who in people:
        await who.hears()
    for who in people:
        assert (await room.why(who, offset, "sent")).startswith(SENT)
        who.shows_once()
    asked = [each for who in people for each in town.requests(who.devices["apns"])]
    assert len({each.connection for each in asked if each.status == 200}) > 1
    # Where the answer is lost, it is sent again in the place of what was sent before.
    dropped = await town.people(4, "apns", "fcm", "webpush")
    for provider in PROVIDERS:
        world.script(provider, "drop", times=1)
    room, offset = await town.say_to(*dropped)
    for who in dropped:
        assert (await room.why(who, offset, "sent")).startswith(SENT)
        for provider in PROVIDERS:
            assert who.bodies(provider) == ["hello"]
            assert who.devices[provider].phone.count.value <= 2
    town.stays_silent(*people)


# Never.


async def test_texts_are_shortened_to_what_services_take(town: Town) -> None:
    bob = await town.person(*PROVIDERS)
    small = await town.person("webpush")
    town.fake.world.script(small.devices["webpush"], "too_large", times=1)
    text = "Grüße an alle, die es lesen. " * 130
    room, offset = await town.say_to(bob, small, text=text)
    await bob.hears()
    for provider in PROVIDERS:
        (body,) = bob.bodies(provider)
        assert 2_000 < len(body) < len(text)
        assert body.endswith("…")
        assert text.startswith(body[:-1])
    # A service of the web that takes even less is told where the message is, and no text.
    await small.hears()
    assert small.bodies() == [""]
    for who in (bob, small):
        assert (await room.why(who, offset, "sent")).startswith(SENT)
    town.stays_silent(bob, small)


async def test_what_is_refused_is_kept_until_it_is_replayed_or_purged(town: Town) -> None:
    world = town.fake.world
    bob, carol, dan, eve = people = await town.people(4, "fcm", "apns")
    for who in people:
        world.script(who.devices["fcm"], "bad_payload", times=1)
    room, offset = await town.say_to(*people)
    for who in people:
        # One of the devices is told all the same.
        assert (await room.why(who, offset, "sent")).startswith(SENT)
        assert who.bodies("apns") == ["hello"]
        refused = await on_device(room, who, offset, "fcm")
        assert refused["sentence"] == f"{REFUSED} (INVALID_ARGUMENT)"
        assert who.bodies("fcm") == []

    async def dead(**whose: str) -> list[Document]:
        found: list[Document] = (await town.admin.call("push.dead", **whose))["dead"]
        return [each for each in found if each["channel"] == room.channel]

    async def command(*words: str) -> str:
        made = await asyncio.to_thread(
            town.hub.command, "push", "dead", *words, "--url", town.hub.url
        )
        assert (made.returncode, made.stderr) == (0, "")
        return made.stdout

    letters = await dead()
    assert {each["user"] for each in letters} == {who.name for who in people}
    assert len(letters) == len(people)
    assert {(each["provider"], each["device"], each["why"]) for each in letters} == {
        ("fcm", "fcm", "INVALID_ARGUMENT")
    }
    listed = await command("list")
    for letter in letters:
        assert letter["place"] in listed
    # By one's place over REST, of one user by the command: each is told now, on that device alone.
    (letter,) = await dead(user=bob.name)
    done = await town.admin.call("push.replay", places=[letter["place"]])
    assert done == {"count": 1, "more": False}
    assert "1" in await command("replay", "--user", carol.name)
    for who in (bob, carol):
        await who.hears()
        who.shows_once()
        assert await dead(user=who.name) == []
    # And thrown away, either way.
    (letter,) = await dead(user=dan.name)
    assert await town.admin.call("push.purge", places=[letter["place"]]) == {
        "count": 1,
        "more": False,
    }
    assert "1" in await command("purge", "--user", eve.name)
    assert await dead() == []
    town.stays_silent(*people)
    assert dan.devices["fcm"].phone.count.value == eve.devices["fcm"].phone.count.value == 0
