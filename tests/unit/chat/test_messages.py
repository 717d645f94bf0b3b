"""Replies, mentions, edits and deletes of messages in rooms."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from realtime.chat.caller import Caller
from realtime.chat.channel_events import ChannelSettings
from realtime.chat.hooks import Question
from realtime.chat.refusals import denied
from realtime.rows import AUDIT, EVERYBODY, MENTIONS, REFERENCES
from realtime.settings.durations import Duration
from realtime.stores.base import Span
from tests.support.chat import ROOM as ROOM_OPTIONS
from tests.support.chat import caller
from tests.support.chat_messages import DIRECT, ROOM, MessageParts, encode, message_parts, refused


@pytest.fixture
async def chat() -> AsyncIterator[MessageParts]:
    async with message_parts() as made:
        yield made


async def mentioned(chat: MessageParts, offset: int) -> set[str]:
    """Who is mentioned in the rows; EVERYBODY where it was deleted."""
    span = Span((ROOM, offset))
    rows = await chat.parts.store.find(MENTIONS, span, by=("channel", "offset"), limit=100)
    return {row.user for row in rows}


# Replies.


async def test_a_reply_is_in_the_thread_and_not_in_the_channel(chat: MessageParts) -> None:
    root = await chat.send("ann", "root")
    reply = await chat.send("bob", "reply", reply_to=root.offset)
    also = await chat.send("cid", "also", reply_to=root.offset, also_to_channel=True)
    assert (root.n, reply.n, also.n) == (1, 1, 2)
    view = await chat.view(root.offset)
    assert (view["replies"], view["last_reply"]) == (2, also.offset)
    assert (await chat.view(also.offset))["also_to_channel"]
    entry = (await chat.log())[1]
    assert entry.ref == root.offset
    assert entry.tags == {"client_id": "call-2", "ref": "1"}


async def test_a_reply_to_a_reply_belongs_to_the_first_message(chat: MessageParts) -> None:
    root = await chat.send("ann")
    reply = await chat.send("bob", reply_to=root.offset)
    deeper = await chat.send("cid", reply_to=reply.offset)
    assert (await chat.view(deeper.offset))["reply_to"] == root.offset
    assert (await chat.view(root.offset))["replies"] == 2
    assert "replies" not in await chat.view(reply.offset)


async def test_a_deleted_reply_does_not_count(chat: MessageParts) -> None:
    root = await chat.send("ann")
    first = await chat.send("bob", reply_to=root.offset)
    second = await chat.send("bob", reply_to=root.offset)
    await chat.delete("bob", second.offset)
    view = await chat.view(root.offset)
    assert (view["replies"], view["last_reply"]) == (1, first.offset)


async def test_what_is_replied_to_must_be_there(chat: MessageParts) -> None:
    root = await chat.send("ann")
    reaction = await chat.react("bob", root.offset, "👍")
    for offset in (99, reaction.offset):
        problem = await refused(chat.send("bob", reply_to=offset))
        assert (problem.error.code, problem.field) == (404, "reply_to")
    await chat.delete("ann", root.offset)
    assert (await refused(chat.send("bob", reply_to=root.offset))).error.code == 410


async def test_only_a_reply_is_sent_to_both(chat: MessageParts) -> None:
    problem = await refused(chat.send("bob", also_to_channel=True))
    assert (problem.error.code, problem.field) == (422, "also_to_channel")


# Mentions.


async def test_members_are_mentioned(chat: MessageParts) -> None:
    sent = await chat.send("bob", mentions=["cid", "ann", "cid"])
    assert (await chat.view(sent.offset))["mentions"] == ["cid", "ann"]
    assert await mentioned(chat, sent.offset) == {"ann", "cid"}
    rows = await chat.parts.store.find(MENTIONS, Span(("cid",)), limit=10)
    assert [(row.channel, row.offset, row.by) for row in rows] == [(ROOM, sent.offset, "bob")]


async def test_nobody_else_is_mentioned(chat: MessageParts) -> None:
    await chat.member("dan", role="")
    for users, field in ((["eve"], "mentions[0]"), (["cid", "dan"], "mentions[1]")):
        problem = await refused(chat.send("bob", mentions=users))
        assert (problem.error.code, problem.field) == (422, field)
    root = await chat.send("bob")
    problem = await refused(chat.edit("bob", root.offset, 1, mentions=["eve"]))
    assert (problem.error.code, problem.field) == (422, "mentions[0]")


async def test_fifty_users_are_mentioned_and_no_more(chat: MessageParts) -> None:
    users = [f"user-{number}" for number in range(51)]
    await chat.room(users, bob="member")
    with pytest.raises(msgspec.ValidationError):
        await chat.send("bob", mentions=users)
    sent = await chat.send("bob", mentions=users[:50])
    assert len(await mentioned(chat, sent.offset)) == 50


# Edits.


async def test_an_edit_takes_the_place_of_what_was_said(chat: MessageParts) -> None:
    sent = await chat.send("bob", "one", mentions=["cid"])
    await chat.react("cid", sent.offset, "👍")
    chat.parts.clock.now_ms += 5
    written = await chat.edit("bob", sent.offset, {"text": "two"}, mentions=["ann"])
    view = await chat.view(sent.offset)
    assert view["data"] == {"text": "two"}
    assert (view["at"], view["edited_at"]) == (sent.at, written.at)
    assert view["mentions"] == ["ann"]
    assert view["reactions"] == {"👍": {"count": 1}}
    assert await mentioned(chat, sent.offset) == {"ann"}
    message, _, event = await chat.log()
    assert message.tags == {
        "client_id": "call-1",
        "edited_at": str(written.at),
        "mentions": '["ann"]',
    }
    assert (event.kind, event.ref, event.data) == ("edit", sent.offset, b'{"text":"two"}')
    assert event.tags == {"kind": "edit", "ref": "1", "mentions": '["ann"]'}
    assert (event.n, event.counts, event.pending) == (1, False, False)


async def test_a_message_is_edited_by_its_sender_and_by_moderators(chat: MessageParts) -> None:
    sent = await chat.send("bob")
    assert (await refused(chat.edit("cid", sent.offset, 1))).why == "role"
    await chat.edit("bob", sent.offset, 2)
    await chat.edit("ann", sent.offset, 3)
    root = caller("root", "admin")
    await chat.call("chat.edit", root, offset=sent.offset, data=4)
    assert (await chat.view(sent.offset))["data"] == 4
    assert (await chat.view(sent.offset))["user"] == "bob"


async def test_what_others_did_as_moderators_is_in_the_audit_log(chat: MessageParts) -> None:
    sent = await chat.send("bob")
    await chat.edit("bob", sent.offset, 2)
    await chat.edit("ann", sent.offset, 3, client_id="by-ann")
    await chat.edit("ann", sent.offset, 3, client_id="by-ann")
    await chat.delete("ann", sent.offset)
    rows = await chat.parts.store.find(AUDIT, Span((ROOM,)), limit=10)
    assert [(row.by, row.act, row.target, row.offset) for row in rows] == [
        ("ann", "edit_message", "bob", sent.offset),
        ("ann", "delete_message", "bob", sent.offset),
    ]


@pytest.mark.parametrize("change", ["edit", "delete"])
async def test_the_sender_has_the_time_that_the_namespace_gives(change: str) -> None:
    hour = Duration(3_600_000)
    brief = dataclasses.replace(ROOM_OPTIONS, edit_within=hour, delete_within=hour)
    async with message_parts(room=brief) as chat:
        first = await chat.send("bob")
        second = await chat.send("bob")
        chat.parts.clock.now_ms += hour.ms

        def attempt(user: str, offset: int) -> Any:
            return chat.edit(user, offset, 2) if change == "edit" else chat.delete(user, offset)

        await attempt("bob", first.offset)
        chat.parts.clock.now_ms += 1
        problem = await refused(attempt("bob", second.offset))
        assert (problem.error.code, problem.why) == (423, "too_late")
        await attempt("ann", second.offset)


async def test_who_may_not_write_does_not_edit(chat: MessageParts) -> None:
    sent = await chat.send("bob")
    await chat.member("bob", muted_until=-1)
    assert (await refused(chat.edit("bob", sent.offset, 2))).why == "muted"
    await chat.member("bob", role="reader", muted_until=0)
    assert (await refused(chat.edit("bob", sent.offset, 2))).why == "role"
    await chat.member("bob", role="")
    assert (await refused(chat.edit("bob", sent.offset, 2))).why == "not_a_member"
    await chat.member("bob")
    await chat.change_room(settings=encode(ChannelSettings(announce=True)))
    assert (await refused(chat.edit("bob", sent.offset, 2))).why == "role"
    await chat.change_room(archived_at=1)
    for user in ("bob", "ann"):
        assert (await refused(chat.edit(user, sent.offset, 2))).why == "archived"


async def test_what_is_not_there_is_not_changed(chat: MessageParts) -> None:
    sent = await chat.send("bob")
    event = await chat.edit("bob", sent.offset, 2)
    for offset in (99, event.offset):
        for call in (
            chat.edit("bob", offset, 2),
            chat.delete("bob", offset),
            chat.react("bob", offset, "👍"),
            chat.call("chat.pin", "ann", offset=offset),
            chat.call("chat.message", "ann", offset=offset),
        ):
            problem = await refused(call)
            assert (problem.error.code, problem.field) == (404, "offset")
    await chat.delete("bob", sent.offset)
    for call in (
        chat.edit("bob", sent.offset, 2),
        chat.delete("bob", sent.offset),
        chat.react("bob", sent.offset, "👍"),
        chat.call("chat.pin", "ann", offset=sent.offset),
        chat.call("chat.reactions", "ann", offset=sent.offset),
    ):
        assert (await refused(call)).error.code == 410


async def test_strangers_do_not_learn_what_is_there(chat: MessageParts) -> None:
    await chat.send("bob")
    for offset in (1, 99):
        assert (await refused(chat.edit("dan", offset, 2))).why == "not_a_member"
        assert (await refused(chat.delete("dan", offset))).why == "not_a_member"


async def test_the_app_is_asked_about_edits_too() -> None:
    class AppCheck:
        async def ask(self, caller: Caller, question: Question) -> bytes:
            if question.kind == "edit":
                assert (question.ref, question.client_id) == (1, "edit-1")
                if b"no" in bytes(question.data):
                    raise denied("refused_by_hook")
                return b'"that"'
            return bytes(question.data)

    async with message_parts(hook=AppCheck()) as chat:
        await chat.send("bob", "one")
        problem = await refused(chat.edit("bob", 1, "no", client_id="edit-1"))
        assert problem.why == "refused_by_hook"
        await chat.edit("bob", 1, "this", client_id="edit-1")
        assert (await chat.view(1))["data"] == "that"
        again = await chat.edit("bob", 1, "this", client_id="edit-1")
        assert again.duplicate


# Deletes.


async def test_of_what_was_taken_back_nothing_is_left(chat: MessageParts) -> None:
    sent = await chat.send("bob", "secret one", mentions=["cid"])
    await chat.edit("bob", sent.offset, "secret two")
    await chat.edit("bob", sent.offset, "secret three", mentions=["ann"])
    await chat.react("cid", sent.offset, "👍")
    await chat.call("chat.pin", "ann", offset=sent.offset)
    written = await chat.delete("bob", sent.offset)
    view = await chat.view(sent.offset)
    assert view == {
        "offset": 1,
        "n": 1,
        "user": "bob",
        "data": {},
        "at": sent.at,
        "client_id": "call-1",
        "deleted_at": written.at,
    }
    assert await mentioned(chat, sent.offset) == {EVERYBODY}
    log = await chat.log()
    assert b"secret" not in b"".join(entry.data for entry in log)
    assert "mentions" not in "".join(str(entry.tags) for entry in log)
    assert (await chat.call("chat.pins", "ann")).pins == []


async def test_many_edits_are_all_blanked(
    chat: MessageParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.chat.message_folds.FETCHED_MAX", 2)
    sent = await chat.send("bob", "secret")
    for number in range(7):
        await chat.edit("bob", sent.offset, f"secret {number}")
    await chat.delete("bob", sent.offset)
    assert b"secret" not in b"".join(entry.data for entry in await chat.log())


async def test_a_deleted_reply_of_a_thread_alone_was_never_unread(chat: MessageParts) -> None:
    root = await chat.send("ann")
    reply = await chat.send("bob", reply_to=root.offset)
    await chat.delete("bob", reply.offset)
    assert await mentioned(chat, reply.offset) == set()


async def test_a_message_is_deleted_by_its_sender_and_by_moderators(chat: MessageParts) -> None:
    first = await chat.send("bob")
    second = await chat.send("bob")
    assert (await refused(chat.delete("cid", first.offset))).why == "role"
    await chat.member("bob", muted_until=-1)
    await chat.delete("bob", first.offset)
    await chat.change_room(archived_at=1)
    assert (await refused(chat.delete("bob", second.offset))).why == "archived"
    await chat.delete("ann", second.offset)


async def test_messages_of_direct_channels_are_not_changed_past_a_block(
    chat: MessageParts,
) -> None:
    await chat.direct("ann", "bob")
    sent = await chat.send("bob", channel=DIRECT)
    await chat.block("ann", "bob")
    assert (await refused(chat.edit("bob", sent.offset, 2, channel=DIRECT))).why == "blocked"
    problem = await refused(chat.react("bob", sent.offset, "👍", channel=DIRECT))
    assert problem.why == "blocked"
    await chat.delete("bob", sent.offset, channel=DIRECT)


# Retries from the outbox of yesterday.


async def kicked(chat: MessageParts) -> None:
    await chat.member("bob", role="")


async def muted(chat: MessageParts) -> None:
    await chat.member("bob", muted_until=-1)


async def archived(chat: MessageParts) -> None:
    await chat.change_room(archived_at=1)


async def deleted(chat: MessageParts) -> None:
    await chat.delete("ann", 1)


async def edited(chat: MessageParts) -> None:
    await chat.edit("ann", 1, "by ann")


async def unsaid(chat: MessageParts) -> None:
    await chat.call("chat.unreact", "bob", offset=1, emoji="👍")
    await chat.call("chat.unpin", "ann", offset=1)


@pytest.mark.parametrize("move_on", [kicked, muted, archived, deleted, edited, unsaid])
@pytest.mark.parametrize("change", ["edit", "delete", "react", "unreact", "pin", "unpin"])
async def test_a_retry_of_a_change_answers_the_same(
    chat: MessageParts, change: str, move_on: Any
) -> None:
    await chat.member("bob", role="moderator")
    await chat.send("bob", "one")
    if change == "delete" and move_on in (deleted, edited, unsaid):
        return  # nothing is done to what is deleted
    params: dict[str, Any] = {"offset": 1, "client_id": "id-1"}
    if change == "edit":
        params |= {"data": "two", "mentions": ["cid"]}
    if change in ("react", "unreact"):
        params["emoji"] = "👍"
    first = await chat.call(f"chat.{change}", "bob", **params)
    await move_on(chat)
    before = (await chat.log(), await chat.parts.store.find(REFERENCES, Span(), limit=50))
    again = await chat.call(f"chat.{change}", "bob", **params)
    assert again == msgspec.structs.replace(first, duplicate=True)
    after = (await chat.log(), await chat.parts.store.find(REFERENCES, Span(), limit=50))
    assert after == before


@pytest.mark.parametrize("change", ["edit", "delete", "react", "pin"])
async def test_an_id_that_was_used_for_something_else_is_refused(
    chat: MessageParts, change: str
) -> None:
    first = await chat.send("ann", "one", client_id="id-1")
    params: dict[str, Any] = {"offset": first.offset, "client_id": "id-1"}
    params |= {"edit": {"data": "two"}, "react": {"emoji": "👍"}}.get(change, {})
    problem = await refused(chat.call(f"chat.{change}", "ann", **params))
    assert (problem.error.code, problem.why) == (409, "other_data")


async def test_a_reaction_taken_back_under_the_id_it_was_given_under_is_another(
    chat: MessageParts,
) -> None:
    await chat.send("ann")
    await chat.react("bob", 1, "👍", client_id="id-1")
    call = chat.call("chat.unreact", "bob", offset=1, emoji="👍", client_id="id-1")
    assert (await refused(call)).error.code == 409
