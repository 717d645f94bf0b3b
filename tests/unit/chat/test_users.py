import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest

from realtime.chat.answers import Answers
from realtime.chat.caller import Caller
from realtime.chat.calls.users import GetUser, ListUsers, UpdateUser, UserProfile
from realtime.chat.users import Users
from realtime.errors import CallRefused
from realtime.model import ClientInfo
from realtime.rows import USERS, UserRow
from realtime.stores.base import Removal, Write
from tests.support.chat import ChatParts, caller, chat_parts
from tests.support.polling import eventually


@pytest.fixture
async def parts() -> AsyncIterator[ChatParts]:
    async with chat_parts() as made:
        yield made


@pytest.fixture
def users(parts: ChatParts) -> Users:
    return Users(parts.around, Answers(parts.store, parts.clock, ttl_ms=3_600_000))


def update(user: str, client_id: str, **fields: object) -> UpdateUser:
    raw = msgspec.json.encode({"user": user, "client_id": client_id, **fields})
    return msgspec.json.decode(raw, type=UpdateUser)


def with_info(user: str, info: bytes) -> Caller:
    return Caller(user, "user", client="c1", info=ClientInfo(user, "c1", info))


async def row_of(parts: ChatParts, user: str) -> UserRow:
    (row,) = await parts.store.get(USERS, [(user,)])
    return row


async def is_there(parts: ChatParts, user: str) -> bool:
    return bool(await parts.store.get(USERS, [(user,)]))


async def test_what_one_says_of_oneself_is_there_for_others(users: Users) -> None:
    await users.update(
        caller("ann"), update("ann", "1", name="Ann", avatar="https://a.example/a", locale="de")
    )
    assert await users.get(caller("bob"), GetUser("ann")) == UserProfile(
        "ann", "Ann", "https://a.example/a"
    )


async def test_what_is_private_is_told_to_oneself_and_admins(users: Users) -> None:
    profile = await users.update(
        caller("ann"),
        update("ann", "1", locale="de", time_zone="UTC", receipts_off=True, hides_last_seen=True),
    )
    assert profile == UserProfile(
        "ann", locale="de", time_zone="UTC", receipts_off=True, hides_last_seen=True
    )
    assert await users.get(caller("ann"), GetUser("ann")) == profile
    assert await users.get(caller("root", "admin"), GetUser("ann")) == profile
    assert await users.get(caller("bob"), GetUser("ann")) == UserProfile("ann")


async def test_an_update_leaves_what_it_does_not_name(users: Users) -> None:
    await users.update(caller("ann"), update("ann", "1", name="Ann", custom={"a": [1]}))
    profile = await users.update(caller("ann"), update("ann", "2", locale="en"))
    assert (profile.name, profile.locale) == ("Ann", "en")
    assert isinstance(profile.custom, msgspec.Raw)
    assert bytes(profile.custom) == b'{"a":[1]}'
    profile = await users.update(caller("ann"), update("ann", "3", name="", custom={}))
    assert profile == UserProfile("ann", locale="en")


async def test_only_oneself_and_admins_may_change_a_user(users: Users) -> None:
    with pytest.raises(CallRefused) as refused:
        await users.update(caller("bob"), update("ann", "1", name="Bob's"))
    assert refused.value.error.code == 103
    profile = await users.update(caller("root", "admin"), update("ann", "1", name="Ann"))
    assert profile.name == "Ann"


async def test_yesterdays_retry_changes_nothing_and_answers_the_same(users: Users) -> None:
    first = await users.update(caller("ann"), update("ann", "1", name="Ann"))
    await users.update(caller("ann"), update("ann", "2", name="Anna"))
    assert await users.update(caller("ann"), update("ann", "1", name="Ann")) == first
    assert (await users.get(caller("ann"), GetUser("ann"))).name == "Anna"


async def test_the_same_client_id_is_not_for_something_else(users: Users) -> None:
    await users.update(caller("ann"), update("ann", "1", name="Ann"))
    with pytest.raises(CallRefused) as refused:
        await users.update(caller("ann"), update("ann", "1", name="Anna"))
    assert (refused.value.error.code, refused.value.why) == (409, "other_data")


async def test_an_update_that_is_refused_does_not_take_its_client_id(users: Users) -> None:
    with pytest.raises(CallRefused):
        await users.update(caller("ann"), update("ann", "1", locale="en_US"))
    assert (await users.update(caller("ann"), update("ann", "1", locale="en-US"))).locale == "en-US"


