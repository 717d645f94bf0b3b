"""What is pinned in a room."""

from collections.abc import AsyncIterator

import pytest

from tests.support.chat_messages import DIRECT, MessageParts, message_parts, refused


@pytest.fixture
async def chat() -> AsyncIterator[MessageParts]:
    async with message_parts() as made:
        yield made


async def pinned(chat: MessageParts, channel: str = "room:one") -> list[tuple[int, str]]:
    """What is pinned, and by whom."""
    pins = (await chat.call("chat.pins", "ann", channel=channel)).pins
    return [(pin.message.offset, pin.by) for pin in pins]


async def test_the_newest_pin_comes_first(chat: MessageParts) -> None:
    await chat.member("cid", role="moderator")
    for user, offset in (("ann", 2), ("cid", 1), ("ann", 3)):
        while len(await chat.log()) < 3:
            await chat.send("bob")
        chat.parts.clock.now_ms += 1
        await chat.call("chat.pin", user, offset=offset)
    assert await pinned(chat) == [(3, "ann"), (1, "cid"), (2, "ann")]
    assert (await chat.view(1))["pinned"]
    event = (await chat.log())[-1]
    assert (event.kind, event.data, event.tags) == (
        "pin",
        b'{"pinned":true}',
        {"kind": "pin", "ref": "3"},
    )
    await chat.call("chat.unpin", "ann", offset=1)
    assert await pinned(chat) == [(3, "ann"), (2, "ann")]
    assert "pinned" not in await chat.view(1)


async def test_moderators_pin_and_either_in_a_direct_channel(chat: MessageParts) -> None:
    await chat.send("bob")
    assert (await refused(chat.call("chat.pin", "bob", offset=1))).why == "role"
    assert (await refused(chat.call("chat.unpin", "bob", offset=1))).why == "role"
    await chat.direct("ann", "bob")
    await chat.send("ann", channel=DIRECT)
    await chat.call("chat.pin", "bob", offset=1, channel=DIRECT)
    assert await pinned(chat, DIRECT) == [(1, "bob")]
    await chat.change_room(archived_at=1)
    assert (await refused(chat.call("chat.pin", "ann", offset=1))).why == "archived"


async def test_fifty_messages_are_pinned_and_no_more(chat: MessageParts) -> None:
    for _ in range(51):
        sent = await chat.send("bob")
        if sent.offset % 2:
            await chat.delete("bob", sent.offset)  # a deleted one takes no place
            sent = await chat.send("bob")
        last = sent.offset
        if len(await pinned(chat)) < 50:
            await chat.call("chat.pin", "ann", offset=last)
    assert len(await pinned(chat)) == 50
    problem = await refused(chat.call("chat.pin", "ann", offset=last))
    assert (problem.error.code, problem.why) == (106, "full")
    (first, _), *_ = await pinned(chat)
    await chat.call("chat.pin", "ann", offset=first)  # it has its place already
    await chat.delete("bob", first)
    await chat.call("chat.pin", "ann", offset=last)
    assert (await pinned(chat))[0] == (last, "ann")
