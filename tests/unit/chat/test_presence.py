import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from realtime.auth.device_names import device_name
from realtime.chat import watch_list
from realtime.chat.blocks import Blocks
from realtime.chat.caller import Caller
from realtime.chat.calls.presence import (
    DeviceState,
    GetPresence,
    SetPresence,
    UnwatchPresence,
    UserPresence,
    WatchPresence,
)
from realtime.chat.calls.users import BlockUser, UnblockUser
from realtime.chat.operations import DONE
from realtime.chat.presence import Presence
from realtime.errors import CallRefused, StoreUnavailable
from realtime.rows import USERS
from realtime.stores.base import Removal, Write
from tests.support.chat import ChatParts, caller, chat_parts
from tests.support.hub import until

T = 1_700_000_000_000


@pytest.fixture
async def parts() -> AsyncIterator[ChatParts]:
    async with chat_parts() as made:
        known = ("ann", "bob", "eve")
        await made.store.write([Write(USERS, (user,), initial={"name": user}) for user in known])
        yield made


@pytest.fixture
def blocks(parts: ChatParts) -> Blocks:
    return Blocks(parts.around)


@pytest.fixture
def presence(parts: ChatParts, blocks: Blocks) -> Presence:
    return Presence(parts.around, blocks)


def on(user: str, client: str, device: str = "") -> Caller:
    return Caller(user, "user", client=client, device=device_name(user, device))


def over_http(user: str) -> Caller:
    return Caller(user, "user")


async def got(presence: Presence, asker: str, *users: str) -> list[UserPresence]:
    return (await presence.get(caller(asker), GetPresence(users))).users


async def seconds(parts: ChatParts, presence: Presence, count: int) -> None:
    """Let the time pass, with a round each second."""
    for _ in range(count):
        parts.clock.now_ms += 1_000
        await presence.round()


def hinted(parts: ChatParts) -> list[tuple[tuple[str, ...], list[tuple[str, str, int]]]]:
    """What was told to whom, as users, states and since when after T."""
    told = []
    for users, data, about in parts.stage.hints:
        hint = msgspec.json.decode(data)
        assert (hint["type"], about) == ("presence", "")
        told.append(
            (
                tuple(sorted(users)),
                [
                    (one["user"], one["state"], one["since"] - T if "since" in one else -1)
                    for one in hint["users"]
                ],
            )
        )
    parts.stage.hints.clear()
    return told


async def test_whoever_is_connected_is_active(parts: ChatParts, presence: Presence) -> None:
    presence.connected(on("ann", "c1"))
    assert await got(presence, "bob", "ann", "nobody", "ann") == [
        UserPresence("ann", "active", T + 60_000, T),
        UserPresence("nobody", "offline", T + 60_000),
    ]


@pytest.mark.parametrize("state", ["active", "background", "away"])
async def test_a_connection_says_what_it_is(
    parts: ChatParts, presence: Presence, state: DeviceState
) -> None:
    presence.connected(on("ann", "c1"))
    assert await presence.set(on("ann", "c1"), SetPresence(state)) == DONE
    assert [one.state for one in await got(presence, "bob", "ann")] == [state]


async def test_a_device_is_spoken_for_over_http(presence: Presence) -> None:
    presence.connected(on("ann", "c1", "phone"))
    presence.connected(on("ann", "c2"))
    await presence.set(on("ann", "c2"), SetPresence("away", "laptop"))
    await presence.set(over_http("ann"), SetPresence("background", "phone"))
    assert [one.state for one in await got(presence, "bob", "ann")] == ["background"]
    await presence.set(over_http("ann"), SetPresence("away"))
    assert [one.state for one in await got(presence, "bob", "ann")] == ["away"]


async def test_whoever_has_no_connection_cannot_say_that_they_are_here(presence: Presence) -> None:
    await presence.set(over_http("ann"), SetPresence("active"))
    await presence.set(on("ann", "gone"), SetPresence("active"))
    assert [one.state for one in await got(presence, "bob", "ann")] == ["offline"]


async def test_a_user_is_offline_15_s_after_the_last_connection(
    parts: ChatParts, presence: Presence
) -> None:
    presence.connected(on("ann", "c1"))
    await seconds(parts, presence, 5)
    presence.departed(on("ann", "c1"))
    await seconds(parts, presence, 14)
    assert [one.state for one in await got(presence, "bob", "ann")] == ["active"]
    await seconds(parts, presence, 1)
    (one,) = await got(presence, "bob", "ann")
    assert (one.state, one.since) == ("offline", T + 5_000)