async def test_a_stranger_is_not_found_but_oneself_is(users: Users) -> None:
    with pytest.raises(CallRefused) as refused:
        await users.get(caller("ann"), GetUser("bob"))
    assert refused.value.error.code == 404
    assert await users.get(caller("ann"), GetUser("ann")) == UserProfile("ann")


async def test_a_list_leaves_out_whom_nobody_knows(users: Users) -> None:
    await users.update(caller("ann"), update("ann", "1", name="Ann", locale="de"))
    await users.update(caller("bob"), update("bob", "1", name="Bob", locale="de"))
    found = await users.list(caller("bob"), ListUsers(("ann", "bob", "nobody", "ann")))
    assert sorted(found.users, key=lambda profile: profile.user) == [
        UserProfile("ann", "Ann"),
        UserProfile("bob", "Bob", locale="de"),
    ]


async def test_a_tokens_info_names_its_user(parts: ChatParts, users: Users) -> None:
    users.connected(with_info("ann", b'{"name":"Ann","avatar":"https://a.example/a"}'))
    users.connected(with_info("bob", b'{"role":"cook"}'))
    await users.take()
    assert (await row_of(parts, "ann")).name == "Ann"
    assert (await row_of(parts, "ann")).avatar == "https://a.example/a"
    assert msgspec.structs.replace(await row_of(parts, "bob"), changed_at=0) == UserRow(
        "bob", by_token=(await row_of(parts, "bob")).by_token
    )


async def test_the_same_info_does_not_undo_what_was_set_since(
    parts: ChatParts, users: Users
) -> None:
    users.connected(with_info("ann", b'{"name":"Ann"}'))
    await users.take()
    await users.update(caller("ann"), update("ann", "1", name="Anna"))
    other_node = Users(parts.around, Answers(parts.store, parts.clock, ttl_ms=1))
    for node in (users, other_node):
        node.connected(with_info("ann", b'{"name":"Ann"}'))
        await node.take()
    assert (await row_of(parts, "ann")).name == "Anna"


async def test_everybody_who_was_here_is_known(parts: ChatParts, users: Users) -> None:
    users.connected(caller("bob"))
    await users.take()
    assert await users.get(caller("ann"), GetUser("bob")) == UserProfile("bob")


async def test_a_token_without_info_takes_nothing_away(parts: ChatParts, users: Users) -> None:
    await users.update(caller("ann"), update("ann", "1", name="Ann"))
    before = await row_of(parts, "ann")
    parts.clock.now_ms += 1
    users.connected(caller("ann"))
    await users.take()
    assert await row_of(parts, "ann") == before


async def test_what_is_set_while_an_info_is_taken_stays(
    parts: ChatParts, users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    await users.update(caller("ann"), update("ann", "1", name="Ann"))
    write = parts.store.write

    async def update_then_write(writes: Sequence[Write | Removal]) -> None:
        monkeypatch.undo()
        parts.clock.now_ms += 1
        await users.update(caller("ann"), update("ann", "2", name="Anna"))
        await write(writes)

    users.connected(with_info("ann", b'{"name":"Ann of yesterday"}'))
    monkeypatch.setattr(parts.store, "write", update_then_write)
    await users.take()
    assert (await row_of(parts, "ann")).name == "Anna"


async def test_another_info_is_news(parts: ChatParts, users: Users) -> None:
    users.connected(with_info("ann", b'{"name":"Ann","avatar":"https://a.example/a"}'))
    await users.take()
    users.connected(with_info("ann", b'{"name":"Ann Lee"}'))
    await users.take()
    row = await row_of(parts, "ann")
    assert (row.name, row.avatar) == ("Ann Lee", "https://a.example/a")


async def test_an_info_that_is_known_is_not_looked_at(users: Users) -> None:
    users.connected(with_info("ann", b'{"name":"Ann"}'))
    await users.take()
    users.connected(with_info("ann", b'{"name":"Ann"}'))
    assert not users._wanted.is_set()


async def test_the_loop_takes_infos_by_itself(parts: ChatParts, users: Users) -> None:
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        loop = group.create_task(users.run())
        users.connected(with_info("ann", b'{"name":"Ann"}'))
        await eventually(lambda: is_there(parts, "ann"))
        loop.cancel()
