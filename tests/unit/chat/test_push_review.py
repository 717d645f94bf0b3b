"""Why somebody was told or was not, and dead letters: who may ask, and what is done."""

import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import pytest

from realtime.chat.caller import Caller
from realtime.chat.calls.push_review import NAMED_MAX, OPERATIONS
from realtime.chat.push_review import PushReview
from realtime.chat.rpc import Calls
from realtime.errors import CallRefused, CommandRefused
from realtime.model import NewEntry
from realtime.push.rows import DEAD, JOBS, TRAIL
from realtime.rows import BLOCKS, MEMBERS
from realtime.settings.push_schema import PushSettings
from realtime.stores.base import Span, Value, Write
from tests.support.chat import ROOM, ChatParts, Unlimited, caller, chat_parts

CHANNEL: Final = "room:one"
ADMIN: Final = caller("root", "admin")
AT: Final = 1_700_000_000_000


@asynccontextmanager
async def review(push: Any = "all") -> AsyncIterator[tuple[ChatParts, Calls]]:
    """A room of ann and bob with a message of ann's, and the calls."""
    options = dataclasses.replace(ROOM, push=push, join="invite")
    async with chat_parts(room=options) as parts:
        people = [("ann", "member"), ("bob", "member"), ("left", "")]
        await parts.store.write(
            [Write(MEMBERS, (CHANNEL, user), set={"role": role}) for user, role in people]
        )
        await parts.store.append([NewEntry(CHANNEL, "u:ann", "1", b"{}", AT, counts=True)])
        operations = PushReview(parts.around, PushSettings()).operations
        yield parts, Calls(OPERATIONS, operations, allowances=Unlimited())


async def ask(calls: Calls, name: str, by: Caller = ADMIN, **params: Any) -> Any:
    """What a caller is answered. Raises CommandRefused."""
    return msgspec.json.decode(await calls.call(by, name, msgspec.json.encode(params)), type=dict)


async def explained(calls: Calls, user: str, by: Caller | None = None, offset: int = 1) -> Any:
    """Why a user was told of a message, or was not."""
    params = {"user": user, "channel": CHANNEL, "offset": offset}
    return await ask(calls, "push.explain", by or caller(user), **params)


async def bury(parts: ChatParts, places: Sequence[str], user: str = "bob") -> None:
    """Keep letters of a user."""
    fields: dict[str, Value] = {
        "user": user,
        "channel": CHANNEL,
        "offset": 1,
        "at": AT,
        "device": "phone",
    }
    for start in range(0, len(places), 500):
        await parts.store.write(
            [
                Write(DEAD, (place,), set=fields | {"provider": "apns", "why": "BadTopic"})
                for place in places[start : start + 500]
            ]
        )


async def test_what_was_decided_is_told_device_by_device() -> None:
    async with review() as (parts, calls):
        for device, reason, detail in (("phone", "sent", ""), ("pad", "refused", "BadTopic")):
            fields: dict[str, Value] = {"reason": reason, "detail": detail, "tries": 1, "at": AT}
            await parts.store.write([Write(TRAIL, ("bob", CHANNEL, 1, device), set=fields)])
        for by in (None, ADMIN):
            told = await explained(calls, "bob", by)
            assert (told["reason"], told["at"]) == ("sent", AT)
            assert told["sentence"].startswith("The service has taken it")
            devices = {each["device"]: each for each in told["devices"]}
            assert devices.keys() == {"phone", "pad"}
            assert (devices["pad"]["reason"], devices["pad"]["detail"]) == ("refused", "BadTopic")
            assert devices["pad"]["tries"] == 1


async def test_what_was_not_decided_is_told_from_what_is_known() -> None:
    async with review() as (parts, calls):
        assert (await explained(calls, "ann"))["reason"] == "own_message"
        seen = Write(MEMBERS, (CHANNEL, "bob"), set={"seen": 1, "seen_by": "desk"})
        await parts.store.write([seen])
        told = await explained(calls, "bob")
        assert (told["reason"], told["detail"]) == ("seen", "desk")
        assert (await explained(calls, "bob", offset=9))["reason"] == "unknown"
        assert (await explained(calls, "left", ADMIN))["reason"] == "not_a_member"


async def test_of_what_was_decided_long_ago_nothing_is_known() -> None:
    async with review() as (parts, calls):
        seen = Write(MEMBERS, (CHANNEL, "bob"), set={"seen": 1, "seen_by": "desk"})
        await parts.store.write([seen])
        parts.clock.now_ms = AT + PushSettings().trail_ttl.ms
        assert (await explained(calls, "bob"))["reason"] == "seen"
        parts.clock.now_ms += 1
        assert (await explained(calls, "bob"))["reason"] == "unknown"


async def test_nobody_but_an_admin_learns_that_a_user_is_blocked() -> None:
    async with review() as (parts, calls):
        await parts.store.write([Write(BLOCKS, ("ann", "bob"), set={"at": AT})])
        fields: dict[str, Value] = {"reason": "blocked", "at": AT}
        for decided in (False, True):
            if decided:
                await parts.store.write([Write(TRAIL, ("bob", CHANNEL, 1, ""), set=fields)])
            told = await explained(calls, "bob")
            assert told["reason"] == "never_recipient"
            assert "block" not in told["sentence"]
            assert (await explained(calls, "bob", ADMIN))["reason"] == "blocked"
        await parts.store.write([Write(BLOCKS, ("bob", "ann"), set={"at": AT})])
        assert (await explained(calls, "bob"))["reason"] == "blocked"