async def test_who_was_last_here_when_is_written_once_a_minute(
    parts: ChatParts, presence: Presence
) -> None:
    seen = []
    for second in range(0, 180):
        if second % 20 == 0:
            presence.connected(on("ann", f"c{second}"))
            presence.departed(on("ann", f"c{second}"))
        await seconds(parts, presence, 1)
        rows = await parts.store.get(USERS, [("ann",)])
        seen += [row.last_seen - T for row in rows if row.last_seen]
    assert sorted(set(seen)) == [0, 60_000, 120_000]


async def test_who_was_erased_is_not_brought_back(parts: ChatParts, presence: Presence) -> None:
    presence.connected(on("ann", "c1"))
    presence.departed(on("ann", "c1"))
    await parts.store.write([Removal(USERS, ("ann",))])
    await seconds(parts, presence, 100)
    assert await parts.store.get(USERS, [("ann",)]) == []


async def test_when_the_node_stops_it_is_written_for_everybody(
    parts: ChatParts, presence: Presence
) -> None:
    presence.connected(on("ann", "c1"))
    presence.connected(on("bob", "c2"))
    presence.departed(on("bob", "c2"))
    parts.clock.now_ms += 2_000
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(presence.run())
        await asyncio.sleep(0)
        loop.cancel()
    rows = await parts.store.get(USERS, [("ann",), ("bob",)])
    assert {row.user: row.last_seen - T for row in rows} == {"ann": 2_000, "bob": 0}


async def test_who_hides_it_is_seen_while_here_and_not_afterwards(
    parts: ChatParts, presence: Presence
) -> None:
    await parts.store.write([Write(USERS, ("ann",), set={"hides_last_seen": 1})])
    presence.connected(on("ann", "c1"))
    assert await got(presence, "bob", "ann") == [UserPresence("ann", "active", T + 60_000, T)]
    presence.departed(on("ann", "c1"))
    await seconds(parts, presence, 15)
    assert await got(presence, "bob", "ann") == [UserPresence("ann", "offline", T + 75_000)]


async def test_a_watch_answers_what_is_and_tells_what_changes(
    parts: ChatParts, presence: Presence
) -> None:
    presence.connected(on("ann", "c1"))
    watched = await presence.watch(on("bob", "c2"), WatchPresence(("ann", "eve"), ttl=100))
    assert watched.until == T + 100_000
    assert watched.users == [
        UserPresence("ann", "active", T + 100_000, T),
        UserPresence("eve", "offline", T + 100_000),
    ]
    await seconds(parts, presence, 1)
    assert hinted(parts) == []
    presence.connected(on("eve", "c3"))
    await presence.set(on("ann", "c1"), SetPresence("background"))
    await seconds(parts, presence, 1)
    assert hinted(parts) == [(("bob",), [("eve", "active", 1_000), ("ann", "background", 1_000)])]


async def test_a_hint_says_until_when_to_believe_it(parts: ChatParts, presence: Presence) -> None:
    await presence.watch(on("bob", "c2"), WatchPresence(("ann",)))
    presence.connected(on("ann", "c1"))
    await seconds(parts, presence, 1)
    ((users, data, _),) = parts.stage.hints
    assert users == ("bob",)
    assert data == (
        b'{"type":"presence","users":[{"user":"ann","state":"active",'
        b'"valid_until":1700000301000,"since":1700000000000}]}'
    )


async def test_what_changes_and_changes_back_is_not_told(
    parts: ChatParts, presence: Presence
) -> None:
    presence.connected(on("ann", "c1"))
    await presence.watch(on("bob", "c2"), WatchPresence(("ann",)))
    await presence.set(on("ann", "c1"), SetPresence("away"))
    await presence.set(on("ann", "c1"), SetPresence("active"))
    await seconds(parts, presence, 1)
    presence.departed(on("ann", "c1"))
    await seconds(parts, presence, 14)
    presence.connected(on("ann", "c4"))
    await seconds(parts, presence, 20)
    assert hinted(parts) == []


async def test_watchers_are_told_when_somebody_was_last_here(
    parts: ChatParts, presence: Presence
) -> None:
    presence.connected(on("ann", "c1"))
    await presence.watch(on("bob", "c2"), WatchPresence(("ann",)))
    await seconds(parts, presence, 3)
    presence.departed(on("ann", "c1"))
    await seconds(parts, presence, 15)
    assert hinted(parts) == [(("bob",), [("ann", "offline", 3_000)])]


