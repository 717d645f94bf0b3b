"""While our own credentials, or our clock, are wrong: what that costs is time, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

import pytest
import pytest_asyncio

from tests.support.polling import eventually
from tests.support.push_town import PROVIDERS, ROOM, Person, Room, Town, open_town
from workers.fakepush.journal import Logged

pytestmark = pytest.mark.asyncio(loop_scope="module")

SENT: Final = "The service has taken it."
WAITING: Final = "It is not decided yet, or is to be tried again."


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """Rooms whose members are told of everything, and who are not there."""
    async with open_town(tmp_path_factory.mktemp("town"), {"namespaces": {"room": ROOM}}) as town:
        yield town


async def all_wait(room: Room, who: Person, offset: int, said: dict[str, str]) -> None:
    """Wait until each of these providers' devices has to wait, for the reason given."""

    async def do_wait() -> bool:
        devices = (await room.explained(who, offset))["devices"]
        sentences = {each["device"]: each["sentence"] for each in devices}
        return all(sentences.get(name) == f"{WAITING} ({why})" for name, why in said.items())

    await eventually(do_wait)


async def test_a_clock_that_is_wrong_costs_time_and_nothing_else(town: Town) -> None:
    """Google's is right, so ours is not: the access token is past its time, and no new one had."""
    world = town.fake.world
    bob = await town.person("fcm", "webpush")
    await town.say_to(bob, text="while all is well")
    await bob.hears()
    try:
        world.rule({"skew_s": 7_200.0})
        room, offset = await town.say_to(bob, text="later")
        assert await bob.devices["webpush"].phone.count.wait(2, timeout_s=5)
        why = "Google refuses the times (iat, exp) of our assertion: set this machine's clock"
        await all_wait(room, bob, offset, {"fcm": why})
    finally:
        world.rule({"skew_s": 0.0})
    await bob.hears(2)
    assert bob.bodies("fcm") == ["while all is well", "later"]
    assert set(await bob.registered()) == {"fcm", "webpush"}
    assert (await room.why(bob, offset, "sent")).startswith(SENT)
    town.stays_silent(bob)


async def test_wrong_credentials_pause_a_service_and_delete_nothing(town: Town) -> None:
    """Keys are changed at Google and Apple. Google's is in a file, and is used as soon as that is
    another one; Apple's has a name in the settings, with which the hub is started."""
    world, hub = town.fake.world, town.hub
    people = await town.people(4, *PROVIDERS)
    log = hub.log_bytes
    world.new_service_account()
    world.new_apns_key()
    room, offset = await town.say_to(*people)
    for who in people:
        assert await who.devices["webpush"].phone.count.wait(1, timeout_s=5)
    account = "Google refuses the service account: check client_email, the key and its id"
    for who in people:
        await all_wait(room, who, offset, {"fcm": account, "apns": "InvalidProviderToken"})
    for name in ("fcm", "apns"):
        await asyncio.to_thread(hub.wait_for_log, f"{name} refuses our credentials", log)
        assert not any(who.bodies(name) for who in people)
    before = len(refusals(town, people))
    room_again, offset_again = await town.say_to(*people, text="and this")
    for who in people:
        assert await who.devices["webpush"].phone.count.wait(2, timeout_s=5)
    # It rests: now and then one request asks, not one for each of those who wait.
    assert len(refusals(town, people)) - before <= len(people)
    town.fake.write_credentials()
    for who in people:
        assert await who.devices["fcm"].phone.count.wait(2, timeout_s=40)
    assert not any(who.bodies("apns") for who in people)
    town.configure()
    assert await asyncio.to_thread(hub.terminate) == 0
    await asyncio.to_thread(hub.start)
    # A service of the web that has taken nothing yet and refuses our key refuses us.
    world.script("webpush", "wrong_credentials", times=1)
    late = await town.person("webpush")
    room_late, offset_late = await town.say_to(late)
    for name in ("fcm", "apns"):
        for who in people:
            assert await who.devices[name].phone.count.wait(2, timeout_s=20)
            assert sorted(who.bodies(name)) == ["and this", "hello"]
    await late.hears()
    await asyncio.to_thread(hub.wait_for_log, "webpush refuses our credentials", log)
    assert (await room_late.why(late, offset_late, "sent")).startswith(SENT)
    for who in people:
        assert set(await who.registered()) == set(PROVIDERS)
        for where, which in ((room, offset), (room_again, offset_again)):
            assert (await where.why(who, which, "sent")).startswith(SENT)
    town.stays_silent(*people, late)


def refusals(town: Town, people: Sequence[Person]) -> list[Logged]:
    """Requests that were refused because of who asked."""
    return [
        each
        for each in town.fake.world.journal.kept
        if each.status in (400, 401, 403) and each.door in ("oauth", "apns") and not each.device
    ]