async def test_without_push_nobody_was_to_be_told() -> None:
    async with review(push="") as (_, calls):
        assert (await explained(calls, "bob"))["reason"] == "never_recipient"


@pytest.mark.parametrize("by", ["left", "stranger"])
@pytest.mark.parametrize("offset", [1, 9])
async def test_who_is_not_there_does_not_learn_what_there_is(by: str, offset: int) -> None:
    async with review() as (_, calls):
        with pytest.raises(CallRefused) as refused:
            await explained(calls, by, offset=offset)
        assert (refused.value.error.code, refused.value.field) == (404, "channel")


async def test_nobody_asks_about_others() -> None:
    async with review() as (parts, calls):
        await parts.store.write([Write(MEMBERS, (CHANNEL, "mod"), set={"role": "moderator"})])
        for by in ("ann", "mod"):
            with pytest.raises(CommandRefused) as refused:
                await explained(calls, "bob", caller(by))
            assert refused.value.error.code == 103


async def test_a_channel_that_is_no_room_has_nothing_to_explain() -> None:
    async with review() as (_, calls):
        with pytest.raises(CommandRefused) as refused:
            await ask(calls, "push.explain", user="bob", channel="nope:one", offset=1)
        assert refused.value.error.code == 102


async def test_letters_are_listed_page_by_page_the_oldest_first() -> None:
    async with review() as (parts, calls):
        await bury(parts, ["c", "a", "e"])
        await bury(parts, ["b", "d"], "eve")
        pages = []
        cursor = ""
        while True:
            page = await ask(calls, "push.dead", limit=2, cursor=cursor)
            pages.append([letter["place"] for letter in page["dead"]])
            cursor = page.get("cursor", "")
            if not cursor:
                break
        assert pages == [["a", "b"], ["c", "d"], ["e"]]
        page = await ask(calls, "push.dead", user="eve", limit=2)
        assert [letter["place"] for letter in page["dead"]] == ["b", "d"]
        assert "cursor" not in page
        assert page["dead"][0] == {
            "place": "b",
            "user": "eve",
            "channel": CHANNEL,
            "offset": 1,
            "at": AT,
            "why": "BadTopic",
            "provider": "apns",
            "device": "phone",
        }


async def test_letters_are_tried_again_and_kept_no_more() -> None:
    async with review() as (parts, calls):
        await bury(parts, ["a", "b"])
        told = await ask(calls, "push.replay", places=["a", "a", "gone"])
        assert told == {"count": 1, "more": False}
        left = await parts.store.find(DEAD, Span(), limit=9)
        assert [row.place for row in left] == ["b"]
        (job,) = await parts.store.get(JOBS, [("bob", CHANNEL)])
        assert (job.state, job.offset, job.due_at) == ("due", 1, parts.clock.now_ms)


async def test_letters_are_thrown_away() -> None:
    async with review() as (parts, calls):
        await bury(parts, ["a", "b"])
        assert await ask(calls, "push.purge", places=["b", "gone"]) == {"count": 1, "more": False}
        left = await parts.store.find(DEAD, Span(), limit=9)
        assert [row.place for row in left] == ["a"]
        assert await parts.store.find(JOBS, Span(), limit=9) == []


async def test_of_all_one_call_takes_the_oldest() -> None:
    async with review() as (parts, calls):
        places = [f"{number:04}" for number in range(NAMED_MAX + 1)]
        await bury(parts, places)
        await bury(parts, ["0000a"], "eve")
        assert await ask(calls, "push.purge", user="eve") == {"count": 1, "more": False}
        assert await ask(calls, "push.purge", all=True) == {"count": NAMED_MAX, "more": True}
        left = await parts.store.find(DEAD, Span(), limit=9)
        assert [row.place for row in left] == places[-1:]
        assert await ask(calls, "push.replay", all=True) == {"count": 1, "more": False}


@pytest.mark.parametrize("name", ["push.replay", "push.purge"])
@pytest.mark.parametrize("which", [{}, {"places": ["a"], "all": True}, {"places": [""]}])
async def test_who_does_not_say_which_changes_nothing(name: str, which: dict[str, Any]) -> None:
    async with review() as (parts, calls):
        await bury(parts, ["a"])
        with pytest.raises(CallRefused) as refused:
            await ask(calls, name, **which)
        assert refused.value.error.code == 422
        assert refused.value.field.startswith("places")
        assert len(await parts.store.find(DEAD, Span(), limit=9)) == 1


@pytest.mark.parametrize("name", ["push.dead", "push.replay", "push.purge"])
async def test_letters_are_for_admins(name: str) -> None:
    async with review() as (parts, calls):
        await bury(parts, ["a"])
        params = {} if name == "push.dead" else {"all": True}
        with pytest.raises(CommandRefused) as refused:
            await ask(calls, name, caller("bob"), **params)
        assert refused.value.error.code == 103
        assert len(await parts.store.find(DEAD, Span(), limit=9)) == 1