async def test_many_watchers_are_told_with_the_same_bytes(
    parts: ChatParts, presence: Presence
) -> None:
    for number in range(600):
        await presence.watch(on(f"user {number}", f"c{number}"), WatchPresence(("ann",)))
    presence.connected(on("ann", "c1"))
    await seconds(parts, presence, 1)
    assert [len(hint[0]) for hint in parts.stage.hints] == [500, 100]
    assert len({hint[1] for hint in parts.stage.hints}) == 1


async def test_a_watch_ends_with_its_time_its_connection_or_when_asked(
    parts: ChatParts, presence: Presence
) -> None:
    await presence.watch(on("bob", "c2"), WatchPresence(("ann",), ttl=2))
    await presence.watch(on("dan", "c3"), WatchPresence(("ann",)))
    await presence.watch(on("eve", "c4"), WatchPresence(("ann",)))
    await presence.watch(over_http("fay"), WatchPresence(("ann",)))
    presence.departed(on("dan", "c3"))
    assert await presence.unwatch(on("eve", "c4"), UnwatchPresence()) == DONE
    parts.clock.now_ms += 2_000
    presence.connected(on("ann", "c1"))
    await presence.round()
    assert hinted(parts) == [(("fay",), [("ann", "active", 2_000)])]


async def test_there_is_an_end_to_watching(
    presence: Presence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_list, "WATCHED_PER_USER_MAX", 2)
    await presence.watch(on("bob", "c2"), WatchPresence(("ann", "dan")))
    with pytest.raises(CallRefused) as refused:
        await presence.watch(on("bob", "c3"), WatchPresence(("eve",)))
    assert (refused.value.error.code, refused.value.why) == (106, "full")


async def test_blocked_users_see_each_other_offline(
    parts: ChatParts, presence: Presence, blocks: Blocks
) -> None:
    for name in ("ann", "bob", "eve"):
        presence.connected(on(name, f"of {name}"))
    await parts.store.write([Write(USERS, ("ann",), set={"last_seen": T})])
    await blocks.block(caller("ann"), BlockUser("bob"))
    assert await got(presence, "bob", "ann") == [UserPresence("ann", "offline", T + 60_000)]
    assert await got(presence, "ann", "bob") == [UserPresence("bob", "offline", T + 60_000)]
    assert [one.state for one in await got(presence, "eve", "ann", "bob")] == ["active"] * 2
    watched = await presence.watch(on("bob", "of bob"), WatchPresence(("ann",)))
    assert watched.users == [UserPresence("ann", "offline", T + 300_000)]


async def test_who_is_blocked_while_watching_is_told_no_more(
    parts: ChatParts, presence: Presence, blocks: Blocks
) -> None:
    presence.connected(on("ann", "c1"))
    await presence.watch(on("bob", "c2"), WatchPresence(("ann",)))
    await presence.watch(on("eve", "c3"), WatchPresence(("ann",)))
    await blocks.block(caller("ann"), BlockUser("bob"))
    await presence.set(on("ann", "c1"), SetPresence("away"))
    await seconds(parts, presence, 1)
    assert hinted(parts) == [(("eve",), [("ann", "away", 0)])]
    await blocks.unblock(caller("ann"), UnblockUser("bob"))
    await presence.set(on("ann", "c1"), SetPresence("active"))
    await seconds(parts, presence, 1)
    assert hinted(parts) == [(("bob", "eve"), [("ann", "active", 1_000)])]


async def test_what_cannot_be_found_out_now_is_told_later(
    parts: ChatParts, presence: Presence, monkeypatch: pytest.MonkeyPatch
) -> None:
    await presence.watch(on("bob", "c2"), WatchPresence(("ann",)))
    presence.connected(on("ann", "c1"))

    async def away(*_: object) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(parts.store, "get", away)
        await seconds(parts, presence, 2)
    assert hinted(parts) == []
    await seconds(parts, presence, 1)
    assert hinted(parts) == [(("bob",), [("ann", "active", 0)])]


async def test_the_loop_goes_round_by_itself(parts: ChatParts, presence: Presence) -> None:
    await presence.watch(on("bob", "c2"), WatchPresence(("ann",)))
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(presence.run())
        presence.connected(on("ann", "c1"))
        await until(lambda: parts.stage.hints)
        loop.cancel()
