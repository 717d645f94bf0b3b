"""The gate for messages: who may write, what is refused and how, and what a retry is answered."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from realtime.chat.caller import Caller
from realtime.chat.calls.messages import Send, Sent
from realtime.chat.channel_events import ChannelSettings
from realtime.chat.operations import Spent
from realtime.chat.refusals import too_many
from realtime.chat.sending import given_client_id
from realtime.chat.slow_mode import SlowMode
from realtime.errors import CallRefused, CommandRefused, StoreUnavailable
from realtime.model import NewEntry
from realtime.rows import MEMBERS
from realtime.settings.durations import Duration
from realtime.stores.base import Appended, Conflict, Write
from tests.support.chat import ROOM as ROOM_OPTIONS
from tests.support.chat import caller
from tests.support.chat_messages import (
    DATA_MAX_BYTES,
    DIRECT,
    ROOM,
    MessageParts,
    encode,
    message_parts,
    refused,
)


@pytest.fixture
async def chat() -> AsyncIterator[MessageParts]:
    async with message_parts() as made:
        yield made


def both(chat: MessageParts, user: str | Caller, channel: str = ROOM) -> list[Any]:
    """The two ways to send, each a fresh call."""
    return [
        chat.call("chat.send", user, data="hi", channel=channel),
        chat.publish(user, channel=channel),
    ]


# What is sent.


async def test_a_message_is_stored_as_it_came_and_counts(chat: MessageParts) -> None:
    sent = await chat.send("bob", {"text": "hi"}, client_id="id-1")
    assert sent == Sent(1, chat.parts.clock.now_ms, 1, duplicate=False)
    (entry,) = await chat.log()
    assert (entry.sender, entry.data, entry.kind) == ("u:bob", b'{"text":"hi"}', "message")
    assert entry.tags == {"client_id": "id-1"}
    assert (entry.counts, entry.n, entry.pending) == (True, 1, False)
    assert entry.info is not None
    assert entry.info.user == "bob"


async def test_a_plain_publish_is_a_send(chat: MessageParts) -> None:
    outcome = await chat.publish("bob", b'{"text":"hi"}')
    assert outcome == Appended(1, chat.parts.clock.now_ms, n=1)
    (entry,) = await chat.log()
    assert (entry.sender, entry.data, entry.tags) == ("u:bob", b'{"text":"hi"}', None)
    assert (entry.counts, entry.pending, entry.digest) == (True, False, b"")


async def test_plain_publishes_without_an_id_are_all_different(chat: MessageParts) -> None:
    outcomes = [await chat.publish("bob") for _ in range(3)]
    assert [outcome.offset for outcome in outcomes] == [1, 2, 3]


async def test_a_client_id_in_the_data_is_honoured(chat: MessageParts) -> None:
    data = b'{"text":"hi","client_id":"id-1"}'
    assert await chat.publish("bob", data) == Appended(1, chat.parts.clock.now_ms, n=1)
    again = await chat.publish("bob", data)
    assert isinstance(again, Appended)
    assert (again.offset, again.duplicate) == (1, True)
    assert isinstance(await chat.publish("bob", b'{"client_id":"id-1"}'), Conflict)
    assert isinstance(await chat.publish("cid", data), Appended)  # ids are each user's own


async def test_both_ways_to_send_are_one_outbox(chat: MessageParts) -> None:
    data = {"text": "hi", "client_id": "id-1"}
    await chat.publish("bob", encode(data))
    again = await chat.send("bob", data, client_id="id-1")
    assert (again.offset, again.duplicate) == (1, True)


async def test_the_same_id_with_other_data_is_a_conflict(chat: MessageParts) -> None:
    first = await chat.send("bob", "one", client_id="id-1")
    for other in (
        {"data": "two"},
        {"data": "one", "mentions": ["cid"]},
        {"data": "one", "reply_to": first.offset},
    ):
        problem = await refused(chat.call("chat.send", "bob", client_id="id-1", **other))
        assert (problem.error.code, problem.why) == (409, "other_data")


@pytest.mark.parametrize(
    ("data", "client_id"),
    [
        (b'{"client_id":"a"}', "a"),
        (b' {"x":{"client_id":"no"},"client_id":"a\\u00e9"}', "aé"),
        (b'{"x":{"client_id":"no"}}', ""),
        (b'{"client_id":null}', ""),
        (b'"\\"client_id\\""', ""),
        (b'["client_id"]', ""),
        (b'[{"client_id":"a"}]', ""),
        (b"{}", ""),
        (b"12", ""),
    ],
)
def test_only_an_id_at_the_top_of_an_object_is_one(data: bytes, client_id: str) -> None:
    assert given_client_id(data) == client_id


@pytest.mark.parametrize("client_id", [b'""', b"1", b'"' + b"x" * 65 + b'"', b"{}"])
async def test_an_id_that_cannot_be_honoured_is_refused(
    chat: MessageParts, client_id: bytes
) -> None:
    problem = await refused(chat.publish("bob", b'{"client_id":' + client_id + b"}"))
    assert (problem.error.code, problem.field) == (422, "client_id")


async def test_data_that_is_too_long_is_refused(chat: MessageParts) -> None:
    assert (await chat.send("bob", "x" * (DATA_MAX_BYTES - 2))).offset == 1
    problem = await refused(chat.send("bob", "x" * (DATA_MAX_BYTES - 1)))
    assert (problem.error.code, problem.field) == (413, "data")


async def test_a_namespace_of_objects_takes_nothing_else() -> None:
    objects = dataclasses.replace(ROOM_OPTIONS, data_format="json_object")
    async with message_parts(room=objects) as chat:
        assert (await chat.send("bob", {"text": "hi"})).offset == 1
        problem = await refused(chat.send("bob", "hi"))
        assert (problem.error.code, problem.field) == (422, "data")


async def test_what_is_no_utf8_is_refused_and_line_breaks_are_taken_out(
    chat: MessageParts,
) -> None:
    operation = chat.messages.operations["chat.send"]
    bad = Send(ROOM, "id-1", msgspec.Raw(b'"\xff"'))
    assert (await refused(operation(caller("bob"), bad))).field == "data"
    spread = Send(ROOM, "id-1", msgspec.Raw(b'{\n"a": 1\r\n}'))
    await operation(caller("bob"), spread)
    assert (await chat.log())[0].data == b'{"a": 1}'


# Who may.


async def test_readers_and_strangers_do_not_write(chat: MessageParts) -> None:
    await chat.member("cid", role="reader")
    await chat.member("eve", role="banned", banned_until=-1)
    for user, why in (("cid", "role"), ("dan", "not_a_member"), ("eve", "banned")):
        for call in both(chat, user):
            problem = await refused(call)
            assert (problem.error.code, problem.why) == (103, why)
    assert await chat.log() == []


async def test_of_a_room_by_invitation_strangers_learn_nothing() -> None:
    private = dataclasses.replace(ROOM_OPTIONS, join="invite")
    async with message_parts(room=private) as chat:
        for channel in (ROOM, "room:none"):
            for call in both(chat, "dan", channel):
                assert (await refused(call)).error.code == 404


async def test_nobody_writes_to_a_channel_that_nobody_made(chat: MessageParts) -> None:
    for call in both(chat, caller("root", "admin"), "room:none"):
        problem = await refused(call)
        assert (problem.error.code, problem.field) == (404, "channel")


async def test_a_namespace_may_keep_publishing_from_members() -> None:
    quiet = dataclasses.replace(ROOM_OPTIONS, publish=())
    async with message_parts(room=quiet) as chat:
        assert (await refused(chat.send("bob"))).why == "role"
        assert (await chat.call("chat.send", caller("root", "admin"), data=1)).offset == 1


async def test_only_moderators_write_announcements(chat: MessageParts) -> None:
    await chat.room(
        settings=ChannelSettings(announce=True), ann="owner", bob="member", cid="moderator"
    )
    for call in both(chat, "bob"):
        assert (await refused(call)).why == "role"
    for user in ("ann", "cid", caller("root", "admin")):
        for call in both(chat, user):
            await call


async def test_who_is_muted_does_not_write_until_then(chat: MessageParts) -> None:
    now = chat.parts.clock.now_ms
    await chat.member("bob", muted_until=now + 62_000)
    await chat.member("cid", muted_until=-1)
    for call in both(chat, "bob"):
        problem = await refused(call)
        assert (problem.error.code, problem.why) == (423, "muted")
        assert problem.retry_after_s == 58
    for call in both(chat, "cid"):
        assert (await refused(call)).retry_after_s == 0
    chat.parts.clock.now_ms = now + 62_000
    for call in both(chat, "bob"):
        await call


async def test_nothing_is_written_to_an_archive(chat: MessageParts) -> None:
    await chat.change_room(archived_at=1)
    for user in ("bob", "ann", caller("root", "admin")):
        for call in both(chat, user):
            problem = await refused(call)
            assert (problem.error.code, problem.why) == (423, "archived")


async def test_two_who_block_each_other_do_not_write_directly(chat: MessageParts) -> None:
    await chat.direct("ann", "bob")
    for call in both(chat, "bob", DIRECT):
        await call
    await chat.block("ann", "bob")
    for user in ("ann", "bob"):
        for call in both(chat, user, DIRECT):
            problem = await refused(call)
            assert (problem.error.code, problem.why) == (103, "blocked")
    for call in both(chat, "bob"):  # in rooms they go on meeting
        await call


async def test_a_plain_publish_is_counted_and_a_call_was(chat: MessageParts) -> None:
    class Empty:
        def __init__(self) -> None:
            self.spent: list[tuple[str, str]] = []

        def spend(self, user: str, what: Spent, cost: float = 1.0) -> None:
            self.spent.append((user, what))
            raise too_many(2.5)

    empty = Empty()
    chat.messages.sending._allowances = empty
    problem = await refused(chat.publish("bob"))
    assert (problem.error.code, problem.retry_after_s) == (111, 3)
    assert empty.spent == [("bob", "sends")]
    await chat.send("bob")
    assert len(empty.spent) == 1


# Without waiting.


async def test_where_all_is_at_hand_nothing_is_waited_for(chat: MessageParts) -> None:
    sending = chat.messages.sending
    waited = sending.prepare(caller("bob"), ROOM, b"1")
    assert not isinstance(waited, NewEntry)
    await waited
    assert isinstance(sending.prepare(caller("bob"), ROOM, b"1"), NewEntry)


async def test_nobody_is_refused_for_what_was_so_a_moment_ago(chat: MessageParts) -> None:
    sending = chat.messages.sending
    await chat.member("cid", muted_until=-1)
    for _ in range(2):
        with pytest.raises(CallRefused) as caught:
            await chat.publish("cid")
        assert caught.value.why == "muted"
    # Another node has unmuted them.
    row = Write(MEMBERS, (ROOM, "cid"), set={"muted_until": 0})
    await chat.parts.store.write([row])
    standing = chat.parts.memberships.known(ROOM, "cid")
    assert standing is not None
    assert standing.muted_until
    prepared = sending.prepare(caller("cid"), ROOM, b"1")
    assert not isinstance(prepared, NewEntry)
    assert (await prepared).data == b"1"


async def test_a_store_that_is_away_refuses_a_plain_publish(
    chat: MessageParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*args: Any, **kwargs: Any) -> Any:
        raise StoreUnavailable("away")

    monkeypatch.setattr(chat.parts.store, "get", away)
    with pytest.raises(CommandRefused) as caught:
        await chat.publish("bob")
    assert caught.value.error.code == 100


# Slow mode.


async def test_a_member_writes_once_in_a_while(chat: MessageParts) -> None:
    await chat.room(settings=ChannelSettings(slow_mode_s=10), ann="owner", bob="member")
    await chat.send("bob")
    chat.parts.clock.now_ms += 3_000
    for call in both(chat, "bob"):
        problem = await refused(call)
        assert (problem.error.code, problem.why) == (423, "slow_mode")
        assert problem.retry_after_s == 7
    for call in both(chat, "ann"):  # moderators need not wait
        await call
    chat.parts.clock.now_ms += 7_000
    await chat.publish("bob")
    assert (await refused(chat.send("bob"))).retry_after_s == 10


async def test_slow_mode_holds_on_every_node(chat: MessageParts) -> None:
    await chat.member("bob")
    nodes = [SlowMode(chat.parts.store, chat.parts.clock) for _ in range(3)]
    await nodes[0].pass_through(ROOM, "bob", "a", least_ms=5_000)
    chat.parts.clock.now_ms += 1_000
    for node in nodes:
        problem = await refused(node.pass_through(ROOM, "bob", "b", least_ms=5_000))
        assert problem.retry_after_s == 4
    await nodes[1].pass_through(ROOM, "bob", "a", least_ms=5_000)  # a retry is no other message
    chat.parts.clock.now_ms += 4_000
    await nodes[2].pass_through(ROOM, "bob", "b", least_ms=5_000)


async def test_the_namespace_may_be_slow_and_a_channel_faster() -> None:
    slow = dataclasses.replace(ROOM_OPTIONS, slow_mode=Duration(60_000))
    async with message_parts(room=slow) as chat:
        await chat.send("bob")
        assert (await refused(chat.send("bob"))).retry_after_s == 60
        await chat.room(settings=ChannelSettings(slow_mode_s=0), bob="member")
        await chat.send("bob")


async def test_channels_that_are_not_slow_write_no_times(chat: MessageParts) -> None:
    await chat.send("bob")
    (row,) = await chat.parts.store.get(MEMBERS, [(ROOM, "bob")])
    assert row.sent_at == 0
